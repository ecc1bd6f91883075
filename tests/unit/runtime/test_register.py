"""A worker says every few seconds that it lives, and what it can do."""

from __future__ import annotations

import os
import secrets
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state as celery_state

from orchestrator.clock import elapsed_s
from orchestrator.errors import Unreachable
from orchestrator.plan.canvas import STEP_TASK
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


class Counted:
    """Stands for the notes: how many messages were taken from each queue."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()

    def take(self, taken: Mapping[str, int]) -> None:
        """So many more."""
        self.taken.update(taken)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """What workers say that they took."""
    counted = Counted()
    monkeypatch.setattr("orchestrator.runtime.register.RedisWatch", lambda *_: counted)
    return counted


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch, counted: Counted) -> Announced:
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


def test_a_worker_that_has_ended_says_farewell(announced: Announced, announcer: Announcer) -> None:
    """So that nobody takes it for lost; while it ends what it has, it says that it consumes nothing."""
    announcer.start(consumer("default"))
    announced.wait_for(1)
    announcer.stopping()
    until(lambda: announced.records[-1].state == "stopping")

    announcer.stop()

    assert announced.records[-1].queues == ()
    assert announced.farewells == ["celery@one"]


def test_a_worker_that_is_to_end_ends_when_it_is_idle(
    announced: Announced, announcer: Announcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the signal on which Celery ends; once."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr("orchestrator.runtime.register.LOOK_S", 0.001)
    monkeypatch.setattr("os.kill", lambda *given: sent.append(given))
    busy = request("default")
    celery_state.task_reserved(busy)
    announcer.start(consumer("default"))

    announcer.end_when_idle()
    announced.wait_for(len(announced.records) + 20)
    while_busy = list(sent)
    celery_state.task_ready(busy)

    until(lambda: sent)
    announced.wait_for(len(announced.records) + 20)
    assert (while_busy, sent) == ([], [(os.getpid(), signal.SIGTERM)])


def test_a_record_says_what_a_worker_has_in_hand(announced: Announced, announcer: Announcer) -> None:
    """Messages of steps with their runs, of other tasks with their names; what was acknowledged is no more in hand."""
    step, own, waiting = request("default", "run-1", "a"), request("mine"), request("default")
    own.acknowledged = True
    for one in (step, own, waiting):
        celery_state.task_reserved(one)
    for one in (step, own):
        celery_state.task_accepted(one)
    try:
        announcer.start(consumer("default", "mine"))
        record = announced.wait_for(1)
    finally:
        for one in (step, own, waiting):
            celery_state.task_ready(one)

    told = {(one["name"], one["run_id"], one["step"]) for one in record.active}
    assert told == {("test.flow@1.0.0/a", "run-1", "a"), ("own.task", None, None)}
    assert (record.prefetched, record.unacknowledged) == (1, {"default": 2})


def test_what_was_taken_is_counted_once(announced: Announced, announcer: Announcer, counted: Counted) -> None:
    """However often the worker announces itself."""
    announcer.start(consumer("default"))
    for queue in ("default", "default", "slow"):
        announcer.note_taken(request(queue))

    until(lambda: counted.taken.total() == 3)
    announced.wait_for(len(announced.records) + 5)

    assert counted.taken == {"default": 2, "slow": 1}


class Request:
    """A message as Celery's worker holds it."""

    def __init__(self, queue: str, run_id: str | None, step: str | None) -> None:
        self.id = secrets.token_hex(4)
        self.name = "own.task" if run_id is None else f"test.flow@1.0.0/{step}"
        self.delivery_info = {"routing_key": queue}
        task, args = ("own.task", [1]) if run_id is None else (STEP_TASK, [run_id, step])
        self.request_dict = {"task": task, "args": args}
        self.time_start: float | None = None
        self.worker_pid = 8
        self.acknowledged = False


def request(queue: str, run_id: str | None = None, step: str | None = None) -> Any:
    """A message of one of our steps, or of another task."""
    return Request(queue, run_id, step)


def until(condition: Callable[[], object]) -> None:
    """Return as soon as it holds."""
    deadline, pause = elapsed_s() + PATIENCE_S, threading.Event()
    while not condition():
        assert elapsed_s() < deadline
        pause.wait(0.001)


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "register"]
