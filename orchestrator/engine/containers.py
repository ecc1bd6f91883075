"""Containers: beginning the branches of a parallel or the items of a map, and joining them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from orchestrator.engine import fields
from orchestrator.engine.address import drain_of, key_of, member
from orchestrator.engine.commit import Changes, Commit, Due, Stage
from orchestrator.engine.ends import not_too_large
from orchestrator.engine.lanes import first_lanes
from orchestrator.engine.onward import Move, Onward, Terms, begin_flows
from orchestrator.engine.outcome import Failure
from orchestrator.engine.places import container_at, going_on
from orchestrator.engine.reads import members
from orchestrator.engine.roots import roots_for
from orchestrator.engine.settle import Ground, complete_step, fail_attempt, fail_step
from orchestrator.engine.stages import drained, event, stop_scope
from orchestrator.engine.state import StepHappening, StepState, move_step
from orchestrator.engine.view import RunView
from orchestrator.errors import ExpressionError
from orchestrator.plan.graph import Plan

MAX_ITEMS = 100_000
SPREAD = 5_000
"""Items that one commit writes at most."""


def begin_container(plan: Plan, view: RunView, address: str, terms: Terms) -> Move:
    """Begin all branches, or as many items as may run at once."""
    container = container_at(plan, address)
    ground = _not_begun(plan, address, terms)
    if container.items is None:
        return _begin(plan, view, address, len(container.branches), {}, ground, terms)
    try:
        items = container.items.evaluate(roots_for(plan, view, (container.items,), address=address))
    except ExpressionError as error:
        return fail_attempt(plan, view, address, Failure(error.code, error.message), ground, terms)
    if not isinstance(items, list) or len(items) > MAX_ITEMS:
        found = f"a list of {len(items)}" if isinstance(items, list) else "no list"
        message = f"the items of {address!r} are {found}; a map takes a list of at most {MAX_ITEMS:,}"
        return fail_attempt(plan, view, address, Failure("expression_error", message), ground, terms)
    if container.join is not None and container.join > len(items):
        failure = Failure("join_failed", f"{container.join} are to complete of {len(items)}", retryable=False)
        return fail_attempt(plan, view, address, failure, ground, terms)
    if not items:
        return complete_step(plan, view, address, "[]", ground, terms)
    return _spread(plan, view, address, items, ground, terms)


def _not_begun(plan: Plan, address: str, terms: Terms) -> Ground:
    """Ready, and not for its join: by then it has a size."""
    ground = Ground.of_ready(plan, address, terms)
    return replace(ground, guards={**ground.guards, fields.size(address): None})


def _spread(plan: Plan, view: RunView, address: str, items: list[Any], ground: Ground, terms: Terms) -> Move:
    """Write the items beside the run, a part at a time; with the last part, begin."""
    written = view.number(fields.begun(address))
    last = min(written + SPREAD, len(items))
    texts = {fields.item(member(address, n)): _json(items[n]) for n in range(written, last)}
    if last == len(items):
        return _begin(plan, view, address, len(items), texts, ground, terms)
    guards = {**ground.guards, fields.begun(address): view[fields.begun(address)]}
    stage = Stage(guards, Changes(set={**texts, fields.begun(address): str(last)}))
    return Move(Commit(view.run_id, view.incarnation, (stage,)), to=address)


def _begin(
    plan: Plan, view: RunView, address: str, size: int, texts: dict[str, str], ground: Ground, terms: Terms
) -> Move:
    container = container_at(plan, address)
    number = min(size, container.max_concurrency or size)
    view.learn({fields.size(address): str(size), **texts}, view.now_ms)
    if plan.batch_body(container) is None:
        onward = begin_flows(plan, view, members(plan, address, size)[:number], terms)
    else:
        number, onward = 0, first_lanes(plan, address, size, terms)
    limit = container.timeout_ms
    changes = Changes(
        set={
            fields.state(address): move_step(StepState.READY, StepHappening.WAIT),
            fields.size(address): str(size),
            fields.begun(address): str(number),
            **texts,
        },
        stamp={} if limit is None else {fields.deadline(address): limit},
        entries={address: Due(within_ms=limit)},
        events=(event("flows_started", address, number=size),),
    )
    return replace(onward.move(view, ground.stage(address, changes)), begins=address)


def begin_more(plan: Plan, view: RunView, address: str, terms: Terms, *, at_most: int | None = None) -> Move | None:
    """Begin as many further items as may run at once; None if there is none to begin.

    Whoever ends an item begins one; the sweeper begins what others, who died in between, have not.
    """
    container, size = container_at(plan, address), view.number(fields.size(address))
    begun, over = view.number(fields.begun(address)), view.number(fields.counts(address)[2])
    if container.items is None or begun >= size or plan.batch_body(container) is not None:
        return None
    room = min(size - begun, container.max_concurrency - (begun - over))
    if room <= 0:
        return None
    number = min(room, at_most or room)
    flows = [member(address, n) for n in range(begun, begun + number)]
    onward = begin_flows(plan, view, flows, terms)
    guards = {
        **going_on(plan, address),
        fields.stopping(address): None,
        fields.state(address): StepState.WAITING,
        fields.begun(address): str(begun),
    }
    later = {address: Due(at_ms=view.moment(fields.deadline(address)))}
    changes = Changes(set={fields.begun(address): str(begun + number)}, entries=later if number == room else {})
    return onward.move(view, Stage(guards, changes))


def join(plan: Plan, view: RunView, address: str, terms: Terms) -> Move:
    """Complete a container whose join is reached, or fail one whose join cannot be reached any more."""
    container, size = container_at(plan, address), view.number(fields.size(address))
    completed, failed, over = (view.number(name) for name in fields.counts(address))
    counted = {name: view[name] for name in fields.counts(address)}
    ground = Ground({fields.state(address): StepState.READY, **counted}, terms.token, state=StepState.READY)
    if container.join is None:
        reached = over == size and failed <= container.tolerated(size)
    else:
        reached = completed >= container.join
    if not reached:
        return fail_container(plan, view, address, ground, terms)
    flows = members(plan, address, size)
    values = {}
    if failed:
        values[fields.failures(address)] = _json([_failure(view, flow) for flow in flows if _has_failed(view, flow)])
        view.learn(values, view.now_ms)
    rest = Onward(changes=Changes(set=values))
    if over < size and not container.continues:
        losers = Onward(changes=stop_scope(plan, address), then=(drained(address),), forks=(drain_of(address),))
        rest = rest.beside(losers)
    output = not_too_large(_output(plan, view, address, flows), terms)
    if isinstance(output, Failure):
        return fail_attempt(plan, view, address, output, ground, terms)
    return complete_step(plan, view, address, output, ground, terms, more=rest)


def fail_container(plan: Plan, view: RunView, address: str, ground: Ground, terms: Terms) -> Move:
    """The container fails: with what failed first in it, or because its join cannot be reached any more."""
    first = view[fields.first_failed(address)]
    record: dict[str, Any] = dict(view.json(fields.error(first)) or {}) if first else {}
    if container_at(plan, address).outlives_failures:
        failed, size = view.number(fields.counts(address)[1]), view.number(fields.size(address))
        details = {"failed": failed, "of": size, "first": record}
        record = Failure("join_failed", f"{failed} of {size} failed", details).to_json(address)
    return fail_step(plan, view, address, record, ground, terms, state=StepState.FAILED)


def time_out_container(plan: Plan, view: RunView, address: str, terms: Terms) -> Move:
    """The container took longer than its timeout."""
    state = view.state(address)
    ground = Ground({fields.state(address): state}, terms.token, due=(address,), state=state)
    failure = Failure("step_timeout", "the step took longer than its timeout")
    return fail_attempt(plan, view, address, failure, ground, terms)


def _output(plan: Plan, view: RunView, address: str, flows: list[str]) -> str:
    outputs = [view[fields.output(flow)] if _has_completed(view, flow) else "null" for flow in flows]
    if container_at(plan, address).branches:
        pairs = (f"{json.dumps(key_of(flow))}:{text}" for flow, text in zip(flows, outputs, strict=True))
        return "{" + ",".join(pairs) + "}"
    return "[" + ",".join(text or "null" for text in outputs) + "]"


def _has_completed(view: RunView, flow: str) -> bool:
    return view[fields.flow_state(flow)] == StepState.COMPLETED


def _has_failed(view: RunView, flow: str) -> bool:
    return view[fields.flow_state(flow)] == StepState.FAILED


def _failure(view: RunView, flow: str) -> dict[str, Any]:
    error = view.json(fields.error(flow)) or {}
    return {name: error[name] for name in ("branch", "index", "step", "code", "message") if name in error}


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
