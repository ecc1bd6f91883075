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

HOUR_MS: Final = 3_600_000
EVER: Final = -1
"""In place of an hour: the sums since the beginning, of runs as a whole. They never fall."""
EVER_STEPS: Final = -2
"""The same, of steps."""

Sums = Mapping[str, int]
"""Field → its sum."""
Place = tuple[str, int]
"""A workflow and an hour, by its first moment; or `EVER`, `EVER_STEPS`."""

_ADD = Script("metrics.lua")


class Metrics(Protocol):
    """Holds sums, and the positions of readers that add to them."""

    def positions(self, reader: str) -> dict[int, str]:
        """Shard → where the reader is; no shard of which it has seen nothing."""

    def add(self, reader: str, shard: int, after: str, upto: str, sums: Mapping[Place, Sums]) -> bool:
        """Add these and move the reader on, if it is at `after`; False, and nothing is done, if it is not."""

    def read(self, places: Sequence[Place]) -> list[dict[str, int]]:
        """The sums at these places, in their order."""


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
        keys, args = [self._keys.metrics_positions(reader)], [str(shard), after, upto]
        for (workflow, hour), more in sums.items():
            keys.append(self._keys.metrics(workflow, hour))
            until = {} if hour < 0 else {"until": hour + HOUR_MS + self._retention_ms}
            args.append(json.dumps({"add": more, **until}))
        return bool(self._connection.run(_ADD, keys, args))

    def read(self, places: Sequence[Place]) -> list[dict[str, int]]:
        """The sums at these places, in their order."""
        commands = [("HGETALL", self._keys.metrics(workflow, hour)) for workflow, hour in places]
        answers = self._connection.execute_many(commands) if commands else []
        return [{name: int(number) for name, number in held.items()} for held in answers]


class MemoryMetrics:
    """The sums of tests, on a clock of the caller's; usable from any thread."""

    def __init__(self, settings: Settings, clock: Callable[[], int]) -> None:
        self._retention_ms = settings.metrics_retention_ms
        self._clock = clock
        self._lock = threading.Lock()
        self._positions: dict[str, dict[int, str]] = {}
        self._sums: dict[Place, dict[str, int]] = {}

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
            for place, more in sums.items():
                held = self._sums.setdefault(place, {})
                for name, number in more.items():
                    held[name] = held.get(name, 0) + number
            return True

    def read(self, places: Sequence[Place]) -> list[dict[str, int]]:
        """The sums at these places, in their order."""
        with self._lock:
            kept_ms = self._clock() - HOUR_MS - self._retention_ms
            return [dict(self._sums.get(place, {})) if place[1] < 0 or place[1] > kept_ms else {} for place in places]
