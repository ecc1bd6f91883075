"""Cron expressions: the wall times that they name, whatever the zone. croniter reads them; their sense is here."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Any, Final

ALIASES: Final[Mapping[str, str]] = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
FIELDS: Final[Mapping[str, str]] = {
    "minute": "0-59",
    "hour": "0-23",
    "day": "1-31 or L, the last",
    "month": "1-12 or JAN-DEC",
    "weekday": "0-7 or SUN-SAT, as in 5#2 (the second Friday) or L5 (the last one)",
    "second": "0-59",
}
"""The fields in their order, with what each may be."""

LONGEST: Final = 500
"""Characters that an expression has at most."""

_WITHOUT_SECONDS: Final = 5
_DAY, _MONTH, _WEEKDAY = 2, 3, 4
_LAST: Final = -1
_WEEK: Final = 7
_WEEKS: Final = (1, 2, 3, 4, 5)
_CYCLE_YEARS: Final = 400
"""Dates have the same weekdays again after so long."""

_ONE_DAY: Final = timedelta(days=1)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NUMBERS: Final[Mapping[int, Mapping[str, str]]] = {
    _MONTH: {name: str(number) for number, name in enumerate(_MONTHS, 1)},
    _WEEKDAY: {name: str(number) for number, name in enumerate(_WEEKDAYS)},
}
_NAME: Final = re.compile(r"[a-z]{3}")
_RANGE: Final = re.compile(r"(\d{1,2})-(\d{1,2})(/\d+)?", re.ASCII)
_LAST_WEEKDAY: Final = re.compile(r"l(\d)|(\d)l", re.ASCII)
_NEAREST: Final = re.compile(r"\d*w\d*|lw", re.ASCII)
_BY_CHANCE: Final = re.compile(r"[hr](?:\(.*\))?(?:/\d+)?")


class InvalidCron(ValueError):
    """The text is not a cron expression; says what is wrong with it and what may stand there."""


class NeverFires(InvalidCron):
    """The expression names no day that there is, such as the 30th of February."""


@dataclass(frozen=True, slots=True)
class Cron:
    """The wall times that an expression names: every combination of its times with the days that it names."""

    text: str
    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]
    months: frozenset[int]
    days: frozenset[int]
    weekdays: frozenset[tuple[int, int]]
    either: bool
    """Both day fields are restricted, and either is enough."""
    every_hour: bool
    """The hour field begins with `*`: the expression follows real time, not the times of a day."""

    def names(self, day: date) -> bool:
        """Whether the expression names this day."""
        if day.month not in self.months:
            return False
        weekday, week = day.isoweekday() % _WEEK, (day.day - 1) // _WEEK + 1
        by_day = day.day in self.days or (_LAST in self.days and _is_last(day, 1))
        by_weekday = (weekday, week) in self.weekdays or ((weekday, _LAST) in self.weekdays and _is_last(day, _WEEK))
        return by_day or by_weekday if self.either else by_day and by_weekday

    def matches(self, wall: datetime) -> bool:
        """Whether the expression names this wall time, to the second."""
        return (
            wall.second in self.seconds
            and wall.minute in self.minutes
            and wall.hour in self.hours
            and self.names(wall.date())
        )

    def following(self, wall: datetime) -> datetime | None:
        """The first wall time after this one that the expression names; OverflowError beyond the year 9999."""
        earliest = wall.replace(microsecond=0) + timedelta(seconds=1)
        day: date | None = earliest.date()
        found = self._time_from(earliest.time()) if self.names(earliest.date()) else None
        if found is None:
            day = self.day_from(earliest.date() + _ONE_DAY)
            found = time(self.hours[0], self.minutes[0], self.seconds[0])
        return None if day is None else datetime.combine(day, found)

    def day_from(self, day: date) -> date | None:
        """The first day from this one on that the expression names; None if there is none."""
        last_year = day.year + _CYCLE_YEARS
        while day.year <= last_year:
            if day.month not in self.months:
                day = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
            elif self.names(day):
                return day
            else:
                day += _ONE_DAY
        return None

    def _time_from(self, earliest: time) -> time | None:
        """The first time of a day from this one on."""
        if earliest.hour in self.hours:
            if earliest.minute in self.minutes:
                second = _at_least(self.seconds, earliest.second)
                if second is not None:
                    return time(earliest.hour, earliest.minute, second)
            minute = _at_least(self.minutes, earliest.minute + 1)
            if minute is not None:
                return time(earliest.hour, minute, self.seconds[0])
        hour = _at_least(self.hours, earliest.hour + 1)
        return None if hour is None else time(hour, self.minutes[0], self.seconds[0])


@lru_cache(maxsize=1024)
def parse_cron(text: str) -> Cron:
    """The expression; InvalidCron if it is none, NeverFires if it names no day that there is."""
    fields = _fields(text)
    try:
        expanded, weeks = _expand(fields)
    except ValueError as error:  # of croniter
        raise InvalidCron(_what_is_wrong(text, fields)) from error
    minutes, hours, days, months, weekdays = (list(field) for field in expanded[:_WITHOUT_SECONDS])
    seconds = list(expanded[_WITHOUT_SECONDS]) if len(expanded) > _WITHOUT_SECONDS else [0]
    cron = Cron(
        text=text,
        hours=_numbers(hours, range(24)),
        minutes=_numbers(minutes, range(60)),
        seconds=_numbers(seconds, range(60)),
        months=frozenset(_numbers(months, range(1, 13))),
        days=frozenset(_LAST if day == "l" else int(day) for day in _values(days, range(1, 32))),
        weekdays=frozenset(
            (weekday, _LAST if week == "l" else week)
            for weekday in _numbers(weekdays, range(_WEEK))
            for week in weeks.get(weekday, _WEEKS)
        ),
        either=not fields[_DAY].startswith(("*", "?")) and not fields[_WEEKDAY].startswith(("*", "?")),
        every_hour=fields[1].startswith("*"),
    )
    if cron.day_from(date(2000, 1, 1)) is None:
        raise NeverFires(f"`{text}` never fires: there is no day that its day, month and weekday name")
    return cron


def _expand(fields: Sequence[str]) -> tuple[list[list[int | str]], Mapping[int, set[Any]]]:
    """What each field may be; and of weekdays with `#` or `L`, which of the month's they are: 1 to 5, or `l`."""
    expanded: Any = _croniter().expand(" ".join(fields))
    return expanded  # type: ignore[no-any-return]


@cache
def _croniter() -> Any:
    """The library's class; it takes megabytes, which a worker without schedules does not need."""
    from croniter import croniter  # noqa: PLC0415

    return croniter


def _is_last(day: date, days: int) -> bool:
    """Whether it is one of the last so many days of its month."""
    return (day + timedelta(days=days)).month != day.month


def _at_least(values: Sequence[int], least: int) -> int | None:
    index = bisect_left(values, least)
    return values[index] if index < len(values) else None


def _values(field: Sequence[int | str], every: Iterable[int]) -> list[int | str]:
    return list(every) if "*" in field else list(field)


def _numbers(field: Sequence[int | str], every: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(int(value) for value in _values(field, every)))


def _fields(text: str) -> list[str]:
    """The fields as croniter takes them; InvalidCron for what it would take otherwise than cron, or by chance."""
    if len(text) > LONGEST:
        raise InvalidCron(f"`{text[:20]}…` is not a cron expression: it has more than {LONGEST} characters")
    plain = text.strip().lower()
    if plain.startswith("@"):
        if plain not in ALIASES:
            raise InvalidCron(f"`{text}` is none of {', '.join(ALIASES)}")
        plain = ALIASES[plain]
    fields = plain.split()
    if len(fields) == len(FIELDS) + 1:
        raise InvalidCron(f"`{text}` has seven fields, and a year cannot be given; for one moment there is `at`")
    if len(fields) not in {_WITHOUT_SECONDS, len(FIELDS)}:
        count = f"{len(fields)} field{'' if len(fields) == 1 else 's'}"
        raise InvalidCron(
            f"`{text}` is not a cron expression: it has {count}; write five (minute, hour, day, month, weekday), "
            "or six with the second as the last"
        )
    return [_field(text, index, field) for index, field in enumerate(fields)]


def _field(text: str, index: int, field: str) -> str:
    if _BY_CHANCE.fullmatch(field):
        raise InvalidCron(
            f"`{text}`: `{field.upper()}` draws by chance; write a time, and `jitter` to spread the fires"
        )
    items = [_item(text, index, item) for item in field.split(",")]
    if index == _WEEKDAY and len({"#" in item or "l" in item for item in items}) > 1:
        raise InvalidCron(f"`{text}`: `#` and `L` cannot stand beside plain weekdays; make two schedules")
    return ",".join(items)


def _item(text: str, index: int, item: str) -> str:
    """One part of a field's list: names as numbers, one number for a range of one, Sunday as 0 where a range begins."""
    if index == _DAY and _NEAREST.fullmatch(item):
        raise InvalidCron(f"`{text}`: `{item.upper()}`, the nearest working day, cannot be asked for; name the days")
    names = _NUMBERS.get(index, {})
    item = _NAME.sub(lambda name: names.get(name[0], name[0]), item)
    if index == _WEEKDAY and (last := _LAST_WEEKDAY.fullmatch(item)):
        return f"l{last[1] or last[2]}"
    found = _RANGE.fullmatch(item)
    if found is None:
        return item
    first, last_one, step = int(found[1]), int(found[2]), found[3] or ""
    if index == _WEEKDAY and first == _WEEK:
        first, last_one = 0, last_one % _WEEK
    if first == last_one:
        return str(first)
    if first > last_one and step and not (index == _WEEKDAY and last_one == 0):
        raise InvalidCron(f"`{text}`: `{item}` counts on beyond its end; write two ranges")
    return f"{first}-{last_one}{step}"


def _what_is_wrong(text: str, fields: Sequence[str]) -> str:
    """The first field that is wrong by itself, and what it may be."""
    written = ALIASES.get(text.strip().lower(), text).split()
    for (name, allowed), field, shown in zip(FIELDS.items(), fields, written, strict=False):
        others = ["*"] * len(FIELDS)
        others[list(FIELDS).index(name)] = field
        if not _croniter().is_valid(" ".join(others)):
            return f"`{text}` is not a cron expression: its {name} is `{shown}`, and may be {allowed}"
    return f"`{text}` is not a cron expression"
