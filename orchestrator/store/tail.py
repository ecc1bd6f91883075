"""Waiting for what happens in runs without a thread for each: for servers that hold many streams open."""

from __future__ import annotations

import math
from typing import Any

import redis.asyncio
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from orchestrator.clock import elapsed_s
from orchestrator.errors import Unreachable
from orchestrator.settings import Settings
from orchestrator.store.connection import BLOCK_MS
from orchestrator.store.keys import Keys
from orchestrator.store.port import HistoryEntry
from orchestrator.store.redis import history_entry

LARGEST_CROWD = 10_000
"""Runs that may be waited for at once; each takes a socket."""
_PAGE = 500


class Tail:
    """The histories of runs in Redis, as they grow; of one event loop."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._keys = Keys(settings.namespace, settings.shards)
        self._client: Any = redis.asyncio.Redis.from_url(
            url, protocol=2, decode_responses=True, socket_keepalive=True, max_connections=LARGEST_CROWD
        )

    async def wait(self, run_id: str, after: str, timeout_s: float) -> list[HistoryEntry]:
        """Events of a run that came after the one with this id, as soon as there is one; none if none came in time."""
        key, deadline = self._keys.history(run_id), elapsed_s() + timeout_s
        try:
            while True:
                left_ms = math.ceil((deadline - elapsed_s()) * 1000)
                block = {"block": min(left_ms, BLOCK_MS)} if left_ms > 0 else {}
                found = await self._client.xread({key: after}, count=_PAGE, **block)
                if found or left_ms <= 0:
                    return [history_entry(*entry) for _, entries in found for entry in entries]
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            raise Unreachable(f"Redis does not answer: {error}") from error

    async def close(self) -> None:
        """Close the sockets."""
        await self._client.aclose()
