"""When schedules fire: by the clock of their zone, each named time once, whatever way the clock jumps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice, pairwise
from time import perf_counter
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.spec.calendar import Calendar, jittered
from orchestrator.spec.cron import parse_cron
from orchestrator.spec.triggers import ScheduleTrigger
from tests.unit.spec.wall_clocks import reached_by_brute_force, shown_by_brute_force

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
END = datetime.max.replace(tzinfo=UTC)
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour
    "America/Santiago",  # at midnight, the other way round
    "Africa/Casablanca",  # four jumps where Ramadan lies within a year
    "Africa/Cairo",  # at midnight
    "Asia/Kathmandu",  # none, 5:45 from UTC
)
REAL_TIME = ("25,55 * * * *", "30 */2 * * *", "0 * 13 * FRI", "15 * L FEB,MAR,OCT *", "*/7 */5 * 3-11/2 SUN")
WALL_TIMES = (
    "0 0 * * *",
    "30 2 * * *",
    "15,45 0-3 * * *",
    "*/10 2 * * SUN",
    "0 9-17/4 * * MON-FRI",
    "45 1,23 1,15 * 5#2",
    "0 0 L * *",
    "59 23 29 2 *",
    "30 0 * * L0",
    "5/15 1-2 */3 * SAT,SUN",
)


def at(text: str, zone: str = "UTC") -> datetime:
    """A moment, written as the zone's clock shows it."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def fires(cron: str, zone: str, start: str, end: str) -> list[str]:
    """The slots between two wall times of the zone, as its clock shows them."""
    slots = Calendar(cron=cron, zone=zone).between(at(start, zone) - SECOND, at(end, zone))
    return [f"{slot.astimezone(ZoneInfo(zone)):%m-%d %H:%M %z}" for slot in slots]


@pytest.mark.parametrize("zone", ZONES)
def test_a_year_of_slots_is_that_of_a_search_through_every_minute(zone: str) -> None:
    """Both kinds of expressions; 2028, with its leap day, in one of the zones."""
    year = 2028 if zone == "Africa/Casablanca" else 2026
    start, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    for cron in (*REAL_TIME, *WALL_TIMES):
        search = shown_by_brute_force if cron in REAL_TIME else reached_by_brute_force

        slots = list(Calendar(cron=cron, zone=zone).between(start - SECOND, end - SECOND))

        assert slots == search(cron, zone, year), cron


@pytest.mark.parametrize("zone", ZONES)
def test_every_day_fires_once(zone: str) -> None:
    """At a time that no day of these zones lacks or repeats, and at one that some do."""
    start, end = at("2026-01-01", zone) - SECOND, at("2027-01-01", zone) - SECOND
    for cron in ("0 12 * * *", "20 2 * * *", "0 0 * * *"):
        slots = list(Calendar(cron=cron, zone=zone).between(start, end))

        days = [slot.astimezone(ZoneInfo(zone)).date() for slot in slots]
        assert len(days) == len(set(days)) == 365


def test_a_wall_time_in_the_gap_fires_when_the_gap_is_over() -> None:
    """Several of them fire once, together with the time that follows the gap."""
    one = fires("30 2 * * *", "Europe/Berlin", "2026-03-28", "2026-03-30")
    several = fires("*/15 2 * * *", "Europe/Berlin", "2026-03-29", "2026-03-29T12:00")
    with_the_next = fires("0 2,3 * * *", "Europe/Berlin", "2026-03-29", "2026-03-29T12:00")

    assert one == ["03-28 02:30 +0100", "03-29 03:00 +0200"]
    assert several == with_the_next == ["03-29 03:00 +0200"]


def test_a_wall_time_in_the_overlap_fires_in_the_first_pass() -> None:
    """And not again in the second, also if one asks from within it."""
    once = fires("30 2 * * *", "Europe/Berlin", "2026-10-25", "2026-10-25T12:00")
    second_pass = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)

    assert once == ["10-25 02:30 +0200"]
    assert Calendar(cron="30 2 * * *", zone="Europe/Berlin").after(second_pass) == at(
        "2026-10-26T02:30", "Europe/Berlin"
    )


def test_an_hour_field_that_begins_with_a_star_follows_real_time() -> None:
    """It fires in both passes of the repeated hour, and skips what does not exist."""
    autumn = fires("30 * * * *", "Europe/Berlin", "2026-10-25T01:00", "2026-10-25T03:45")
    spring = fires("30 */2 * * *", "Europe/Berlin", "2026-03-29T00:00", "2026-03-29T05:00")

    assert autumn == ["10-25 01:30 +0200", "10-25 02:30 +0200", "10-25 02:30 +0100", "10-25 03:30 +0100"]
    assert spring == ["03-29 00:30 +0100", "03-29 04:30 +0200"]


def test_a_jump_of_half_an_hour_is_one_too() -> None:
    """On Lord Howe 02:00 becomes 02:30 in October, and 01:30 in April."""
    zone = "Australia/Lord_Howe"

    assert fires("10,40 2 * * *", zone, "2026-10-04", "2026-10-04T12:00") == ["10-04 02:30 +1100", "10-04 02:40 +1100"]
    assert fires("10,40 1 * * *", zone, "2026-04-05", "2026-04-05T12:00") == ["04-05 01:10 +1100", "04-05 01:40 +1100"]
    assert len(fires("10,40 * * * *", zone, "2026-04-05T01:00", "2026-04-05T01:59:59")) == 2
    assert len(fires("10,40 * * * *", zone, "2026-04-05T01:00", "2026-04-05T02:30")) == 4


def test_midnight_that_does_not_exist_fires_at_one() -> None:
    """In Santiago the clock goes from 24:00 to 01:00 in September."""
    found = fires("0 0 * * *", "America/Santiago", "2026-09-05", "2026-09-07")

    assert found == ["09-05 00:00 -0400", "09-06 01:00 -0300", "09-07 00:00 -0300"]


def test_a_day_that_does_not_exist_fires_as_it_ends() -> None:
    """Samoa had no 30 December 2011: its times fire at the first instant of the 31st."""
    found = fires("0 6 * * *", "Pacific/Apia", "2011-12-29", "2011-12-31T12:00")

    assert found == ["12-29 06:00 -1000", "12-31 00:00 +1400", "12-31 06:00 +1400"]


def test_the_second_is_the_last_of_six_fields() -> None:
    """Also where the clock jumps: each second of the first pass once, and one fire for the whole gap."""
    every_third = Calendar(cron="30 2 * * * */20", zone="Europe/Berlin")
    autumn = list(every_third.between(at("2026-10-25T00:00"), at("2026-10-25T12:00")))
    spring = list(every_third.between(at("2026-03-29T00:00"), at("2026-03-29T12:00")))

    assert [f"{slot:%H:%M:%S}" for slot in autumn] == ["00:30:00", "00:30:20", "00:30:40"]
    assert spring == [at("2026-03-29T01:00")]


def test_both_day_fields_restricted_means_either() -> None:
    """As in cron, where a field that begins with `*` restricts nothing by itself; `#` counts like any weekday."""

    def days(cron: str) -> list[int]:
        slots = Calendar(cron=cron).between(at("2026-05-31T12:00"), at("2026-06-30T12:00"))
        return [slot.day for slot in slots]

    assert days("0 0 13 * FRI") == [5, 12, 13, 19, 26]
    assert days("0 0 3 * MON#1") == [1, 3]
    assert days("0 0 1-7 * 1-7") == list(range(1, 31))
    assert days("0 0 */10 * MON") == [1]
    assert days("0 0 ? * MON") == days("0 0 * * MON") == [1, 8, 15, 22, 29]


@pytest.mark.parametrize(
    ("cron", "days"),
    [
        ("0 0 L * *", ["02-29", "03-31", "04-30"]),
        ("0 0 15,L 2 *", ["02-15", "02-29"]),
        ("0 0 * * 5#2", ["02-11", "03-10", "04-14"]),
        ("0 0 * * FRI#5", ["03-31"]),
        ("0 0 * * L5", ["02-25", "03-31", "04-28"]),
        ("0 0 * * friL", ["02-25", "03-31", "04-28"]),
        ("0 0 * * MON#1,L5", ["02-07", "02-25", "03-06", "03-31", "04-03", "04-28"]),
        ("0 0 1 FEB-APR *", ["02-01", "03-01", "04-01"]),
        ("0 0 31 * *", ["03-31"]),
        ("0 0 30-2 3 *", ["03-01", "03-02", "03-30", "03-31"]),
        ("0 0 1-1 4-4 *", ["04-01"]),
        ("0 0 1 * 7-7", ["02-01", "02-06", "02-13", "02-20", "02-27"]),
        ("@monthly", ["02-01", "03-01", "04-01"]),
    ],
)
def test_days_are_named_as_cron_names_them(cron: str, days: Sequence[str]) -> None:
    """Last days, weekdays of a month, names, ranges over the end, ranges of one, aliases; in the spring of 2028."""
    slots = Calendar(cron=cron).between(at("2028-01-31T12:00"), at("2028-04-30T12:00"))

    assert [f"{slot:%m-%d}" for slot in slots][: len(days)] == list(days)


@pytest.mark.parametrize("text", ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"])
def test_aliases_fire_at_the_beginning_of_what_they_name(text: str) -> None:
    """In no matter which letters."""
    moment = Calendar(cron=text.upper()).after(at("2026-12-31T23:59"))

    assert moment == at("2027-01-03" if text == "@weekly" else "2027-01-01")


def test_a_leap_day_is_waited_for() -> None:
    """Also over the eight years without one around 2100."""
    slots = Calendar(cron="0 0 29 2 *").between(at("2096-01-01"), at("2110-01-01"))

    assert list(slots) == [at("2096-02-29"), at("2104-02-29"), at("2108-02-29")]


def test_a_slot_is_a_whole_second_wherever_one_asks_from() -> None:
    """Also one that the jump of the clock leads to."""
    calendar = Calendar(cron="0 */3 * * *", zone="Europe/Berlin")

    assert calendar.after(at("2026-03-29T00:30:00.3")) == at("2026-03-29T01:00")


def test_an_interval_counts_from_the_epoch() -> None:
    """In UTC, whatever the zone, before the epoch too."""
    calendar = Calendar(every=timedelta(hours=7), zone="Europe/Berlin")

    assert calendar.after(at("1970-01-01")) == at("1970-01-01T07:00")
    assert calendar.after(at("1969-12-31T20:00")) == at("1970-01-01")
    assert (
        Calendar(every=timedelta(milliseconds=250)).after(at("2026-01-01") + SECOND / 2)
        == at("2026-01-01") + SECOND * 0.75
    )


def test_a_moment_fires_once() -> None:
    """Before it is to come; from it on it is over."""
    calendar = Calendar.of(ScheduleTrigger(name="once", at="2026-06-01T12:00:00+02:00"))

    assert list(calendar.between(at("2026-01-01"), END)) == [at("2026-06-01T10:00")]
    assert calendar.after(at("2026-06-01T10:00")) is None


def test_the_calendar_ends_with_the_year_9999() -> None:
    """Nothing follows, and nothing raises."""
    late = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

    assert Calendar(cron="0 0 * * *", zone="Asia/Tokyo").after(late) is None
    assert Calendar(cron="* * * * *").after(late) is None
    assert Calendar(every=DAY).after(late) is None


@pytest.mark.parametrize(
    "given", [{}, {"cron": "* * * * *", "every": DAY}, {"every": -DAY}, {"at": at("2026-01-01").replace(tzinfo=None)}]
)
def test_a_calendar_is_made_of_one_thing_that_names_times(given: dict[str, object]) -> None:
    """Anything else is refused when it is made."""
    with pytest.raises(ValueError, match=r"one of|more than nothing|offset"):
        Calendar(**given)  # type: ignore[arg-type]


def test_equal_calendars_are_one_key() -> None:
    """Whatever they have computed by then."""
    first, second = Calendar(cron="0 6 * * *", zone="Asia/Tokyo"), Calendar(cron="0 6 * * *", zone="Asia/Tokyo")
    first.after(at("2026-01-01"))

    assert {first: 1}[second] == 1


def test_ten_thousand_slots_of_a_second_each_are_quick() -> None:
    """A fraction of a second; the limit leaves room for a busy machine."""
    calendar = Calendar(cron="* * * * * *", zone="Europe/Berlin")
    begun = perf_counter()

    slots = list(islice(calendar.between(at("2026-10-25"), END), 10_000))

    assert perf_counter() - begun < 5
    assert slots[-1] - slots[0] == 9_999 * SECOND


FIELD = [
    st.sampled_from(["0", "*/17", "5,35", "10-50/20"]),
    st.sampled_from(["*", "*/6", "2", "0-3", "1,2,23"]),
    st.sampled_from(["*", "*/9", "1,31", "L", "20-25"]),
    st.sampled_from(["*", "3,10", "MAR-NOV/4"]),
    st.sampled_from(["*", "SUN", "1-5", "0#1,6#4", "L0"]),
    st.sampled_from(["", "0", "*/25"]),
]
CALENDARS = st.builds(
    lambda fields, zone: Calendar(cron=" ".join(fields).strip(), zone=zone), st.tuples(*FIELD), st.sampled_from(ZONES)
)
JUMPS = [
    at("2026-03-29T01:00"),
    at("2026-10-25T01:00"),
    at("2026-04-04T15:00"),
    at("2026-10-03T15:30"),
    at("2026-09-06T04:00"),
]
NEAR_A_JUMP = st.builds(
    lambda jump, hours, micros: jump + timedelta(hours=hours, microseconds=micros),
    st.sampled_from(JUMPS),
    st.floats(-30, 30),
    st.integers(0, 1),
)


@settings(deadline=None)  # some seek through years
@given(CALENDARS, NEAR_A_JUMP)
def test_slots_rise_and_none_lies_between_two(calendar: Calendar, moment: datetime) -> None:
    """`after` a slot or just before the next one gives that next one; `between` gives them all."""
    slots = list(islice(calendar.between(moment, END), 12))

    assert slots[0] > moment
    for slot, following in pairwise(slots):
        assert slot < following == calendar.after(slot) == calendar.after(following - timedelta(microseconds=1))
    assert list(calendar.between(moment, slots[-1])) == slots


@settings(deadline=None)  # some seek through years
@given(CALENDARS, NEAR_A_JUMP)
def test_what_fires_is_named(calendar: Calendar, moment: datetime) -> None:
    """Or the clock has just jumped over something that is."""
    cron, zone = parse_cron(calendar.cron or ""), ZoneInfo(calendar.zone)
    for slot in islice(calendar.between(moment, END), 12):
        shown, before = (one.astimezone(zone).replace(tzinfo=None) for one in (slot, slot - SECOND))

        skipped = cron.following(before)

        assert cron.matches(shown) or (not cron.every_hour and skipped is not None and before < skipped < shown)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(1, 10**9), st.text())
def test_jitter_is_drawn_from_the_slot(slot: datetime, jitter_ms: int, seed: str) -> None:
    """The same at every look, whatever the offset it is written with; never as long as the jitter."""
    jitter = timedelta(milliseconds=jitter_ms)
    drawn = jittered(slot, jitter, seed)

    assert timedelta(0) <= drawn < jitter
    assert drawn == jittered(slot.replace(tzinfo=timezone(timedelta(0), "also UTC")), jitter, seed)
    assert jittered(slot, timedelta(0), seed) == timedelta(0)


def test_jitter_spreads_slots_and_schedules() -> None:
    """Over the whole of it, each schedule in its own way."""
    slots = list(islice(Calendar(every=HOUR).between(at("2026-01-01"), END), 1000))
    first, second = ([jittered(slot, HOUR, name) for slot in slots] for name in ("a.b/nightly", "a.b/daily"))

    assert sum(drawn < HOUR / 2 for drawn in first) == pytest.approx(500, abs=60)
    assert sum(one == other for one, other in zip(first, second, strict=True)) < 10
    assert jittered(at("2026-01-01"), HOUR, "a.b/nightly") == timedelta(minutes=40, seconds=33, milliseconds=89)
