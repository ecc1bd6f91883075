"""The register's entries of workers and beats, said every few seconds while they live."""

from __future__ import annotations

import os
import socket
import threading
from typing import Any

from orchestrator import logs
from orchestrator.errors import Unreachable
from orchestrator.settings import Settings
from orchestrator.spec.operations import OPERATIONS
from orchestrator.store.registry import RedisRegistry, WorkerRecord

log = logs.get("register")

INTERVAL_S = 5.0


def beat_record() -> WorkerRecord:
    """What the beat of this process says of itself."""
    host, pid = socket.gethostname(), os.getpid()
    return WorkerRecord(f"beat-{pid}@{host}", queues=(), operations=(), pid=pid, host=host, role="beat")


class Announcer:
    """Announces this worker until it is stopped; the record of one that dies expires by itself."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopped = threading.Event()

    def start(self, consumer: Any) -> None:
        """Begin, for the Celery consumer of a worker that is ready."""
        consumed = getattr(getattr(consumer, "task_consumer", None), "queues", None) or ()
        controller = getattr(consumer, "controller", None)
        record = WorkerRecord(
            name=str(getattr(consumer, "hostname", "") or socket.gethostname()),
            queues=tuple(sorted(str(queue.name) for queue in consumed)),
            operations=tuple(info.to_json() for info in OPERATIONS.infos()),
            pid=os.getpid(),
            host=socket.gethostname(),
            concurrency=int(getattr(controller, "concurrency", None) or 0),
        )
        threading.Thread(target=self._announce, args=(record,), name="register", daemon=True).start()

    def stop(self) -> None:
        """End with the next interval."""
        self._stopped.set()

    def _announce(self, record: WorkerRecord) -> None:
        registry = RedisRegistry(self._settings.redis_url, self._settings)
        while True:
            try:
                registry.announce(record)
            except Unreachable as error:
                log.warning("not_announced", error=str(error))
            if self._stopped.wait(INTERVAL_S):
                return
