"""What runs where, from the register, the indexes and the broker."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.broker.queues import Depth
from orchestrator.client.fleet import versions_in_use
from orchestrator.client.shown import QueueStats
from orchestrator.spec.operations import Effect, OperationInfo
from orchestrator.store.registry import WorkerRecord
from tests.unit.surroundings import WORKFLOW, Surroundings


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    """Two workers, one of which takes from `slow` as well; two messages wait in each queue."""
    around = Surroundings()
    monkeypatch.setattr("orchestrator.client.queues.look", lambda _, names: dict.fromkeys(names, Depth(2)))
    for name, queues in (("one", ("default", "slow")), ("two", ("default",))):
        announce(around, name, queues)
    return around


def announce(around: Surroundings, name: str, queues: tuple[str, ...], **fields: Any) -> None:
    """Have a worker say that it lives."""
    info = OperationInfo("do.write", "1.2.0", Effect.WRITE, idempotent=True).to_json()
    record = WorkerRecord(name, queues, (info,), pid=7, host="host", concurrency=4)
    around.registry.announce(record)


def test_each_queue_has_its_depth_and_its_workers(around: Surroundings) -> None:
    """Those of the register and those that published versions send to, whether anybody takes from them or not."""
    around.publish({"id": "a", "operation": "do.write", "queue": "nobodys"})

    assert around.client.stats().queues == (
        QueueStats("default", 2, ("one", "two")),
        QueueStats("nobodys", 2, ()),
        QueueStats("slow", 2, ("one",)),
    )


def test_each_worker_is_shown_as_it_said_last(around: Surroundings) -> None:
    """With what it can do and when it was seen; beats stand apart."""
    around.registry.announce(WorkerRecord("beat", (), (), pid=8, host="host", role="beat"))

    stats = around.client.stats()

    assert [worker.name for worker in stats.workers] == ["one", "two"]
    assert [beat.name for beat in stats.beats] == ["beat"]
    assert (stats.workers[0].operations, stats.workers[0].concurrency) == (("do.write@1",), 4)
    assert stats.workers[0].seen_at == "2023-11-14T22:13:20.000Z"


def test_runs_are_counted_by_status(around: Surroundings) -> None:
    """All statuses are there, also those that no run has."""
    around.publish()
    around.start()
    around.work(around.start(), "a")

    runs = around.client.stats().runs

    assert (runs["running"], runs["completed"], runs["failed"], runs["paused"]) == (1, 1, 0, 0)


def test_a_version_is_in_use_while_runs_live_on_it_or_new_ones_take_it(around: Surroundings) -> None:
    """An old one that has been drained is not."""
    around.publish(version="1.0.0")
    old = around.start()
    around.publish(version="2.0.0")

    def used() -> list[tuple[str, int]]:
        found = versions_in_use(around.store, around.registry, around.client.catalogue)
        return [(one.definition.version, one.live) for one in found]

    while_it_lives = used()
    around.work(old, "a")

    assert while_it_lives == [("1.0.0", 1), ("2.0.0", 0)]
    assert used() == [("2.0.0", 0)]
    assert versions_in_use(around.store, around.registry, around.client.catalogue)[0].plan.key == WORKFLOW
