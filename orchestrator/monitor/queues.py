"""Samples of queues, from which rates are told: what waits, every ten seconds, noted once for all beats."""

from __future__ import annotations

import threading

from orchestrator import logs
from orchestrator.client.queues import names
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.errors import Unreachable
from orchestrator.store.watch import SAMPLE_MS

log = logs.get("sampler")

INTERVAL_S = SAMPLE_MS / 1000


class Sampler:
    """Notes what waits in each queue; any number may, for there is one sample an interval."""

    def __init__(self, client: RedisOrchestrator) -> None:
        self._client = client
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Take a sample beside whatever else the process does: a broker that does not answer holds nothing up."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._try, name="sampler", daemon=True)
            self._thread.start()

    def sample(self) -> bool:
        """Whether this was the interval's sample. Unreachable if the state or the broker does not answer."""
        client = self._client
        used = client.queue_look.used(client.store, client.registry, client.catalogue)
        return client.watch.sample(client.queue_look.waiting(names(used, client.registry.workers())))

    def _try(self) -> None:
        try:
            self.sample()
        except Unreachable as error:
            log.warning("queues_not_sampled", error=error.message)
        except Exception:
            log.exception("queues_not_sampled")
