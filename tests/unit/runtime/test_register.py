"""A worker says every few seconds that it lives, and what it can do."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.errors import Unreachable
from orchestrator.runtime.register import Announcer
from orchestrator.settings import Settings
from orchestrator.spec.operations import OPERATIONS
from orchestrator.store.registry import WorkerRecord

PATIENCE_S = 10.0


class Announced:
    """Stands for the registry: notes what is announced, and refuses the first so many times."""

    def __init__(self) -> None:
        self.records: list[WorkerRecord] = []
        self.refusals = 0
        self.farewells: list[str] = []
        self._called = threading.Condition()

    def __call__(self, url: str, settings: Settings) -> Announced:
        """As the class is made."""
        return self

    def announce(self, worker: WorkerRecord) -> None:
        """Note it."""
        with self._called:
            self.records.append(worker)
            self._called.notify_all()
            if len(self.records) <= self.refusals:
                raise Unreachable("gone")

    def retire(self, name: str) -> None:
        """Note whose farewell it is."""
        self.farewells.append(name)

    def wait_for(self, count: int) -> WorkerRecord:
        """The last record, as soon as there are so many."""
        with self._called:
            assert self._called.wait_for(lambda: len(self.records) >= count, PATIENCE_S)
            return self.records[-1]


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> Announced:
    """What workers announce, every millisecond."""
    announced = Announced()
    monkeypatch.setattr("orchestrator.runtime.register.RedisRegistry", announced)
    monkeypatch.setattr("orchestrator.runtime.register.INTERVAL_S", 0.001)
    return announced


@pytest.fixture
def announcer(announced: Announced) -> Iterator[Announcer]:
    """Stopped when the test ends."""
    announcer = Announcer(Settings())
    yield announcer
    announcer.stop()
    for thread in _threads():
        thread.join(PATIENCE_S)


def consumer(*queues: str) -> Any:
    """What Celery passes when a worker is ready."""
    named = [SimpleNamespace(name=name) for name in queues]
    return SimpleNamespace(
        hostname="celery@one",
        task_consumer=SimpleNamespace(queues=named),
        controller=SimpleNamespace(concurrency=3),
    )


def test_a_worker_announces_itself_until_it_is_stopped(announced: Announced, announcer: Announcer) -> None:
    """Again and again, then no more."""
    announcer.start(consumer())
    announced.wait_for(3)

    announcer.stop()
    for thread in _threads():
        thread.join(PATIENCE_S)

    assert _threads() == []


def test_a_record_says_where_a_worker_listens_and_what_it_can_do(announced: Announced, announcer: Announcer) -> None:
    """Its name, queues, process, operations, and how many steps it executes at once."""
    announcer.start(consumer("slow", "default"))

    record = announced.wait_for(1)

    assert (record.name, record.queues, record.pid) == ("celery@one", ("default", "slow"), os.getpid())
    assert record.concurrency == 3
    assert len(record.operations) == len(OPERATIONS.infos())


def test_a_registry_that_is_away_does_not_end_the_announcements(announced: Announced, announcer: Announcer) -> None:
    """The next one may get through."""
    announced.refusals = 2

    announcer.start(consumer())

    assert announced.wait_for(4).name == "celery@one"


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "register"]
