"""Workers are told something, and their answers are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.broker.app import make_app
from orchestrator.broker.control import order
from orchestrator.errors import Unreachable, WorkerRefused, WorkerSilent
from orchestrator.settings import Settings

Answer = Callable[[list[dict[str, Any]]], Any]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """What comes of an order when Celery hears these replies, and what it sent."""

    def tell(*replies: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        app, sent = make_app(Settings(broker_url="memory://")), dict[str, Any]()

        def broadcast(command: str, **options: Any) -> list[dict[str, Any]]:
            sent.update(options, command=command)
            return list(replies)

        monkeypatch.setattr(app.control, "broadcast", broadcast)
        return order(app, "w@h", "pool_grow", n=2), sent

    return tell


def test_a_worker_s_answer_is_what_comes_of_it(told: Callable[..., tuple[Any, dict[str, Any]]]) -> None:
    """One answer is enough, and 2 s are."""
    answer, sent = told({"w@h": {"ok": "pool will grow"}})

    assert answer == "pool will grow"
    assert (sent["command"], sent["arguments"], sent["destination"]) == ("pool_grow", {"n": 2}, ["w@h"])
    assert (sent["reply"], sent["timeout"], sent["limit"]) == (True, 2.0, 1)


def test_what_is_inspected_is_the_answer_itself(told: Callable[..., tuple[Any, dict[str, Any]]]) -> None:
    """Celery wraps some answers, and others not."""
    assert told({"w@h": {"pool": {}}})[0] == {"pool": {}}
    assert told({"w@h": []})[0] == []


def test_no_answer_is_an_error(told: Callable[..., tuple[Any, dict[str, Any]]]) -> None:
    """With its code; what another worker says is none."""
    with pytest.raises(WorkerSilent, match="within 2 s"):
        told()
    with pytest.raises(WorkerSilent):
        told({"x@h": {"ok": "pool will grow"}})


def test_a_refusal_says_why(told: Callable[..., tuple[Any, dict[str, Any]]]) -> None:
    """In the worker's words."""
    with pytest.raises(WorkerRefused, match="Adjust autoscale range"):
        told({"w@h": {"error": "Adjust autoscale range instead."}})


def test_a_broker_that_is_away_is_said_to_be() -> None:
    """Not that the worker is silent."""
    with pytest.raises(Unreachable):
        order(make_app(Settings(broker_url="redis://127.0.0.1:1/0")), "w@h", "ping")
