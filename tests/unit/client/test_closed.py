"""What a span's hours that are long over add up to is put together once, and what comes late is seen before long."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from orchestrator.client.closed import KEPT_S, ClosedSums
from orchestrator.client.pieces import Pieces
from orchestrator.settings import Settings
from orchestrator.store.metrics import MemoryMetrics
from orchestrator.store.positions import START
from orchestrator.store.rollups import HOUR_MS, Kind, Place

NOW_MS = 480_000 * HOUR_MS + 1_000_000
HOURS = range(NOW_MS - 1_000_000 - 30 * HOUR_MS, NOW_MS, HOUR_MS)


class CountedMetrics(MemoryMetrics):
    """Knows how much was read."""

    reads = 0

    def read(self, places: Sequence[Place], kind: Kind = Kind.SUMS) -> list[dict[str, int]]:
        """As ever, and counted."""
        self.reads += len(places)
        return super().read(places, kind)


@pytest.fixture
def metrics() -> CountedMetrics:
    """One run in every hour."""
    made = CountedMetrics(Settings(), lambda: NOW_MS)
    for hour in HOURS:
        made.add(f"m-{hour}", 0, START, "1-0", {("a", hour): {"1||n": 1}})
    return made


def test_hours_that_are_long_over_are_read_once(metrics: CountedMetrics) -> None:
    """The others each time; both count."""
    closed = ClosedSums(lambda: 0.0)
    found = []
    for _ in range(2):
        metrics.reads = 0
        found.append((Pieces(metrics, HOURS, NOW_MS, closed).whole(["a"]), metrics.reads))
        metrics.add(f"now-{len(found)}", 0, START, "1-0", {("a", HOURS[-1]): {"1||n": 1}})

    (first, whole), (second, rest) = found
    assert (first, second) == ({"a": {"||n": 31}}, {"a": {"||n": 32}})
    assert rest < 5 < whole


def test_what_comes_late_is_seen_before_long(metrics: CountedMetrics) -> None:
    """A reader that had fallen behind adds to hours that are long over."""
    now_s = 0.0
    closed = ClosedSums(lambda: now_s)
    Pieces(metrics, HOURS, NOW_MS, closed).whole(["a"])
    metrics.add("late", 0, START, "1-0", {("a", HOURS[0]): {"1||n": 1}})

    now_s = KEPT_S

    assert Pieces(metrics, HOURS, NOW_MS, closed).whole(["a"]) == {"a": {"||n": 32}}
    assert Pieces(metrics, HOURS[1:], NOW_MS, closed).whole(["a"]) == {"a": {"||n": 30}}
