"""Queues are sampled: those that workers take from, and those that published versions name."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from orchestrator.broker.queues import Depth
from orchestrator.errors import Unreachable
from orchestrator.monitor.queues import Sampler
from orchestrator.store.registry import WorkerRecord
from orchestrator.store.watch import SAMPLE_MS, MemoryWatch
from tests.unit.surroundings import Surroundings


class Broker:
    """Says what waits; or does not answer."""

    def __init__(self) -> None:
        self.away = False

    def look(self, _: object, names: Iterable[str]) -> dict[str, Depth]:
        """Two in each."""
        if self.away:
            raise Unreachable("gone")
        return dict.fromkeys(names, Depth(2))


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """Who is asked."""
    broker = Broker()
    monkeypatch.setattr("orchestrator.client.queues.look", broker.look)
    return broker


@pytest.fixture
def around() -> Surroundings:
    """A worker, and a version that names a queue within a branch."""
    around = Surroundings()
    around.client.watch = MemoryWatch(around.clock)
    around.registry.announce(WorkerRecord("w@h", ("taken",), (), 7, "h", paused_queues=("paused",)))
    steps = [{"id": "a", "operation": "do.write", "queue": "named", "inputs": {"queue": {"queue": "data"}}}]
    around.publish({"id": "both", "parallel": {"branches": {"one": steps, "two": [{"id": "b", "wait": "1s"}]}}})
    return around


def test_each_queue_that_is_known_is_sampled(around: Surroundings, broker: Broker) -> None:
    """What is published later is known with the next sample."""
    sampler = Sampler(around.client)
    first = sampler.sample()
    around.publish({"id": "a", "operation": "do.write", "queue": "later"}, version="2.0.0")
    around.clock.move(SAMPLE_MS)

    second = sampler.sample()

    earlier, later = (set(sample.queues) for sample in around.client.watch.samples())
    assert (first, second) == (True, True)
    assert earlier == {"default", "taken", "paused", "named", "data"}
    assert later - earlier == {"later"}


def test_nothing_is_compiled_for_it(around: Surroundings, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A beat would hold the plans of all versions, and what compiling them takes."""
    monkeypatch.setattr("orchestrator.client.versions.compile_plan", None)

    assert Sampler(around.client).sample()


def test_a_broker_that_is_away_ends_nothing(around: Surroundings, broker: Broker) -> None:
    """The next sample may get through."""
    sampler = Sampler(around.client)
    broker.away = True
    sampler.begin()
    thread = sampler._thread
    assert thread is not None
    thread.join(10)
    broker.away = False
    around.client.queue_look._looked_s = float("-inf")

    sampler.begin()
    assert sampler._thread is not thread
    if sampler._thread is not None:
        sampler._thread.join(10)

    assert len(around.client.watch.samples()) == 1
