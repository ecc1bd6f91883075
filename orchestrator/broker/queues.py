"""How much waits in the broker's queues, asked once: no answer in a few seconds is an answer too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from orchestrator.errors import Unreachable

CONNECT_TIMEOUT_S = 3


def depths(app: Celery, names: Iterable[str]) -> dict[str, int]:
    """Queue -> how many messages wait in it, 0 if there is no such queue; Unreachable if the broker is."""
    with app.connection_for_write(connect_timeout=CONNECT_TIMEOUT_S) as connection:
        lost: tuple[type[BaseException], ...] = (OperationalError, *connection.connection_errors)
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=CONNECT_TIMEOUT_S)
            return {name: _depth(connection, name) for name in names}
        except lost as error:
            raise Unreachable(f"the broker does not answer: {error}") from error


def _depth(connection: Any, name: str) -> int:
    channel = connection.channel()  # one for each: a broker closes a channel that asked for what is not there
    try:
        return int(channel.queue_declare(queue=name, passive=True).message_count)
    except connection.channel_errors:
        return 0
    finally:
        channel.close()
