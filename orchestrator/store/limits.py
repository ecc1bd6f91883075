"""Limits: so many at once, or so many in a time; who must wait stands in line.

A *quota* is one limit for one value of its key. A holder has a slot of it until the slot is given back or its lease
lapses; a rate's slot is never given back, and its lease is the rate's time, so that no window of that length sees more.
A holder gets slots of all quotas that it asks for, or none, so nobody holds one while it waits for another. The one
exception keeps a waiter from starving between two busy quotas: the first in line takes what it can get, and since only
the first does, no two wait for each other.

Who is refused stands in line, by priority, then arrival. It holds up those behind it at the quotas that refused it, and
at no other, so the order is strict at each quota by itself. Whoever touches a quota with free slots is told whom to
*wake*: those have been called, and the slots are kept for them for a while. One that does not come in time keeps its
place, but holds up nobody until it asks again.

All quotas that are asked for together belong to one *group*, which is one slot of a Redis Cluster.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from orchestrator.engine.quotas import Slots
from orchestrator.settings import Settings
from orchestrator.spec.durations import milliseconds, parse_duration
from orchestrator.spec.policies import DEFAULT_PRIORITY, Limit
from orchestrator.store.connection import Connection, Script
from orchestrator.store.keys import Keys

_LIMITS = Script("limits.lua")
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Quota:
    """So many slots; of a rate, so many in `per_ms`."""

    name: str
    count: int
    per_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """What a holder wants to have, all of it or nothing. The same quotas and group each time."""

    group: str
    quotas: tuple[Quota, ...]
    holder: str
    priority: int = DEFAULT_PRIORITY
    """0 (last) … 9 (first)."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Whether the holder has its slots; if not, how far it has come, and whom the caller is to wake in any case."""

    granted: bool
    place: int = 0
    """1: nobody is ahead."""
    wait_ms: int = 0
    """Ask again after so long, if not woken before."""
    wake: tuple[str, ...] = ()
    """Holders that are to ask again now."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the line waits for those who stand in it."""

    call_ms: int = 5_000
    """So long is a free slot kept for one that was called."""
    place_ms: int = 600_000
    """So much later than it was to ask again, a waiter is out of the line."""
    longest_wait_ms: int = 300_000
    """A waiter asks again after so long at the latest."""


class Limits(Protocol):
    """Holds slots and lines. All moments are the store's; each call is atomic, and may be sent twice."""

    def acquire(self, ask: Ask, lease_ms: int) -> Turn:
        """Slots of all quotas, or a place in line. A holder that has its slots is granted again, with a new lease."""

    def release(self, ask: Ask) -> tuple[str, ...]:
        """Give back slots and place, whichever the holder has; whom to wake."""

    def renew(self, asks: Sequence[Ask], lease_ms: int) -> list[bool]:
        """New leases of the slots; False where one has lapsed."""

    def holders(self, group: str, name: str) -> dict[str, int]:
        """Who has a slot of a quota, and until when."""

    def waiting(self, group: str) -> list[str]:
        """Who stands in line, first to last."""


def quota(index: int, limit: Limit, value: Any) -> Quota:
    """The quota of the limit at this position of its list, for this value of its key."""
    name = f"{index}:{json.dumps(value, sort_keys=True, separators=(',', ':'))}"
    if len(name) > _LONGEST_NAME:
        name = f"{index}:sha256:{hashlib.sha256(name.encode()).hexdigest()}"
    if limit.rate is None:
        return Quota(name, limit.max or 1)
    count, _, time = limit.rate.partition("/")
    return Quota(name, int(count), milliseconds(parse_duration(time if time[0].isdigit() else f"1{time}")))


def ask_of(slots: Slots) -> Ask:
    """What the engine asks for, as quotas."""
    quotas = tuple(quota(index, limit, value) for index, limit, value in slots.limits)
    return Ask(slots.group, quotas, slots.holder, slots.priority)


class RedisLimits:
    """The limits in Redis. Each call is one script call."""

    def __init__(self, url: str, settings: Settings, patience: Patience | None = None) -> None:
        self._keys = Keys(settings.namespace, settings.shards)
        self._connection = Connection(url)
        self._patience = patience or Patience()

    def acquire(self, ask: Ask, lease_ms: int) -> Turn:
        """Slots of all quotas, or a place in line. A holder that has its slots is granted again, with a new lease."""
        granted, place, wait_ms, wake = self._connection.run(_LIMITS, *self._call("acquire", ask, lease_ms))
        return Turn(granted == 1, place, int(wait_ms), tuple(wake))

    def release(self, ask: Ask) -> tuple[str, ...]:
        """Give back slots and place, whichever the holder has; whom to wake."""
        return tuple(self._connection.run(_LIMITS, *self._call("release", ask, 0))[3])

    def renew(self, asks: Sequence[Ask], lease_ms: int) -> list[bool]:
        """New leases of the slots; False where one has lapsed."""
        if not asks:
            return []
        answers = self._connection.run_many(_LIMITS, [self._call("renew", ask, lease_ms) for ask in asks])
        return [answer[0] == 1 for answer in answers]

    def holders(self, group: str, name: str) -> dict[str, int]:
        """Who has a slot of a quota, and until when."""
        live = f"({self._connection.time_ms()}"
        command = ("ZRANGEBYSCORE", self._keys.limit_slots(group, name), live, "+inf", "WITHSCORES")
        flat = self._connection.execute(*command)
        return {holder: int(end) for holder, end in zip(flat[::2], flat[1::2], strict=True)}

    def waiting(self, group: str) -> list[str]:
        """Who stands in line, first to last."""
        return list(self._connection.execute("ZRANGE", self._keys.limit_line(group), 0, -1))

    def close(self) -> None:
        """Close the sockets; the next call opens new ones."""
        self._connection.close()

    def _call(self, verb: str, ask: Ask, lease_ms: int) -> tuple[list[str], list[Any]]:
        patience = self._patience
        keys = self._keys.of_limits(ask.group, [one.name for one in ask.quotas])
        terms = [lease_ms, patience.call_ms, patience.place_ms, patience.longest_wait_ms]
        counts = [part for one in ask.quotas for part in (one.count, one.per_ms or "")]
        return keys, [verb, ask.holder, ask.priority, *terms, *counts]
