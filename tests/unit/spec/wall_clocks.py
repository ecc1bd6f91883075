"""Slots by brute force: each minute of a year is looked at, and cron is read by a matcher that is only good enough."""

from __future__ import annotations

from bisect import bisect_left
from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
NAMES = {
    name: number
    for names in ("sun mon tue wed thu fri sat", "- jan feb mar apr may jun jul aug sep oct nov dec")
    for number, name in enumerate(names.split())
}


def shown_by_brute_force(cron: str, zone: str, year: int) -> list[datetime]:
    """Every minute of the year in UTC at which the zone's clock shows a time that the expression names."""
    minutes, hours, days = _read(cron, year)
    return [
        moment
        for moment, wall in _clock(zone, year)
        if wall.minute in minutes and wall.hour in hours and moment.year == year and wall.date() in days
    ]


def reached_by_brute_force(cron: str, zone: str, year: int) -> list[datetime]:
    """For each time that the expression names, the first minute at which the clock has come to it or beyond."""
    minutes, hours, days = _read(cron, year)
    clock = _clock(zone, year)
    furthest = _furthest(zone, year)
    named = [
        datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001  # a wall time
        for day in sorted(days)
        for hour in sorted(hours)
        for minute in sorted(minutes)
    ]
    found = [clock[bisect_left(furthest, wall)][0] for wall in named if furthest[0] < wall <= furthest[-1]]
    return [moment for moment in dict.fromkeys(found) if moment.year == year]


@lru_cache(maxsize=1)
def _clock(zone: str, year: int) -> list[tuple[datetime, datetime]]:
    """Each minute from two days before the year to two days after it, with what the zone's clock shows then."""
    place, moment = ZoneInfo(zone), datetime(year, 1, 1, tzinfo=UTC) - 2 * DAY
    count = (datetime(year + 1, 1, 1, tzinfo=UTC) + 2 * DAY - moment) // MINUTE
    moments = (moment + number * MINUTE for number in range(count))
    return [(one, one.astimezone(place).replace(tzinfo=None)) for one in moments]


@lru_cache(maxsize=1)
def _furthest(zone: str, year: int) -> list[datetime]:
    """How far the clock has come by each of these minutes."""
    return list(accumulate((wall for _, wall in _clock(zone, year)), max))


def _read(cron: str, year: int) -> tuple[set[int], set[int], set[date]]:
    minute, hour, day, month, weekday = cron.lower().split()
    first, either = date(year, 1, 1) - 3 * DAY, "*" not in {day[0], weekday[0]}
    days = set()
    for one in (first + number * DAY for number in range(373)):
        by_day = one.day in _numbers(day, 1, monthrange(one.year, one.month)[1])
        by_weekday = any(_is_weekday(item, one) for item in weekday.split(","))
        if one.month in _numbers(month, 1, 12) and (by_day or by_weekday if either else by_day and by_weekday):
            days.add(one)
    return _numbers(minute, 0, 59), _numbers(hour, 0, 23), days


def _is_weekday(item: str, day: date) -> bool:
    name, _, nth = item.partition("#")
    if name.startswith("l"):
        return _is_weekday(name[1:], day) and (day + 7 * DAY).month != day.month
    if nth:
        return _is_weekday(name, day) and (day.day + 6) // 7 == int(nth)
    return day.isoweekday() % 7 in {number % 7 for number in _numbers(name, 0, 7)}


def _numbers(field: str, low: int, high: int) -> set[int]:
    return {number for item in field.split(",") for number in _item(item, low, high)}


def _item(item: str, low: int, high: int) -> Iterator[int]:
    span, _, step = item.partition("/")
    if span == "l":
        return iter([high])
    first, _, last = span.partition("-")
    begin = low if span == "*" else _number(first)
    end = _number(last) if last else high if span == "*" or step else begin
    return iter(range(begin, end + 1, int(step or 1)))


def _number(text: str) -> int:
    return NAMES[text] if text in NAMES else int(text)
