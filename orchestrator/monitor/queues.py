"""Samples of queues, from which rates are told: what waits, every ten seconds, noted once for all beats."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

from orchestrator import logs
from orchestrator.client.queues import names
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.errors import Unreachable
from orchestrator.plan.plan import DEFAULT_QUEUE
from orchestrator.store.watch import SAMPLE_MS

log = logs.get("sampler")

INTERVAL_S = SAMPLE_MS / 1000


class Sampler:
    """Notes what waits in each queue; any number may, for there is one sample an interval."""

    def __init__(self, client: RedisOrchestrator) -> None:
        self._client = client
        self._thread: threading.Thread | None = None
        self._revision = ""
        self._named = frozenset[str]()

    def begin(self) -> None:
        """Take a sample beside whatever else the process does: a broker that does not answer holds nothing up."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._try, name="sampler", daemon=True)
            self._thread.start()

    def sample(self) -> bool:
        """Whether this was the interval's sample. Unreachable if the state or the broker does not answer."""
        client = self._client
        waiting = client.queue_look.waiting(names((), client.registry.workers()) | self._published())
        return client.watch.sample(waiting)

    def _published(self) -> frozenset[str]:
        """The queues that published versions name. They are not compiled for that: a beat has no other use for them."""
        registry = self._client.registry
        revision = registry.revision()
        if revision != self._revision:
            found = {DEFAULT_QUEUE}
            for key in registry.workflows():
                for one in registry.versions(key):
                    found |= {*_queues(json.loads(one.canonical)), *_queues(one.operations)}
            self._revision, self._named = revision, frozenset(found)
        return self._named

    def _try(self) -> None:
        try:
            self.sample()
        except Unreachable as error:
            log.warning("queues_not_sampled", error=error.message)
        except Exception:
            log.exception("queues_not_sampled")


def _queues(given: Any) -> Iterator[str]:
    """Whatever stands under `queue`; what is data and no step's names a queue that is empty, and harms nobody."""
    if isinstance(given, dict):
        for name, value in given.items():
            if name == "queue" and isinstance(value, str) and value:
                yield value
            else:
                yield from _queues(value)
    elif isinstance(given, list):
        for value in given:
            yield from _queues(value)
