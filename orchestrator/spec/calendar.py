"""The slots of a schedule: the moments at which it fires, by its zone's clock, whatever way that clock jumps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from typing import Final, Self
from zoneinfo import ZoneInfo

from orchestrator.spec.cron import Cron, parse_cron
from orchestrator.spec.durations import milliseconds
from orchestrator.spec.triggers import ScheduleTrigger

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_SECOND: Final = timedelta(seconds=1)
_PROBE: Final = timedelta(hours=12)
"""No zone has two jumps within so short a time."""


@dataclass(frozen=True)
class Calendar:
    """The slots of one schedule: of a cron expression in a zone, of an interval from the Unix epoch, or one moment.

    A cron whose hour field begins with `*` follows real time: it fires whenever the zone's clock shows a time that it
    names, in both passes of a repeated hour. Any other wall time fires once: at the first instant at which the clock
    shows it or, where the clock jumps over it, a later one.
    """

    cron: str | None = None
    every: timedelta | None = None
    at: datetime | None = None
    zone: str = "UTC"

    def __post_init__(self) -> None:
        """ValueError if it is none of the three or several, or never fires; a zone that there is not is a KeyError."""
        if sum(one is not None for one in (self.cron, self.every, self.at)) != 1:
            raise ValueError("a calendar has one of `cron`, `every` and `at`")
        if self.every is not None and self.every <= timedelta(0):
            raise ValueError("`every` must be more than nothing")
        if self.at is not None and self.at.tzinfo is None:
            raise ValueError("`at` needs an offset")
        if self.cron is not None:
            _ = self._cron, self._zone

    @classmethod
    def of(cls, schedule: ScheduleTrigger) -> Self:
        """The calendar of a schedule that the lint has found nothing wrong with."""
        at = None if schedule.at is None else datetime.fromisoformat(schedule.at)
        return cls(cron=schedule.cron, every=schedule.every, at=at, zone=schedule.zone)

    def after(self, moment: datetime) -> datetime | None:
        """The first slot strictly after an aware moment, in UTC; None if there is none any more."""
        moment = moment.astimezone(UTC)
        try:
            if self.every is not None:
                return EPOCH + ((moment - EPOCH) // self.every + 1) * self.every
            if self.at is not None:
                return self.at.astimezone(UTC) if self.at > moment else None
            moment = moment.replace(microsecond=0)
            return self._next_shown(moment) if self._cron.every_hour else self._next_reached(moment)
        except OverflowError:  # beyond the year 9999
            return None

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The slots after `start`, up to and with `end`, one by one as they are asked for."""
        slot = self.after(start)
        while slot is not None and slot <= end:
            yield slot
            slot = self.after(slot)

    @cached_property
    def _cron(self) -> Cron:
        return parse_cron(self.cron or "")

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def _next_shown(self, moment: datetime) -> datetime | None:
        """The next instant at which the clock shows a time that the expression names."""
        while True:
            local = moment.astimezone(self._zone)
            wall = self._cron.following(local.replace(tzinfo=None))
            if wall is None:
                return None
            slot = moment + (wall - local.replace(tzinfo=None))
            jump = self._first_jump(moment, slot)
            if jump is None:
                return slot
            if self._cron.matches(self._shown(jump)):
                return jump
            moment = jump

    def _next_reached(self, moment: datetime) -> datetime | None:
        """The next instant at which the clock reaches, for the first time, a time that the expression names."""
        wall = self._cron.following(self._shown(moment))
        while wall is not None:
            slot = self._first_reached(wall)
            if slot > moment:
                return slot
            wall = self._cron.following(wall)  # in a repeated hour: it was reached in the first pass
        return None

    def _first_reached(self, wall: datetime) -> datetime:
        """The first instant at which the clock shows this time or a later one."""
        local = wall.replace(tzinfo=self._zone)
        moment = local.astimezone(UTC)
        if self._shown(moment) == wall:
            return moment
        # The clock jumps over it. Read by the offset before the jump it is `moment`; by the one after, an earlier one.
        return self._first_jump(local.replace(fold=1).astimezone(UTC), moment) or moment

    def _first_jump(self, start: datetime, end: datetime) -> datetime | None:
        """The first instant after `start`, up to and with `end`, from which on the zone's offset is another one."""
        before = self._offset(start)
        while start < end:
            reached = min(start + _PROBE, end)
            if self._offset(reached) != before:
                while reached - start > _SECOND:
                    middle = start + (reached - start) // _SECOND // 2 * _SECOND
                    if self._offset(middle) == before:
                        start = middle
                    else:
                        reached = middle
                return reached
            start = reached
        return None

    def _shown(self, moment: datetime) -> datetime:
        """What a clock of the zone shows."""
        return moment.astimezone(self._zone).replace(tzinfo=None, fold=0)

    def _offset(self, moment: datetime) -> timedelta | None:
        return moment.astimezone(self._zone).utcoffset()


def jittered(slot: datetime, jitter: timedelta, seed: str) -> timedelta:
    """How much later than its slot a schedule fires: at least nothing, less than `jitter`, in whole milliseconds.

    The same slot of the same schedule, which `seed` names, always has the same; others have it spread evenly.
    """
    span = milliseconds(jitter)
    if span <= 0:
        return timedelta(0)
    drawn = sha256(f"{milliseconds(slot.astimezone(UTC) - EPOCH)} {seed}".encode()).digest()
    return timedelta(milliseconds=int.from_bytes(drawn[:8]) % span)
