"""What operations declare, and whether steps use them so."""

from typing import Any

import pytest

from orchestrator.spec.lint import check
from orchestrator.spec.lint_operations import operations_named
from orchestrator.spec.operations import Effect, OperationInfo, OperationRegistry
from tests.unit.spec.linting import branches, each, found, read, rules, workflow, write
from tests.unit.surroundings import echo, made

TWICE = {"retry": {"max_attempts": 2}}
ONCE = {"retry": {"max_attempts": 1}}


def test_an_unknown_operation_is_a_warning_where_it_is_named() -> None:
    """Also where it undoes; without a register nothing is said."""
    spec = workflow(read("a", compensation="x.z"), {"id": "b", "operation": "x.q"})

    assert [(p.rule, p.path, p.severity) for p in found(*spec.model_dump(exclude_defaults=True)["steps"])] == [
        ("unknown_operation", "steps[0].compensation", "warning"),
        ("unknown_operation", "steps[1].operation", "warning"),
    ]
    assert check(spec) == []


@pytest.mark.parametrize(
    ("step", "fields"),
    [
        ({"operation": "do.once", **TWICE}, {}),
        ({"operation": "do.once"}, {"defaults": TWICE}),
        ({"operation": "do.mail", **TWICE}, {}),
        ({"operation": "do.read", "compensation": {"operation": "do.once", **TWICE}}, {}),
        ({"operation": "do.read", "compensation": "do.once"}, {"compensation": TWICE}),
    ],
)
def test_retry_of_what_is_not_idempotent_is_an_error(step: dict[str, Any], fields: dict[str, Any]) -> None:
    """By the step's own policy or by one that it inherits, forward or to undo."""
    (problem,) = found({"id": "a", **step}, **fields)

    assert (problem.rule, problem.severity) == ("retry_not_idempotent", "error")


@pytest.mark.parametrize(
    ("step", "fields"),
    [
        ({"operation": "do.write", **TWICE}, {}),
        ({"operation": "do.read", **TWICE}, {}),
        ({"operation": "do.once", **ONCE}, {"defaults": TWICE}),
        ({"operation": "do.once"}, {"compensation": TWICE}),
        ({"operation": "do.read", "compensation": "do.once"}, {"defaults": TWICE}),
        ({"operation": "do.read", "compensation": {"operation": "do.once", **ONCE}}, {"compensation": TWICE}),
    ],
)
def test_what_is_idempotent_or_tried_once_is_no_retry_problem(step: dict[str, Any], fields: dict[str, Any]) -> None:
    """Undos take the workflow's terms for undos, steps its defaults; the built-in terms are nobody's mistake."""
    assert rules({"id": "a", **step}, **fields) == []


def test_a_step_that_undoes_takes_the_terms_of_undos() -> None:
    """Not those of steps."""
    steps = [read("a", compensation="undo"), {"id": "undo", "operation": "do.once"}]

    assert rules(*steps, defaults=TWICE) == []
    assert rules(*steps, compensation=TWICE) == [("retry_not_idempotent", "undo")]


PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name"],
    "additionalProperties": False,
}
GREETING = {"x.y": OperationInfo("x.y", "1.0.0", Effect.NONE, idempotent=True, input_schema=PERSON)}


@pytest.mark.parametrize(
    ("fields", "rule", "path"),
    [
        ({}, "missing_input", "steps[0].inputs"),
        ({"inputs": {"nmae": "${input.x}", "name": "Ada"}}, "unknown_input", "steps[0].inputs.nmae"),
        ({"inputs": {"name": 7}}, "wrong_input", "steps[0].inputs.name"),
        (
            {"inputs": "${input}", "compensation": {"operation": "x.y", "inputs": {"age": 7}}},
            "missing_input",
            "steps[0].compensation.inputs",
        ),
        ({"inputs": "${input}", "compensation": "x.y"}, "missing_input", "steps[0].compensation"),
    ],
)
def test_an_input_that_cannot_fit_is_an_error(fields: dict[str, Any], rule: str, path: str) -> None:
    """Forward, to undo, and where an undo is given `undo` because it says nothing."""
    problems = check(workflow({"id": "a", "operation": "x.y", **fields}), operations=GREETING)

    assert [(problem.rule, problem.path, problem.severity) for problem in problems] == [(rule, path, "error")]


@pytest.mark.parametrize("inputs", ["${input}", {"name": "${input.name}", "age": "${input.age}"}, {"name": "Ada"}])
def test_an_input_that_may_fit_is_none(inputs: Any) -> None:
    """What is computed is judged when the step runs."""
    assert check(workflow({"id": "a", "operation": "x.y", "inputs": inputs}), operations=GREETING) == []


def test_the_inputs_of_a_schedule_are_held_against_the_workflows_input() -> None:
    """They start runs without anybody there to mend them."""
    schedule = {"name": "nightly", "every": "1d", "inputs": {"age": "${run.id}"}}

    assert rules(read("a"), input=PERSON, triggers=[{"schedule": schedule}]) == [("missing_input", "")]
    schedule["inputs"] = {"name": "${run.id}"}
    assert rules(read("a"), input=PERSON, triggers=[{"schedule": schedule}]) == []


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("steps.a.output.id", True),
        ("steps.a.output.lines[0].sku", True),
        ("steps.a.output.nothing", False),
        ("steps.a.output.lines[0].name", False),
        ("has(steps.a.output.nothing)", True),
        ("steps.a.outptu", False),
        ("steps.a.status", True),
        ("steps.r.output.anything", True),
        ("steps.p.output.b0", True),
        ("steps.p.output.b7", False),
        ("run.started_at", True),
        ("run.started", False),
        ("input.name", True),
        ("input.nmae", False),
        ("ctx.anything", True),
    ],
)
def test_a_path_that_a_closed_schema_does_not_have_is_an_error(text: str, known: bool) -> None:
    """Of outputs, inputs and what we give ourselves; where a schema leaves it open, nothing is said."""
    steps = [write("a", pivot=True), read("r"), branches("p", [read("c")]), read("z", inputs={"x": f"${{{text}}}"})]

    assert rules(*steps, input=PERSON) == ([] if known else [("unknown_path", "z")])


def test_operations_of_this_process_are_known_by_what_their_code_declares() -> None:
    """The register is asked as a mapping is."""
    registry = OperationRegistry()
    registry.register(made("x.y", echo))

    assert check(workflow({"id": "a", "operation": "x.y"}), operations=registry) == []


def test_every_operation_is_named_once_nested_flows_included() -> None:
    """As publishing freezes them."""
    spec = workflow(
        read("a", compensation="x.z"),
        each("m", read("b", compensation={"operation": "x.w"})),
        branches("p", [write("c", compensation="undo"), {"id": "undo", "operation": "x.u"}]),
    )

    assert operations_named(spec) == ("do.read", "x.z", "x.w", "do.write", "x.u")
