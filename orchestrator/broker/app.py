"""The Celery app: ours, with settings that are safe on Redis under faults, or one that is there already."""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.signals import beat_init, celeryd_init
from kombu.utils.imports import symbol_by_name

from orchestrator.broker import transport
from orchestrator.plan.plan import DEFAULT_QUEUE
from orchestrator.settings import Settings

TOP_PRIORITY = 9
SETTINGS_KEY = "orchestrator_settings"
"""Where an app keeps our settings, for what Celery itself makes from the app: beat's scheduler."""

WORKER_SIDE = "orchestrator.runtime.app:serve"
BEAT_SIDE = "orchestrator.triggers.attached:sweep"
"""What an attached app's processes begin with. Named as Celery names a scheduler: a producer imports neither."""


def make_app(settings: Settings, name: str = "orchestrator") -> Celery:
    """A Celery app for our workers and producers."""
    transport.install()
    app = Celery(name, broker=settings.broker)
    app.conf.update(celery_settings(settings), **{SETTINGS_KEY: settings})
    return app


def attach(app: Celery, settings: Settings) -> None:
    """Have an existing app carry our messages too; to be called once it is configured, in all of its processes.

    Of its settings, `accept_content` gets `json` if it lacks it. What else our messages need is said by our task and by
    the messages. Its workers begin to serve our task, its beat to sweep, beside all that they do anyway.
    """
    transport.install()
    if SETTINGS_KEY in app.conf:
        return
    app.conf[SETTINGS_KEY] = settings
    if not {"json", "application/json"} & set(app.conf.accept_content):
        app.conf.accept_content = [*app.conf.accept_content, "json"]

    def serve(instance: Any, **_: object) -> None:
        if instance.app is app:
            symbol_by_name(WORKER_SIDE)(app, settings)

    def sweep(sender: Any, **_: object) -> None:
        if sender.app is app:
            symbol_by_name(BEAT_SIDE)(app)

    celeryd_init.connect(serve, weak=False)
    beat_init.connect(sweep, weak=False)


def celery_settings(settings: Settings) -> dict[str, Any]:
    """What our tasks need of Celery. The broker's content is disposable; these only make losses rare."""
    return {
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_acks_on_failure_or_timeout": True,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_default_queue": DEFAULT_QUEUE,
        "task_publish_retry_policy": {
            "max_retries": 60,
            "interval_start": 0.2,
            "interval_step": 0.5,
            "interval_max": 2,
        },
        "worker_prefetch_multiplier": 4,
        "worker_send_task_events": False,
        "worker_redirect_stdouts": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            "body_encoding": "utf-8",  # bodies are JSON already: base64 only makes them longer
            "ack_emulation": False,  # Redis need not note what is under way: what gets lost, the ledger sends again
            "socket_keepalive": True,
        },
        "beat_scheduler": "orchestrator.triggers.beat:Scheduler",
        "beat_max_loop_interval": settings.sweep_ms / 1000,
        "beat_schedule": {},
    }


def broker_priority(app: Celery, priority: int) -> int:
    """Our 0 (last) to 9 (first) as the broker counts: Redis takes its lowest number first."""
    url = str(app.conf.broker_url or "")
    return TOP_PRIORITY - priority if url.startswith(("redis", "sentinel", "valkey")) else priority
