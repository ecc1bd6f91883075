"""How much waits in the broker's queues, asked once: no answer in a few seconds is an answer too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from celery import Celery
from kombu.exceptions import OperationalError
from kombu.transport.redis import Channel

from orchestrator.broker.app import TOP_PRIORITY
from orchestrator.broker.transport import SENT
from orchestrator.errors import Unreachable

CONNECT_TIMEOUT_S = 3

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Depth:
    """What waits in a queue. Only Redis shows more than how much it is."""

    waiting: int
    by_priority: Mapping[str, int] | None = None
    """Priorities, the highest first, as `9-7` → how many messages of these."""
    oldest_sent_ms: int | None = None
    """When the one that waits for longest was sent, by its sender's clock."""


def depths(app: Celery, names: Iterable[str]) -> dict[str, int]:
    """Queue -> how many messages wait in it, 0 if there is no such queue; Unreachable if the broker is."""
    return asking(app, lambda connection: {name: _depth(connection, name) for name in names})


def look(app: Celery, names: Iterable[str]) -> dict[str, Depth]:
    """Queue → all that the broker tells of it; Unreachable if the broker does not answer."""

    def ask(connection: Any) -> dict[str, Depth]:
        channel = connection.default_channel
        if isinstance(channel, Channel):
            return _lists(channel, list(names))
        return {name: Depth(_depth(connection, name)) for name in names}

    return asking(app, ask)


def asking(app: Celery, ask: Callable[[Any], _Result]) -> _Result:
    """What the broker answers, over a connection of its own; Unreachable if it does not in a few seconds."""
    with app.connection_for_write(connect_timeout=CONNECT_TIMEOUT_S) as connection:
        lost: tuple[type[BaseException], ...] = (OperationalError, *connection.connection_errors)
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=CONNECT_TIMEOUT_S)
            return ask(connection)
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


def _lists(channel: Any, names: list[str]) -> dict[str, Depth]:
    """Each queue is a list for each of the transport's steps of priority; the oldest message stands last."""
    steps = sorted(channel.priority_steps)
    prefix = channel.global_keyprefix or ""
    with channel.conn_or_acquire() as client:
        pipeline = client.pipeline(transaction=False)
        for name in names:
            for step in steps:
                key = str(channel._q_for_pri(name, step))  # noqa: SLF001  # the only place that knows it
                pipeline.execute_command("LLEN", key)
                pipeline.execute_command("LINDEX", prefix + key, -1)  # kombu puts the prefix before the other alone
        answers = pipeline.execute()
    found = {}
    for name in names:
        own, answers = answers[: 2 * len(steps)], answers[2 * len(steps) :]
        counts = dict(zip(_bands(steps), own[::2], strict=True))
        moments = [moment for text in own[1::2] if (moment := _sent_ms(text)) is not None]
        found[name] = Depth(sum(counts.values()), counts, min(moments, default=None))
    return found


def _bands(steps: list[int]) -> list[str]:
    """Which priorities of ours go into each list: Redis's are counted the other way round."""
    ends = [*steps[1:], TOP_PRIORITY + 1]
    bands = ((TOP_PRIORITY - step, TOP_PRIORITY - end + 1) for step, end in zip(steps, ends, strict=True))
    return [str(first) if first == last else f"{first}-{last}" for first, last in bands]


def _sent_ms(text: bytes | str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = json.loads(text)["properties"][SENT]
    except (ValueError, KeyError, TypeError):  # another sender's
        return None
    return moment if isinstance(moment, int) else None
