"""Queues: which there are, what the broker says of them once a second at most, and how fast they fill and empty."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from orchestrator.broker.dispatch import Dispatcher
from orchestrator.broker.queues import Depth, look
from orchestrator.client.fleet import InUse, versions_in_use
from orchestrator.client.shown_fleet import QueueDescription, QueueSample
from orchestrator.client.versions import Versions
from orchestrator.clock import elapsed_s
from orchestrator.engine.roots import rfc3339
from orchestrator.errors import Unreachable
from orchestrator.store.port import Store
from orchestrator.store.registry import Registry, WorkerRecord
from orchestrator.store.watch import SAMPLE_MS, Sample

LOOK_S: Final = 1.0
"""The broker is asked once in so long, however many want to know."""
USED_S: Final = 30.0
"""So long after a look at them the versions in use are looked at again, if nothing is published meanwhile."""
RATE_MS: Final = 60_000
"""Rates are those of so long a time."""


class QueueLook:
    """What one process knows of queues: of the broker, no older than a second; usable from any thread."""

    def __init__(self, dispatcher: Dispatcher, now_s: Callable[[], float] = elapsed_s) -> None:
        self._dispatcher = dispatcher
        self._now_s = now_s
        self._lock = threading.Lock()
        self._looked_s = -LOOK_S
        self._found: dict[str, Depth] = {}
        self._error: str | None = None
        self._missing = frozenset[str]()
        """Queues of which the broker did not answer."""
        self._used_s = -USED_S
        self._revision = ""
        self._used: list[InUse] = []

    def depths(self, names: Iterable[str]) -> dict[str, Depth]:
        """What waits in each; Unreachable if the broker does not answer."""
        wanted = set(names)
        with self._lock:  # who comes while somebody asks gets that answer
            if self._now_s() - self._looked_s >= LOOK_S or not wanted <= self._found.keys() | self._missing:
                self._look(sorted(wanted | self._found.keys()))
            if self._error is not None:
                raise Unreachable(self._error)
            return {name: self._found[name] for name in sorted(wanted)}

    def waiting(self, names: Iterable[str]) -> dict[str, int]:
        """How much waits in each; Unreachable if the broker does not answer."""
        return {name: depth.waiting for name, depth in self.depths(names).items()}

    def _look(self, queues: Sequence[str]) -> None:
        self._error, self._missing = None, frozenset[str]()
        try:
            self._found = look(self._dispatcher.app, queues)
        except Unreachable as error:
            self._error, self._missing = error.message, frozenset(queues)
        self._looked_s = self._now_s()

    def used(self, store: Store, registry: Registry, versions: Versions) -> list[InUse]:
        """The versions in use; runs that end or begin are noticed within half a minute."""
        revision = registry.revision()
        with self._lock:
            now_s = self._now_s()
            if revision != self._revision or now_s - self._used_s >= USED_S:
                self._used = versions_in_use(store, registry, versions)
                self._revision, self._used_s = revision, now_s
            return self._used


def names(used: Iterable[InUse], workers: Iterable[WorkerRecord]) -> set[str]:
    """The queues that steps are sent to, and those that workers take from."""
    return {queue for version in used for queue in version.queues} | {
        queue for worker in workers for queue in (*worker.queues, *worker.paused_queues, *worker.unacknowledged)
    }


def described(
    depths: Mapping[str, Depth],
    workers: Sequence[WorkerRecord],
    used: Sequence[InUse],
    samples: Sequence[Sample],
    now_ms: int,
) -> tuple[QueueDescription, ...]:
    """Each queue with all that is known of it; `now_ms` by this machine's clock, as the senders' are."""
    held = Counter[str]()
    for worker in workers:
        held.update(worker.unacknowledged)
    found = []
    for name, depth in depths.items():
        sent_ms = depth.oldest_sent_ms
        came, went = rates(samples, name)
        found.append(
            QueueDescription(
                name=name,
                waiting=depth.waiting,
                by_priority=depth.by_priority,
                oldest_ms=None if sent_ms is None else max(0, now_ms - sent_ms),
                unacknowledged=held[name],
                in_per_s=came,
                out_per_s=went,
                workers=tuple(worker.name for worker in workers if name in worker.queues),
                workflows=tuple(one.plan.name for one in used if name in one.queues),
            )
        )
    return tuple(found)


def rates(samples: Sequence[Sample], queue: str) -> tuple[float | None, float | None]:
    """Messages that came and that were taken, a second, over the last minute; None while too little is known."""
    of_queue = [one for one in samples if queue in one.queues]
    if not of_queue:
        return None, None
    last = of_queue[-1]
    first = next((one for one in of_queue if last.at_ms - one.at_ms <= RATE_MS), last)
    return _between(first, last, queue)


def history(samples: Sequence[Sample], queue: str) -> list[QueueSample]:
    """The samples of a queue, each with the rates since the one before."""
    found: list[QueueSample] = []
    before: Sample | None = None
    for one in samples:
        if queue in one.queues:
            came, went = (None, None) if before is None else _between(before, one, queue)
            found.append(QueueSample(rfc3339(one.at_ms), one.queues[queue].waiting, came, went))
            before = one
    return found


def _between(first: Sample, last: Sample, queue: str) -> tuple[float | None, float | None]:
    """What came is what was taken and what waits more; workers tell of it some seconds late, so it is never below 0."""
    seconds = (last.at_ms - first.at_ms) / 1000
    before, after = first.queues[queue], last.queues[queue]
    taken = after.taken - before.taken
    if seconds < SAMPLE_MS / 1000 or taken < 0:
        return None, None
    return round(max(0, taken + after.waiting - before.waiting) / seconds, 2), round(taken / seconds, 2)
