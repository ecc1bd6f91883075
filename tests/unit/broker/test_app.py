"""Our Celery app, and others' that carry our messages too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from celery import Celery
from celery.signals import beat_init, celeryd_init
from kombu.utils.imports import symbol_by_name

from orchestrator.broker import app as broker_app
from orchestrator.broker.app import SETTINGS_KEY, attach
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.settings import Settings

SETTINGS = Settings(broker_url="memory://")


@dataclass(frozen=True)
class Process:
    """A worker or a beat, as a signal shows it."""

    app: Celery


@pytest.fixture(autouse=True)
def signals_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is connected to them here is not there afterwards."""
    for signal in (celeryd_init, beat_init):
        monkeypatch.setattr(signal, "receivers", list(signal.receivers or ()))


def theirs(**conf: Any) -> Celery:
    """A team's app."""
    app = Celery("shop", broker="memory://", set_as_current=False)
    app.conf.update(conf)
    return app


def test_an_attached_app_keeps_its_settings() -> None:
    """But for ours, under a name of their own."""
    app, other = (theirs(task_default_queue="shop", task_acks_late=False) for _ in range(2))

    attach(app, SETTINGS)

    left = {**app.conf}
    assert left.pop(SETTINGS_KEY) == SETTINGS
    assert left == {**other.conf}


def test_an_attached_app_accepts_json() -> None:
    """Beside what it accepts anyway."""
    app = theirs(accept_content=["yaml"])

    attach(app, SETTINGS)

    assert app.conf.accept_content == ["yaml", "json"]


def test_only_the_processes_of_an_attached_app_serve_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, however often it was attached."""
    begun: list[tuple[str, Celery]] = []
    monkeypatch.setattr(broker_app, "symbol_by_name", lambda side: lambda app, *_: begun.append((side, app)))
    app, other = theirs(), theirs()
    attach(app, SETTINGS)
    attach(app, SETTINGS)

    for one in (app, other):
        celeryd_init.send(sender="worker@host", instance=Process(one))
        beat_init.send(sender=Process(one))

    assert begun == [(broker_app.WORKER_SIDE, app), (broker_app.BEAT_SIDE, app)]


def test_what_an_attached_app_s_processes_begin_with_is_there() -> None:
    """The names name something."""
    for side in (broker_app.WORKER_SIDE, broker_app.BEAT_SIDE):
        assert callable(symbol_by_name(side))


def test_an_attached_app_outlives_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is closed by whose it is."""
    app, closed = theirs(), list[str]()
    monkeypatch.setattr(app, "close", lambda: closed.append("theirs"))

    RedisOrchestrator.attach(app, "redis://127.0.0.1:1/5").close()

    assert closed == []


def test_a_client_of_an_attached_app_sends_through_it() -> None:
    """And knows its broker."""
    app = theirs()

    client = RedisOrchestrator.attach(app, "redis://127.0.0.1:1/5")

    assert client.dispatcher.app is app
    assert (client.settings.redis_url, client.settings.broker) == ("redis://127.0.0.1:1/5", "memory://")
