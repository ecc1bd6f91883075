"""Sweeping in the beat of an attached app, beside whatever scheduler that beat runs."""

from __future__ import annotations

import threading

from celery import Celery

from orchestrator import logs
from orchestrator.triggers.beat import Scheduler

log = logs.get("attached")

PAUSE_S = 1.0
"""After a sweep that failed."""


def sweep(app: Celery) -> None:
    """Sweep from now on, in a thread of its own, as long as this process lives."""
    scheduler = Scheduler(app, lazy=True)  # lazy: the app's periodic tasks are its own scheduler's business
    threading.Thread(target=_sweep, args=(scheduler,), name="sweeper", daemon=True).start()


def _sweep(scheduler: Scheduler) -> None:
    never = threading.Event()
    while True:
        try:
            wait_s = scheduler.tick()
        except Exception:
            log.exception("sweep_failed")
            wait_s = PAUSE_S
        never.wait(wait_s)
