"""Lines over hours."""

from __future__ import annotations

import re

from orchestrator.client.measures import Hour
from orchestrator.dashboard.drawing.trends import draw_share, draw_times


def hour(number: int, completed: int = 0, failed: int = 0, took_ms: float | None = None) -> Hour:
    """An hour of a day."""
    at = f"2026-01-{1 + number // 24:02}T{number % 24:02}:00:00Z"
    return Hour(at, completed + failed, completed, failed, 0, took_ms, took_ms, took_ms, completed, failed)


def share(hours: list[Hour]) -> str:
    """The chart of how many completed."""
    return draw_share(hours, lambda one: one.completed, lambda one: one.failed, "Success rate")


def test_hours_without_a_value_leave_a_gap() -> None:
    """A line begins anew behind it; it is not drawn as if it had been zero."""
    drawn = share([hour(0, 9, 1), hour(1, 10), hour(2), hour(3, 10)])

    (path,) = re.findall(r' d="([^"]*)"', drawn)
    assert path.count("M") == 2
    assert "01:00 UTC: Success rate 100.0 %" in drawn
    assert "02:00 UTC: none" in drawn


def test_the_scale_begins_where_the_lowest_share_allows() -> None:
    """98 % and 100 % are told apart; what is lower is still inside."""
    assert "<span>90 %</span>" in share([hour(0, 95, 5)])
    assert "<span>0 %</span>" in share([hour(0, 1, 9)])
    assert "lowest 95.0 %" in share([hour(0, 95, 5), hour(1, 5)])


def test_many_hours_of_shares_stand_in_few_steps() -> None:
    """Their counts are added up: a busy hour weighs more."""
    drawn = share([hour(number, 99 if number % 2 else 0, 0 if number % 2 else 1) for number in range(120)])

    assert drawn.count("UTC: Success rate 99.0 %") == 60


def test_quantiles_are_three_lines_with_words() -> None:
    """The highest of them is the top of the scale."""
    drawn = draw_times([hour(0, 1, took_ms=1_500), hour(1)])

    assert [f"trend {name}" in drawn for name in ("p50", "p95", "p99")] == [True] * 3
    assert "p50 1.5 s, p95 1.5 s, p99 1.5 s" in drawn
    assert "01:00 UTC: none" in drawn


def test_where_nothing_was_measured_there_is_no_scale() -> None:
    """But the hours are."""
    assert '<span class="marks" aria-hidden="true"></span>' in draw_times([hour(0), hour(1)])
