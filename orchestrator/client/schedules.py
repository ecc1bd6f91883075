"""Schedules, as operators see and change them; their records follow the versions that new runs take."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final
from urllib.parse import quote, unquote

from typing_extensions import override

from orchestrator.client.access import may_see
from orchestrator.client.audit import Audit
from orchestrator.client.firing import CancelRun, Firing, StartRun
from orchestrator.client.schedule_surface import Schedules
from orchestrator.client.search import moment_ms
from orchestrator.client.shown import ScheduleDescription, SchedulePage, Slot, Slots
from orchestrator.client.surface_words import Moment
from orchestrator.client.versions import Versions
from orchestrator.engine import fields
from orchestrator.engine.overlap import ALL, Turn, of_workflow, run_id_of
from orchestrator.engine.roots import rfc3339
from orchestrator.engine.schedule import Backfill, Outcome, Schedule, calendar_json, slot_after
from orchestrator.engine.scheduling import backfill, define, pause, resume, retire, trigger
from orchestrator.engine.verbs import Wish
from orchestrator.errors import Conflict, InvalidRequest, ScheduleRetired, UnknownSchedule, UnknownWorkflow
from orchestrator.settings import Settings
from orchestrator.store.port import HistoryEntry, Store

SIBLING: Final = "schedules"
"""The store of the records, beside that of the runs."""
MOST_BACKFILLED: Final = 10_000
"""Slots of one backfill."""
TRIES: Final = 20
PAGE: Final = 500

Decide = Callable[[Schedule, int], Turn | None]
"""What is to become of a schedule, at a moment; None: nothing."""


Descriptions = list[ScheduleDescription]
Events = list[HistoryEntry]


class RedisSchedules(Schedules):
    """The schedules of all workflows, over Redis."""

    def __init__(
        self,
        runs: Store,
        catalogue: Versions,
        settings: Settings,
        *,
        start: StartRun,
        cancel: CancelRun,
        audit: Audit | None = None,
    ) -> None:
        self._audit = audit or Audit()
        self.records = runs.sibling(SIBLING)
        self.firing = Firing(self.records, runs, settings.sweep_ms, start=start, cancel=cancel)
        self._catalogue = catalogue

    @override
    def list(self, workflow: str | None = None) -> Descriptions:
        now_ms, found = self.records.time_ms(), [schedule for _, schedule in self._all(workflow)]
        return [_described(one, now_ms, 1) for one in sorted(found, key=lambda one: (one.workflow, one.name))]

    @override
    def page(self, workflow: str | None = None, *, limit: int = 100, cursor: str | None = None) -> SchedulePage:
        return self.page_seen((), workflow, limit=limit, cursor=cursor)

    def page_seen(
        self, patterns: Sequence[str], workflow: str | None = None, *, limit: int = 100, cursor: str | None = None
    ) -> SchedulePage:
        """The same, of the workflows that a key with such patterns may see."""
        behind = ("", "") if cursor is None else _place(cursor)
        places = {_place(key): key for keys in self._keys(workflow) for key in keys}
        seen = sorted(place for place in places if place > behind and may_see(patterns, place[0]))
        records = self._records([places[place] for place in seen[:limit]])
        now_ms = self.records.time_ms()
        return SchedulePage(
            tuple(_described(schedule, now_ms, 1) for _, schedule in records),
            places[seen[limit - 1]] if len(seen) > limit else None,
        )

    @override
    def describe(self, workflow: str, name: str, *, fires: int = 5) -> ScheduleDescription:
        now_ms, schedule = self._get(workflow, name)
        return _described(schedule, now_ms, fires)

    @override
    def history(self, workflow: str, name: str, after: str = "0", limit: int = 1000) -> Events:
        self._get(workflow, name)
        return self.records.history(record_id(workflow, name), after, limit)

    @override
    def pause(self, workflow: str, name: str, reason: str = "", by: str = "") -> None:
        with self._acting("pause_schedule", workflow, name, reason, by):
            self._change(workflow, name, lambda one, now_ms: pause(one, Wish(by, reason), now_ms))

    @override
    def resume(self, workflow: str, name: str, reason: str = "", by: str = "") -> None:
        with self._acting("resume_schedule", workflow, name, reason, by):
            self._change(workflow, name, lambda one, now_ms: resume(one, Wish(by, reason), now_ms))

    @override
    def trigger(self, workflow: str, name: str, reason: str = "", by: str = "") -> str:
        with self._acting("trigger_schedule", workflow, name, reason, by):
            return self._trigger(workflow, name, Wish(by, reason))

    def _trigger(self, workflow: str, name: str, wish: Wish) -> str:
        run_id, key = secrets.token_hex(12), record_id(workflow, name)

        def decide(schedule: Schedule, now_ms: int) -> Turn | None:
            return trigger(_going_on(schedule), run_id, wish, now_ms)

        self._change(workflow, name, decide)
        _, schedule = self.firing.read(key)
        while schedule is not None and any(one.run_id == run_id for one in schedule.pending):
            errors, _ = self.firing.carry_out(key, schedule)
            error = errors[run_id]
            if error is not None:
                raise error
            _, schedule = self.firing.read(key)
        failed = [one.error for one in (schedule.recent if schedule else ()) if one.error and one.run_id == run_id]
        if failed:
            raise InvalidRequest(str(failed[0]["message"]), code=failed[0]["code"])
        return run_id

    @override
    def backfill(
        self,
        workflow: str,
        name: str,
        since: Moment,
        until: Moment | None = None,
        reason: str = "",
        by: str = "",
        *,
        one_by_one: bool = True,
    ) -> int:
        wanted = self._range(since, until, one_by_one=one_by_one)
        slots = 0

        def decide(schedule: Schedule, _now_ms: int) -> Turn:
            nonlocal slots
            calendar = calendar_json(_going_on(schedule).definition)
            slots = sum(1 for _ in islice(_slots(calendar, wanted), MOST_BACKFILLED + 1))
            if not slots:
                raise InvalidRequest(f"{name} has no slot in that range")
            if slots > MOST_BACKFILLED:
                raise InvalidRequest(f"that range has more than {MOST_BACKFILLED:,} slots; give a shorter one")
            return backfill(schedule, wanted, slots, Wish(by, reason))

        with self._acting("backfill_schedule", workflow, name, reason, by):
            self._change(workflow, name, decide)
        return slots

    @override
    def slots(self, workflow: str, name: str, since: Moment, until: Moment | None = None, *, limit: int = 100) -> Slots:
        wanted = self._range(since, until)
        _, schedule = self._get(workflow, name)
        found = [*islice(_slots(calendar_json(schedule.definition), wanted), MOST_BACKFILLED + 1)]
        shown = found[:limit]
        ids = [run_id_of(workflow, name, slot) for slot in shown]
        there = [one[fields.STATUS] for one in self.firing.runs.read_many(ids, (fields.STATUS,))]
        slots = (
            Slot(rfc3339(slot), run_id if status else None)
            for slot, run_id, status in zip(shown, ids, there, strict=True)
        )
        return Slots(len(found), tuple(slots))

    def _range(self, since: Moment, until: Moment | None, *, one_by_one: bool = True) -> Backfill:
        now_ms = self.records.time_ms()
        start_ms = moment_ms(since, now_ms, "since")
        end_ms = now_ms if until is None else moment_ms(until, now_ms, "until")
        if not start_ms <= end_ms <= now_ms:
            raise InvalidRequest("a backfill is of a range that is past: `since`, then `until`")
        return Backfill(after_ms=start_ms - 1, until_ms=end_ms, one_by_one=one_by_one)

    def _acting(self, action: str, workflow: str, name: str, reason: str, by: str) -> AbstractContextManager[None]:
        return self._audit.acting(action, f"schedules/{workflow}/{name}", reason, by)

    def reconcile(self, workflow: str) -> int:
        """Make the schedules of a workflow those of the version that new runs take; the number that changed."""
        changed = 0
        for _ in range(TRIES):
            # The records first: whoever publishes in between writes to them after that, and this is refused.
            before = {one.name: one for _, one in self._all(workflow)}
            wanted = self._wanted(workflow)
            now_ms, refused = self.records.time_ms(), False
            for name in {**before, **wanted}:
                schedule = before.get(name)
                if name in wanted:
                    turn = define(schedule, workflow, name, wanted[name], now_ms)
                else:
                    turn = None if schedule is None else retire(schedule)
                if turn is not None:
                    stands = self.firing.write(record_id(workflow, name), schedule, turn) is not None
                    changed, refused = changed + stands, refused or not stands
            if not refused:
                return changed
        raise Conflict(f"the schedules of {workflow} change too fast for this; try again", workflow=workflow)

    def _wanted(self, workflow: str) -> dict[str, Mapping[str, Any]]:
        try:
            latest = self._catalogue.offer(workflow).latest
        except UnknownWorkflow:
            return {}
        if latest is None:
            return {}
        definition = self._catalogue.registry.get(workflow, latest)
        triggers = json.loads(definition.canonical).get("triggers", [])
        return {one["schedule"]["name"]: one["schedule"] for one in triggers if "schedule" in one}

    def _all(self, workflow: str | None) -> Iterator[tuple[str, Schedule]]:
        for keys in self._keys(workflow):
            yield from self._records(keys)

    def _keys(self, workflow: str | None) -> Iterator[Sequence[str]]:
        """The ids of the records, so many at a time, in no order."""
        index = ALL if workflow is None else of_workflow(workflow)
        before: tuple[int, str] | None = None
        while page := self.records.index(index, 0, before, PAGE):
            yield [key for _, key in page]
            before = page[-1]

    def _records(self, keys: Sequence[str]) -> Iterator[tuple[str, Schedule]]:
        found = self.records.read_many(keys, tuple(Schedule.model_fields))
        for key, values in zip(keys, found, strict=True):
            schedule = Schedule.from_fields(values)
            if schedule is not None:
                yield key, schedule

    def _get(self, workflow: str, name: str) -> tuple[int, Schedule]:
        now_ms, schedule = self.firing.read(record_id(workflow, name))
        if schedule is not None:
            return now_ms, schedule
        names = [one.name for _, one in self._all(workflow)]
        near = get_close_matches(name, names, n=3) or sorted(names)[:5]
        hint = f"; it has {', '.join(near)}" if near else ""
        raise UnknownSchedule(f"workflow {workflow!r} has no schedule {name!r}{hint}", workflow=workflow, near=near)

    def _change(self, workflow: str, name: str, decide: Decide) -> None:
        for _ in range(TRIES):
            now_ms, schedule = self._get(workflow, name)
            turn = decide(schedule, now_ms)
            if turn is None or self.firing.write(record_id(workflow, name), schedule, turn) is not None:
                return
        raise Conflict(f"schedule {name} of {workflow} moves too fast for this; try again", workflow=workflow)


def record_id(workflow: str, name: str) -> str:
    """The id of a schedule's record, whatever its name consists of."""
    return f"{workflow}:{quote(name, safe='')}"


def _place(record: str) -> tuple[str, str]:
    """Where a record stands among all: by workflow and name. Its id is the cursor behind it."""
    workflow, found, name = record.partition(":")
    if not found:
        raise InvalidRequest(f"{record!r} is not a cursor; take the one that the page before gave")
    return workflow, unquote(name)


def _going_on(schedule: Schedule) -> Schedule:
    if schedule.retired:
        raise ScheduleRetired(
            f"no version of {schedule.workflow} that new runs take has the schedule {schedule.name} any more"
        )
    return schedule


def _slots(calendar: str, wanted: Backfill) -> Iterator[int]:
    slot = slot_after(calendar, wanted.after_ms)
    while slot is not None and slot <= wanted.until_ms:
        yield slot
        slot = slot_after(calendar, slot)


def _fires(schedule: Schedule, now_ms: int) -> Iterator[str]:
    """The moments of the next fires, as if nothing were in the way."""
    if schedule.retired or schedule.pause is not None:
        return
    slot = schedule.next_slot()
    while slot is not None:
        yield rfc3339(schedule.fires_ms(slot))
        slot = slot_after(calendar_json(schedule.definition), max(slot, now_ms))


def _described(schedule: Schedule, now_ms: int, fires: int) -> ScheduleDescription:
    held, waiting, cursor = schedule.pause, schedule.waiting_ms, schedule.cursor_ms
    return ScheduleDescription(
        workflow=schedule.workflow,
        name=schedule.name,
        state="retired" if schedule.retired else "paused" if held else "active",
        definition=schedule.definition,
        paused=None if held is None else {"by": held.by, "reason": held.reason, "since": rfc3339(held.since_ms)},
        next=tuple(islice(_fires(schedule, now_ms), fires)),
        waiting=None if waiting is None else rfc3339(waiting),
        last=None if cursor is None else rfc3339(cursor),
        backfills=len(schedule.backfills),
        counts=dict(schedule.counts),
        recent=tuple(map(_shown, reversed(schedule.recent))),
    )


def _shown(outcome: Outcome) -> dict[str, Any]:
    shown = outcome.model_dump(mode="json", exclude={"slot_ms"})
    return {"slot": rfc3339(outcome.slot_ms), **shown}
