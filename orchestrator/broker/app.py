"""The Celery app: settings that are safe on Redis under faults."""

from __future__ import annotations

from typing import Any

from celery import Celery

from orchestrator.broker import transport
from orchestrator.plan.plan import DEFAULT_QUEUE
from orchestrator.settings import Settings

RESULTS_KEPT_S = 86_400
"""How long Celery keeps the count of a chord's header; what is joined, the state decides."""
TOP_PRIORITY = 9
SETTINGS_KEY = "orchestrator_settings"
"""Where an app keeps our settings, for what Celery itself makes from the app: beat's scheduler."""


def make_app(settings: Settings, name: str = "orchestrator") -> Celery:
    """A Celery app for our workers and producers."""
    transport.install()
    app = Celery(name, broker=settings.broker)
    app.conf.update(celery_settings(settings), **{SETTINGS_KEY: settings})
    return app


def celery_settings(settings: Settings) -> dict[str, Any]:
    """What our tasks need of Celery. The broker's content is disposable; these only make losses rare."""
    return {
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_acks_on_failure_or_timeout": True,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "result_backend": settings.broker if settings.broker.startswith("redis") else settings.redis_url,
        "result_expires": RESULTS_KEPT_S,
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
