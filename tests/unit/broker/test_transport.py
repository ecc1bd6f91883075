"""Which of kombu's transports a process uses."""

from __future__ import annotations

import pytest
from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES, redis, resolve_transport

from orchestrator.broker import transport


def test_ours_is_used_though_another_app_has_connected_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found for a scheme the first time is remembered by kombu, and forgotten by us."""
    monkeypatch.setitem(TRANSPORT_ALIASES, "redis", "kombu.transport.redis:Transport")
    remembered = {"redis": resolve_transport("redis")}
    for place in ("kombu.transport", "orchestrator.broker.transport"):
        monkeypatch.setattr(f"{place}._transport_cache", remembered)
    assert type(Connection("redis://").transport) is redis.Transport

    transport.install()

    assert type(Connection("redis://").transport) is transport.Transport
