from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.spec.durations import format_duration, milliseconds, parse_duration


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        (30_000, 30_000),
        (0, 0),
        ("250ms", 250),
        ("30s", 30_000),
        ("1.5s", 1_500),
        ("1h30m", 5_400_000),
        ("7d", 604_800_000),
        ("1d2h3m4s5ms", 93_784_005),
        ("PT30S", 30_000),
        ("PT0.25S", 250),
        ("P1DT2H", 93_600_000),
        ("P2W", 1_209_600_000),
        (timedelta(minutes=2), 120_000),
    ],
)
def test_every_form_of_a_duration_means_its_milliseconds(written: object, ms: int) -> None:
    """Integers are milliseconds; short texts, ISO 8601 and timedelta say their units."""
    assert milliseconds(parse_duration(written)) == ms


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("30", "does not say its unit"),
        ("", "not a duration"),
        ("P", "not a duration"),
        ("P1DT", "not a duration"),
        ("30m1h", "not a duration"),
        ("soon", "not a duration"),
        (1.5, "not a duration"),
        (True, "not a duration"),
        (None, "not a duration"),
        (-1, "negative"),
        ("-5s", "negative"),
        (timedelta(seconds=-1), "negative"),
        ("P1M", "no fixed length"),
        ("P1Y2D", "no fixed length"),
        ("0.5ms", "whole number of milliseconds"),
        (10**30, "too long"),
    ],
)
def test_what_is_no_duration_is_refused_with_the_reason(written: object, says: str) -> None:
    """The message names what is wrong, so that an author can mend it."""
    with pytest.raises(ValueError, match=says):
        parse_duration(written)


@given(st.integers(min_value=0, max_value=10**13))
def test_the_short_text_reads_back_as_the_same_duration(ms: int) -> None:
    """Formatting loses nothing, for milliseconds as for timedelta."""
    duration = timedelta(milliseconds=ms)

    assert format_duration(ms) == format_duration(duration)
    assert parse_duration(format_duration(duration)) == duration


def test_the_short_text_leaves_out_what_is_zero() -> None:
    """Only units that count are written; no time at all is `0s`."""
    assert [format_duration(ms) for ms in (0, 250, 5_400_000)] == ["0s", "250ms", "1h30m"]
