"""Where an address stands in the plan: its node, the flow it belongs to, and what it lies inside of."""

from __future__ import annotations

from functools import lru_cache

from orchestrator.engine import fields
from orchestrator.engine.address import (
    container_of,
    flow_of,
    is_drain,
    is_lane,
    is_undo,
    key_of,
    parse_address,
    scope_of,
    scopes_around,
    within,
)
from orchestrator.engine.commit import Guards
from orchestrator.plan.graph import REST, REST_NODE, SINK, Container, Flow, Node, Plan, RetryPolicy, Work

MANY = 4096
"""Places of a plan that are remembered at most; items have addresses of their own."""


@lru_cache(maxsize=MANY)
def node_at(plan: Plan, address: str) -> Node:
    """The plan's node of a step, or of the step that an undo undoes."""
    step = parse_address(address)
    if step.step == REST:
        return REST_NODE
    return plan.sinks[flow_id(plan, step.flow)] if step.step == SINK else plan.nodes[step.step]


@lru_cache(maxsize=MANY)
def work_at(plan: Plan, address: str) -> Work | None:
    """The operation behind an address: the step's, or its compensation."""
    if is_drain(address):
        return None
    node = node_at(plan, address)
    if is_lane(address):
        body = plan.batch_body(container_at(plan, address))
        return None if body is None else body.work
    return node.undo if is_undo(address) else node.work


def retry_at(plan: Plan, address: str) -> RetryPolicy | None:
    """The policy by which a failed attempt at an address is tried again; None if nothing there is tried."""
    work = work_at(plan, address)
    if work is not None:
        return work.retry
    child = None if is_undo(address) or is_drain(address) or is_lane(address) else node_at(plan, address).child
    return None if child is None else child.retry


def container_at(plan: Plan, address: str) -> Container:
    """What the parallel or map at an address is; ValueError if it is neither."""
    container = node_at(plan, address).container
    if container is None:
        raise ValueError(f"{address} is not a container")
    return container


@lru_cache(maxsize=MANY)
def is_container(plan: Plan, address: str) -> bool:
    """Whether it is the address of a parallel or a map."""
    if is_undo(address) or is_drain(address) or is_lane(address):
        return False
    return node_at(plan, address).container is not None


@lru_cache(maxsize=MANY)
def is_waited_for(plan: Plan, address: str) -> bool:
    """Whether a stopping flow waits for the end of its attempt: its effect could be undone, or it is an undo."""
    return is_undo(address) or node_at(plan, address).can_be_undone


def flow_at(plan: Plan, flow: str) -> Flow:
    """The plan's flow behind the address of a flow."""
    return plan.flows[flow_id(plan, flow)]


def flow_id(plan: Plan, flow: str) -> str:
    """The id in the plan of a flow's address: `ship[3]` is one of `ship[]`, `fork#2[dhl]` one of `fork[dhl]`."""
    if not flow:
        return ""
    owner = parse_address(container_of(flow)).step
    container = plan.nodes[owner].container
    branch = key_of(flow) if container is not None and container.branches else ""
    return f"{owner}[{branch}]"


@lru_cache(maxsize=MANY)
def live_sets(plan: Plan, address: str) -> tuple[str, ...]:
    """The sets of live steps that an address is a member of: the run's, and those of the scopes that may stop alone."""
    if "/" not in address and not is_lane(address):
        return (fields.LIVE_SET,)
    own = scope_of(address) if is_drain(address) else None
    scopes = [scope for scope in scopes_around(address) if scope != own and may_stop(plan, scope)]
    return (fields.LIVE_SET, *map(fields.live_set, scopes))


@lru_cache(maxsize=MANY)
def stopping_scopes(plan: Plan, address: str) -> tuple[str, ...]:
    """The scopes around an address that may stop alone, innermost first, the run last."""
    if "/" not in address and not is_lane(address):
        return ("",)
    own = scope_of(address) if is_drain(address) else None
    return (*(scope for scope in scopes_around(address)[::-1] if scope != own and may_stop(plan, scope)), "")


def may_stop(plan: Plan, scope: str) -> bool:
    """Whether a container, or the flow of a branch or item, may stop and be undone while the run goes on."""
    if scope.endswith("]"):
        return container_at(plan, container_of(scope)).outlives_failures
    return node_at(plan, scope).holds_failures


@lru_cache(maxsize=MANY)
def going_on(plan: Plan, address: str) -> Guards:
    """The guards of whatever begins something new at an address: nothing around it is stopping, the run not paused."""
    guards: dict[str, str | None] = {fields.STOPPING: "0", fields.PAUSED: "0"}
    if "/" in address or is_lane(address):
        guards |= dict.fromkeys(fields.stopping(scope) for scope in scopes_around(address))
    node = node_at(plan, address)
    if node.needs is not None and not node.needs.runs_when_closed:
        guards[fields.closed(flow_of(address))] = None
    return guards


def flow_goes_on(plan: Plan, address: str) -> Guards:
    """The guards of whatever hangs on nothing around an address stopping, and that a pause does not hold up."""
    return {name: text for name, text in going_on(plan, address).items() if name != fields.PAUSED}


def seen_from(plan: Plan, flow: str, step: str) -> str | None:
    """The address, without a visit, of the step that a flow sees under an id; None if it sees none."""
    wanted = plan.nodes[step].flow
    for around in _flows_around(flow):
        if flow_id(plan, around) == wanted:
            return within(around, step)
    return None


@lru_cache(maxsize=MANY)
def _flows_around(flow: str) -> tuple[str, ...]:
    """A flow and the flows around it, innermost first."""
    inner = tuple(scope for scope in scopes_around(flow) if scope.endswith("]"))
    return (*inner[::-1], "")
