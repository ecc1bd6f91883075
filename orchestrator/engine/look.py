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
from orchestrator.engine.address import (
    RUN,
    drain_of,
    flow_of,
    is_drain,
    is_lane,
    is_undo,
    parse_address,
    scope_of,
    scopes_around,
    undone_by,
)
from orchestrator.engine.approvals import begin_asking
from orchestrator.engine.awaiting import awaiting_reads, begin_waiting
from orchestrator.engine.commit import NOW, Changes, Commit, Due, Guards, Stage, Then
from orchestrator.engine.containers import begin_container, begin_more, join
from orchestrator.engine.dependents import release, runs
from orchestrator.engine.drain import drain
from orchestrator.engine.ends import complete_flow, fail_flow
from orchestrator.engine.lanes import look_at_lane
from orchestrator.engine.onward import Move, Onward, Terms, starts_by_itself
from orchestrator.engine.outcome import Failure
from orchestrator.engine.places import going_on, is_container, node_at, stopping_scopes, work_at
from orchestrator.engine.reads import container_reads, input_expressions, leaving_reads, reads_for
from orchestrator.engine.retries import outlasts
from orchestrator.engine.roots import roots_for, undo_root
from orchestrator.engine.settle import SHORT_WAIT_MS, Ground, after_undo, complete_step, fail_attempt
from orchestrator.engine.stages import claim, complete, event, found_no_more, leave, queued, when_drained
from orchestrator.engine.state import SETTLED, StepHappening, StepState, move_step
from orchestrator.engine.view import RunView
from orchestrator.errors import ExpressionError
from orchestrator.plan.graph import REST, SINK, Plan
from orchestrator.spec.durations import milliseconds, parse_duration
from orchestrator.spec.workflow import StepKind


def look(plan: Plan, view: RunView, address: str, terms: Terms) -> Move | str | None:
    """The move to make, another address to look at, or None: there is nothing to do here."""
    if not view.exists or view.over or address == RUN:
        return None
    if is_drain(address):
        return drain(plan, view, scope_of(address), terms)
    state = view.state(address)
    if state is StepState.PENDING and is_lane(address) and not view.paused and not is_halted(plan, view, address):
        return look_at_lane(plan, view, address, terms)
    if state in SETTLED:
        return _follower(view, address)
    if state not in (StepState.READY, StepState.WAITING):
        return None
    if not is_undo(address) and is_halted(plan, view, address):
        return cancel_step(plan, view, address, terms, token="")
    if view.paused:
        return None
    if is_lane(address):
        return look_at_lane(plan, view, address, terms)
    if is_container(plan, address):
        return _look_at_container(plan, view, address, terms)
    if state is StepState.WAITING:
        return _wake(plan, view, address, terms)
    return _begin(plan, view, address, terms)


def asks_with(view: RunView, address: str, token: str) -> str:
    """The token that a step is claimed with: the one that it stands in line with, else a new one."""
    return view[fields.in_line(address)] or token


def reads_to_look(plan: Plan, view: RunView, address: str) -> tuple[str, ...]:
    """The fields that a look takes besides the heads, as far as they have not been read."""
    if view.over or is_drain(address) or view.state(address) not in (StepState.READY, StepState.WAITING):
        return ()
    if is_lane(address):
        return ()
    if is_container(plan, address):
        return container_reads(plan, view, address)
    last = view[fields.ends(address)]
    if last is not None:
        leaving = leaving_reads(plan, last, own=None)
        return view.missing((*reads_for(plan, view, address), fields.output(last), *leaving))
    work = work_at(plan, address)
    out_of_time = work is not None and work.retry.max_elapsed_ms is not None and view.attempt(address) > 1
    judged = not is_undo(address) and not starts_by_itself(plan, address)
    if missing := awaiting_reads(plan, view, address):
        return missing
    if work is None or out_of_time or judged or (is_undo(address) and not is_owed(view, address)):
        return reads_for(plan, view, address)
    return ()


def is_halted(plan: Plan, view: RunView, address: str) -> bool:
    """Whether something that the step lies inside of is stopping, or its flow closed to it."""
    if view.stopping or any(view[fields.stopping(scope)] == "1" for scope in scopes_around(address)):
        return True
    return is_closed_to(plan, view, address)


def is_closed_to(plan: Plan, view: RunView, address: str) -> bool:
    """Whether a failure elsewhere in its needs flow keeps the step from running."""
    needs = node_at(plan, address).needs
    return needs is not None and not needs.runs_when_closed and view[fields.closed(flow_of(address))] is not None


def cancel_step(plan: Plan, view: RunView, address: str, terms: Terms, *, token: str) -> Move:
    """Settle a live step that is not wanted any more: cancelled, or lost if an attempt has not reported a failure.

    `token` is the attempt's, if it is running and dropped at once because nothing could undo it.
    """
    state = view.state(address)
    undoable = node_at(plan, address).can_be_undone
    happening = StepHappening.LOSE if undoable and view.unreported(address) else StepHappening.CANCEL
    settled = move_step(state, happening)
    guards: dict[str, str | None] = {fields.state(address): state}
    if token:
        guards[fields.token(address)] = token
    halted = [scope for scope in stopping_scopes(plan, address) if view[fields.stopping(scope)] == "1"]
    around = [scope for scope in scopes_around(address) if view[fields.stopping(scope)] == "1"]
    beside, then = found_no_more(view, address)
    changes = leave(plan, address, settled) | beside
    if not halted and not around:
        guards[fields.closed(flow_of(address))] = view[fields.closed(flow_of(address))] or ""
        onward = Onward(then=when_drained(plan, address))  # of a lane nobody needs to hear
        if not is_lane(address):
            onward = release(plan, view, address, terms, state=settled)
        return onward.move(view, Stage(guards=guards, changes=changes, then=then))
    guards |= {fields.stopping(scope): "1" for scope in (*halted, *around)}
    stage = Stage(guards=guards, changes=changes, then=(*then, *when_drained(plan, address)))
    return Move(Commit(view.run_id, view.incarnation, (stage,)), to=drain_of(halted[0]) if halted else None)


def evaluate_inputs(plan: Plan, view: RunView, address: str) -> Any:
    """The inputs of a claimed step or undo; ExpressionError if an expression raises."""
    node = node_at(plan, address)
    inputs = node.inputs if not is_undo(address) else node.undo.inputs if node.undo is not None else None
    if inputs is None:
        raise ValueError(f"{address} is not an operation")
    if view[fields.used_inputs(address)] is not None:
        return view.json(fields.used_inputs(address))
    if not is_undo(address):
        return inputs.render(roots_for(plan, view, inputs.expressions, address=address))
    undone = undone_by(address)
    try:
        forward = evaluate_inputs(plan, view, undone) if node.inputs else None
    except ExpressionError:
        forward = None
    expressions = input_expressions(plan, address)
    roots = roots_for(plan, view, expressions, address=undone) | {"undo": undo_root(view, address, forward)}
    return inputs.render(roots)


def _follower(view: RunView, address: str) -> str | None:
    target = view[fields.went_to(address)]
    return None if target is None or target.startswith(RUN) else target


def _look_at_container(plan: Plan, view: RunView, address: str, terms: Terms) -> Move | None:
    if view.state(address) is StepState.WAITING:
        return begin_more(plan, view, address, terms, at_most=1)
    if view[fields.size(address)] is not None:
        return join(plan, view, address, terms)
    return judge(plan, view, address, terms) or begin_container(plan, view, address, terms)


def _begin(plan: Plan, view: RunView, address: str, terms: Terms) -> Move:
    node = node_at(plan, address)
    if is_undo(address):
        if not is_owed(view, address):
            return skip_undo(plan, view, address, terms)
        return _claim(plan, view, address, terms)
    judged = judge(plan, view, address, terms)
    if judged is not None:
        return judged
    if node.work is not None:
        return _claim(plan, view, address, terms)
    ground = Ground.of_ready(plan, address, terms)
    if node.id == SINK:
        return _end_flow(plan, view, address, ground, terms)
    if node.id == REST:
        last = view[fields.ends(address)]
        onward = Onward(second=complete(view, plan.pinned, view[fields.output("")] or "null"))
        if last is not None:
            onward = complete_flow(plan, view, flow_of(address), last, terms)
        settled = move_step(StepState.READY, StepHappening.COMPLETE)
        return onward.move(view, ground.stage(address, leave(plan, address, settled)))
    if node.kind is StepKind.CHOICE:
        return complete_step(plan, view, address, "null", ground, terms)
    if node.approval is not None:
        return begin_asking(plan, view, address, ground, terms)
    if node.awaited is not None:
        return begin_waiting(plan, view, address, ground, terms)
    return _wait(plan, view, address, ground, terms)


def judge(plan: Plan, view: RunView, address: str, terms: Terms) -> Move | None:
    """Of a step that is reached for the first time: the move that settles it because it is not to run."""
    node = node_at(plan, address)
    if starts_by_itself(plan, address) or node.id == SINK or view[fields.first_started(address)] is not None:
        return None
    ground = Ground.of_ready(plan, address, terms)
    if node.max_visits is not None and parse_address(address).visit > node.max_visits:
        failure = Failure("max_visits", f"step {node.id!r} was visited {node.max_visits} times", retryable=False)
        return fail_attempt(plan, view, address, failure, ground, terms)
    if node.needs is None:
        return None
    try:
        if runs(plan, view, address):
            return None
    except ExpressionError as error:
        return fail_attempt(plan, view, address, Failure(error.code, error.message), ground, terms)
    skipped = move_step(StepState.READY, StepHappening.SKIP)
    onward = release(plan, view, address, terms, state=skipped)
    return onward.move(view, ground.stage(address, leave(plan, address, skipped)))


def _end_flow(plan: Plan, view: RunView, address: str, ground: Ground, terms: Terms) -> Move:
    """All steps of a needs flow are settled: it completes, or fails with what closed it."""
    flow = flow_of(address)
    if view[fields.closed(flow)] is None:
        onward = complete_flow(plan, view, flow, address, terms)
    else:
        error = view.json(fields.closing_error(flow))
        onward = fail_flow(plan, view, flow, error, terms, origin=address)
    values = {} if onward.to is None or is_drain(onward.to) else {fields.went_to(address): onward.to}
    settled = move_step(StepState.READY, StepHappening.COMPLETE)
    return onward.move(view, ground.stage(address, leave(plan, address, settled, values=values)))


def is_owed(view: RunView, undo: str) -> bool:
    """Whether there is something to undo: the step is done, or nobody knows."""
    return view.returned(undone_by(undo)) or view.unreported(undone_by(undo)) > 0


def _claim(plan: Plan, view: RunView, address: str, terms: Terms, *, ready_at: int | None = None) -> Move:
    work = work_at(plan, address)
    if work is None:
        raise ValueError(f"{address} is not an operation")
    attempt = view.attempt(address)
    first_ms = view.moment(fields.first_started(address))
    if attempt > 1 and first_ms is not None and outlasts(work.retry, first_ms=first_ms, at_ms=view.now_ms):
        return out_of_time(plan, view, address, terms)
    since = view.moment(fields.ready_at(address)) if ready_at is None else ready_at
    timing, first = terms.timing, first_ms is None
    stage = claim(plan, address, work, terms.token, timing, attempt=attempt, first=first, ready_at=since)
    reads = reads_for(plan, view, address)
    return Move(Commit(view.run_id, view.incarnation, (stage,), reads), to=address, claims=address)


def claim_unseen(plan: Plan, address: str, terms: Terms) -> Stage | None:
    """The claim of a step that has not been read, refused unless it is its first; None if it takes a look before."""
    work = work_at(plan, address)
    if work is None or is_undo(address) or is_lane(address):
        return None
    if not starts_by_itself(plan, address) or not terms.fuses(work):
        return None
    return claim(plan, address, work, terms.token, terms.timing, attempt=1, first=True, in_hand=True)


def out_of_time(plan: Plan, view: RunView, address: str, terms: Terms) -> Move:
    """The next attempt would begin too late: the step fails with its last error."""
    state = view.state(address)
    last = view.json(fields.error(address)) or {}
    details = {**last.get("details", {}), "retries_ended": "max_elapsed"}
    failure = Failure(last.get("code", "max_elapsed"), last.get("message", ""), details, retryable=False)
    guards: Guards = {fields.state(address): state, fields.token(address): view[fields.token(address)]}
    ground = Ground(guards, by=terms.token, state=state)
    return fail_attempt(plan, view, address, failure, ground, terms)


def _wake(plan: Plan, view: RunView, address: str, terms: Terms) -> Move | None:
    until = view.moment(fields.until(address))
    waits_for_slots = view[fields.in_line(address)] is not None
    if until is None or (view.now_ms < until and not waits_for_slots):
        return None
    guards: dict[str, str | None] = {
        fields.state(address): StepState.WAITING,
        fields.until(address): str(until),
        fields.PAUSED: "0",
    }
    if not is_undo(address):
        guards |= going_on(plan, address)
    if node_at(plan, address).delay is not None and not is_undo(address):
        ground = Ground(guards, by=terms.token, state=StepState.WAITING)
        return complete_step(plan, view, address, "null", ground, terms)
    claimed = _claim(plan, view, address, terms, ready_at=None if waits_for_slots else until)
    if claimed.claims is None:
        return claimed
    taken: Guards = {fields.state(address): StepState.RUNNING, fields.token(address): terms.token}
    woken = Stage(guards=guards, already=taken, changes=waken(plan, address, terms))
    return replace(claimed, commit=claimed.commit.with_stages((woken, *claimed.commit.stages)))


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
        stamp={fields.until(address): delay, fields.started(address): 0},
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


def skip_undo(plan: Plan, view: RunView, address: str, terms: Terms) -> Move:
    """Every attempt of the step has reported a failure by now: there is nothing to undo."""
    ground = Ground(
        {fields.state(address): StepState.READY, fields.open_count(undone_by(address)): view[_open(address)]},
        by=terms.token,
        state=StepState.READY,
    )
    onward = after_undo(plan, view, address, terms, failed=False)
    changes = leave(plan, address, move_step(StepState.READY, StepHappening.SKIP))
    return onward.move(view, ground.stage(address, changes))


def _open(address: str) -> str:
    return fields.open_count(undone_by(address))
