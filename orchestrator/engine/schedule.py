"""A schedule as a record: what is kept of it between two fires, and which of its slots comes next (RULES 19)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from orchestrator.spec.calendar import Calendar, jittered
from orchestrator.spec.durations import milliseconds
from orchestrator.spec.fields import CANONICAL
from orchestrator.spec.triggers import ScheduleTrigger

TURN: Final = "turn"
"""The field that each commit to a schedule guards and moves on, so that of two deciders one decides."""
WRITER: Final = "writer"
"""The field that says which commit wrote the present turn."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CALENDAR: Final = ("cron", "every", "at", "zone")
"""The fields of a definition that say when."""


class Overlap(StrEnum):
    """What becomes of a slot while a run of the schedule is not over."""

    SKIP = "skip"
    BUFFER_ONE = "buffer_one"  # the oldest waits, the others are skipped
    ALLOW_ALL = "allow_all"
    CANCEL_OTHER = "cancel_other"  # the run is cancelled; the newest slot waits for its end


class Kind(StrEnum):
    """Why a schedule starts a run."""

    SLOT = "slot"
    TRIGGER = "trigger"  # somebody asked for one now
    BACKFILL = "backfill"  # somebody asked for the slots of a range


class Result(StrEnum):
    """What a slot came to."""

    STARTED = "started"
    FAILED = "failed"  # no run could be started; the error says why
    SKIPPED = "skipped"  # because of a run that was not over
    BUFFERED = "buffered"  # waits for the end of a run
    MISSED = "missed"  # nobody looked within the catch-up window
    EXISTED = "existed"  # a backfill found the run of its slot there


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Span(_Record):
    """A stretch of time and the calendar that names its slots; those behind `after_ms` are not decided yet."""

    calendar: str
    """The part of a definition that says when, as JSON."""
    after_ms: int
    until_ms: int | None = None
    """None: it goes on."""

    def next_slot(self) -> int | None:
        """The first slot that is not decided; None if the span has no more."""
        slot = slot_after(self.calendar, self.after_ms)
        return None if slot is None or (self.until_ms is not None and slot > self.until_ms) else slot


class Pending(_Record):
    """A run that was decided on and may not exist yet."""

    run_id: str
    slot_ms: int
    kind: Kind = Kind.SLOT


class Backfill(_Record):
    """A range whose slots are still to be started, those after `after_ms`."""

    after_ms: int
    until_ms: int
    one_by_one: bool = True


class Pause(_Record):
    """Who stopped a schedule, when and why."""

    by: str
    reason: str
    since_ms: int


class Outcome(_Record):
    """What a slot came to, or a run outside of the slots."""

    slot_ms: int
    result: Result
    kind: Kind = Kind.SLOT
    run_id: str | None = None
    error: Mapping[str, Any] | None = None


class Schedule(_Record):
    """Everything that is kept of a schedule."""

    workflow: str
    name: str
    definition: Mapping[str, Any]
    """The trigger, as the canonical JSON of the version has it."""
    turn: int = 0
    writer: str = ""
    """The token of the commit that wrote this turn."""
    fence: int = 0
    """The highest number of a leader that decided something here."""
    retired: bool = False
    """No version that new runs take has it any more."""
    pause: Pause | None = None
    spans: tuple[Span, ...] = ()
    """The slots to come, behind those of an earlier calendar, or from before a pause, that are not decided yet."""
    cursor_ms: int | None = None
    """The last slot that was decided."""
    pending: tuple[Pending, ...] = ()
    waiting_ms: int | None = None
    """The slot that waits for the end of a run."""
    backfills: tuple[Backfill, ...] = ()
    runs: tuple[str, ...] = ()
    """The last runs, those of backfills aside: they count for the overlap until they are over."""
    backfilled: str | None = None
    """The last run of a backfill."""
    recent: tuple[Outcome, ...] = ()
    counts: Mapping[str, int] = {}

    @cached_property
    def trigger(self) -> ScheduleTrigger:
        """What the author wrote."""
        return ScheduleTrigger.model_validate(self.definition, context=CANONICAL)

    @property
    def overlap(self) -> Overlap:
        """What becomes of a slot while a run is not over."""
        return Overlap(self.trigger.overlap)

    @property
    def started_by(self) -> str:
        """What its runs say about who started them."""
        return f"schedule:{self.name}"

    def next_slot(self) -> int | None:
        """The first slot that is not decided, whether its time has come or not."""
        return next((slot for span in self.spans if (slot := span.next_slot()) is not None), None)

    def fires_ms(self, slot_ms: int) -> int:
        """The moment at which a slot fires: its jitter later."""
        seed = f"{self.workflow} {self.name}"
        return slot_ms + milliseconds(jittered(_moment(slot_ms), self.trigger.jitter, seed))

    def with_decided(self, slot_ms: int, **changes: Any) -> Schedule:
        """The same, its next slot, which this is, decided."""
        left = tuple(self.spans)
        while left and left[0].next_slot() is None:
            left = left[1:]
        spans = (left[0].model_copy(update={"after_ms": slot_ms}), *left[1:]) if left else ()
        return self.changed(spans=spans, cursor_ms=slot_ms, **changes)

    def changed(self, **changes: Any) -> Schedule:
        """The same with other values; `trigger` is read anew."""
        return Schedule(**{name: getattr(self, name) for name in Schedule.model_fields} | changes)

    def to_fields(self) -> dict[str, str]:
        """As a store keeps it: each field as JSON."""
        return {name: json.dumps(value) for name, value in self.model_dump(mode="json").items()}

    @classmethod
    def from_fields(cls, values: Mapping[str, str | None]) -> Schedule | None:
        """What a store keeps; None if there is no such schedule."""
        known = {name: values.get(name) for name in cls.model_fields}
        if known[TURN] is None:
            return None
        return cls.model_validate({name: json.loads(text) for name, text in known.items() if text is not None})


def calendar_json(definition: Mapping[str, Any]) -> str:
    """The part of a definition that says when."""
    return json.dumps({name: definition[name] for name in _CALENDAR if name in definition}, sort_keys=True)


def slot_after(calendar: str, moment_ms: int) -> int | None:
    """The first slot of a calendar after a moment."""
    slot = _calendar(calendar).after(_moment(moment_ms))
    return None if slot is None else (slot - _EPOCH) // timedelta(milliseconds=1)


def begins_ms(calendar: str, now_ms: int, cursor_ms: int | None = None) -> int:
    """From when on a calendar that comes into force now has slots: from now on, and a moment that was not decided."""
    at = _calendar(calendar).at
    if at is None:
        return now_ms
    before_ms = (at - _EPOCH) // timedelta(milliseconds=1) - 1
    return now_ms if cursor_ms is not None and cursor_ms > before_ms else min(now_ms, before_ms)


@lru_cache(maxsize=1024)
def _calendar(text: str) -> Calendar:
    return Calendar.of(ScheduleTrigger.model_validate({"name": "calendar", **json.loads(text)}, context=CANONICAL))


def _moment(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)
