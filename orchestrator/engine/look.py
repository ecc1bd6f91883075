"""Looking at an address: what every message means, whoever sent it (RULES 14).

A look decides from the state alone: claim what is ready, wake what has waited long enough, go on to what follows a
step that is done, settle what a stopping flow no longer wants; else nothing.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from typing import Any

from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN, RUN, is_undo, undone_by
from orchestrator.engine.commit import NOW, Changes, Commit, Due, Guards, Stage, Then
from orchestrator.engine.onward import Move, Terms, input_expressions, node_at, reads_for, work_at
from orchestrator.engine.outcome import Failure
from orchestrator.engine.retries import outlasts
from orchestrator.engine.roots import roots_for, undo_root
from orchestrator.engine.settle import SHORT_WAIT_MS, Ground, after_undo, complete_step, fail_attempt
from orchestrator.engine.stages import claim, event, leave, queued, when_drained
from orchestrator.engine.state import SETTLED, StepHappening, StepState, move_step
from orchestrator.engine.view import RunView
from orchestrator.errors import ExpressionError
from orchestrator.plan.graph import Plan
from orchestrator.spec.durations import milliseconds, parse_duration
from orchestrator.spec.workflow import StepKind


def look(plan: Plan, view: RunView, address: str, terms: Terms) -> Move | str | None:
    """The move to make, another address to look at, or None: there is nothing to do here."""
    if not view.exists or view.over or address in (RUN, DRAIN):
        return None
    state = view.state(address)
    if state in SETTLED:
        return _follower(plan, view, address)
    if state not in (StepState.READY, StepState.WAITING):
        return None
    if view.stopping and not is_undo(address):
        return cancel_step(plan, view, address, token="")
    if view.paused:
        return None
    if state is StepState.WAITING:
        return _wake(plan, view, address, terms)
    return _begin(plan, view, address, terms)


def reads_to_look(plan: Plan, view: RunView, address: str) -> tuple[str, ...]:
    """The fields that a look takes besides the heads: those of a settle, if it may settle without an attempt."""
    if view.over or address == DRAIN or view.state(address) not in (StepState.READY, StepState.WAITING):
        return ()
    work = work_at(plan, address)
    out_of_time = work is not None and work.retry.max_elapsed_ms is not None and view.attempt(address) > 1
    if work is None or out_of_time or (is_undo(address) and not _is_owed(view, address)):
        return reads_for(plan, view, address)
    return ()


def cancel_step(plan: Plan, view: RunView, address: str, *, token: str) -> Move:
    """Settle a live step of a stopping flow: cancelled, or lost if an attempt of it has not reported a failure.

    `token` is the attempt's, if it is running and dropped at once because nothing could undo it.
    """
    state = view.state(address)
    undoable = node_at(plan, address).undo is not None
    happening = StepHappening.LOSE if undoable and view.unreported(address) else StepHappening.CANCEL
    settled = move_step(state, happening)
    guards: Guards = {fields.state(address): state, fields.STOPPING: "1"}
    if token:
        guards = {**guards, fields.token(address): token}
    stage = Stage(
        guards=guards,
        changes=leave(address, settled),
        then=(when_drained(),),
    )
    return Move(Commit(view.run_id, view.incarnation, (stage,)), to=DRAIN)


def evaluate_inputs(plan: Plan, view: RunView, address: str) -> Any:
    """The inputs of a claimed step or undo; ExpressionError if an expression raises."""
    node = node_at(plan, address)
    work = work_at(plan, address)
    if work is None:
        raise ValueError(f"{address} is not an operation")
    if not is_undo(address):
        return work.inputs.render(roots_for(plan, view, work.inputs.expressions, address=address))
    undone = undone_by(address)
    try:
        forward = evaluate_inputs(plan, view, undone) if node.work else None
    except ExpressionError:
        forward = None
    expressions = input_expressions(plan, address)
    roots = roots_for(plan, view, expressions, address=undone) | {"undo": undo_root(view, address, forward)}
    return work.inputs.render(roots)


def _follower(plan: Plan, view: RunView, address: str) -> str | None:
    target = view[fields.went_to(address)]
    return target if target in plan.nodes else None


def _begin(plan: Plan, view: RunView, address: str, terms: Terms) -> Move:
    node = node_at(plan, address)
    if is_undo(address) and not _is_owed(view, address):
        return _skip_undo(plan, view, address, terms)
    if work_at(plan, address) is not None:
        return _claim(plan, view, address, terms)
    ground = Ground({fields.state(address): StepState.READY, **_OPEN}, by=terms.token, state=StepState.READY)
    if node.kind is StepKind.CHOICE:
        return complete_step(plan, view, address, "null", ground, terms)
    return _wait(plan, view, address, ground, terms)


def _is_owed(view: RunView, undo: str) -> bool:
    return view.returned(undone_by(undo)) or view.unreported(undone_by(undo)) > 0


_OPEN: Guards = {fields.STOPPING: "0", fields.PAUSED: "0"}


def _claim(plan: Plan, view: RunView, address: str, terms: Terms) -> Move:
    work = work_at(plan, address)
    if work is None:
        raise ValueError(f"{address} is not an operation")
    attempt = view.attempt(address)
    first_ms = view.moment(fields.first_started(address))
    if attempt > 1 and first_ms is not None and outlasts(work.retry, first_ms=first_ms, at_ms=view.now_ms):
        return _out_of_time(plan, view, address, terms)
    stage = claim(address, work, terms.token, terms.timing, attempt=attempt, first=first_ms is None)
    reads = reads_for(plan, view, address)
    return Move(Commit(view.run_id, view.incarnation, (stage,), reads), to=address, claims=address)


def _out_of_time(plan: Plan, view: RunView, address: str, terms: Terms) -> Move:
    state = view.state(address)
    last = view.json(fields.error(address)) or {}
    details = {**last.get("details", {}), "retries_ended": "max_elapsed"}
    failure = Failure(last.get("code", "max_elapsed"), last.get("message", ""), details, retryable=False)
    guards: Guards = {fields.state(address): state, fields.token(address): view[fields.token(address)]}
    ground = Ground(guards, by=terms.token, state=state)
    return fail_attempt(plan, view, address, failure, ground, terms)


def _wake(plan: Plan, view: RunView, address: str, terms: Terms) -> Move | None:
    until = view.moment(fields.until(address))
    if until is None or view.now_ms < until:
        return None
    guards: Guards = {fields.state(address): StepState.WAITING, fields.until(address): str(until), **_OPEN}
    if is_undo(address):
        guards = {name: value for name, value in guards.items() if name != fields.STOPPING}
    if node_at(plan, address).delay is not None and not is_undo(address):
        ground = Ground(guards, by=terms.token, state=StepState.WAITING)
        return complete_step(plan, view, address, "null", ground, terms)
    claimed = _claim(plan, view, address, terms)
    if claimed.claims is None:
        return claimed
    taken: Guards = {fields.state(address): StepState.RUNNING, fields.token(address): terms.token}
    woken = Stage(guards=guards, already=taken, changes=waken(plan, address, terms))
    return replace(claimed, commit=replace(claimed.commit, stages=(woken, *claimed.commit.stages)))


def waken(plan: Plan, address: str, terms: Terms) -> Changes:
    """A waiting step is ready again."""
    ready = Changes(set={fields.state(address): move_step(StepState.WAITING, StepHappening.WAKE)})
    return ready | queued(address, terms.timing, work_at(plan, address))


def _wait(plan: Plan, view: RunView, address: str, ground: Ground, terms: Terms) -> Move:
    try:
        delay = _delay_ms(plan, view, address)
    except ExpressionError as error:
        return fail_attempt(plan, view, address, Failure(error.code, error.message), ground, terms)
    if delay <= 0:
        return complete_step(plan, view, address, "null", ground, terms)
    waits = move_step(StepState.READY, StepHappening.WAIT)
    look_ms = delay + (terms.timing.resend_ms if delay < SHORT_WAIT_MS else 0)
    hurry = Then({fields.STOPPING: "1", fields.state(address): waits}, Changes(entries={address: NOW}))
    changes = Changes(
        set={fields.state(address): waits},
        stamp={fields.until(address): delay},
        entries={address: Due(within_ms=look_ms)},
        events=(event("step_waiting", address, for_ms=delay),),
    )
    commit = Commit(view.run_id, view.incarnation, (ground.stage(address, changes, hurry),))
    return Move(commit, parks_for_ms=delay)


def _delay_ms(plan: Plan, view: RunView, address: str) -> int:
    delay = node_at(plan, address).delay
    if delay is None:
        raise ValueError(f"{address} does not wait")
    if delay.fixed_ms is not None:
        return delay.fixed_ms
    expressions = input_expressions(plan, address)
    roots = roots_for(plan, view, expressions, address=address)
    if delay.duration is not None:
        value = delay.duration.render(roots)
        try:
            return milliseconds(parse_duration(value))
        except ValueError as error:
            raise ExpressionError(f"the wait of step {address!r}: {error}") from error
    value = delay.moment.evaluate(roots) if delay.moment is not None else None
    return _moment_ms(address, value) - view.now_ms


def _moment_ms(address: str, value: Any) -> int:
    """RFC 3339 with an offset, as ms since the Unix epoch."""
    if isinstance(value, str) and _OFFSET.search(value):
        try:
            return round(datetime.fromisoformat(value).timestamp() * 1000)
        except ValueError:
            pass
    raise ExpressionError(f"the wait of step {address!r}: not an RFC 3339 moment with an offset: {json.dumps(value)}")


_OFFSET = re.compile(r"[Tt ].*([Zz]|[+-]\d\d:\d\d)$")


def _skip_undo(plan: Plan, view: RunView, address: str, terms: Terms) -> Move:
    """Every attempt of the step has reported a failure by now: there is nothing to undo."""
    ground = Ground(
        {fields.state(address): StepState.READY, fields.open_count(undone_by(address)): view[_open(address)]},
        by=terms.token,
        state=StepState.READY,
    )
    onward = after_undo(plan, view, address, terms, failed=False)
    changes = leave(address, move_step(StepState.READY, StepHappening.SKIP))
    return onward.move(view, ground.stage(address, changes))


def _open(address: str) -> str:
    return fields.open_count(undone_by(address))
