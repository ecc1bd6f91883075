"""Plain Celery, tuned as far as it stays safe: what a team would write without this orchestrator."""

from __future__ import annotations

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

URL = "BENCH_PLAIN_URL"
"""The environment variable that names the Redis of broker and results."""


KOMBUS = "kombu-redis"
"""A scheme of kombu's own transport, whatever else is in the process."""
TRANSPORT_ALIASES[KOMBUS] = "kombu.transport.redis:Transport"


def plain_app(url: str) -> Celery:
    """An app with late acknowledgement, JSON and results; everything that costs and is not needed is off."""
    made = Celery("plain", broker=url.replace("redis", KOMBUS, 1), backend=url)
    made.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=4,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
    )

    @made.task(name="plain.noop", shared=False)
    def noop() -> None:
        """Nothing."""

    return made


app = plain_app(os.environ.get(URL, "redis://127.0.0.1:6379/0"))
