"""What is noted of the fleet for those who watch it: leases that workers hold, messages taken, samples of queues.

None of it decides anything: it may be lost at any time, and is then noted anew.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Protocol

from redis.exceptions import ResponseError

from orchestrator.settings import Settings
from orchestrator.store.connection import Connection
from orchestrator.store.keys import Keys

SAMPLE_MS: Final = 10_000
"""How far samples are apart."""
SAMPLES_KEPT: Final = 360


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that a process of a worker holds. Moments are Redis's, in ms."""

    run_id: str
    workflow: str
    step: str
    since_ms: int
    until_ms: int
    """When it runs out unless it is renewed."""
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Depth:
    """One queue in a sample."""

    waiting: int
    taken: int
    """Messages that workers took from it so far: only differences mean something."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The queues at one moment, in ms: a whole multiple of the interval."""

    at_ms: int
    queues: Mapping[str, Depth]


class Watch(Protocol):
    """Keeps these notes."""

    def hold(self, worker: str, pid: int, held: Sequence[Held]) -> None:
        """The leases that a process of a worker holds now; none: it holds none any more."""

    def held(self, workers: Sequence[str]) -> dict[str, list[Held]]:
        """Worker → the leases of its processes that have not run out, the oldest first."""

    def take(self, taken: Mapping[str, int]) -> None:
        """So many more messages were taken from each queue."""

    def sample(self, waiting: Mapping[str, int]) -> bool:
        """Note what waits in each queue; False if that has been noted for this interval."""

    def samples(self, count: int = SAMPLES_KEPT) -> list[Sample]:
        """The last ones, oldest first."""


class RedisWatch:
    """The notes in Redis."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._keys = Keys(settings.namespace, settings.shards)
        self._connection = Connection(url)

    def close(self) -> None:
        """Close the sockets; the next call opens new ones."""
        self._connection.close()

    def hold(self, worker: str, pid: int, held: Sequence[Held]) -> None:
        """The leases that a process of a worker holds now; none: it holds none any more."""
        key = self._keys.held(worker)
        if not held:
            self._connection.execute("HDEL", key, pid)
            return
        until_ms = max(one.until_ms for one in held)
        self._connection.execute_many(
            [("HSET", key, pid, json.dumps([asdict(one) for one in held])), ("PEXPIREAT", key, until_ms + SAMPLE_MS)]
        )

    def held(self, workers: Sequence[str]) -> dict[str, list[Held]]:
        """Worker → the leases of its processes that have not run out, the oldest first."""
        if not workers:
            return {}
        (seconds, _), *found = self._connection.execute_many(
            [("TIME",), *(("HVALS", self._keys.held(worker)) for worker in workers)]
        )
        texts = dict(zip(workers, found, strict=True))
        return {
            worker: _lasting((Held(**one) for text in of for one in json.loads(text)), int(seconds) * 1000)
            for worker, of in texts.items()
        }

    def take(self, taken: Mapping[str, int]) -> None:
        """So many more messages were taken from each queue."""
        if taken:
            key = self._keys.taken()
            self._connection.execute_many([("HINCRBY", key, queue, count) for queue, count in taken.items()])

    def sample(self, waiting: Mapping[str, int]) -> bool:
        """Note what waits in each queue; False if that has been noted for this interval."""
        at_ms = _slot(self._connection.time_ms())
        taken = self._connection.execute("HGETALL", self._keys.taken())
        noted = {queue: (count, int(taken.get(queue, 0))) for queue, count in waiting.items()}
        command = ("XADD", self._keys.samples(), "MAXLEN", SAMPLES_KEPT, f"{at_ms}-1", "queues", json.dumps(noted))
        try:
            self._connection.execute(*command)
        except ResponseError:  # an entry of this interval, or of a later one, is there
            return False
        return True

    def samples(self, count: int = SAMPLES_KEPT) -> list[Sample]:
        """The last ones, oldest first."""
        entries = self._connection.execute("XREVRANGE", self._keys.samples(), "+", "-", "COUNT", count)
        return [_sample(*entry) for entry in reversed(entries)]


class MemoryWatch:
    """The notes of tests, on a clock of the caller's; usable from any thread."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, dict[int, list[Held]]] = {}
        self._taken: Counter[str] = Counter()
        self._samples: list[Sample] = []

    def hold(self, worker: str, pid: int, held: Sequence[Held]) -> None:
        """The leases that a process of a worker holds now; none: it holds none any more."""
        with self._lock:
            self._held.setdefault(worker, {})[pid] = list(held)

    def held(self, workers: Sequence[str]) -> dict[str, list[Held]]:
        """Worker → the leases of its processes that have not run out, the oldest first."""
        with self._lock:
            now_ms = self._clock()
            processes = {worker: list(self._held.get(worker, {}).values()) for worker in workers}
        return {worker: _lasting((one for held in of for one in held), now_ms) for worker, of in processes.items()}

    def take(self, taken: Mapping[str, int]) -> None:
        """So many more messages were taken from each queue."""
        with self._lock:
            self._taken.update(taken)

    def sample(self, waiting: Mapping[str, int]) -> bool:
        """Note what waits in each queue; False if that has been noted for this interval."""
        with self._lock:
            at_ms = _slot(self._clock())
            if self._samples and self._samples[-1].at_ms >= at_ms:
                return False
            queues = {queue: Depth(count, self._taken[queue]) for queue, count in waiting.items()}
            self._samples = [*self._samples, Sample(at_ms, queues)][-SAMPLES_KEPT:]
            return True

    def samples(self, count: int = SAMPLES_KEPT) -> list[Sample]:
        """The last ones, oldest first."""
        with self._lock:
            return self._samples[-count:]


def _slot(now_ms: int) -> int:
    return now_ms - now_ms % SAMPLE_MS


def _lasting(held: Iterable[Held], now_ms: int) -> list[Held]:
    return sorted((one for one in held if one.until_ms > now_ms), key=lambda one: one.since_ms)


def _sample(entry_id: str, fields: Mapping[str, str]) -> Sample:
    queues = {queue: Depth(*numbers) for queue, numbers in json.loads(fields["queues"]).items()}
    return Sample(int(entry_id.partition("-")[0]), queues)
