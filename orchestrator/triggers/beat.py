"""Celery beat's scheduler: sweeps, and does what else has to be done now and then. The app's settings name it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery.beat import Scheduler as CeleryScheduler

from orchestrator import logs
from orchestrator.broker.app import SETTINGS_KEY
from orchestrator.broker.dispatch import Dispatcher
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.clock import elapsed_s
from orchestrator.errors import Unreachable
from orchestrator.monitor.queues import INTERVAL_S as SAMPLE_INTERVAL_S
from orchestrator.monitor.queues import Sampler
from orchestrator.runtime.register import INTERVAL_S, beat_record
from orchestrator.runtime.retention import Retention
from orchestrator.runtime.sweeper import Sweeper
from orchestrator.settings import Settings
from orchestrator.store.redis import RedisStore
from orchestrator.store.registry import RedisRegistry
from orchestrator.triggers.schedules import ScheduleKeeper

log = logs.get("beat")

SCAN_INTERVAL_S = 60.0
"""How often beat looks for runs that have no entry; there should be none."""
EXPIRY_INTERVAL_S = 2.0
"""How often beat deletes runs that have been over for long enough."""


@dataclass(slots=True)
class Chore:
    """Something that beat does once an interval; an interval of 0: at every tick."""

    do: Callable[[], object]
    interval_s: float
    due_s: float = 0.0

    def do_if_due(self) -> None:
        """Do it if its time has come; the next time counts from now, whether it works or not."""
        now_s = elapsed_s()
        if now_s >= self.due_s:
            self.due_s = now_s + self.interval_s
            self.do()


class Scheduler(CeleryScheduler):
    """Keeps the app's own periodic tasks going, sweeps and, if it leads, fires schedules. Any number may run."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        settings: Settings = self.app.conf[SETTINGS_KEY]
        self._interval_s = settings.sweep_ms / 1000
        store = RedisStore(settings.redis_url, settings)
        registry = RedisRegistry(settings.redis_url, settings)
        client = RedisOrchestrator(settings, store, registry, Dispatcher(self.app, settings))
        sweeper = Sweeper(settings, store, client.catalogue, client.dispatcher)
        self._record = beat_record()
        self._keeper = ScheduleKeeper(client.schedules, registry, self._record.name)
        self._chores = (
            Chore(sweeper.sweep, 0),
            Chore(self._keeper.keep, 0),
            Chore(lambda: registry.announce(self._record), INTERVAL_S),
            Chore(Retention(settings, store).expire, EXPIRY_INTERVAL_S),
            Chore(Sampler(client).begin, SAMPLE_INTERVAL_S),
            Chore(sweeper.scan, SCAN_INTERVAL_S, elapsed_s() + SCAN_INTERVAL_S),
        )

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what the app's own schedule has due, then see to the chores; the seconds until the next tick."""
        wait_s = super().tick(*args, **kwargs)
        try:
            for chore in self._chores:
                chore.do_if_due()
        except Unreachable as error:
            log.warning("sweep_failed", error=str(error))
        return float(min(wait_s or self._interval_s, self._interval_s))

    def close(self) -> None:
        """End; another beat leads at once."""
        try:
            self._keeper.resign()
        except Unreachable as error:
            log.warning("not_resigned", error=str(error))
        super().close()
