"""Sweeping beside another scheduler."""

from __future__ import annotations

import threading

import pytest
from celery import Celery

from orchestrator.broker.app import SETTINGS_KEY
from orchestrator.settings import Settings
from orchestrator.triggers import attached
from orchestrator.triggers.attached import sweep
from orchestrator.triggers.beat import Scheduler


@pytest.fixture
def app() -> Celery:
    """A team's app with a schedule of its own."""
    app = Celery("shop", broker="memory://", set_as_current=False)
    app.conf[SETTINGS_KEY] = Settings(broker_url="memory://")
    app.conf.beat_schedule = {"own": {"task": "shop.tick", "schedule": 0.001}}
    return app


def test_a_sweep_that_fails_is_not_the_last(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on as long as the process lives, and takes no part in the app's own schedule."""
    ticks: list[int] = []
    enough = threading.Event()

    def tick(scheduler: Scheduler) -> float:
        ticks.append(len(scheduler.schedule))
        if len(ticks) == 1:
            raise RuntimeError("once")
        if len(ticks) < 3:
            return 0.0
        enough.set()
        return 3_600.0

    monkeypatch.setattr(Scheduler, "tick", tick)
    monkeypatch.setattr(attached, "PAUSE_S", 0.0)
    sweep(app)

    assert enough.wait(10)
    assert ticks == [0, 0, 0]
