"""What one process works off messages with; `message.py` is what it does with one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from orchestrator import logs
from orchestrator.broker.dispatch import Dispatcher
from orchestrator.client.versions import Versions
from orchestrator.engine.quotas import parse_holder
from orchestrator.engine.stages import Timing
from orchestrator.errors import OrchestratorError
from orchestrator.runtime.executor import Executor
from orchestrator.runtime.heartbeat import Heartbeat
from orchestrator.runtime.waking import wake
from orchestrator.settings import Settings
from orchestrator.spec.operations import OPERATIONS, OperationRegistry
from orchestrator.store.limits import Limits, RedisLimits
from orchestrator.store.port import Store
from orchestrator.store.watch import Held, RedisWatch, Watch

if TYPE_CHECKING:
    from orchestrator.runtime.tracing import Tracing
    from orchestrator.store.events import Events

log = logs.get("worker")

MESSAGE_S = 0.001
"""What takes less is executed where it is found ready: to send it would take longer."""


class Worker:
    """What one process needs to work off messages; made once a process, after the fork."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        versions: Versions,
        dispatcher: Dispatcher,
        operations: OperationRegistry = OPERATIONS,
        limits: Limits | None = None,
        events: Events | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.settings = settings
        self.tracing = tracing
        self.store = store
        self.versions = versions
        self.dispatcher = dispatcher
        self.operations = operations
        self.timing = Timing(settings.lease_ms, settings.resend_ms)
        self.executor = Executor(settings.max_payload_bytes)
        self.quick: set[str] = set()
        """The operations that took less than a message costs, the last time that they were executed here."""
        self.limits = limits or RedisLimits(settings.redis_url, settings)
        self._events = events
        self.name = ""
        """The Celery worker that this process is of; known with its first message."""
        self.heartbeat = Heartbeat(
            lambda: store,
            lambda: self.limits,
            interval_ms=settings.heartbeat_ms,
            lease_ms=settings.lease_ms,
            tell=self.tell_held,
        )

    @cached_property
    def events(self) -> Events:
        """The log of external events, which a process has from its first step on that waits for one."""
        from orchestrator.store.events import RedisEvents  # noqa: PLC0415

        return self._events or RedisEvents(self.settings.redis_url, self.settings)

    @cached_property
    def watch(self) -> Watch:
        """Where the leases are noted that were renewed; a process has it from its first long step on."""
        return RedisWatch(self.settings.redis_url, self.settings)

    def tell_held(self, held: Sequence[Held]) -> None:
        """Note the leases that this process holds."""
        if self.name:
            self.watch.hold(self.name, os.getpid(), held)

    def note(self, operation: str, took_s: float) -> None:
        """How long an operation took the last time says where the next steps of it are executed."""
        if took_s < MESSAGE_S:
            self.quick.add(operation)
        else:
            self.quick.discard(operation)

    def wake(self, holders: Sequence[str]) -> None:
        """Have those who wait for a slot look again."""
        for run_id, address in map(parse_holder, holders):
            try:
                wake(self.store, self.versions, self.dispatcher, run_id, address)
            except OrchestratorError as error:
                log.warning("not_woken", run_id=run_id, step=address, error=error.message)
