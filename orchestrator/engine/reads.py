"""Which fields a decision takes, so that they come back with the commit before it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from orchestrator.engine import fields
from orchestrator.engine.address import (
    container_of,
    drain_of,
    flow_of,
    is_drain,
    is_lane,
    is_undo,
    member,
    parse_address,
    scope_of,
    undone_by,
    within,
)
from orchestrator.engine.places import MANY, container_at, node_at
from orchestrator.engine.roots import fields_for, output_expressions, settle_expressions, steps_read
from orchestrator.engine.state import StepState
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import REST, SINK, Node, Plan
from orchestrator.spec.expressions import Expression

_ALWAYS_READ = (fields.CREATED_AT, fields.CTX)
"""Whatever the expressions read: operations are told who the run is for."""


def head_fields(address: str) -> tuple[str, ...]:
    """What a look at an address begins with."""
    if is_drain(address):
        return (*fields.HEAD, *fields.step_head(address), *_drain_fields(address))
    undone = fields.step_head(undone_by(address)) if is_undo(address) else ()
    lane = fields.lane_head(address) if is_lane(address) else ()
    return (*fields.HEAD, *fields.step_head(address), *undone, *lane)


def _drain_fields(address: str) -> tuple[str, ...]:
    """What the undo of a scope is looked at with, besides."""
    scope = scope_of(address)
    return (fields.stopping(scope), fields.after_undo(address)) if scope else ()


def input_expressions(plan: Plan, address: str) -> tuple[Expression, ...]:
    """What the inputs at an address are made of; an undo's are made of those of the step that it undoes, too."""
    node = node_at(plan, address)
    written = (node.inputs, node.undo and node.undo.inputs) if is_undo(address) else (node.inputs,)
    delay = node.delay
    own = () if delay is None else (delay.duration.expressions if delay.duration else ()) + _one(delay.moment)
    own += () if node.awaited is None else node.awaited.expressions
    own += () if node.approval is None else node.approval.expressions
    items = () if node.container is None else _one(node.container.items)
    return own + items + tuple(expression for formula in written if formula for expression in formula.expressions)


def conditions(routes: Iterable[Any]) -> tuple[Expression, ...]:
    """The conditions of routes, where they have one."""
    return tuple(route.when for route in routes if route.when is not None)


def reads_for(plan: Plan, view: RunView, address: str) -> tuple[str, ...]:
    """The fields that executing and settling a step will take, as far as they have not been read."""
    if is_undo(address):
        needed = dict.fromkeys((*_ALWAYS_READ, *_undo_reads(plan, view, address)))
    else:
        needed = dict.fromkeys(_step_reads(plan, address))
    cause = view[fields.cause(undone_by(address))]
    if cause:
        needed[fields.error(cause)] = None
    if view.incarnation != "1":
        needed |= dict.fromkeys(map(fields.epoch, (address, undone_by(address))))
    return view.missing(needed)


def keeps_inputs(plan: Plan, address: str) -> bool:
    """Whether a step's inputs are recorded for its undo: what they were made of may be visited again."""
    node = node_at(plan, address)
    if node.undo is None or node.inputs is None:
        return False
    return any(plan.nodes[step].loops for one in node.inputs.expressions for step in steps_read(plan, one))


def _undo_reads(plan: Plan, view: RunView, address: str) -> Iterable[str]:
    undone, flow = undone_by(address), flow_of(address)
    yield from fields_for(plan, input_expressions(plan, address), flow=flow)
    yield from fields.recorded_outputs(undone)
    yield from (fields.state(undone), fields.done(undone), fields.cause(undone), fields.used_inputs(undone))
    yield from (fields.listed_in(address), fields.after_undo(address))
    scope = view[fields.listed_in(address)]
    if scope is not None:
        yield from (fields.undo_list(scope), fields.after_undo(drain_of(scope)))
        yield from () if scope.endswith("]") else _handled_reads(plan, scope)
    if view[fields.after_undo(address)] is not None:
        yield from _handled_reads(plan, undone)


def _handled_reads(plan: Plan, address: str) -> Iterable[str]:
    """The fields that going on from a failed step takes once its effects are undone."""
    yield from (fields.state(address), fields.output(address), fields.error(address))
    yield from leaving_reads(plan, address, own=None)


@lru_cache(maxsize=MANY)
def _step_reads(plan: Plan, address: str) -> tuple[str, ...]:
    """The fields that executing and settling a step always takes."""
    inputs = fields_for(plan, input_expressions(plan, address), flow=flow_of(address))
    onward = leaving_reads(plan, address, own=address)
    starter = () if node_at(plan, address).approval is None else (fields.STARTED_BY,)
    return tuple(dict.fromkeys((*_ALWAYS_READ, *inputs, *starter, *onward)))


def leaving_reads(plan: Plan, address: str, *, own: str | None) -> tuple[str, ...]:
    """The fields that going on from a step takes: its routes, what follows, and the end of its flow.

    Those of step `own` are left out, as it is being settled.
    """
    node, flow = node_at(plan, address), flow_of(address)
    if node.id == REST:
        return fields.output(flow), fields.ends(address)
    if node.id == SINK:
        needed = [*_end_reads(plan, flow, node), fields.closed(flow), fields.closing_error(flow)]
    elif node.needs is not None:
        needed = [*_judging_reads(plan, address), *fields_for(plan, conditions(node.failures), flow=flow, own=own)]
    else:
        needed = [*fields_for(plan, settle_expressions(plan, node), flow=flow, own=own)]
        targets = [*(route.to for route in node.routes), *(route.to for route in node.failures)]
        needed += [fields.visits(within(flow, to)) for to in targets if to in plan.nodes and plan.nodes[to].loops]
    if node.loops:
        needed.append(fields.visits(within(flow, parse_address(address).step)))
    if flow:
        needed += (fields.size(container_of(flow)), fields.deadline(container_of(flow)))
    return tuple(dict.fromkeys(needed))


def _judging_reads(plan: Plan, address: str) -> Iterable[str]:
    """Of a step of a needs flow: its own condition, and the states of what else its dependents need."""
    node, flow = node_at(plan, address), flow_of(address)
    if node.needs is None:
        return
    yield from (fields.state(within(flow, needed)) for needed in node.needs.needs)
    if node.needs.when is not None:
        yield from fields_for(plan, (node.needs.when,), flow=flow)


def _end_reads(plan: Plan, flow: str, sink: Node) -> Iterable[str]:
    """Of the sink of a needs flow: what the flow's output is made of."""
    written = output_expressions(plan, sink.flow)
    last = sink.needs.needs if sink.needs is not None and plan.flows[sink.flow].output is None else ()
    yield from fields_for(plan, written, flow=flow)
    yield from (fields.output(within(flow, step)) for step in last)


def container_reads(plan: Plan, view: RunView, address: str) -> tuple[str, ...]:
    """The fields that beginning or joining a container takes, as far as they have not been read."""
    size = view[fields.size(address)]
    if size is None:
        return reads_for(plan, view, address)
    needed = [*fields.counts(address), fields.first_failed(address), *leaving_reads(plan, address, own=address)]
    first = view[fields.first_failed(address)]
    if first is not None:
        needed.append(fields.error(first))
    if view.state(address) is StepState.READY:
        failed = view.number(fields.counts(address)[1]) > 0
        for flow in members(plan, address, int(size)):
            needed += (fields.flow_state(flow), fields.output(flow))
            needed += (fields.error(flow),) if failed else ()
    return view.missing(dict.fromkeys(needed))


def members(plan: Plan, container: str, size: int) -> list[str]:
    """The flows of a container, in order."""
    branches = container_at(plan, container).branches
    return [member(container, key) for key in branches or range(size)]


def _one(expression: Expression | None) -> tuple[Expression, ...]:
    return () if expression is None else (expression,)
