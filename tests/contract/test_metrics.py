"""Sums of metrics, and the position of who adds to them; in memory and in Redis."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from orchestrator.client.pieces import Pieces, summed
from orchestrator.local.redis_server import LocalRedis
from orchestrator.settings import Settings
from orchestrator.store.metrics import MemoryMetrics, Metrics, RedisMetrics
from orchestrator.store.positions import START
from orchestrator.store.rollups import ALL, DAY_MS, EVER, EVER_STEPS, HOUR_MS, Kind

HOUR = 480_000 * HOUR_MS
NOW_MS = HOUR + 1_000_000


@pytest.fixture(params=["memory", "redis"])
def metrics(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Metrics]:
    """Each law is tried on both."""
    kept = settings.model_copy(update={"metrics_retention_ms": 50 * 365 * 24 * HOUR_MS})
    if request.param == "memory":
        yield MemoryMetrics(kept, lambda: NOW_MS)
        return
    server: LocalRedis = request.getfixturevalue("redis_server")
    store = RedisMetrics(server.url(), kept)
    yield store
    store.close()


def test_sums_are_added_and_the_reader_moves_on_at_once(metrics: Metrics) -> None:
    """Each hour and each workflow by itself; what was never added is not there."""
    assert metrics.add("m", 3, START, "5-0", {("a", HOUR): {"1|x|n": 2}, ("b", EVER): {"1||n": 7}})
    assert metrics.add("m", 3, "5-0", "6-0", {("a", HOUR): {"1|x|n": 1, "1|x|d|-4": 5}})

    assert metrics.read([("a", HOUR), ("b", EVER), ("a", EVER), ("a", HOUR - HOUR_MS)]) == [
        {"1|x|n": 3, "1|x|d|-4": 5},
        {"1||n": 7},
        {},
        {},
    ]
    assert metrics.positions("m") == {3: "6-0"}
    assert metrics.read([]) == []


def test_a_batch_that_was_added_is_not_added_again(metrics: Metrics) -> None:
    """Neither by another process nor because its answer got lost; other shards and readers are not concerned."""
    batch = {("a", HOUR): {"1||n": 2}}
    metrics.add("m", 3, START, "5-0", batch)

    assert not metrics.add("m", 3, START, "5-0", batch)
    assert not metrics.add("m", 3, "4-0", "9-0", batch)

    assert metrics.read([("a", HOUR)]) == [{"1||n": 2}]
    assert metrics.positions("m") == {3: "5-0"}
    assert metrics.add("m", 4, START, "1-0", {})
    assert metrics.add("other", 3, START, "1-0", {})


def test_days_and_what_is_not_told_apart_are_added_at_once(metrics: Metrics) -> None:
    """A day has its hours, versions and steps; the rest has neither, and of attempts no times."""
    later = HOUR + 5 * HOUR_MS
    sums = {("a", HOUR): {"1||n": 2, "2||n": 3, "1|x|wait|-4": 5}, ("b", HOUR): {"1||n": 7}}
    sums["a", later] = {"2|y|wait|-4": 1, "1|y|n": 1, "2|y|attempt|5": 1}

    metrics.add("m", 3, START, "5-0", {**sums, ("a", EVER): {"1||n": 5}, ("", HOUR): {"||unmeasured": 1}})

    assert metrics.read([("a", HOUR)], Kind.DAYS) == [
        {"1||n": 2, "2||n": 3, "1|x|wait|-4": 5, "2|y|wait|-4": 1, "1|y|n": 1, "2|y|attempt|5": 1}
    ]
    assert metrics.read([("a", HOUR), ("", HOUR)], Kind.WHOLE_DAYS) == [{"||n": 5, "|*|wait|-4": 6, "|*|n": 1}, {}]
    assert metrics.read([("a", HOUR), (ALL, HOUR), (ALL, later)], Kind.RUNS) == [{"||n": 5}, {"||n": 12}, {}]
    assert metrics.read([("a", HOUR), ("a", later)], Kind.STEPS) == [{"|*|wait|-4": 5}, {"|*|wait|-4": 1, "|*|n": 1}]
    assert metrics.rolled_up(NOW_MS).hours_since == 0


def test_any_span_in_wide_pieces_is_what_its_hours_are(metrics: Metrics) -> None:
    """Whole days in its middle, hours at its edges, wherever it begins and ends."""
    drawn = Random(3)
    sums = {("a", HOUR + at * HOUR_MS): {"1||n": drawn.randint(1, 9), "2|x|wait|3": at + 1} for at in range(24 * 5)}
    metrics.add("m", 3, START, "5-0", sums)

    for _ in range(40):
        first, last = sorted(drawn.sample(range(-10, 24 * 6), 2))
        hours = range(HOUR + first * HOUR_MS, HOUR + last * HOUR_MS, HOUR_MS)
        alone = metrics.read([("a", hour) for hour in hours])
        pieces = Pieces(metrics, hours, NOW_MS)

        assert pieces.everything("a") == summed(alone)
        whole = {{"1||n": "||n", "2|x|wait|3": "|*|wait|3"}[name]: number for name, number in summed(alone).items()}
        assert pieces.whole(["b", "a"]) == {"a": whole, "b": {}}
        by_hour = [one.get("1||n") for one in alone]
        assert [one.get("||n") for one in pieces.by_hour(["a"])] == by_hour
        assert [one.get("||n") for one in pieces.by_hour(["a"], are_all=True)] == by_hour


def test_hours_that_were_counted_before_there_were_wider_pieces_are_read_as_they_are(
    redis_server: LocalRedis, settings: Settings
) -> None:
    """Nothing from the next hour on can have been counted by the hour alone; all before may have been."""
    metrics = RedisMetrics(redis_server.url(), settings)
    now_ms = metrics._connection.time_ms()
    hour, keys = now_ms - now_ms % HOUR_MS, metrics._keys
    metrics._connection.execute("HSET", keys.metrics_positions("m"), "3", "4-0")
    metrics._connection.execute("HSET", keys.metrics("a", hour), "1||n", "2")

    metrics.add("m", 3, "4-0", "5-0", {("a", hour): {"1||n": 1}, ("a", hour + HOUR_MS): {"1||n": 4}})

    assert metrics.rolled_up(now_ms).hours_since == hour + HOUR_MS
    pieces = Pieces(metrics, range(hour - 30 * HOUR_MS, hour + 2 * HOUR_MS, HOUR_MS), now_ms)
    assert pieces.everything("a") == {"1||n": 7}
    assert summed(pieces.by_hour(["a"], are_all=True)) == {"1||n": 3, "||n": 4}
    metrics.close()


def test_hours_are_forgotten_and_what_ever_was_is_not(redis_server: LocalRedis, settings: Settings) -> None:
    """Each so long after its end as the settings say."""
    metrics = RedisMetrics(redis_server.url(), settings)

    metrics.add("m", 0, START, "5-0", {("a", place): {"1||n": 1} for place in (HOUR, EVER, EVER_STEPS)})

    assert metrics.read([("a", HOUR), ("a", EVER), ("a", EVER_STEPS)]) == [{}, {"1||n": 1}, {"1||n": 1}]
    metrics.close()


def test_memory_forgets_hours_as_redis_does(settings: Settings) -> None:
    """By the clock of the caller's."""
    now_ms = HOUR
    metrics = MemoryMetrics(settings, lambda: now_ms)
    metrics.add("m", 0, START, "5-0", {("a", HOUR): {"1||n": 1}, ("a", EVER): {"1||n": 1}})

    now_ms += HOUR_MS + settings.metrics_retention_ms

    assert metrics.read([("a", HOUR), ("a", EVER)]) == [{}, {"1||n": 1}]


def test_a_day_is_read_as_one_for_as_long_as_its_first_hour_is_kept(settings: Settings) -> None:
    """Afterwards the hours of it that are left are read, which say no more than that."""
    now_ms = HOUR
    metrics = MemoryMetrics(settings, lambda: now_ms)
    day = range(HOUR, HOUR + DAY_MS, HOUR_MS)
    metrics.add("m", 0, START, "5-0", {("a", hour): {"1||n": 1} for hour in day})

    for gone in range(25):
        now_ms = HOUR + settings.metrics_retention_ms + gone * HOUR_MS
        assert Pieces(metrics, day, now_ms).everything("a").get("1||n", 0) == 24 - gone
        assert (metrics.rolled_up(now_ms).days_since <= HOUR) == (gone == 0)
