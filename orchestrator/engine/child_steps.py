"""Looking at a step that runs a workflow, and at the undo of its child: what takes a look at another run as well."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any, Final

from orchestrator.engine import fields
from orchestrator.engine.address import is_undo, undone_by
from orchestrator.engine.children import HALTED, MAX_DEPTH, TIMEOUT, ChildRun, awaited, child_of, stop_child
from orchestrator.engine.commit import NEVER, Changes, Commit, Due, Stage
from orchestrator.engine.effects import Effect, LoadPlan, PrepareChild, PreparedChild, Read
from orchestrator.engine.ends import not_too_large
from orchestrator.engine.look import (
    cancel_step,
    evaluate_inputs,
    is_halted,
    is_owed,
    judge,
    look,
    out_of_time,
    skip_undo,
    waken,
)
from orchestrator.engine.onward import Move, Onward, Terms
from orchestrator.engine.outcome import Failure
from orchestrator.engine.parents import waiter
from orchestrator.engine.places import going_on, node_at
from orchestrator.engine.reads import reads_for
from orchestrator.engine.retries import outlasts
from orchestrator.engine.settle import Ground, complete_step, fail_attempt
from orchestrator.engine.stages import event
from orchestrator.engine.start import Parent, StartRequest, start
from orchestrator.engine.state import LIVE, RunStatus, StepHappening, StepState, move_step
from orchestrator.engine.undoing import all_to_undo, undo_anew
from orchestrator.engine.verbs import Wish
from orchestrator.engine.view import RunView
from orchestrator.errors import ExpressionError
from orchestrator.plan.graph import Child, Plan

Looked = Generator[Effect, Any, Move | str | None]

_START_READS: Final = (fields.DEPTH, fields.RUN_DEADLINE, fields.STARTED_BY, fields.CTX, fields.TRACE)


def look_at_child(plan: Plan, view: RunView, address: str, terms: Terms) -> Looked:
    """The move to make at a workflow step or the undo of its child, another address to look at, or None."""
    if not view.exists or view.over or view.state(address) not in LIVE:
        return look(plan, view, address, terms)
    if is_undo(address):
        return (yield from _look_at_undo(plan, view, address, terms))
    child, state = awaited(plan, view, address), view.state(address)
    halted = is_halted(plan, view, address)
    if child is not None and state is StepState.READY:
        return (yield from _take_end(plan, view, address, child, terms))
    if child is not None:
        return stop_child(view, address, child, why=HALTED) if halted else None
    if halted:
        return cancel_step(plan, view, address, terms, token="")
    if view.paused:
        return None
    if state is StepState.WAITING:
        return _wake(plan, view, address, terms)
    return judge(plan, view, address, terms) or (yield from _begin(plan, view, address, terms))


def _wake(plan: Plan, view: RunView, address: str, terms: Terms) -> Move | None:
    """The delay before the next child is over."""
    until = view.moment(fields.until(address))
    if until is None or view.now_ms < until:
        return None
    guards = {**going_on(plan, address), fields.state(address): StepState.WAITING, fields.until(address): str(until)}
    stage = Stage(guards, waken(plan, address, terms))
    return Move(Commit(view.run_id, view.incarnation, (stage,)), to=address)


def _begin(plan: Plan, view: RunView, address: str, terms: Terms) -> Generator[Effect, Any, Move]:
    """Start the child and wait for it, by one commit; detached, the step completes by it."""
    yield from _learn(view, (*reads_for(plan, view, address), fields.children(address), *_START_READS))
    wanted, ground = _wanted(plan, address), Ground.of_ready(plan, address, terms)
    first_ms, depth = view.moment(fields.first_started(address)), view.number(fields.DEPTH) + 1
    if first_ms is not None and outlasts(wanted.retry, first_ms=first_ms, at_ms=view.now_ms):
        return out_of_time(plan, view, address, terms)
    if depth > MAX_DEPTH:
        failure = Failure("depth_exceeded", f"a child may have {MAX_DEPTH} runs above it, not more", retryable=False)
        return fail_attempt(plan, view, address, failure, ground, terms)
    try:
        inputs = evaluate_inputs(plan, view, address)
    except ExpressionError as error:
        return fail_attempt(plan, view, address, Failure(error.code, error.message), ground, terms)
    number, child_id = yield from _free_id(view, address)
    prepared = yield PrepareChild(wanted.key, wanted.version, inputs, view.json(fields.CTX), child_id)
    if isinstance(prepared, Failure):
        return fail_attempt(plan, view, address, prepared, ground, terms)
    begun = _starting(view, address, prepared, child_id, number, depth, terms, waits=not wanted.detach)
    ground = replace(ground, elsewhere=((child_id, {fields.INCARNATION: None}),))
    if wanted.detach:
        output = json.dumps({"run_id": child_id})
        move = complete_step(plan, view, address, output, ground, terms, more=Onward(changes=replace(begun, events=())))
        return _told_first(move, begun.events)
    limit = wanted.timeout_ms
    waits = Changes(
        set={fields.state(address): move_step(StepState.READY, StepHappening.WAIT)},
        delete=(fields.until(address), fields.stops(address), fields.parked(address), fields.resends(address)),
        stamp={} if limit is None else {fields.deadline(address): limit},
        entries={address: Due(within_ms=limit)},
    )
    return Move(Commit(view.run_id, view.incarnation, (ground.stage(address, begun | waits),)))


def _starting(  # a start is all of these
    view: RunView,
    address: str,
    prepared: PreparedChild,
    child_id: str,
    number: int,
    depth: int,
    terms: Terms,
    *,
    waits: bool,
) -> Changes:
    """The child's start, and what its parent notes of it."""
    deadline = view.moment(fields.RUN_DEADLINE)
    request = StartRequest(
        run_id=child_id,
        input=prepared.input,
        ctx=prepared.ctx,
        started_by=view[fields.STARTED_BY] or "",
        timeout_ms=None if deadline is None or not waits else max(deadline - view.now_ms, 1),
        parent=Parent(view.run_id, address, view.incarnation, depth, waits),
        traceparent=view[fields.TRACE],
    )
    plan = prepared.plan
    first = {} if view[fields.first_started(address)] is not None else {fields.first_started(address): 0}
    told = event("child_started", address, child_run=child_id, workflow=plan.key, version=plan.version)
    return Changes(
        set={fields.child(address): fields.child_text(child_id, plan.pinned), fields.children(address): str(number)},
        stamp={fields.started(address): 0, **first},
        events=(told,),
        also=(start(plan, request, terms.timing),),
    )


def _told_first(move: Move, events: tuple[Mapping[str, Any], ...]) -> Move:
    """The move, whose first stage tells these events before its own."""
    first, *others = move.commit.stages
    first = replace(first, changes=replace(first.changes, events=(*events, *first.changes.events)))
    return replace(move, commit=replace(move.commit, stages=(first, *others)))


def _free_id(view: RunView, address: str) -> Generator[Effect, Any, tuple[int, str]]:
    """The number and the id of the next child: the parent's id, the step and the number, so that it shares the shard.

    Whatever an earlier run of the parent's id has left behind is passed over.
    """
    number = view.number(fields.children(address))
    while True:
        number += 1
        child_id = f"{view.run_id}/{address}:{number}"
        _, values = yield Read(child_id, (fields.INCARNATION,))
        if values[fields.INCARNATION] is None:
            return number, child_id


def _take_end(
    plan: Plan, view: RunView, address: str, child: ChildRun, terms: Terms
) -> Generator[Effect, Any, Move | None]:
    """The child has ended: so does the step, however its flow goes on."""
    yield from _learn(view, reads_for(plan, view, address))
    ended = yield from _ended(child)
    if not ended.over:
        return None
    ground = Ground(_seen(view, address), by=terms.token, state=StepState.READY)
    if ended.status is RunStatus.COMPLETED:
        output = not_too_large(ended[fields.OUTPUT] or "null", terms)
        if isinstance(output, Failure):
            return fail_attempt(plan, view, address, replace(output, returned=True), ground, terms)
        return complete_step(plan, view, address, output, ground, terms)
    if is_halted(plan, view, address):
        return cancel_step(plan, view, address, terms, token="")
    failure, told = _failure(view, address, ended)
    return fail_attempt(plan, view, address, failure, ground, terms, told=told)


def _failure(view: RunView, address: str, ended: RunView) -> tuple[Failure, dict[str, Any]]:
    """What a child's end means to the step, and what its error says besides."""
    told = {"child_run": ended.run_id}
    if view[fields.stops(address)] == TIMEOUT:
        return Failure("step_timeout", "the child took longer than the step's timeout"), told
    error = ended.json(fields.ERROR) or {}
    if ended.status is RunStatus.CANCELLED:
        message = f"run {ended.run_id} was cancelled: {error.get('message', '')}"
        return Failure("child_cancelled", message, retryable=False), told
    origin = {name: error[name] for name in ("step", "address", "branch", "index") if name in error}
    compensation = ended[fields.COMPENSATION] or "none"
    unfinished = {} if compensation in ("none", "completed") else {"compensation": compensation}
    failure = Failure(error.get("code", "failed"), error.get("message", ""), {**error.get("details", {}), **unfinished})
    return failure, {**(origin if "step" in origin else {}), **told}


def _look_at_undo(plan: Plan, view: RunView, undo: str, terms: Terms) -> Looked:
    """Undo a completed child, as a new incarnation of it, and wait until it says how that went."""
    if view.state(undo) is not StepState.READY:
        return None
    child = child_of(view, undo)
    if child is not None:
        return (yield from _take_undo(plan, view, undo, child, terms))
    if view.paused:
        return None
    yield from _learn(view, reads_for(plan, view, undo))
    child = child_of(view, undone_by(undo))
    if child is None or not is_owed(view, undo):
        return skip_undo(plan, view, undo, terms)
    ground = Ground(
        {fields.state(undo): StepState.READY, fields.child(undo): None, fields.PAUSED: "0"},
        by=terms.token,
        state=StepState.READY,
    )
    now_ms, values = yield Read(child.run_id, None)
    whole = RunView(child.run_id, values, now_ms)
    if not whole.over:
        return None
    their_plan = yield LoadPlan(child.workflow, child.version, whole[fields.DIGEST] or "")
    undos = all_to_undo(their_plan, whole)
    if not undos:
        return complete_step(plan, view, undo, "null", ground, terms)
    return _undoing(view, undo, their_plan, whole, undos, ground, terms)


def _undoing(
    view: RunView, undo: str, their_plan: Plan, whole: RunView, undos: list[str], ground: Ground, terms: Terms
) -> Move:
    wish = Wish(reason=f"{undo} of run {view.run_id}")
    begun = undo_anew(their_plan, whole, undos, replace(terms, fuses=lambda _: False), wish).commit
    commit = begun.also(Changes(set=waiter(view.run_id, undo, view.incarnation)))
    changes = Changes(
        set={
            fields.state(undo): move_step(StepState.READY, StepHappening.WAIT),
            fields.child(undo): fields.child_text(whole.run_id, whole.pinned),
        },
        stamp={fields.started(undo): 0, fields.first_started(undo): 0},
        delete=(fields.resends(undo),),
        entries={undo: NEVER},
        events=(event("child_undoing", undo, child_run=whole.run_id),),
        also=(commit,),
    )
    stands = {name: whole[name] for name in (fields.INCARNATION, fields.STATUS, fields.COMPENSATION)}
    ground = replace(ground, elsewhere=((whole.run_id, stands),))
    return Move(Commit(view.run_id, view.incarnation, (ground.stage(undo, changes),)))


def _take_undo(
    plan: Plan, view: RunView, undo: str, child: ChildRun, terms: Terms
) -> Generator[Effect, Any, Move | None]:
    """The child has undone what it did, or could not."""
    yield from _learn(view, reads_for(plan, view, undo))
    ended = yield from _ended(child)
    if not ended.over:
        return None
    ground = Ground(_seen(view, undo), by=terms.token, state=StepState.READY)
    if ended[fields.COMPENSATION] == "completed":
        return complete_step(plan, view, undo, "null", ground, terms)
    failure = Failure("child_undo_failed", f"undos of run {child.run_id} failed", retryable=False)
    return fail_attempt(plan, view, undo, failure, ground, terms, told={"child_run": child.run_id})


def _ended(child: ChildRun) -> Generator[Effect, Any, RunView]:
    now_ms, values = yield Read(child.run_id, fields.CHILD_END)
    return RunView(child.run_id, values, now_ms)


def _seen(view: RunView, address: str) -> dict[str, str | None]:
    return {fields.state(address): StepState.READY, fields.child(address): view[fields.child(address)]}


def _learn(view: RunView, names: tuple[str, ...]) -> Generator[Effect, Any, None]:
    missing = view.missing(names)
    if missing:
        now_ms, values = yield Read(view.run_id, missing)
        view.learn(values, now_ms)


def _wanted(plan: Plan, address: str) -> Child:
    child = node_at(plan, address).child
    if child is None:
        raise ValueError(f"{address} runs no workflow")
    return child
