from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.engine import fields
from orchestrator.engine.ends import flow_output, go
from orchestrator.engine.onward import Terms, failure_target, success_target
from orchestrator.engine.outcome import Failure
from orchestrator.engine.reads import reads_for
from orchestrator.engine.stages import RUN_DRAINED, Timing
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Plan
from tests.property.specs import plan_of

TERMS = Terms(Timing(), token="next")


def view_of(**given: Any) -> RunView:
    """A view of a running run with this input."""
    return RunView("run", {"incarnation": "1", "status": "running", "stopping": "0", "input": json.dumps(given)}, 1_000)


def routed(*routes: dict[str, str], **step: Any) -> Plan:
    """A plan whose step `a` has these transitions."""
    targets = [{"id": name, "operation": "do.write", "on_success": "$end"} for name in ("b", "c")]
    steps = [{"id": "a", "operation": "do.write", "transitions": list(routes), **step}, *targets]
    return plan_of(*steps)


def failing(*routes: dict[str, Any]) -> Plan:
    """A plan whose step `a` has these failure routes."""
    ends = [{"id": name, "operation": "do.write", "on_success": "$end"} for name in ("b", "c")]
    named = {"b", *(route["to"] for route in routes)}
    step = {"id": "a", "operation": "do.write", "on_failure": list(routes), "on_success": "b"}
    return plan_of(step, *(end for end in ends if end["id"] in named))


ROUTES = ({"when": "steps.a.output.n > 1", "to": "b"}, {"when": "input.flag", "to": "c"})


@pytest.mark.parametrize(
    ("output", "flag", "target"), [("2", False, "b"), ("2", True, "b"), ("1", True, "c"), ("1", False, "$end")]
)
def test_the_first_route_that_holds_is_taken(output: str, flag: bool, target: str) -> None:
    """Its own output is in sight; without any that holds, the default."""
    plan = routed(*ROUTES, on_success="$end")

    assert success_target(plan, view_of(flag=flag), "a", f'{{"n": {output}}}') == target


def test_no_route_that_holds_is_a_failure_of_a_step_that_is_done() -> None:
    """The operation has returned, so its effect is there."""
    found = success_target(routed(*ROUTES), view_of(flag=False), "a", '{"n": 1}')

    assert isinstance(found, Failure)
    assert (found.code, found.returned) == ("no_transition", True)


def test_a_condition_that_raises_never_holds() -> None:
    """It fails the step, whatever stands after it."""
    found = success_target(routed(*ROUTES, on_success="$end"), view_of(flag=True), "a", "{}")

    assert isinstance(found, Failure)
    assert (found.code, found.returned) == ("expression_error", True)


@pytest.mark.parametrize(
    ("code", "flag", "target"), [("x", True, "b"), ("x", False, "c"), ("y", True, "c"), ("z", True, "$fail")]
)
def test_a_failure_takes_the_first_route_for_its_code(code: str, flag: bool, target: str) -> None:
    """A route may ask for a condition as well; a failure that none takes is nobody's."""
    plan = failing({"errors": ["x"], "when": "input.flag", "to": "b"}, {"errors": ["x", "y"], "to": "c"})

    assert failure_target(plan, view_of(flag=flag), "a", {"code": code, "message": ""}) == target


def test_a_failure_condition_that_raises_handles_nothing() -> None:
    """A condition never passes by error."""
    plan = failing({"errors": ["*"], "when": "input.missing", "to": "b"}, {"errors": ["*"], "to": "c"})

    assert failure_target(plan, view_of(), "a", {"code": "x", "message": ""}) == "$fail"


def test_the_next_operation_is_claimed_by_the_same_commit() -> None:
    """If this message may go on with it; else it is only made ready."""
    plan = failing()

    fused = go(plan, view_of(), "b", TERMS, origin="a", cause=None)
    apart = go(plan, view_of(), "b", Terms(Timing(), "next", fuses=lambda _: False), origin="a", cause=None)

    assert (fused.to, fused.claims, fused.second is not None) == ("b", "b", True)
    assert (apart.to, apart.claims, apart.second) == ("b", None, None)
    assert apart.changes.set[fields.state("b")] == "ready"


def test_a_handler_knows_which_failure_led_to_it() -> None:
    """Its `error` root is the record of that step."""
    onward = go(failing({"errors": ["*"], "to": "c"}), view_of(), "c", TERMS, origin="a", cause="a")

    assert onward.changes.set[fields.cause("c")] == "a"


def test_the_end_is_a_second_stage() -> None:
    """A cancel in between refuses it, and the flow is found drained instead."""
    onward = go(failing(), view_of(), "$end", TERMS, origin="b", cause=None)

    assert onward.second is not None
    assert onward.second.changes.end
    assert onward.then == (RUN_DRAINED,)


def test_fail_stops_the_run_with_the_error_that_led_there() -> None:
    """Or with its own, if no failure did."""
    error = {"code": "x", "message": "", "step": "a", "address": "a"}

    view = view_of()
    view.learn({fields.error("a"): json.dumps(error)}, 1_000)

    led, written = (go(failing(), view, "$fail", TERMS, origin="b", cause=cause) for cause in ("a", None))

    assert led.stops
    assert led.second is not None
    assert written.second is not None
    assert json.loads(led.second.changes.set[fields.ERROR]) == error
    assert json.loads(written.second.changes.set[fields.ERROR])["code"] == "failed"


def test_the_output_of_a_flow_is_its_own_or_its_last_steps() -> None:
    """As the workflow says; a step without an output gives null."""
    view = view_of(n=1)
    view.learn({fields.output("b"): '{"n":2}'}, 1_000)
    steps = ({"id": "a", "operation": "do.write"}, {"id": "b", "operation": "do.write"})

    assert flow_output(plan_of(*steps), view, "", "b") == '{"n":2}'
    assert flow_output(plan_of(*steps), view, "", "a") == "null"
    assert flow_output(plan_of(*steps, output={"sum": "${input.n}"}), view, "", "b") == '{"sum":1}'


def test_an_output_that_does_not_fit_its_schema_fails_the_run() -> None:
    """As `invalid_output`; one that raises, as `expression_error`."""
    step = {"id": "a", "operation": "do.write"}
    schema = plan_of(step, output={"sum": "${input.n}"}, output_schema={"properties": {"sum": {"type": "string"}}})
    raises = plan_of(step, output={"sum": "${input.missing}"})

    found = [flow_output(plan, view_of(n=1), "", "a") for plan in (schema, raises)]

    assert [failure.code for failure in found if isinstance(failure, Failure)] == ["invalid_output", "expression_error"]


def test_ctx_and_what_expressions_name_is_read() -> None:
    """What inputs, transitions and output take, and `ctx` for the operation; not the step's own output."""
    plan = plan_of(
        {"id": "a", "operation": "do.write"},
        {"id": "b", "operation": "do.write", "inputs": {"n": "${steps.a.output}"}},
        output={"last": "${steps.b.output}", "given": "${input.n}"},
    )

    names = reads_for(plan, RunView("run", {}, 1_000), "b")

    assert set(names) == {"created_at", "ctx", "input", "a:out"}


def test_an_undo_reads_everything_that_its_step_may_have_left() -> None:
    """Result, late result and progress, and what its input was made of."""
    plan = plan_of({"id": "a", "operation": "do.write", "compensation": "undo.write", "inputs": {"n": "${input.n}"}})

    names = reads_for(plan, RunView("run", {}, 1_000), "a~")

    assert {"a:out", "a:late", "a:beat", "a:done", "a:state", "input"} <= set(names)
