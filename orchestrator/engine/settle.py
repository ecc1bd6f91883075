"""Settling: what a run does with the outcome of an attempt. Guarded by the attempt's token alone (RULES 4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from orchestrator.engine import fields
from orchestrator.engine.address import drain_of, is_drain, is_undo, undo_of, undone_by
from orchestrator.engine.commit import NO_CHANGES, NOW, Changes, Commit, Due, Guards, Stage, Then
from orchestrator.engine.dependents import close, release
from orchestrator.engine.ends import go
from orchestrator.engine.onward import NOTHING, Move, Onward, Terms, begin, failure_target, success_target
from orchestrator.engine.outcome import Failure, Outcome, Success
from orchestrator.engine.places import going_on, node_at, retry_at, stopping_scopes, work_at
from orchestrator.engine.retries import allows, delay_ms, outlasts
from orchestrator.engine.stages import (
    attention,
    drained,
    end_stage,
    event,
    found_no_more,
    leave,
    stop_scope,
    when_drained,
)
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
    elsewhere: tuple[tuple[str, Guards], ...] = ()
    """What must hold of other runs."""
    beside: Changes = NO_CHANGES
    """What ends with it besides: of a step that waits for an event, that it can be found."""
    then: tuple[Then, ...] = ()
    took_ms: float | None = None
    """How long the attempt took, as its worker has measured it."""

    @staticmethod
    def of_attempt(address: str, token: str, took_ms: float | None = None) -> Ground:
        """The ground of an attempt that reports its outcome: its token, and nothing else."""
        return Ground({fields.token(address): token}, by=token, token=token, took_ms=took_ms)

    @staticmethod
    def of_ready(plan: Plan, address: str, terms: Terms) -> Ground:
        """The ground of a step that is settled without an attempt, or begins to wait: it is ready, and may start."""
        guards = {**going_on(plan, address), fields.state(address): StepState.READY}
        return Ground(guards, by=terms.token, state=StepState.READY)

    @staticmethod
    def of_waiting(view: RunView, address: str, terms: Terms, *, due: bool = False) -> Ground:
        """The ground of a step that is settled while it waits, for a worker or for something else."""
        state = view.state(address)
        guards = {fields.state(address): state, fields.token(address): view[fields.token(address)]}
        beside, then = found_no_more(view, address)
        return Ground(guards, terms.token, due=(address,) if due else (), state=state, beside=beside, then=then)

    def with_guards(self, guards: Guards) -> Ground:
        """The same ground, with more guards."""
        return replace(self, guards={**self.guards, **guards})

    def after(self, changes: Changes) -> Ground:
        """The same ground, once these changes are made, which are told before the step is settled."""
        return replace(self, beside=changes | self.beside)

    def stage(self, address: str, changes: Changes, *then: Then) -> Stage:
        """These changes to a step, on this ground."""
        mark = {fields.settled_by(address): self.by}
        marked = (self.beside | changes) | Changes(set=mark)
        return Stage(self.guards, marked, self.due, mark, then=self.then + then, elsewhere=self.elsewhere)


def settle(plan: Plan, view: RunView, address: str, token: str, outcome: Outcome, terms: Terms) -> Move:
    """The move that records an attempt's outcome and goes on from there."""
    ground = Ground.of_attempt(address, token, outcome.took_ms)
    if isinstance(outcome, Success):
        return complete_step(plan, view, address, outcome.output, ground, terms)
    return fail_attempt(plan, view, address, outcome, ground, terms)


def complete_step(
    plan: Plan, view: RunView, address: str, output: str, ground: Ground, terms: Terms, *, more: Onward = NOTHING
) -> Move:
    """The step has its result; what follows is ready. `more` is what else its completion brings about."""
    values = {fields.output(address): output}
    if is_undo(address):
        onward = _alerting(after_undo(plan, view, address, terms, failed=False), view, address)
    elif node_at(plan, address).needs is not None:
        view.learn({fields.state(address): StepState.COMPLETED, **values}, view.now_ms)
        onward = release(plan, view, address, terms, state=StepState.COMPLETED)
    else:
        target = success_target(plan, view, address, output)
        if isinstance(target, Failure):
            return fail_attempt(plan, view, address, target, ground, terms, recorded=values)
        onward = go(plan, view, target, terms, origin=address, cause=view[fields.cause(address)])
        values[fields.went_to(address)] = target if onward.to is None or is_drain(onward.to) else onward.to
    values |= _used_inputs(view, address)
    completed = move_step(ground.state, StepHappening.COMPLETE)
    changes = leave(plan, address, completed, values=values, struck=ground.token, took_ms=ground.took_ms)
    return onward.beside(more).move(view, ground.stage(address, changes))


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
    told: Mapping[str, Any] | None = None,
) -> Move:
    """The attempt failed: wait for the next one, or end the step and go where its failure leads.

    `told`: what the error says besides, or instead.
    """
    work, retry = work_at(plan, address), retry_at(plan, address)
    repeatable = failure.reported or (work is not None and work.idempotent)
    struck = ground.token if failure.reported and not failure.returned else None
    record = {**failure.to_json(address), **(told or {})}
    if retry is not None and repeatable and allows(retry, failure, view.attempt(address)):
        delay = delay_ms(retry, failure, view.attempt(address), terms.chance)
        first_ms = view.number(fields.first_started(address), view.now_ms)
        if not outlasts(retry, first_ms=first_ms, at_ms=view.now_ms + delay):
            stage = _retry(view, address, record, delay, ground, struck, terms)
            return Move(Commit(view.run_id, view.incarnation, (stage,)), parks_for_ms=delay)
        record["details"] = {**failure.details, "retries_ended": "max_elapsed"}
    values = {**(recorded or {}), **_used_inputs(view, address)}
    if failure.returned:
        values[fields.done(address)] = "1"
    happened = failure.returned or bool(ground.token and not struck) or view.unreported(address) > 0
    state = move_step(ground.state, ended_as)
    return fail_step(
        plan, view, address, record, ground, terms, state=state, values=values, struck=struck, happened=happened
    )


def fail_waiting(plan: Plan, view: RunView, address: str, failure: Failure, terms: Terms) -> Move:
    """A step that waits fails without an attempt."""
    return fail_attempt(plan, view, address, failure, Ground.of_waiting(view, address, terms), terms)


def fail_step(  # what a failure leaves is all of these
    plan: Plan,
    view: RunView,
    address: str,
    record: dict[str, Any],
    ground: Ground,
    terms: Terms,
    *,
    state: StepState,
    values: Mapping[str, str] | None = None,
    struck: str | None = None,
    happened: bool = False,
) -> Move:
    """The step failed for good. `happened`: its operation may have had an effect."""
    values = {**(values or {}), fields.error(address): json.dumps(record)}
    changes = leave(plan, address, state, values=values, struck=struck, error=record, took_ms=ground.took_ms)
    view.learn(changes.set, view.now_ms)
    onward = _after_failure(plan, view, address, record, terms, state=state, happened=happened)
    return onward.move(view, ground.stage(address, changes))


def after_undo(plan: Plan, view: RunView, address: str, terms: Terms, *, failed: bool) -> Onward:
    """What follows an undo: the handler that waited for it, the next one of its list, or what waited for them all."""
    undone = undone_by(address)
    target = view[fields.after_undo(address)]
    if target is not None:
        return after_handled(plan, view, undone, target, terms)
    scope = view[fields.listed_in(address)] or ""
    listed: list[str] = view.json(fields.undo_list(scope)) or []
    following = listed[listed.index(address) + 1 :]
    if following:
        return begin(plan, view, following[0], terms)
    if scope:
        return after_scope(plan, view, scope, terms)
    result = "failed" if failed or view[fields.UNDO_FAILED] == "1" else "completed"
    return Onward(second=end_stage(view, plan.pinned, RunStatus(view[fields.REASON] or RunStatus.FAILED), result))


def after_scope(plan: Plan, view: RunView, scope: str, terms: Terms) -> Onward:
    """Everything inside a container or flow has been undone: what waited for that follows."""
    drain = drain_of(scope)
    target = view[fields.after_undo(drain)]
    onward = Onward() if target is None else after_handled(plan, view, scope, target, terms)
    around = _drain_around(plan, view, drain)
    return Onward(then=when_drained(plan, drain), forks=(around,) if around else ()).beside(onward)


def after_handled(plan: Plan, view: RunView, address: str, target: str, terms: Terms) -> Onward:
    """What follows a failed step whose effects are undone: its handler, or those that need it."""
    if target == DEPENDENTS:
        return release(plan, view, address, terms, state=view.state(address))
    return go(plan, view, target, terms, origin=address, cause=address)


def _drain_around(plan: Plan, view: RunView, drain: str) -> str | None:
    """The undo that may have waited for this one."""
    around = next((one for one in stopping_scopes(plan, drain) if view[fields.stopping(one)] == "1"), None)
    return None if around is None else drain_of(around)


def _alerting(onward: Onward, view: RunView, address: str) -> Onward:
    """An undo that knew neither whether nor what it undoes marks the run (RULES 8)."""
    undone = undone_by(address)
    if view.returned(undone) or any(view[name] is not None for name in fields.recorded_outputs(undone)):
        return onward
    return replace(onward, changes=onward.changes | attention(undone))


def _used_inputs(view: RunView, address: str) -> dict[str, str]:
    used = view[fields.used_inputs(address)]
    return {} if used is None else {fields.used_inputs(address): used}


DEPENDENTS: Final = "$needed"
"""In a needs flow, where a failure leads that does not close it: those that need the step hear of it."""


def _after_failure(
    plan: Plan,
    view: RunView,
    address: str,
    record: dict[str, Any],
    terms: Terms,
    *,
    state: StepState,
    happened: bool,
) -> Onward:
    if is_undo(address):
        onward = _alerting(after_undo(plan, view, address, terms, failed=True), view, address)
        told = Changes(set={fields.UNDO_FAILED: "1", fields.COMPENSATION: "failed"})
        return replace(onward, changes=told | onward.changes)
    node = node_at(plan, address)
    if node.needs is None:
        target = failure_target(plan, view, address, record)
    else:
        target = DEPENDENTS if node.needs.allow_failure else FAIL
    if target != FAIL and view[fields.size(address)] is not None:
        return Onward(changes=stop_scope(plan, address, target), then=(drained(address),), to=drain_of(address))
    if target != FAIL and happened and node.can_be_undone:
        undo = undo_of(address)
        onward = begin(plan, view, undo, terms)
        return replace(onward, changes=onward.changes | Changes(set={fields.after_undo(undo): target}))
    if target == DEPENDENTS:
        return release(plan, view, address, terms, state=state)
    if node.needs is not None:
        onward = close(address, record).beside(release(plan, view, address, terms, state=state))
    else:
        onward = go(plan, view, target, terms, origin=address, cause=address)
    if node.container is None:
        return onward
    return replace(onward, changes=onward.changes | Changes(set={fields.stopping(address): "1"}))


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
        events=(
            event("attempt_failed", address, attempt=attempt, error=record, retry_in_ms=delay, took_ms=ground.took_ms),
        ),
    )
    if is_undo(address):
        return ground.stage(address, changes)
    hurry = Then({fields.STOPPING: "1", fields.state(address): waits}, Changes(entries={address: NOW}))
    return ground.stage(address, changes, hurry)
