"""The Celery app of a worker fleet: our task, our operations, our place in the workers' register."""

from __future__ import annotations

import gc

from celery import Celery
from celery.signals import (
    beat_init,
    worker_before_create_process,
    worker_process_init,
    worker_ready,
    worker_shutting_down,
)

from orchestrator import logs
from orchestrator.broker.app import make_app
from orchestrator.runtime.register import Announcer
from orchestrator.runtime.tasks import register_tasks
from orchestrator.settings import Settings
from orchestrator.spec.operations import load_operations


def worker_app(settings: Settings | None = None) -> Celery:
    """An app for `celery worker` and `celery beat`, serving the operations of the settings' modules."""
    chosen = settings or Settings()
    app = make_app(chosen)
    load_operations(chosen.operations)
    register_tasks(app, chosen)
    _connect_signals(chosen)
    return app


def _connect_signals(settings: Settings) -> None:
    announcer = Announcer(settings)

    def configure_logs(**_: object) -> None:
        logs.configure(json=settings.log_json, level=settings.log_level)

    def announce(sender: object, **_: object) -> None:
        configure_logs()
        announcer.start(sender)

    def withdraw(**_: object) -> None:
        announcer.stop()

    def share_memory(**_: object) -> None:
        gc.collect()
        gc.freeze()  # a collection in a child would write to, and so copy, every page that it shares

    worker_before_create_process.connect(share_memory, weak=False)
    beat_init.connect(configure_logs, weak=False)
    worker_process_init.connect(configure_logs, weak=False)
    worker_ready.connect(announce, weak=False)
    worker_shutting_down.connect(withdraw, weak=False)
