"""The Celery app of a worker fleet: our task, our operations, our place in the workers' register."""

from __future__ import annotations

import gc
import logging
from typing import Any

from celery import Celery
from celery.signals import (
    after_setup_logger,
    after_setup_task_logger,
    setup_logging,
    task_received,
    worker_before_create_process,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)

from orchestrator import logs
from orchestrator.broker.app import make_app
from orchestrator.client.redaction import mask_of_lines
from orchestrator.plan.plan import DEFAULT_QUEUE
from orchestrator.runtime.register import Announcer
from orchestrator.runtime.tasks import register_tasks
from orchestrator.settings import Settings
from orchestrator.spec.operations import load_operations

CHORDS_KEPT_S = 86_400
"""How long Celery keeps the count of a chord's header; what is joined, the state decides."""


def worker_app(settings: Settings | None = None) -> Celery:
    """An app for `celery worker` and `celery beat`, serving the operations of the settings' modules."""
    chosen = settings or Settings()
    app = make_app(chosen)
    app.conf.update(
        result_backend=chosen.broker if chosen.broker.startswith("redis") else chosen.redis_url,
        result_expires=CHORDS_KEPT_S,
    )
    load_operations(chosen.operations)
    register_tasks(app, chosen)
    _connect_signals(app, chosen)
    return app


def serve(app: Celery, settings: Settings) -> None:
    """Have a worker of an attached app, which is about to begin, work off our steps beside its own tasks.

    Without `-Q` it also consumes the queue of steps that name none.
    """
    load_operations(settings.operations)
    register_tasks(app, settings)
    queues: Any = app.amqp.queues
    queues.select_add(queues.get(DEFAULT_QUEUE) or queues.new_missing(DEFAULT_QUEUE))
    _announce(app, settings)


def _connect_signals(app: Celery, settings: Settings) -> None:
    mask = mask_of_lines(*settings.redact)

    def configure_logs(loglevel: int | None = None, logfile: str | None = None, **more: Any) -> None:
        standard = loglevel or logging.WARNING
        logs.configure(json=settings.log_json, level=settings.log_level, mask=mask, standard=standard, file=logfile)
        how = {"loglevel": standard, "logfile": logfile, **{one: more.get(one) for one in ("format", "colorize")}}
        after_setup_logger.send(sender=None, logger=logging.getLogger(), **how)  # which Celery leaves to us as well
        after_setup_task_logger.send(sender=None, logger=logging.getLogger("celery.task"), **how)

    def share_memory(**_: object) -> None:
        gc.collect()
        gc.freeze()  # a collection in a child would write to, and so copy, every page that it shares

    worker_before_create_process.connect(share_memory, weak=False)
    setup_logging.connect(configure_logs, weak=False)  # then Celery sets up none, and leaves stderr as it is
    _announce(app, settings)


def _announce(app: Celery, settings: Settings) -> None:
    """Stand in the register from when the worker is ready until it has ended, and take the commands of ours."""
    announcer = Announcer(settings)

    def begin(sender: Any, **_: object) -> None:
        if sender.app is app:
            from orchestrator.runtime.commands import install  # noqa: PLC0415  # beats need nothing of a worker's

            announcer.start(sender)
            install(announcer)

    def count(request: Any, **_: object) -> None:
        announcer.note_taken(request)

    def stopping(**_: object) -> None:
        announcer.stopping()

    def end(**_: object) -> None:
        announcer.stop()

    worker_ready.connect(begin, weak=False)
    task_received.connect(count, weak=False)
    worker_shutting_down.connect(stopping, weak=False)
    worker_shutdown.connect(end, weak=False)
