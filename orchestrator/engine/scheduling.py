"""What is done to a schedule from outside of its slots: defined, retired, paused, triggered, filled up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.engine.overlap import Turn
from orchestrator.engine.roots import rfc3339
from orchestrator.engine.schedule import Backfill, Kind, Pause, Pending, Schedule, Span, begins_ms, calendar_json
from orchestrator.engine.verbs import Wish


def define(
    schedule: Schedule | None, workflow: str, name: str, definition: Mapping[str, Any], now_ms: int
) -> Turn | None:
    """A version that new runs take has this schedule; None if nothing changes.

    Slots of an earlier calendar that are not decided yet stay. One that is new, or was retired, begins now.
    """
    calendar = calendar_json(definition)
    span = Span(calendar=calendar, after_ms=begins_ms(calendar, now_ms, schedule.cursor_ms if schedule else None))
    if schedule is None:
        return Turn(
            Schedule(workflow=workflow, name=name, definition=definition, spans=(span,)),
            ({"type": "schedule_created"},),
        )
    if schedule.retired:
        spans = () if schedule.pause else (span,)
        return Turn(
            schedule.changed(definition=definition, retired=False, spans=spans), ({"type": "schedule_revived"},)
        )
    if schedule.definition == definition:
        return None
    changed = schedule.changed(definition=definition)
    if calendar != calendar_json(schedule.definition):
        changed = changed.changed(spans=(*_closed(schedule, now_ms), *(() if schedule.pause else (span,))))
    return Turn(changed, ({"type": "schedule_changed"},))


def retire(schedule: Schedule) -> Turn | None:
    """No version that new runs take has it any more: nothing of it fires, and what it counted is kept."""
    if schedule.retired:
        return None
    after = schedule.changed(retired=True, spans=(), waiting_ms=None, backfills=())
    return Turn(after, ({"type": "schedule_retired"},))


def pause(schedule: Schedule, wish: Wish, now_ms: int) -> Turn | None:
    """No slot starts a run; None if it is paused already. The slots from now on will be neither fired nor missed."""
    if schedule.pause is not None:
        return None
    after = schedule.changed(
        pause=Pause(by=wish.by, reason=wish.reason, since_ms=now_ms), spans=_closed(schedule, now_ms)
    )
    return Turn(after, ({"type": "schedule_paused", **wish.told()},))


def resume(schedule: Schedule, wish: Wish, now_ms: int) -> Turn | None:
    """Slots start runs again, from the next one on; None if it is not paused."""
    if schedule.pause is None:
        return None
    opened = () if schedule.retired else (Span(calendar=calendar_json(schedule.definition), after_ms=now_ms),)
    after = schedule.changed(pause=None, spans=(*schedule.spans, *opened))
    return Turn(after, ({"type": "schedule_resumed", **wish.told()},))


def trigger(schedule: Schedule, run_id: str, wish: Wish, now_ms: int) -> Turn | None:
    """A run outside of the slots, whatever is under way; None if it was decided on before."""
    decided = {pending.run_id for pending in schedule.pending} | set(schedule.runs)
    decided |= {outcome.run_id for outcome in schedule.recent if outcome.run_id}
    if run_id in decided:
        return None
    pending = Pending(run_id=run_id, slot_ms=now_ms, kind=Kind.TRIGGER)
    after = schedule.changed(pending=(*schedule.pending, pending))
    return Turn(after, ({"type": "schedule_triggered", "run": run_id, **wish.told()},))


def backfill(schedule: Schedule, wanted: Backfill, slots: int, wish: Wish) -> Turn:
    """The slots of a range are to have their runs, in order; those that have one keep it."""
    after = schedule.changed(backfills=(*schedule.backfills, wanted))
    told = {
        "after": rfc3339(wanted.after_ms),
        "until": rfc3339(wanted.until_ms),
        "one_by_one": wanted.one_by_one,
        "slots": slots,
    }
    return Turn(after, ({"type": "backfill_asked", **told, **wish.told()},))


def _closed(schedule: Schedule, now_ms: int) -> tuple[Span, ...]:
    """The spans up to now, as far as they may have slots that are not decided yet."""
    cut = (
        span if span.until_ms is not None else span.model_copy(update={"until_ms": now_ms}) for span in schedule.spans
    )
    return tuple(span for span in cut if span.next_slot() is not None)
