"""What is noted of the fleet, by both stores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from orchestrator.local.redis_server import LocalRedis
from orchestrator.settings import Settings
from orchestrator.store.connection import Connection
from orchestrator.store.keys import Keys
from orchestrator.store.watch import SAMPLE_MS, SAMPLES_KEPT, Depth, Held, MemoryWatch, RedisWatch, Watch
from tests.contract.conftest import MovableClock


@dataclass
class Notes:
    """A watch, and the clock that it is on."""

    watch: Watch
    now_ms: Callable[[], int]

    def held(self, step: str, for_ms: int, since_ms: int = 0) -> Held:
        """A lease that runs out so late."""
        now_ms = self.now_ms()
        return Held("run", "payment.flow", step, now_ms + since_ms, now_ms + for_ms, 7)


@pytest.fixture(params=["memory", "redis"])
def notes(request: pytest.FixtureRequest, settings: Settings) -> Notes:
    """Each law is tried on both."""
    if request.param == "memory":
        clock = MovableClock()
        return Notes(MemoryWatch(clock), clock)
    server: LocalRedis = request.getfixturevalue("redis_server")
    return Notes(RedisWatch(server.url(), settings), Connection(server.url()).time_ms)


def test_each_process_says_what_it_holds(notes: Notes) -> None:
    """All of a worker's together, the oldest first; of others nothing."""
    old, young, other = (
        notes.held("a", 60_000, -9_000),
        notes.held("b", 60_000, -5_000),
        notes.held("c", 60_000, -7_000),
    )
    notes.watch.hold("w1", 1, [young])
    notes.watch.hold("w1", 2, [other, old])
    notes.watch.hold("w2", 1, [old])

    assert notes.watch.held(["w1", "w3"]) == {"w1": [old, other, young], "w3": []}
    assert notes.watch.held([]) == {}


def test_what_a_process_says_stands_until_it_says_otherwise(notes: Notes) -> None:
    """None is said like some."""
    notes.watch.hold("w", 1, [notes.held("a", 60_000)])
    notes.watch.hold("w", 2, [still := notes.held("b", 60_000)])

    notes.watch.hold("w", 1, [])

    assert notes.watch.held(["w"]) == {"w": [still]}


def test_a_lease_that_has_run_out_is_held_by_nobody(notes: Notes) -> None:
    """Whoever held it may be dead."""
    notes.watch.hold("w", 1, [notes.held("a", -2_000, -9_000), lasting := notes.held("b", 60_000)])

    assert notes.watch.held(["w"]) == {"w": [lasting]}


def test_a_sample_has_what_waits_and_what_was_taken_so_far(notes: Notes) -> None:
    """One an interval, whoever takes it."""
    notes.watch.take({"default": 3})
    notes.watch.take({"default": 2, "slow": 1})
    notes.watch.take({})
    while notes.now_ms() % SAMPLE_MS > SAMPLE_MS - 2_000:
        pass  # not across a border between two

    first, again = notes.watch.sample({"default": 7, "idle": 0}), notes.watch.sample({"default": 9})

    (sample,) = notes.watch.samples()
    assert (first, again) == (True, False)
    assert sample.queues == {"default": Depth(7, 5), "idle": Depth(0, 0)}
    assert sample.at_ms % SAMPLE_MS == 0
    assert 0 <= notes.now_ms() - sample.at_ms <= SAMPLE_MS


def test_an_hour_of_samples_is_kept() -> None:
    """The last ones come oldest first."""
    clock = MovableClock()
    watch = MemoryWatch(clock)
    for number in range(SAMPLES_KEPT + 5):
        watch.sample({"default": number})
        clock.move(SAMPLE_MS)

    assert len(watch.samples()) == SAMPLES_KEPT
    assert [one.queues["default"].waiting for one in watch.samples(2)] == [SAMPLES_KEPT + 3, SAMPLES_KEPT + 4]


def test_redis_keeps_an_hour_of_samples(redis_server: LocalRedis, settings: Settings) -> None:
    """By the length of the stream."""
    keys, connection = Keys(settings.namespace, settings.shards), Connection(redis_server.url())
    watch = RedisWatch(redis_server.url(), settings)
    for number in range(1, SAMPLES_KEPT + 50):
        connection.execute("XADD", keys.samples(), f"{number}-1", "queues", '{"q": [1, 2]}')

    watch.sample({"q": 3})

    assert [one.queues["q"].waiting for one in watch.samples(2 * SAMPLES_KEPT)] == [1] * (SAMPLES_KEPT - 1) + [3]
