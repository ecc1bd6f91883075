from typing import Any

import pytest

from orchestrator.spec.lint import check
from orchestrator.spec.workflow import WorkflowSpec


def work(name: str, **fields: Any) -> dict[str, Any]:
    """An operation step as it is written."""
    return {"id": name, "operation": "x.y", **fields}


def problems(*steps: dict[str, Any], **fields: Any) -> list[tuple[str, str]]:
    """Which rules are broken, and where."""
    spec = WorkflowSpec.model_validate({"meta": {"key": "a.b", "version": "1.0.0"}, "steps": steps, **fields})
    return [(problem.rule, problem.path) for problem in check(spec)]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"inputs": {"a": [{"b": "${1 +}"}]}}, "inputs.a[0].b"),
        ({"limits": [{"key": "${1 +}", "max": 1}]}, "limits[0].key"),
        ({"transitions": [{"when": "1 +", "to": "$end"}], "on_success": "$end"}, "transitions[0].when"),
        ({"on_failure": [{"when": "1 +", "to": "$end"}]}, "on_failure[0].when"),
        ({"compensation": {"operation": "x.z", "inputs": "${1 +}"}}, "compensation.inputs"),
        ({"when": "1 +"}, "when"),
        ({"operation": None, "wait": "${1 +}"}, "wait"),
        ({"operation": None, "wait": {"until": "1 +"}}, "wait.until"),
        ({"operation": None, "event": {"type": "t", "filter": "1 +"}}, "event.filter"),
        (
            {"operation": None, "event": {"type": "t", "correlation": {"event": "1 +", "value": "1"}}},
            "event.correlation.event",
        ),
        ({"operation": None, "approval": {"users": ["ann", "${1 +}"]}}, "approval.users[1]"),
        (
            {"operation": None, "approval": {"users": ["ann"], "escalate": [{"after": "1h", "groups": ["${1 +}"]}]}},
            "approval.escalate[0].groups[0]",
        ),
        ({"operation": None, "map": {"items": "1 +", "steps": [work("b")]}}, "map.items"),
        ({"operation": None, "map": {"items": "input", "output": "${1 +}", "steps": [work("b")]}}, "map.output"),
    ],
)
def test_syntax_is_checked_wherever_an_expression_stands(fields: dict[str, Any], path: str) -> None:
    """At its place in the spec."""
    assert problems({**work("a"), **fields}) == [("expression_syntax", f"steps[0].{path}")]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"output": {"a": "${nobody}"}}, "output.a"),
        ({"search": {"who": "steps.a.output"}}, "search.who"),
        ({"limits": [{"key": "${steps.a.output}", "max": 1}]}, "limits[0].key"),
        (
            {"triggers": [{"schedule": {"name": "n", "every": "1h", "inputs": "${input}"}}]},
            "triggers[0].schedule.inputs",
        ),
        ({"triggers": [{"event": {"name": "n", "type": "t", "filter": "input.x"}}]}, "triggers[0].event.filter"),
        ({"triggers": [{"event": {"name": "n", "type": "t", "dedupe": ["run.id"]}}]}, "triggers[0].event.dedupe[0]"),
    ],
)
def test_workflow_fields_see_their_own_roots_only(fields: dict[str, Any], path: str) -> None:
    """Search sees input and ctx; a schedule the run; an event trigger the event."""
    assert problems(work("a"), **fields) == [("unknown_root", path)]


@pytest.mark.parametrize("root", ["error", "undo", "item", "index", "event", "nobody"])
def test_step_on_the_main_path_sees_input_ctx_run_and_steps(root: str) -> None:
    """Nothing else."""
    seen = {name: f"${{{name}.id}}" for name in ("input", "ctx", "run")} | {"steps": "${steps.a.status}"}

    assert problems(work("a", inputs=seen)) == []
    assert problems(work("a", inputs=f"${{{root}.x}}")) == [("unknown_root", "steps[0].inputs")]


def test_error_is_seen_on_a_failure_path_until_it_rejoins() -> None:
    """There, a success may have led as well."""
    reading = {"inputs": "${error.code}"}
    first, mend = work("a", on_success="b", on_failure="mend"), work("mend", on_success="b", **reading)

    assert problems(first, work("b"), mend) == []
    assert problems(first, work("b", **reading), mend) == [("unknown_root", "steps[1].inputs")]


def test_error_is_seen_inside_a_container_on_a_failure_path() -> None:
    """What the container sees, its flows see."""
    body = {"items": "error.details.lines", "steps": [work("c", inputs="${error.code}")]}

    assert not problems(work("a", on_failure="each"), {"id": "each", "map": body, "on_success": "$fail"})


def test_route_of_a_failure_sees_the_error() -> None:
    """Its condition is judged when the step has failed."""
    assert not problems(work("a", on_failure=[{"when": "error.details.n > 1", "to": "$end"}]))


def test_undo_is_seen_in_a_compensation_only() -> None:
    """As a step of its own, or in the object form."""
    reading = {"inputs": {"key": "${undo.idempotency_key}"}}

    assert not problems(work("a", compensation="b"), work("b", **reading))
    assert not problems(work("a", compensation={"operation": "x.z", **reading}))


def test_item_has_the_name_that_its_map_gives_it() -> None:
    """Inner maps see the items around them."""
    inner = {"items": "line.parts", "item_name": "part", "steps": [work("c", inputs={"a": "${line.n + part.n}"})]}
    outer = {"items": "input.lines", "item_name": "line", "steps": [{"id": "b", "map": inner}]}

    assert problems({"id": "a", "map": outer}) == []
    outer["steps"] = [work("b", inputs="${item}")]
    assert problems({"id": "a", "map": outer}) == [("unknown_root", "steps[0].map.steps[0].inputs")]


def test_event_is_seen_beside_the_roots_in_a_filter() -> None:
    """In a correlation, one side sees the event alone."""
    event = {"type": "t", "filter": "event.data.id == input.id"}

    assert not problems({"id": "a", "event": event})
    event["correlation"] = {"event": "input.id", "value": "input.id"}  # type: ignore[assignment]
    assert problems({"id": "a", "event": event}) == [("unknown_root", "steps[0].event.correlation.event")]


def test_steps_are_seen_in_the_own_flow_and_those_around() -> None:
    """With `-` or `_`."""
    body = {"items": "steps.get_lines.output", "steps": [work("c", inputs={"all": '${steps["get-lines"].output}'})]}

    assert not problems(work("get-lines"), {"id": "each", "map": body})


@pytest.mark.parametrize("name", ["inside", "nowhere", "undo"])
def test_step_elsewhere_cannot_be_read(name: str) -> None:
    """Not inside a container, not one that does not exist, not one that compensates."""
    body = {"items": "input", "steps": [work("inside")]}
    reader = work("b", inputs=f"${{steps.{name}.output}}")

    found = problems({"id": "a", "map": body}, work("c", compensation="undo"), reader, work("undo"))

    assert found == [("unknown_step", "steps[2].inputs")]


def test_computed_step_id_is_refused() -> None:
    """Which step is read must be seen without running it."""
    found = problems(work("a"), work("b", inputs="${steps[input.which].output}"))

    assert found == [("computed_step_id", "steps[1].inputs")]


def test_all_problems_are_found_at_once() -> None:
    """Also several in one field."""
    found = problems(work("a", inputs={"x": "${nobody} ${steps.gone.output}", "y": "${1 +}"}))

    assert found == [
        ("unknown_root", "steps[0].inputs.x"),
        ("unknown_step", "steps[0].inputs.x"),
        ("expression_syntax", "steps[0].inputs.y"),
    ]
