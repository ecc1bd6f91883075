from pathlib import Path

import pytest

from orchestrator.errors import SpecInvalid
from orchestrator.spec.loader import load_path, load_text
from orchestrator.spec.workflow import StepKind
from tests.unit.spec.examples import ORDER_YAML, PAYMENT

SMALL = """
meta: {{key: {key}, version: 1.0.0}}
steps: [{{id: a, operation: x.y}}]
"""

TWO_IN_PYTHON = """
from orchestrator.spec.workflow import Meta, Step, define_workflow

First = define_workflow(meta=Meta(key="a.first", version="1.0.0"), steps=[Step(id="a", operation="x.y")])
Second = define_workflow(
    meta=Meta(key="a.second", version="1.0.0"),
    steps=[
        Step(id="a", operation="x.y"),
        Step(id="lost", operation="x.y", on_success="nowhere"),
    ],
)
Again = First
"""


def test_payment_example_loads_as_written() -> None:
    """The reference example of the design, without a problem."""
    (loaded,) = load_text(PAYMENT, "payment.py")

    assert loaded.problems == ()
    assert loaded.spec.meta.key == "payment.flow"
    assert loaded.spec.steps[2].inputs["data"] == '${steps["charge-payment"].output}'


def test_order_example_loads_as_written() -> None:
    """The YAML example of the design, without a problem."""
    (loaded,) = load_text(ORDER_YAML, "order.yaml")

    kinds = [step.kind for step in loaded.spec.steps]
    assert loaded.problems == ()
    assert kinds == [StepKind.CHOICE, StepKind.APPROVAL, StepKind.MAP, StepKind.PARALLEL, StepKind.WORKFLOW]


def test_yaml_file_holds_one_workflow_a_document() -> None:
    """Empty documents are passed over."""
    text = "---\n".join(["", SMALL.format(key="a.one"), "\n", SMALL.format(key="a.two")])

    assert [loaded.spec.meta.key for loaded in load_text(text, "two.yml")] == ["a.one", "a.two"]


def test_folder_gives_every_workflow_of_its_files(tmp_path: Path) -> None:
    """Python, YAML and JSON, in the order of their names; hidden and private files are passed over."""
    (tmp_path / "b.yaml").write_text(SMALL.format(key="a.yaml"))
    (tmp_path / "a.json").write_text(
        '{"meta": {"key": "a.json", "version": "1.0.0"}, "steps": [{"id": "a", "wait": "1s"}]}'
    )
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "c.py").write_text(TWO_IN_PYTHON.replace(', on_success="nowhere"', ""))
    (tmp_path / "_shared.py").write_text("raise RuntimeError")
    (tmp_path / "notes.txt").write_text("not a workflow")

    loaded = load_path(tmp_path)

    assert [one.spec.meta.key for one in loaded] == ["a.json", "a.yaml", "a.first", "a.second"]
    assert loaded[2].source == str(tmp_path / "inner" / "c.py")


def test_every_problem_of_every_document_is_reported_with_its_place() -> None:
    """Not only the first, and not only the first document's."""
    text = """\
meta: {key: a.one, version: 1.0.0}
steps:
  - {id: a, operation: x.y, onSucces: b}
  - {id: b, wait: 1:30}
---
meta: {key: a.two, version: 1.0.0}
steps:
  - id: a
    operation: x.y
    on_failure: nowhere
    inputs:
      who: "${nobody.name}"
"""
    with pytest.raises(SpecInvalid) as raised:
        load_text(text, "two.yaml")

    assert [(p.rule, p.file, p.line, p.column, p.step) for p in raised.value.problems] == [
        ("unknown_field", "two.yaml", 3, 29, "a"),
        ("invalid_duration", "two.yaml", 4, 13, "b"),
        ("unknown_step", "two.yaml", 10, 5, "a"),
        ("unknown_root", "two.yaml", 12, 7, "a"),
    ]


def test_problem_in_python_has_the_line_of_its_step() -> None:
    """Other workflows of the file do not hide it."""
    with pytest.raises(SpecInvalid) as raised:
        load_text(TWO_IN_PYTHON, "flows.py")

    places = {(p.rule, p.line, p.column) for p in raised.value.problems}
    assert places == {("unreachable", 9, 9), ("unknown_step", 9, 9)}


def test_problem_of_a_whole_workflow_in_python_has_the_line_of_its_name() -> None:
    """The first of its names, if it has two."""
    text = TWO_IN_PYTHON.replace('steps=[Step(id="a"', 'search={"x": "nobody"}, steps=[Step(id="a"', 1)

    with pytest.raises(SpecInvalid) as raised:
        load_text(text, "flows.py")

    assert [p.line for p in raised.value.problems if p.rule == "unknown_root"] == [4]


@pytest.mark.parametrize(
    ("text", "rule", "line"),
    [
        ("x = (\n", "python_syntax", 1),
        ("\nimport nothing_like_this\n", "python_error", 2),
        ("from orchestrator.spec.workflow import Step\n\nStep(id='a', wiat='1s')\n", "unknown_field", 3),
        ("x = 1\n", "no_workflow", 0),
    ],
)
def test_python_that_fails_is_a_problem_of_its_line(text: str, rule: str, line: int) -> None:
    """Whatever it raises."""
    with pytest.raises(SpecInvalid) as raised:
        load_text(text, "broken.py")

    assert [(p.rule, p.line, p.file) for p in raised.value.problems] == [(rule, line, "broken.py")]


@pytest.mark.parametrize(("name", "text", "rule"), [("a.toml", "", "unknown_format"), ("a.yaml", "", "no_workflow")])
def test_file_without_a_workflow_is_a_problem(name: str, text: str, rule: str) -> None:
    """It says so, with the file."""
    with pytest.raises(SpecInvalid) as raised:
        load_text(text, name)

    assert [(p.rule, p.file) for p in raised.value.problems] == [(rule, name)]


def test_missing_file_is_a_problem(tmp_path: Path) -> None:
    """Not an exception of the file system."""
    with pytest.raises(SpecInvalid) as raised:
        load_path(tmp_path / "none.yaml")

    assert [p.rule for p in raised.value.problems] == ["unreadable_file"]


def test_warnings_come_with_the_spec() -> None:
    """They do not stop it from loading."""
    text = "meta: {key: a.b, version: 1.0.0}\nsteps:\n  - id: a\n    operation: x.y\n    timeout: 30\n"

    (loaded,) = load_text(text, "small.yaml")

    assert [(p.rule, p.severity, p.line) for p in loaded.problems] == [("bare_milliseconds", "warning", 5)]
