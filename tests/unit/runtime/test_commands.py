"""Commands of ours to a worker, as Celery's remote control calls them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker.control import Panel

from orchestrator.broker.control import DRAIN, RESUME, SHUT_DOWN, TELL
from orchestrator.runtime.commands import ENDS, install
from orchestrator.runtime.register import Announcer
from orchestrator.settings import Settings


class Consumer:
    """Takes from queues; what is to be called soon is called when the test says so."""

    def __init__(self, *queues: str) -> None:
        self.task_consumer = SimpleNamespace(queues=[SimpleNamespace(name=name) for name in queues])
        self.soon: list[Callable[[], object]] = []

    def call_soon(self, call: Callable[[], object]) -> None:
        """Later."""
        self.soon.append(call)

    def cancel_task_queue(self, name: str) -> None:
        """Take from it no more."""
        self.task_consumer.queues = [one for one in self.task_consumer.queues if one.name != name]

    def add_task_queue(self, name: str) -> None:
        """Take from it."""
        self.task_consumer.queues.append(SimpleNamespace(name=name))

    @property
    def queues(self) -> list[str]:
        """Those that it takes from."""
        return [one.name for one in self.task_consumer.queues]


@pytest.fixture
def announcer() -> Iterator[Announcer]:
    """Has taken over the commands of this process for the test."""
    before = dict(Panel.data)
    announcer = Announcer(Settings())
    install(announcer)
    yield announcer
    Panel.data.clear()
    Panel.data.update(before)


def tell(consumer: Consumer, command: str) -> Any:
    """The answer to a command, once it is carried out."""
    answer = Panel.data[command](SimpleNamespace(consumer=consumer))
    while consumer.soon:
        consumer.soon.pop()()
    return answer


def test_a_drained_worker_takes_from_no_queue_until_it_is_resumed(announcer: Announcer) -> None:
    """Then from all that it took from, however often it was drained."""
    consumer = Consumer("slow", "default")

    drained = [tell(consumer, DRAIN), list(consumer.queues), tell(consumer, DRAIN)]
    resumed = tell(consumer, RESUME)

    assert drained == [{"ok": ["default", "slow"]}, [], {"ok": []}]
    assert resumed == {"ok": ("default", "slow")}
    assert consumer.queues == ["default", "slow"]
    assert tell(consumer, RESUME) == {"ok": ()}


def test_a_worker_that_ends_takes_from_no_queue_again(announcer: Announcer) -> None:
    """Whatever it is told then."""
    consumer = Consumer("default")

    tell(consumer, SHUT_DOWN)

    assert consumer.queues == []
    assert tell(consumer, RESUME) == tell(consumer, DRAIN) == ENDS
    assert consumer.queues == []


def test_news_are_told_after_they_are_so(announcer: Announcer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before: the register would be wrong until the next announcement."""
    consumer, told = Consumer("default"), list[list[str]]()
    monkeypatch.setattr(announcer, "tell", lambda: told.append(list(consumer.queues)))

    tell(consumer, DRAIN)
    tell(consumer, TELL)
    tell(consumer, RESUME)

    assert told == [[], [], ["default"]]
