"""How far each reader of the feed is: for each shard, the id of the last event that it has seen to."""

from __future__ import annotations

import threading
from typing import Final, Protocol

from orchestrator.store.connection import Connection, Script
from orchestrator.store.keys import Keys

START: Final = "0-0"
"""Where a reader is that has seen nothing of a shard."""

_ADVANCE = Script("advance.lua")


class Positions(Protocol):
    """Where readers are, by their names."""

    def of(self, reader: str) -> dict[int, str]:
        """Shard → where it is; no shard of which it has seen nothing."""

    def position(self, reader: str, shard: int) -> str:
        """Where it is in a shard; `START` if it has seen nothing of it."""

    def advance(self, reader: str, shard: int, after: str, upto: str) -> bool:
        """Move it on, if it is at `after`; False if it is not: somebody else moved it, so nothing was changed."""


class RedisPositions:
    """The positions in Redis."""

    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys

    def of(self, reader: str) -> dict[int, str]:
        """Shard → where it is; no shard of which it has seen nothing."""
        held = self._connection.execute("HGETALL", self._keys.positions(reader))
        return {int(shard): entry_id for shard, entry_id in held.items()}

    def position(self, reader: str, shard: int) -> str:
        """Where it is in a shard; `START` if it has seen nothing of it."""
        return self._connection.execute("HGET", self._keys.positions(reader), shard) or START

    def advance(self, reader: str, shard: int, after: str, upto: str) -> bool:
        """Move it on, if it is at `after`; False if it is not: somebody else moved it, so nothing was changed."""
        return bool(self._connection.run(_ADVANCE, (self._keys.positions(reader),), (shard, after, upto)))


class MemoryPositions:
    """The positions of tests; usable from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, dict[int, str]] = {}

    def of(self, reader: str) -> dict[int, str]:
        """Shard → where it is; no shard of which it has seen nothing."""
        with self._lock:
            return dict(self._held.get(reader, {}))

    def position(self, reader: str, shard: int) -> str:
        """Where it is in a shard; `START` if it has seen nothing of it."""
        return self.of(reader).get(shard, START)

    def advance(self, reader: str, shard: int, after: str, upto: str) -> bool:
        """Move it on, if it is at `after`; False if it is not: somebody else moved it, so nothing was changed."""
        with self._lock:
            held = self._held.setdefault(reader, {})
            if held.get(shard, START) != after:
                return False
            held[shard] = upto
            return True
