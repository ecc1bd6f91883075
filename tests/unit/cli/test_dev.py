"""What `orchestrator dev` decides before it starts anything."""

from __future__ import annotations

import socket

from orchestrator.cli.dev import _needs_redis, _sample


def test_a_redis_is_started_where_nothing_listens_on_this_machine() -> None:
    """Not beside one that is there, and never for another machine's address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        assert not _needs_redis(f"redis://127.0.0.1:{port}/0")

    assert _needs_redis(f"redis://127.0.0.1:{port}/0")
    assert not _needs_redis("redis://redis.example:6379/0")


def test_the_suggested_input_has_what_the_schema_requires() -> None:
    """Each with a value of its type, so that it can be sent as it is."""
    schema = {
        "required": ["name", "amount"],
        "properties": {"name": {"type": "string"}, "amount": {"type": "integer"}, "note": {"type": "string"}},
    }

    assert _sample(schema) == {"name": "text", "amount": 1}
    assert _sample({}) == {}
