"""Sums of what happened, by workflow and hour, and for ever; and how far the reader of the feed is that adds to them.

Positions and sums lie in one slot, so a batch is added and the reader moved on by one script: nothing counts twice,
whoever dies or reads at the same time. A field is `version|step|name`, of a distribution `version|step|name|bucket`;
the run as a whole is the empty step. What can be no more than counted (its run is deleted) is of the empty workflow.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from orchestrator.settings import Settings
from orchestrator.store.connection import Connection, Script
from orchestrator.store.keys import Keys
from orchestrator.store.positions import START
from orchestrator.store.rollups import DAY_MS, EVER, EVER_STEPS, HOUR_MS, Kind, Place, RolledUp, Sums, roll_up

__all__ = ["EVER", "EVER_STEPS", "HOUR_MS", "MemoryMetrics", "Metrics", "Place", "RedisMetrics", "Sums"]

_ADD = Script("metrics.lua")
_NEVER: Final = 1 << 62
_DAILY: Final = frozenset({Kind.DAYS, Kind.WHOLE_DAYS})


class Metrics(Protocol):
    """Holds sums, and the positions of readers that add to them."""

    def positions(self, reader: str) -> dict[int, str]:
        """Shard → where the reader is; no shard of which it has seen nothing."""

    def add(self, reader: str, shard: int, after: str, upto: str, sums: Mapping[Place, Sums]) -> bool:
        """Add these and move the reader on, if it is at `after`; False, and nothing is done, if it is not."""

    def read(self, places: Sequence[Place], kind: Kind = Kind.SUMS) -> list[dict[str, int]]:
        """The sums at these places, in their order."""

    def rolled_up(self, now_ms: int) -> RolledUp:
        """Since when hours and days are in the wider pieces too."""


class RedisMetrics:
    """The sums in Redis."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._keys = Keys(settings.namespace, settings.shards)
        self._connection = Connection(url)
        self._retention_ms = settings.metrics_retention_ms

    def close(self) -> None:
        """Close the sockets; the next call opens new ones."""
        self._connection.close()

    def positions(self, reader: str) -> dict[int, str]:
        """Shard → where the reader is; no shard of which it has seen nothing."""
        held = self._connection.execute("HGETALL", self._keys.metrics_positions(reader))
        return {int(shard): entry_id for shard, entry_id in held.items()}

    def add(self, reader: str, shard: int, after: str, upto: str, sums: Mapping[Place, Sums]) -> bool:
        """Add these and move the reader on, if it is at `after`; False, and nothing is done, if it is not."""
        keys = [self._keys.metrics_positions(reader), self._keys.metrics_rolled_up()]
        args = [str(shard), after, upto]
        for (kind, (workflow, at)), more in _with_rollups(sums).items():
            keys.append(self._keys.metrics(workflow, at, kind))
            until = {} if at < 0 else {"until": _end(kind, at) + self._retention_ms}
            args.append(json.dumps({"add": more, **until}))
        return bool(self._connection.run(_ADD, keys, args))

    def rolled_up(self, now_ms: int) -> RolledUp:
        """Since when hours and days are in the wider pieces too."""
        since = self._connection.execute("GET", self._keys.metrics_rolled_up())
        return _rolled_up(_NEVER if since is None else int(since), now_ms, self._retention_ms)

    def read(self, places: Sequence[Place], kind: Kind = Kind.SUMS) -> list[dict[str, int]]:
        """The sums at these places, in their order."""
        commands = [("HGETALL", self._keys.metrics(workflow, at, kind)) for workflow, at in places]
        answers = self._connection.ask_many(commands) if commands else []
        return [dict(zip(flat[::2], map(int, flat[1::2]), strict=True)) for flat in answers]


class MemoryMetrics:
    """The sums of tests, on a clock of the caller's; usable from any thread."""

    def __init__(self, settings: Settings, clock: Callable[[], int]) -> None:
        self._retention_ms = settings.metrics_retention_ms
        self._clock = clock
        self._lock = threading.Lock()
        self._positions: dict[str, dict[int, str]] = {}
        self._sums: dict[tuple[Kind, Place], dict[str, int]] = {}

    def positions(self, reader: str) -> dict[int, str]:
        """Shard → where the reader is; no shard of which it has seen nothing."""
        with self._lock:
            return dict(self._positions.get(reader, {}))

    def add(self, reader: str, shard: int, after: str, upto: str, sums: Mapping[Place, Sums]) -> bool:
        """Add these and move the reader on, if it is at `after`; False, and nothing is done, if it is not."""
        with self._lock:
            positions = self._positions.setdefault(reader, {})
            if positions.get(shard, START) != after:
                return False
            positions[shard] = upto
            for place, more in _with_rollups(sums).items():
                held = self._sums.setdefault(place, {})
                for name, number in more.items():
                    held[name] = held.get(name, 0) + number
            return True

    def rolled_up(self, now_ms: int) -> RolledUp:
        """Since when hours and days are in the wider pieces too."""
        return _rolled_up(0, now_ms, self._retention_ms)

    def read(self, places: Sequence[Place], kind: Kind = Kind.SUMS) -> list[dict[str, int]]:
        """The sums at these places, in their order."""
        with self._lock:
            ended_ms = self._clock() - self._retention_ms
            return [
                dict(self._sums.get((kind, place), {})) if place[1] < 0 or _end(kind, place[1]) > ended_ms else {}
                for place in places
            ]


def _with_rollups(sums: Mapping[Place, Sums]) -> dict[tuple[Kind, Place], Sums]:
    return {**{(Kind.SUMS, place): more for place, more in sums.items()}, **roll_up(sums)}


def _end(kind: Kind, at: int) -> int:
    return at + (DAY_MS if kind in _DAILY else HOUR_MS)


def _rolled_up(hours_since: int, now_ms: int, retention_ms: int) -> RolledUp:
    """A day is read as one for as long as its first hour is kept: its hours say the same until then."""
    return RolledUp(hours_since, max(hours_since, now_ms - retention_ms - HOUR_MS + 1))
