"""Celery's Redis transport, but for a channel whose connection is gone: it says so with an error that Celery expects.

Celery 5.7 collects a connection that was lost, and then closes its channels. A channel that still holds messages wants
to put them back, asks the collected connection for its address, and an AttributeError ends the worker. Told that it is
not connected, the worker connects again; what was not put back, the ledger sends again.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis


class Channel(redis.Channel):
    """A channel that knows when its connection has been collected.

    It sends with one client of its pool, where kombu makes a client for every message.
    """

    _client: Any = None

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
    """Have this process use it for `redis://` and `rediss://`."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:Transport"))
