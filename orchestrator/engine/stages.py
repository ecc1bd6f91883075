"""The stages that every decision is put together from: reach, claim, stop, drain, end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN, RUN, drain_of, is_drain, is_lane, is_undo, parse_address, within
from orchestrator.engine.commit import NEVER, NOW, Changes, Due, Stage, Then, count_field
from orchestrator.engine.indexes import PAUSED_RUNS, Pinned, event_index, moved
from orchestrator.engine.parents import told
from orchestrator.engine.places import MANY, going_on, live_sets, node_at, stopping_scopes, work_at
from orchestrator.engine.state import RunHappening, RunStatus, StepHappening, StepState, move_run, move_step
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import REST, Plan, Work


@dataclass(frozen=True, slots=True)
class Timing:
    """How long leases last and when a ready step is first sent again, in ms."""

    lease_ms: int = 15_000
    resend_ms: int = 2_000
    max_resend_ms: int = 300_000

    def resend(self, resends: int) -> int:
        """The interval after so many sends: doubles, up to the limit (RULES 17)."""
        return min(self.resend_ms << min(resends, 30), self.max_resend_ms)


def event(kind: str, step: str | None = None, **details: Any) -> dict[str, Any]:
    """A history event; details that are None are left out."""
    head: dict[str, Any] = {"type": kind} if step is None else {"type": kind, "step": step}
    return head | {name: value for name, value in details.items() if value is not None}


UNKNOWN_EFFECT = "unknown_effect"
"""A run's `attention`: something may have happened outside that nobody undoes."""


def attention(address: str) -> Changes:
    """Mark the run and tell the operators: an effect may stand that nobody knows of."""
    return Changes(set={fields.ATTENTION: UNKNOWN_EFFECT}, events=(event("attention", address, reason=UNKNOWN_EFFECT),))


def queued(address: str, timing: Timing, work: Work | None) -> Changes:
    """A ready step waits for a worker: when it is sent again, and when it has waited too long."""
    limit_ms = work.queue_timeout_ms if work is not None else None
    return Changes(
        stamp={} if limit_ms is None else {fields.queue_deadline(address): limit_ms},
        entries={address: Due(within_ms=min(timing.resend_ms, limit_ms or timing.resend_ms))},
    )


def reach(plan: Plan, address: str, timing: Timing, *, cause: str | None = None, claimed: bool = False) -> Changes:
    """The flow has come to a step: it is ready, live, and sent again if nobody takes it.

    `claimed`: the same commit claims it, so that it does not wait for a worker.
    """
    state, work = move_step(StepState.PENDING, StepHappening.REACH), work_at(plan, address)
    waiting = queued(address, timing, work)
    since = {} if claimed or work is None or is_lane(address) else {fields.ready_at(address): 0}
    return Changes(
        set={fields.state(address): state, **({fields.cause(address): cause} if cause else {})},
        stamp={**waiting.stamp, **since},
        add=tuple((live, address) for live in live_sets(plan, address)),
        entries=waiting.entries,
    )


def leave(
    plan: Plan,
    address: str,
    state: StepState,
    *,
    values: Mapping[str, str] | None = None,
    struck: str | None = None,
    error: Mapping[str, Any] | None = None,
    took_ms: float | None = None,
) -> Changes:
    """A step is settled for good: it takes its place in the order, and is no longer live.

    `struck` is the token whose attempt reported its end; `error`, and how long that took, are told with the event.
    """
    removed = ((fields.open_set(address), struck),) if struck else ()
    recorded = values or {}
    return Changes(
        set={
            fields.state(address): state,
            fields.token(address): "",
            **recorded,
            **latest(plan, address, state, recorded),
        },
        stamp={fields.ended(address): 0},
        number=(fields.sequence(address),),
        remove=(*((live, address) for live in live_sets(plan, address)), *removed),
        entries={address: None},
        events=(event(f"step_{state.value}", address, error=error, took_ms=took_ms),),
    )


def latest(plan: Plan, address: str, state: StepState, recorded: Mapping[str, str]) -> dict[str, str]:
    """Of a step in a loop: what those who read it see, until its next visit is settled."""
    if is_drain(address) or is_undo(address) or is_lane(address) or not node_at(plan, address).loops:
        return {}
    here = parse_address(address)
    step = within(here.flow, here.step)
    left = {name: recorded.get(f"{address}:{name}", "") for name in ("out", "err", "failures")}
    return {fields.latest(step, "status"): state, **{fields.latest(step, name): text for name, text in left.items()}}


def found_no_more(view: RunView, address: str) -> tuple[Changes, tuple[Then, ...]]:
    """A step that waited for events is not looked for any more; nor is its run, if it was the last one by a name."""
    names = view.json(fields.waits_for(address)) or ()
    if not names:
        return Changes(), ()
    changes = Changes(
        delete=(fields.waits_for(address), fields.looked_back(address)),
        remove=tuple((fields.waiting_set(name), address) for name in names),
    )
    return changes, tuple(
        Then({count_field(fields.waiting_set(name)): "0"}, Changes(index={event_index(name): False})) for name in names
    )


@lru_cache(maxsize=MANY)
def when_drained(plan: Plan, address: str) -> tuple[Then, ...]:
    """If something around an address is stopping and its last live step has left, its undo is ready (RULES 2)."""
    drains = tuple(drained(scope) for scope in stopping_scopes(plan, address))
    return (*drains, REST_OVER) if plan.leaves_rest and ("/" in address or is_lane(address)) else drains


def stop_scope(plan: Plan, scope: str, then: str | None = None) -> Changes:
    """Nothing new may start inside a container or flow; its undo waits for what runs there, then `then` follows."""
    drain = drain_of(scope)
    waits = move_step(move_step(StepState.PENDING, StepHappening.REACH), StepHappening.WAIT)
    follows = {} if then is None else {fields.after_undo(drain): then}
    return Changes(
        set={fields.stopping(scope): "1", fields.state(drain): waits, **follows},
        add=tuple((live, drain) for live in live_sets(plan, drain)),
        entries={drain: NOW},
        events=(event("scope_stopping", scope),),
    )


def drained(scope: str) -> Then:
    """If a scope is stopping and nothing of it is live, its undo is ready."""
    if not scope:
        return RUN_DRAINED
    drain = drain_of(scope)
    return Then(
        guards={fields.state(drain): StepState.WAITING, count_field(fields.live_set(scope)): "0"},
        changes=Changes(
            set={fields.state(drain): move_step(StepState.WAITING, StepHappening.WAKE)}, entries={drain: NOW}
        ),
    )


RUN_DRAINED = Then(
    guards={fields.STOPPING: "1", fields.LIVE_COUNT: "0", fields.state(DRAIN): None},
    changes=Changes(
        set={fields.state(DRAIN): move_step(StepState.PENDING, StepHappening.REACH)},
        add=((fields.LIVE_SET, DRAIN),),
        entries={DRAIN: NOW},
    ),
)
"""If the run is stopping and nothing of it is live, its undo is ready."""

REST_OVER = Then(
    guards={
        fields.flow_state(""): StepState.COMPLETED,
        fields.STOPPING: "0",
        fields.LIVE_COUNT: "0",
        fields.state(REST): None,
    },
    changes=Changes(
        set={fields.state(REST): move_step(StepState.PENDING, StepHappening.REACH)},
        add=((fields.LIVE_SET, REST),),
        entries={REST: NOW},
    ),
)
"""If the run's flow has completed and nothing goes on beside it any more, its end is ready."""


def claim(
    plan: Plan,
    address: str,
    work: Work,
    token: str,
    timing: Timing,
    *,
    attempt: int,
    first: bool,
    ready_at: int | None = None,
    in_hand: bool = False,
) -> Stage:
    """A ready step becomes running, with a token and a lease. An undo is claimed in a stopping flow, a step is not.

    `ready_at`: since when it waited for a worker. `in_hand`: it waited in a message that had others to see to, and that
    has not read it; so it is refused unless it is the first.
    """
    guards: dict[str, str | None] = {fields.state(address): StepState.READY, fields.PAUSED: "0"}
    if not is_undo(address):
        guards |= going_on(plan, address)
    if in_hand:
        guards |= {fields.attempt(address): None, fields.first_started(address): None}
    limit_ms = min(work.timeout_ms, work.heartbeat_timeout_ms or work.timeout_ms)
    stamp = {fields.started(address): 0, fields.deadline(address): work.timeout_ms}
    if work.heartbeat_timeout_ms is not None:
        stamp[fields.silent_at(address)] = work.heartbeat_timeout_ms
    if first:
        stamp[fields.first_started(address)] = 0
    return Stage(
        guards=guards,
        already={fields.state(address): StepState.RUNNING, fields.token(address): token},
        changes=Changes(
            set={
                fields.state(address): move_step(StepState.READY, StepHappening.CLAIM),
                fields.token(address): token,
            },
            delete=(fields.parked(address), fields.resends(address)),
            stamp=stamp,
            add=((fields.open_set(address), token),),
            entries={address: Due(within_ms=min(timing.lease_ms, limit_ms))},
            events=(event("step_started", address, attempt=attempt, ready_at=ready_at, in_hand=in_hand or None),),
        ),
    )


def stop(pinned: Pinned, status: RunStatus, reason: RunStatus, error: Mapping[str, Any]) -> Stage:
    """Nothing new may start: what waits falls due now; what runs is waited for (RULES 3). The first reason stands."""
    stopped = move_run(status, RunHappening.STOP)
    cancelled = {PAUSED_RUNS: False} if reason is RunStatus.CANCELLED else {}
    return Stage(
        guards={fields.STATUS: status, fields.STOPPING: "0"},
        changes=Changes(
            set={
                fields.STATUS: stopped,
                fields.STOPPING: "1",
                fields.REASON: reason,
                fields.ERROR: json.dumps(error),
                **({fields.PAUSED: "0"} if reason is RunStatus.CANCELLED else {}),
            },
            stamp={fields.STOPPED_AT: 0},
            entries={RUN: NEVER},
            expedite=(":state", StepState.RUNNING),
            index={**moved(status, stopped, pinned), **cancelled},
            events=(event("run_stopping", reason=reason.value, error=error),),
        ),
        then=(RUN_DRAINED,),
    )


def complete(view: RunView, pinned: Pinned, output: str) -> Stage:
    """The flow came to its end and nothing of it is live."""
    ended = move_run(RunStatus.RUNNING, RunHappening.COMPLETE)
    return Stage(
        guards={fields.STATUS: RunStatus.RUNNING, fields.STOPPING: "0", fields.LIVE_COUNT: "0"},
        already={fields.STATUS: ended},
        changes=Changes(
            set={fields.STATUS: ended, fields.OUTPUT: output},
            stamp={fields.ENDED_AT: 0},
            index=moved(RunStatus.RUNNING, ended, pinned),
            events=(event("run_completed"),),
            end=True,
            also=told(view),
        ),
    )


def end(view: RunView, pinned: Pinned, reason: RunStatus, compensation: str) -> Changes:
    """Everything that was to be undone has been tried: the run is over."""
    ended = move_run(RunStatus.COMPENSATING, _ENDS[reason])
    return Changes(
        set={fields.STATUS: ended, fields.COMPENSATION: compensation},
        stamp={fields.ENDED_AT: 0},
        index=moved(RunStatus.COMPENSATING, ended, pinned),
        events=(event(f"run_{ended.value}", compensation=compensation),),
        end=True,
        also=told(view),
    )


_ENDS: Mapping[RunStatus, RunHappening] = {
    RunStatus.FAILED: RunHappening.END_FAILED,
    RunStatus.CANCELLED: RunHappening.END_CANCELLED,
    RunStatus.COMPLETED: RunHappening.END_COMPLETED,
}


def end_stage(view: RunView, pinned: Pinned, reason: RunStatus, compensation: str) -> Stage:
    """The run's end as a stage of its own, after its last undo was settled."""
    changes = end(view, pinned, reason, compensation)
    return Stage(
        guards={fields.STATUS: RunStatus.COMPENSATING, fields.LIVE_COUNT: "0"},
        already={fields.STATUS: changes.set[fields.STATUS]},
        changes=changes,
    )
