"""What must hold of flows after every commit: joins, needs, loops, the width of maps, and why something stops."""

from __future__ import annotations

import json
from collections.abc import Mapping

from orchestrator.engine.address import (
    drain_of,
    flow_of,
    is_drain,
    is_lane,
    is_undo,
    parse_address,
    scopes_around,
    visit_of,
    within,
)
from orchestrator.engine.places import node_at
from orchestrator.engine.state import SETTLED, StepState
from orchestrator.plan.graph import Container, Needs, Plan

States = Mapping[str, StepState]
Values = Mapping[str, str]


def failed(state: StepState) -> bool:
    """Whether a step came to a bad end of its own."""
    return state in (StepState.FAILED, StepState.LOST)


def lies_inside(scope: str, address: str) -> bool:
    """Whether an address lies inside a container or a flow, or the run; its own undo does not."""
    if not scope:
        return True
    return address.startswith((f"{scope}[", f"{scope}/", f"{scope}~~")) and address != drain_of(scope)


def members_of(container: str, terms: Container, values: Values) -> list[str]:
    """The flows of a container that has begun, in order."""
    keys = terms.branches or range(int(values.get(f"{container}:size", "0")))
    return [f"{container}[{key}]" for key in keys]


def check_flows(plan: Plan, before: States, after: States, values: Values) -> None:
    """Whatever became of a step by one commit, its flow and its container allow."""
    for address, state in after.items():
        was = before.get(address, StepState.PENDING)
        if is_drain(address) or is_undo(address) or is_lane(address):
            continue
        node = node_at(plan, address)
        if node.container is not None and plan.batch_body(node.container) is None:
            _check_width(address, node.container, after, values)
        if state is was:
            continue
        if was is StepState.PENDING:
            _check_visit(address, after)
        if node.needs is not None:
            _check_needs(address, node.needs, state, after, values, plan)
        if node.container is not None and state is StepState.COMPLETED:
            _check_join(address, node.container, values)
        if node.container is not None and state is StepState.FAILED:
            _check_unreachable(address, node.container, values)
        if state is StepState.CANCELLED:
            _check_unwanted(plan, address, after, values)
    for name in values:
        if name.endswith(":stopping"):
            _check_stop(plan, name.removesuffix(":stopping"), after, values)


def _check_visit(address: str, states: States) -> None:
    here = parse_address(address)
    if here.visit > 1:
        earlier = visit_of(within(here.flow, here.step), here.visit - 1)
        assert states.get(earlier) in SETTLED, f"{address} was reached before {earlier} was over"


def _check_width(container: str, terms: Container, states: States, values: Values) -> None:
    if not terms.max_concurrency:
        return
    begun = {flow for flow in members_of(container, terms, values) if any(s.startswith(f"{flow}/") for s in states)}
    under_way = [flow for flow in begun if f"{flow}:flow" not in values]
    assert len(under_way) <= terms.max_concurrency, f"{container} works on {under_way} at once"


def _check_join(container: str, terms: Container, values: Values) -> None:
    """Its join is reached, and its output lists exactly what completed, its failures exactly what failed."""
    flows = members_of(container, terms, values)
    ended = [values.get(f"{flow}:flow") for flow in flows]
    if terms.join is None:
        assert None not in ended, f"{container} was joined too early"
        assert ended.count("failed") <= terms.tolerated(len(flows)), f"{container} tolerates too much"
    elif flows:
        assert ended.count("completed") >= terms.join, f"{container} was joined too early"
    keys: tuple[str | int, ...] = terms.branches or tuple(range(len(flows)))
    how = dict(zip(keys, zip(flows, ended, strict=True), strict=True))
    shown = {key: json.loads(values[f"{flow}:out"]) if end == "completed" else None for key, (flow, end) in how.items()}
    assert json.loads(values[f"{container}:out"]) == (shown if terms.branches else list(shown.values()))
    failures = json.loads(values.get(f"{container}:failures", "[]"))
    told = [failure.get("branch", failure.get("index")) for failure in failures]
    assert told == [key for key, (_, end) in how.items() if end == "failed"]


def _check_unreachable(container: str, terms: Container, values: Values) -> None:
    """It fails because its join cannot be reached any more, unless it never began or took too long."""
    if json.loads(values[f"{container}:err"])["code"] in _OF_ITS_OWN:
        return
    flows = members_of(container, terms, values)
    lost = sum(values.get(f"{flow}:flow") == "failed" for flow in flows)
    most = terms.tolerated(len(flows)) if terms.join is None else len(flows) - terms.join
    assert lost > most, f"{container} could still be joined"


_OF_ITS_OWN = ("step_timeout", "expression_error", "max_visits", "no_transition")
"""What a container may fail with though nothing in it has failed."""


def _check_needs(address: str, needs: Needs, state: StepState, states: States, values: Values, plan: Plan) -> None:
    flow = flow_of(address)
    heard = [states.get(within(flow, name), StepState.PENDING) for name in needs.needs]
    assert all(one in SETTLED for one in heard), f"{address} was reached before all that it needs was settled"
    runs = _judged(needs, heard) and (needs.when is None or bool(json.loads(values["input"]).get("flag")))
    if state is StepState.SKIPPED:
        assert not runs, f"{address} was skipped"
    elif state in (StepState.RUNNING, StepState.WAITING, StepState.COMPLETED):
        assert runs, f"{address} runs though it should not: {needs.run_if} of {heard}"
    if state is StepState.RUNNING and needs.run_if in ("all_succeeded", "any_succeeded"):
        assert not _is_closed(plan, flow, states), f"{address} started in a closed flow"


def _judged(needs: Needs, heard: list[StepState]) -> bool:
    succeeded = [state is StepState.COMPLETED for state in heard]
    return {
        "all_succeeded": all(succeeded),
        "any_succeeded": any(succeeded),
        "any_failed": any(failed(state) for state in heard),
        "all_done": True,
    }[needs.run_if]


def _is_closed(plan: Plan, flow: str, states: States) -> bool:
    for step, state in states.items():
        if flow_of(step) == flow and failed(state) and not is_undo(step) and not is_drain(step):
            needs = node_at(plan, step).needs
            if needs is not None and not needs.allow_failure:
                return True
    return False


def _check_unwanted(plan: Plan, address: str, states: States, values: Values) -> None:
    stops = [scope for scope in scopes_around(address) if f"{scope}:stopping" in values]
    closed = _is_closed(plan, flow_of(address), states)
    assert stops or closed or values["stopping"] == "1", f"{address} was cancelled in a flow that goes on"


def _check_stop(plan: Plan, scope: str, states: States, values: Values) -> None:
    """A container stops if it failed or its race is over; a branch or an item, if it failed and the others go on."""
    if scope.endswith("]"):
        assert values.get(f"{scope}:flow") == "failed", f"{scope} stops and has not failed"
        return
    terms = node_at(plan, scope).container
    assert terms is not None
    race_is_over = states[scope] is StepState.COMPLETED and terms.join is not None and not terms.continues
    assert race_is_over or states[scope] is StepState.FAILED, f"{scope} stops, and nobody knows why"
