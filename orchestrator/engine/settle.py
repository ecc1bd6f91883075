"""Settling: what a run does with the outcome of an attempt. Guarded by the attempt's token alone (RULES 4)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from orchestrator.engine import fields
from orchestrator.engine.address import is_undo, undo_of, undone_by
from orchestrator.engine.commit import NOW, Changes, Commit, Due, Guards, Stage, Then
from orchestrator.engine.onward import Move, Onward, Terms, begin, failure_target, go, node_at, success_target, work_at
from orchestrator.engine.outcome import Failure, Outcome, Success
from orchestrator.engine.retries import allows, delay_ms, outlasts
from orchestrator.engine.stages import attention, end_stage, event, leave
from orchestrator.engine.state import RunStatus, StepHappening, StepState, move_step
from orchestrator.engine.values import value
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Plan
from orchestrator.spec.flows import FAIL

SHORT_WAIT_MS = 5_000
"""Shorter waits are also sent as a Celery countdown, beside the ledger entry."""


@value
class Ground:
    """What a settle stands on: its guards, and the attempt and state that it ends."""

    guards: Guards
    by: str
    """Who settles, so that sending the settle twice is known: the attempt's token, else one drawn for this settle."""
    token: str = ""
    """The attempt that is settled; none if the step is not running."""
    due: tuple[str, ...] = ()
    state: StepState = StepState.RUNNING

    @staticmethod
    def of_attempt(address: str, token: str) -> Ground:
        """The ground of an attempt that reports its outcome: its token, and nothing else."""
        return Ground({fields.token(address): token}, by=token, token=token)

    def stage(self, address: str, changes: Changes, *then: Then) -> Stage:
        """These changes to a step, on this ground."""
        mark = {fields.settled_by(address): self.by}
        return Stage(guards=self.guards, already=mark, due=self.due, changes=changes | Changes(set=mark), then=then)


def settle(plan: Plan, view: RunView, address: str, token: str, outcome: Outcome, terms: Terms) -> Move:
    """The move that records an attempt's outcome and goes on from there."""
    ground = Ground.of_attempt(address, token)
    if isinstance(outcome, Success):
        return complete_step(plan, view, address, outcome.output, ground, terms)
    return fail_attempt(plan, view, address, outcome, ground, terms)


def complete_step(plan: Plan, view: RunView, address: str, output: str, ground: Ground, terms: Terms) -> Move:
    """The step has its result; what follows is ready."""
    values = {fields.output(address): output}
    if is_undo(address):
        onward = _alerting(after_undo(plan, view, address, terms, failed=False), view, address)
    else:
        target = success_target(plan, view, address, output)
        if isinstance(target, Failure):
            return fail_attempt(plan, view, address, target, ground, terms, recorded=values)
        values[fields.went_to(address)] = target
        onward = go(plan, view, target, terms, origin=address, error=error_before(view, address))
    completed = move_step(ground.state, StepHappening.COMPLETE)
    changes = leave(address, completed, values=values, struck=ground.token)
    return onward.move(view, ground.stage(address, changes))


def fail_attempt(
    plan: Plan,
    view: RunView,
    address: str,
    failure: Failure,
    ground: Ground,
    terms: Terms,
    *,
    ended_as: StepHappening = StepHappening.FAIL,
    recorded: dict[str, str] | None = None,
) -> Move:
    """The attempt failed: wait for the next one, or end the step and go where its failure leads."""
    work = work_at(plan, address)
    struck = ground.token if failure.reported and not failure.returned else None
    record = failure.to_json(address)
    if (
        work is not None
        and (failure.reported or work.idempotent)
        and allows(work.retry, failure, view.attempt(address))
    ):
        delay = delay_ms(work.retry, failure, view.attempt(address), terms.chance)
        first_ms = view.number(fields.first_started(address), view.now_ms)
        if not outlasts(work.retry, first_ms=first_ms, at_ms=view.now_ms + delay):
            stage = _retry(view, address, record, delay, ground, struck, terms)
            return Move(Commit(view.run_id, view.incarnation, (stage,)), parks_for_ms=delay)
        record["details"] = {**failure.details, "retries_ended": "max_elapsed"}
    values = {fields.error(address): json.dumps(record), **(recorded or {})}
    if failure.returned:
        values[fields.done(address)] = "1"
    ended = move_step(ground.state, ended_as)
    changes = leave(address, ended, values=values, struck=struck, error=record)
    happened = failure.returned or bool(ground.token and not struck) or view.unreported(address) > 0
    view.learn(changes.set, view.now_ms)
    onward = _after_failure(plan, view, address, record, terms, happened=happened)
    return onward.move(view, ground.stage(address, changes))


def after_undo(plan: Plan, view: RunView, address: str, terms: Terms, *, failed: bool) -> Onward:
    """What follows an undo: the handler that waited for it, the next one of the list, or the end of the run."""
    target = view[fields.after_undo(address)]
    if target is not None:
        error = view.json(fields.error(undone_by(address)))
        return go(plan, view, target, terms, origin=undone_by(address), error=error)
    listed: list[str] = view.json(fields.UNDO_LIST) or []
    following = listed[listed.index(address) + 1 :]
    if following:
        return begin(plan, view, following[0], terms)
    result = "failed" if failed or view[fields.UNDO_FAILED] == "1" else "completed"
    return Onward(second=end_stage(RunStatus(view[fields.REASON] or RunStatus.FAILED), result))


def _alerting(onward: Onward, view: RunView, address: str) -> Onward:
    """An undo that knew neither whether nor what it undoes marks the run (RULES 8)."""
    undone = undone_by(address)
    if view.returned(undone) or any(view[name] is not None for name in fields.recorded_outputs(undone)):
        return onward
    return replace(onward, changes=onward.changes | attention(undone))


def error_before(view: RunView, address: str) -> dict[str, Any] | None:
    """On a failure path: the failure that it began with."""
    cause = view[fields.cause(address)]
    error: dict[str, Any] | None = view.json(fields.error(cause)) if cause else None
    return error


def _after_failure(
    plan: Plan, view: RunView, address: str, record: dict[str, Any], terms: Terms, *, happened: bool
) -> Onward:
    if is_undo(address):
        onward = _alerting(after_undo(plan, view, address, terms, failed=True), view, address)
        return replace(onward, changes=onward.changes | Changes(set={fields.UNDO_FAILED: "1"}))
    target = failure_target(plan, view, address, record)
    if target != FAIL and happened and node_at(plan, address).undo is not None:
        undo = undo_of(address)
        onward = begin(plan, view, undo, terms)
        return replace(onward, changes=onward.changes | Changes(set={fields.after_undo(undo): target}))
    return go(plan, view, target, terms, origin=address, error=record)


def _retry(
    view: RunView,
    address: str,
    record: dict[str, Any],
    delay: int,
    ground: Ground,
    struck: str | None,
    terms: Terms,
) -> Stage:
    attempt = view.attempt(address)
    waits = move_step(ground.state, StepHappening.WAIT)
    look_ms = delay + (terms.timing.resend_ms if delay < SHORT_WAIT_MS else 0)
    changes = Changes(
        set={
            fields.state(address): waits,
            fields.token(address): "",
            fields.attempt(address): str(attempt + 1),
            fields.losses(address): "0",
            fields.error(address): json.dumps(record),
        },
        stamp={fields.until(address): delay},
        remove=((fields.open_set(address), struck),) if struck else (),
        entries={address: Due(within_ms=look_ms)},
        events=(event("attempt_failed", address, attempt=attempt, error=record, retry_in_ms=delay),),
    )
    if is_undo(address):
        return ground.stage(address, changes)
    hurry = Then({fields.STOPPING: "1", fields.state(address): waits}, Changes(entries={address: NOW}))
    return ground.stage(address, changes, hurry)
