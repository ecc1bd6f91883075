"""Celery's Redis transport, but for a channel whose connection is gone: it says so with an error that Celery expects.

Celery 5.7 collects a connection that was lost, and then closes its channels. A channel that still holds messages wants
to put them back, asks the collected connection for its address, and an AttributeError ends the worker. Told that it is
not connected, the worker connects again; what was not put back, the ledger sends again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, _transport_cache, redis  # type: ignore[attr-defined]  # not in its types
from kombu.utils.json import dumps

from orchestrator.clock import wall_ms

SCHEMES = ("redis", "rediss")
SENT = "sent_ms"
"""The property of a message that says when it was sent, by the sender's clock."""

Push = tuple[str, str]
"""A list's key, and the text of a message as it stands in that list."""


class Channel(redis.Channel):
    """A channel that knows when its connection has been collected.

    It sends with one client of its pool, where kombu makes a client for every message; it says in each message when it
    was sent; and it shows what it would send, so that the like of it can be sent again without being made again.
    """

    _client: Any = None
    _shown: list[Push] | None = None

    def show(self, publish: Callable[[], object]) -> list[Push]:
        """What `publish` would push to lists without more ado; none of it is sent."""
        shown: list[Push] = []
        self._shown = shown
        try:
            publish()
        finally:
            self._shown = None
        return shown

    def push(self, pushes: Sequence[Push]) -> None:
        """Send messages that were made before."""
        lists: dict[str, list[str]] = {}
        for key, text in pushes:
            lists.setdefault(key, []).append(text)
        with self.conn_or_acquire() as client:
            for key, texts in lists.items():
                client.lpush(key, *texts)

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:  # kombu calls it so
        message["properties"].setdefault(SENT, wall_ms())  # what is put back keeps its moment
        if self._shown is None:
            super()._put(queue, message, **kwargs)
        elif not (self._expires and queue in self._expires):  # type: ignore[attr-defined]
            priority = self._get_message_priority(message, reverse=False)
            self._shown.append((self._q_for_pri(queue, priority), dumps(message)))  # type: ignore[attr-defined]

    def _connparams(self, *args: Any, **kwargs: Any) -> Any:
        if self.connection.client is None:
            raise ConnectionResetError("the connection of this channel has been given up")
        return super()._connparams(*args, **kwargs)  # type: ignore[misc]  # not in celery-types

    def _create_client(self, asynchronous: bool = False) -> Any:  # kombu calls it so
        if asynchronous:
            return super()._create_client(asynchronous=True)  # type: ignore[misc]
        client = self._client
        if client is None or client.connection_pool is not self.pool:
            client = self._client = super()._create_client()  # type: ignore[misc]
        return client


class Transport(redis.Transport):
    """The Redis transport with our channels."""

    Channel = Channel


def install() -> None:
    """Have this process use it for `redis://` and `rediss://`, from the next connection on."""
    TRANSPORT_ALIASES.update(dict.fromkeys(SCHEMES, f"{__name__}:Transport"))
    for scheme in SCHEMES:
        _transport_cache.pop(scheme, None)  # what an app of before us has connected with
