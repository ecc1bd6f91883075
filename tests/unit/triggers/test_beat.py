"""Beat sweeps, whatever else it does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.broker.app import make_app
from orchestrator.errors import Unreachable
from orchestrator.runtime.register import INTERVAL_S
from orchestrator.settings import Settings
from orchestrator.store.registry import WorkerRecord
from orchestrator.triggers.beat import EXPIRY_INTERVAL_S, SCAN_INTERVAL_S, Scheduler
from tests.unit.surroundings import HandClock

SETTINGS = Settings(sweep_ms=250, broker_url="memory://", redis_url="redis://127.0.0.1:1/0")


class CountingSweeper:
    """Counts its passes; `away` is a Redis that does not answer."""

    def __init__(self, *parts: Any) -> None:
        self.sweeps = 0
        self.scans = 0
        self.away = False

    def sweep(self) -> int:
        """One more pass."""
        self.sweeps += 1
        if self.away:
            raise Unreachable("gone")
        return 0

    def scan(self) -> int:
        """One more look at all runs."""
        self.scans += 1
        return 0


class CountingSurroundings:
    """Stands for the registry and for the retention, and counts what beat asks of them."""

    def __init__(self, *parts: Any) -> None:
        self.announced: list[WorkerRecord] = []
        self.expiries = 0
        self.samples = 0
        self.resigned: list[str] = []

    @property
    def leadership(self) -> CountingSurroundings:
        """Another beat leads."""
        return self

    def lead(self, holder: str, lease_ms: int) -> int | None:
        """Not this one."""
        return None

    def resign(self, holder: str) -> None:
        """Note it."""
        self.resigned.append(holder)

    def announce(self, worker: WorkerRecord) -> None:
        """Note it."""
        self.announced.append(worker)

    def begin(self) -> None:
        """One more sample of the queues."""
        self.samples += 1

    def expire(self) -> int:
        """One more look at the runs that are over."""
        self.expiries += 1
        return 0


@pytest.fixture(autouse=True)
def around(monkeypatch: pytest.MonkeyPatch) -> CountingSurroundings:
    """What beat makes besides its sweeper."""
    around = CountingSurroundings()
    monkeypatch.setattr("orchestrator.triggers.beat.RedisRegistry", lambda *_: around)
    monkeypatch.setattr("orchestrator.triggers.beat.Retention", lambda *_: around)
    monkeypatch.setattr("orchestrator.triggers.beat.Sampler", lambda *_: around)
    return around


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    """What beat reads the time from."""
    clock = HandClock()
    monkeypatch.setattr("orchestrator.triggers.beat.elapsed_s", clock.elapsed_s)
    return clock


@pytest.fixture
def sweeper(monkeypatch: pytest.MonkeyPatch) -> CountingSweeper:
    """The sweeper that beat makes."""
    sweeper = CountingSweeper()
    monkeypatch.setattr("orchestrator.triggers.beat.Sweeper", lambda *_: sweeper)
    return sweeper


def scheduler(**schedule: Any) -> Scheduler:
    """Beat's scheduler, with the app's own schedule."""
    app = make_app(SETTINGS)
    app.conf.beat_schedule = schedule
    made: Scheduler = Scheduler(app, schedule=dict(schedule), max_interval=5, lazy=True)
    return made


def test_each_tick_sweeps(clock: HandClock, sweeper: CountingSweeper) -> None:
    """And comes again after the settings' interval, however long Celery would wait."""
    beat = scheduler()

    waits = [beat.tick() for _ in range(3)]

    assert sweeper.sweeps == 3
    assert waits == [0.25, 0.25, 0.25]


def test_a_redis_that_is_away_does_not_end_beat(clock: HandClock, sweeper: CountingSweeper) -> None:
    """It goes on at the same pace, and sweeps as soon as it can."""
    beat = scheduler()
    sweeper.away = True

    assert beat.tick() == 0.25

    sweeper.away = False
    assert beat.tick() == 0.25
    assert sweeper.sweeps == 2


def test_runs_without_an_entry_are_looked_for_now_and_then(clock: HandClock, sweeper: CountingSweeper) -> None:
    """Once an interval, not at every tick."""
    beat = scheduler()
    beat.tick()
    assert sweeper.scans == 0

    clock.move(round(SCAN_INTERVAL_S * 1_000))
    beat.tick()
    beat.tick()
    assert sweeper.scans == 1


def test_beat_says_that_it_lives(clock: HandClock, sweeper: CountingSweeper, around: CountingSurroundings) -> None:
    """As often as workers do, and only while it ticks."""
    beat = scheduler()

    for _ in range(3):
        beat.tick()
        clock.move(round(INTERVAL_S * 500))
    beat.tick()

    assert [record.role for record in around.announced] == ["beat", "beat"]


def test_runs_that_are_over_expire(clock: HandClock, sweeper: CountingSweeper, around: CountingSurroundings) -> None:
    """Once an interval, whatever the pace of the sweeps."""
    beat = scheduler()

    beat.tick()
    beat.tick()
    clock.move(round(EXPIRY_INTERVAL_S * 1_000))
    beat.tick()

    assert (sweeper.sweeps, around.expiries) == (3, 2)


def test_each_tick_sees_to_the_schedules_and_the_end_lets_another_beat_lead(
    clock: HandClock, sweeper: CountingSweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, not when its lease is over."""
    told: list[str] = []
    keeper = SimpleNamespace(keep=lambda: told.append("keeps"), resign=lambda: told.append("resigns"))
    monkeypatch.setattr("orchestrator.triggers.beat.ScheduleKeeper", lambda *_: keeper)
    beat = scheduler()

    beat.tick()
    beat.tick()
    beat.close()

    assert told == ["keeps", "keeps", "resigns"]


def test_the_apps_settings_name_this_scheduler() -> None:
    """So that `celery -A … beat` needs no option."""
    app = make_app(SETTINGS)

    assert app.conf.beat_scheduler == f"{Scheduler.__module__}:{Scheduler.__name__}"
    assert app.conf.beat_max_loop_interval == 0.25
