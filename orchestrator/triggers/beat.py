"""Celery beat's scheduler: runs the sweeper. `celery -A workers beat` uses it by the app's settings."""

from __future__ import annotations

from typing import Any

from celery.beat import Scheduler as CeleryScheduler

from orchestrator import logs
from orchestrator.broker.app import SETTINGS_KEY
from orchestrator.broker.dispatch import Dispatcher
from orchestrator.client.versions import Versions
from orchestrator.clock import elapsed_s
from orchestrator.errors import Unreachable
from orchestrator.runtime.sweeper import Sweeper
from orchestrator.settings import Settings
from orchestrator.store.redis import RedisStore
from orchestrator.store.registry import RedisRegistry

log = logs.get("beat")

SCAN_INTERVAL_S = 60.0
"""How often beat looks for runs that have no entry; there should be none."""


class Scheduler(CeleryScheduler):
    """Keeps the app's own periodic tasks going, and sweeps once an interval. Any number of beats may run."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        settings: Settings = self.app.conf[SETTINGS_KEY]
        self._interval_s = settings.sweep_ms / 1000
        self._next_scan_s = elapsed_s() + SCAN_INTERVAL_S
        store = RedisStore(settings.redis_url, settings)
        versions = Versions(RedisRegistry(settings.redis_url, settings))
        self._sweeper = Sweeper(settings, store, versions, Dispatcher(self.app, settings))

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what the app's own schedule has due, then sweep; the seconds until the next tick."""
        wait_s = super().tick(*args, **kwargs)
        try:
            self._sweeper.sweep()
            if elapsed_s() >= self._next_scan_s:
                self._next_scan_s = elapsed_s() + SCAN_INTERVAL_S
                self._sweeper.scan()
        except Unreachable as error:
            log.warning("sweep_failed", error=str(error))
        return float(min(wait_s or self._interval_s, self._interval_s))
