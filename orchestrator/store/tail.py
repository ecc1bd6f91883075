"""Waiting for what happens in runs without a thread for each: for servers that hold many streams open."""

from __future__ import annotations

import math
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class News:
    """The runs in which something happened; with `more`, in others too, too many to name."""

    runs: frozenset[str]
    more: bool = False


class FeedTail:
    """The feeds of all shards from now on, for whoever only wants to know where something happened; of one loop."""

    def __init__(self, url: str, settings: Settings) -> None:
        keys = Keys(settings.namespace, settings.shards)
        self._feeds = [keys.feed(shard) for shard in range(settings.shards)]
        self._after: dict[str, str] = {}
        self._client: Any = redis.asyncio.Redis.from_url(
            url, protocol=2, decode_responses=True, socket_keepalive=True, max_connections=2
        )

    async def wait(self) -> News:
        """What happened since the last call, as soon as something does; nothing if it takes long, or at first."""
        try:
            if not self._after:
                await self._begin()
                return News(frozenset())
            found = await self._client.xread(self._after, count=_PAGE, block=BLOCK_MS)
            if more := any(len(entries) == _PAGE for _, entries in found):
                await self._begin()
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            raise Unreachable(f"Redis does not answer: {error}") from error
        if not more:
            self._after.update({key: entries[-1][0] for key, entries in found})
        return News(frozenset(values["run"] for _, entries in found for _, values in entries), more)

    async def close(self) -> None:
        """Close the sockets."""
        await self._client.aclose()

    async def _begin(self) -> None:
        """Stand at the end of every feed."""
        async with self._client.pipeline(transaction=False) as pipe:
            for feed in self._feeds:
                pipe.xrevrange(feed, count=1)
            newest = await pipe.execute()
        self._after = {feed: ends[0][0] if ends else "0" for feed, ends in zip(self._feeds, newest, strict=True)}
