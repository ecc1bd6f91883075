"""Who leads, of beats or of readers: a lease with a number. It spares the others work; what must hold is guarded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from orchestrator.store.connection import Connection, Script
from orchestrator.store.keys import Keys

_LEADER = Script("leader.lua")


@dataclass(frozen=True, slots=True)
class Leader:
    """Who leads, by which number, and until when unless it says so again."""

    holder: str
    fence: int
    until_ms: int


class Leadership(Protocol):
    """A lease that one of many holds."""

    def lead(self, holder: str, lease_ms: int) -> int | None:
        """The number of the holder's leadership, as it is taken or renewed; None while another one leads."""

    def resign(self, holder: str) -> None:
        """The holder leads no more, so that another one may at once."""

    def leader(self) -> Leader | None:
        """Who leads now."""


class RedisLeadership:
    """The lease in Redis, by Redis's clock."""

    def __init__(self, connection: Connection, keys: Keys, name: str = "beat") -> None:
        self._connection = connection
        self._key = keys.leader(name)

    def lead(self, holder: str, lease_ms: int) -> int | None:
        """The number of the holder's leadership, as it is taken or renewed; None while another one leads."""
        return self._connection.run(_LEADER, (self._key,), (holder, lease_ms)) or None

    def resign(self, holder: str) -> None:
        """The holder leads no more, so that another one may at once."""
        self._connection.run(_LEADER, (self._key,), (holder, 0))

    def leader(self) -> Leader | None:
        """Who leads now."""
        holder, fence, until = self._connection.execute("HMGET", self._key, "holder", "fence", "until")
        if until is None or int(until) <= self._connection.time_ms():
            return None
        return Leader(holder, int(fence), int(until))


class MemoryLeadership:
    """The lease of tests, on a clock of the caller's; usable from any thread."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held = Leader("", 0, 0)

    def lead(self, holder: str, lease_ms: int) -> int | None:
        """The number of the holder's leadership, as it is taken or renewed; None while another one leads."""
        with self._lock:
            now_ms, held = self._clock(), self._held
            leads = held.until_ms > now_ms
            if leads and held.holder != holder:
                return None
            self._held = Leader(holder, held.fence if leads else held.fence + 1, now_ms + lease_ms)
            return self._held.fence

    def resign(self, holder: str) -> None:
        """The holder leads no more, so that another one may at once."""
        with self._lock:
            if self._held.holder == holder:
                self._held = replace(self._held, until_ms=0)

    def leader(self) -> Leader | None:
        """Who leads now."""
        with self._lock:
            return self._held if self._held.until_ms > self._clock() else None
