"""Sums of metrics, and the position of who adds to them; in memory and in Redis."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.local.redis_server import LocalRedis
from orchestrator.settings import Settings
from orchestrator.store.metrics import EVER, EVER_STEPS, HOUR_MS, MemoryMetrics, Metrics, RedisMetrics
from orchestrator.store.positions import START

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
    batch = {("a", HOUR): {"n": 2}}
    metrics.add("m", 3, START, "5-0", batch)

    assert not metrics.add("m", 3, START, "5-0", batch)
    assert not metrics.add("m", 3, "4-0", "9-0", batch)

    assert metrics.read([("a", HOUR)]) == [{"n": 2}]
    assert metrics.positions("m") == {3: "5-0"}
    assert metrics.add("m", 4, START, "1-0", {})
    assert metrics.add("other", 3, START, "1-0", {})


def test_hours_are_forgotten_and_what_ever_was_is_not(redis_server: LocalRedis, settings: Settings) -> None:
    """Each so long after its end as the settings say."""
    metrics = RedisMetrics(redis_server.url(), settings)

    metrics.add("m", 0, START, "5-0", {("a", place): {"n": 1} for place in (HOUR, EVER, EVER_STEPS)})

    assert metrics.read([("a", HOUR), ("a", EVER), ("a", EVER_STEPS)]) == [{}, {"n": 1}, {"n": 1}]
    metrics.close()


def test_memory_forgets_hours_as_redis_does(settings: Settings) -> None:
    """By the clock of the caller's."""
    now_ms = HOUR
    metrics = MemoryMetrics(settings, lambda: now_ms)
    metrics.add("m", 0, START, "5-0", {("a", HOUR): {"n": 1}, ("a", EVER): {"n": 1}})

    now_ms += HOUR_MS + settings.metrics_retention_ms

    assert metrics.read([("a", HOUR), ("a", EVER)]) == [{}, {"n": 1}]
