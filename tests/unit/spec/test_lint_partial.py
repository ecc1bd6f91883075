"""A field that is wrong does not hide what is wrong elsewhere."""

import pytest

from orchestrator.errors import SpecInvalid
from orchestrator.spec.loader import load_text


def problems(text: str) -> list[tuple[str, int]]:
    """The rules that a YAML text breaks, and the lines."""
    with pytest.raises(SpecInvalid) as raised:
        load_text(text, "spec.yaml")
    return [(problem.rule, problem.line) for problem in raised.value.problems]


def test_a_wrong_version_hides_no_problem_of_the_steps() -> None:
    """Nor does a field that is not there."""
    text = """
meta: {key: a.b, version: one}
onEnd: nothing
steps:
  - {id: a, operation: x.y, inputs: {x: "${1 +}"}}
  - {id: a-b, operation: x.y, inputs: {x: "${steps.gone.output}"}}
"""
    assert problems(text) == [
        ("invalid_version", 2),
        ("unknown_field", 3),
        ("expression_syntax", 5),
        ("unknown_step", 6),
    ]


def test_a_wrong_step_hides_no_problem_of_the_others_and_causes_none() -> None:
    """What only its absence could explain is not told."""
    text = """
meta: {key: a.b, version: 1.0.0}
steps:
  - {id: a, operation: x.y, on_success: step2}
  - {id: step2, operation: x.y, onSucess: c}
  - {id: c, operation: x.y, timeout: 5, inputs: {x: "${steps.step2.output}", y: "${1 +}"}}
"""
    assert problems(text) == [("vague_id", 5), ("unknown_field", 5), ("bare_milliseconds", 6), ("expression_syntax", 6)]


@pytest.mark.parametrize(
    "text", ["steps: nothing", "- a list", "meta: {key: a.b, version: 1.0.0}\nsteps: [{wait: 1s, wiat: 2}, 7]"]
)
def test_where_too_little_is_left_only_the_fields_are_told(text: str) -> None:
    """Nothing is raised."""
    assert {rule for rule, _ in problems(text)} <= {"missing_field", "invalid_value", "unknown_field"}
