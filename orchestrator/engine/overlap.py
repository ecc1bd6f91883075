"""Taking slots: what becomes of the next one, given which runs are not over. One decision a commit (RULES 19)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from orchestrator.engine.address import RUN
from orchestrator.engine.commit import CREATED_AT, INCARNATION, NOW, Changes, Commit, Due, Stage
from orchestrator.engine.roots import rfc3339
from orchestrator.engine.schedule import (
    TURN,
    WRITER,
    Backfill,
    Kind,
    Outcome,
    Overlap,
    Pending,
    Result,
    Schedule,
    calendar_json,
    slot_after,
)
from orchestrator.spec.durations import milliseconds

ONLY: Final = "1"
"""The incarnation of every schedule."""
ALL: Final = "schedules"
"""The index of all schedules."""

LEAST_CATCH_UP_MS: Final = 15_000
"""A slot that fires later than this, and than its schedule catches up, is missed. Leaders change within that time."""
MISSED_AT_ONCE: Final = 500
"""Slots that one commit records as missed."""
RECENT: Final = 20
"""Outcomes and runs that a record keeps."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A decision: the schedule as it is then, and what its history says."""

    after: Schedule
    events: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Created:
    """What came of creating a run that was decided on."""

    error: Mapping[str, Any] | None = None
    existed: bool = False


def run_id_of(workflow: str, name: str, slot_ms: int) -> str:
    """The id of the run of a slot: whoever creates it, and however often, it is one run."""
    return blake2b(f"schedule\0{workflow}\0{name}\0{slot_ms}".encode(), digest_size=12).hexdigest()


def decide(schedule: Schedule, now_ms: int, live: AbstractSet[str]) -> Turn | None:
    """The next decision; None if none is to be taken now. `live`: those of its runs that are not over."""
    if schedule.pending or schedule.retired:
        return None  # what has been decided comes first
    if schedule.pause is None:
        busy = not live.isdisjoint(schedule.runs)
        if schedule.waiting_ms is not None and (not busy or schedule.overlap is Overlap.ALLOW_ALL):
            return _start(schedule.changed(waiting_ms=None), schedule.waiting_ms)
        missed = _missed(schedule, now_ms)
        if missed:
            return _miss(schedule, missed)
        slot = schedule.next_slot()
        if slot is not None and schedule.fires_ms(slot) <= now_ms:
            return _take(schedule, slot, busy=busy)
    return _fill(schedule, live)


def settle(schedule: Schedule, created: Mapping[str, Created]) -> Turn:
    """Record that runs which were decided on exist, or why they do not."""
    events: list[Mapping[str, Any]] = []
    left: list[Pending] = []
    for pending in schedule.pending:
        found = created.get(pending.run_id)
        if found is None:
            left.append(pending)
            continue
        result = _result(pending, found)
        outcome = Outcome(
            slot_ms=pending.slot_ms,
            result=result,
            kind=pending.kind,
            run_id=pending.run_id,
            error=found.error,
        )
        schedule = _with_outcomes(schedule, [outcome])
        if pending.kind is Kind.BACKFILL and found.error is None:
            schedule = schedule.changed(backfilled=pending.run_id)
        elif result is Result.STARTED:
            schedule = schedule.changed(runs=(*schedule.runs, pending.run_id)[-RECENT:])
        told = {"run": pending.run_id} if found.error is None else {"error": found.error}
        events.append(_event(f"slot_{result}", pending.slot_ms, kind=pending.kind, **told))
    return Turn(schedule.changed(pending=tuple(left)), tuple(events))


def due(schedule: Schedule, look_again_ms: int) -> Due | None:
    """When a schedule must be looked at next; None: never, nor does it wait for anything."""
    if schedule.pending:
        return NOW
    if schedule.retired:
        return None
    if any(not one.one_by_one for one in schedule.backfills[:1]):
        return NOW
    active = schedule.pause is None
    slot = schedule.next_slot() if active else None
    polls = bool(schedule.backfills) or (active and schedule.waiting_ms is not None)
    return Due(
        within_ms=look_again_ms if polls else None,
        at_ms=None if slot is None else schedule.fires_ms(slot),
    )


def stamped(before: Schedule | None, turn: Turn, writer: str, fence: int = 0) -> Turn:
    """The turn as it is written: with its number, its writer's token, and the highest number of a leader so far."""
    number, last = (1, 0) if before is None else (before.turn + 1, before.fence)
    return Turn(turn.after.changed(turn=number, writer=writer, fence=max(last, fence)), turn.events)


def to_commit(record_id: str, before: Schedule | None, turn: Turn, look_again_ms: int) -> Commit:
    """The commit that takes a turn, which is stamped; `before` None creates the schedule."""
    after = turn.after
    indexes = {} if before is not None else dict.fromkeys((ALL, of_workflow(after.workflow)), True)
    values = after.to_fields()
    stage = Stage(
        guards={} if before is None else {TURN: str(before.turn)},
        already={TURN: values[TURN], WRITER: values[WRITER]},
        changes=Changes(
            set={**values, **({INCARNATION: ONLY} if before is None else {})},
            stamp={CREATED_AT: 0} if before is None else {},
            entries={RUN: due(after, look_again_ms)},
            index=indexes,
            events=turn.events,
        ),
    )
    return Commit(record_id, None if before is None else ONLY, (stage,))


def of_workflow(key: str) -> str:
    """The index of a workflow's schedules."""
    return f"schedules:{key}"


def _start(schedule: Schedule, slot_ms: int, kind: Kind = Kind.SLOT) -> Turn:
    run_id = run_id_of(schedule.workflow, schedule.name, slot_ms)
    return Turn(schedule.changed(pending=(Pending(run_id=run_id, slot_ms=slot_ms, kind=kind),)))


def _take(schedule: Schedule, slot_ms: int, *, busy: bool) -> Turn:
    """A slot whose time has come, under the overlap policy."""
    decided, waiting = schedule.with_decided(slot_ms), schedule.waiting_ms
    if not busy or schedule.overlap is Overlap.ALLOW_ALL:
        return _start(decided, slot_ms)
    if schedule.overlap is Overlap.SKIP or (schedule.overlap is Overlap.BUFFER_ONE and waiting is not None):
        return _noted(decided, Result.SKIPPED, slot_ms)
    turn = _noted(decided.changed(waiting_ms=slot_ms), Result.BUFFERED, slot_ms)
    if waiting is None:
        return turn
    replaced = _noted(turn.after, Result.SKIPPED, waiting)
    return Turn(replaced.after, (*replaced.events, *turn.events))


def _noted(schedule: Schedule, result: Result, slot_ms: int) -> Turn:
    after = _with_outcomes(schedule, [Outcome(slot_ms=slot_ms, result=result)])
    return Turn(after, (_event(f"slot_{result}", slot_ms, overlap=schedule.overlap),))


def _missed(schedule: Schedule, now_ms: int) -> list[int]:
    """The next slots, as far as they are too old to be caught up with."""
    oldest_ms = now_ms - max(milliseconds(schedule.trigger.catch_up), LEAST_CATCH_UP_MS)
    found: list[int] = []
    while len(found) < MISSED_AT_ONCE:
        slot = schedule.next_slot()
        if slot is None or schedule.fires_ms(slot) >= oldest_ms:
            break
        found.append(slot)
        schedule = schedule.with_decided(slot)
    return found


def _miss(schedule: Schedule, slots: Sequence[int]) -> Turn:
    for slot in slots:
        schedule = schedule.with_decided(slot)
    outcomes = [Outcome(slot_ms=slot, result=Result.MISSED) for slot in slots]
    event = {"type": "slots_missed", "slots": len(slots), "first": rfc3339(slots[0]), "last": rfc3339(slots[-1])}
    return Turn(_with_outcomes(schedule, outcomes), (event,))


def _fill(schedule: Schedule, live: AbstractSet[str]) -> Turn | None:
    """The next slot of a backfill. One by one: when no run of the schedule is under way."""
    if not schedule.backfills:
        return None
    first, *others = schedule.backfills
    slot = slot_after(calendar_json(schedule.definition), first.after_ms)
    if slot is None or slot > first.until_ms:
        return Turn(schedule.changed(backfills=tuple(others)), ({"type": "backfill_ended"},))
    if first.one_by_one and not live.isdisjoint({*schedule.runs, schedule.backfilled or ""}):
        return None
    begun: Backfill = first.model_copy(update={"after_ms": slot})
    return _start(schedule.changed(backfills=(begun, *others)), slot, Kind.BACKFILL)


def _result(pending: Pending, found: Created) -> Result:
    if found.error is not None:
        return Result.FAILED
    return Result.EXISTED if found.existed and pending.kind is Kind.BACKFILL else Result.STARTED


def _with_outcomes(schedule: Schedule, outcomes: Sequence[Outcome]) -> Schedule:
    counts = dict(schedule.counts)
    for outcome in outcomes:
        name = outcome.result if outcome.kind is Kind.SLOT else f"{outcome.kind}_{outcome.result}"
        counts[name] = counts.get(name, 0) + 1
    return schedule.changed(recent=(*schedule.recent, *outcomes)[-RECENT:], counts=counts)


def _event(happening: str, slot_ms: int, **more: Any) -> Mapping[str, Any]:
    return {"type": happening, "slot": rfc3339(slot_ms), **more}
