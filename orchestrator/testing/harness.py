"""The harness: one virtual installation a test, and the flows that run in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from orchestrator.client.publishing import publish
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.client.versions import Versions
from orchestrator.engine import fields
from orchestrator.plan.plan import operation_references
from orchestrator.runtime.executor import Executor
from orchestrator.settings import Settings
from orchestrator.spec.cloudevents import CloudEvent
from orchestrator.spec.loader import load_path
from orchestrator.spec.operations import OPERATIONS, OperationRegistry, load_operations
from orchestrator.spec.workflow import WorkflowSpec
from orchestrator.store.events_memory import MemoryEvents
from orchestrator.store.memory import MemoryStore
from orchestrator.store.registry_memory import MemoryRegistry
from orchestrator.testing.complaints import UnusedScripts
from orchestrator.testing.flow import Flow
from orchestrator.testing.performer import Performer
from orchestrator.testing.run import Run
from orchestrator.testing.script_book import ScriptBook, unspecified
from orchestrator.testing.world import Clock, Post, World

FIRST_MOMENT = datetime(2030, 1, 1, tzinfo=UTC)


class Harness:
    """Makes flows to test out of specs; what they publish, start and count on is shared, and ends with the test.

    Leases, limits and operations are those of the settings; Redis and Celery are not needed.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = (settings or Settings()).model_copy(update={"shards": 1})
        load_operations(self.settings.operations)
        self._clock = Clock(_ms(FIRST_MOMENT))
        self._flows: dict[tuple[str, str], Flow] = {}
        self._runs: list[Run] = []
        self._numbers = count(1)
        store, registry = MemoryStore(self.settings, self._clock), MemoryRegistry(self._clock)
        executor = Executor(self.settings.max_payload_bytes)
        performer = Performer(self._book_of, executor, self.elapsed)
        events = MemoryEvents(self.settings, self._clock)
        self._world = World(self.settings, self._clock, store, Versions(registry), performer, events)
        self._client = RedisOrchestrator(
            self.settings, store, registry, Post(self.settings, self._world.deliver), events
        )

    def __call__(
        self,
        spec: WorkflowSpec | str | Path,
        key: str | None = None,
        *,
        children: Sequence[WorkflowSpec | str | Path] = (),
    ) -> Flow:
        """The flow of a spec, or of the file that holds it; of several in a file, the one with that key.

        The same version again is the same flow; VersionConflict if its content is another. `children`: the workflows
        that its steps run. Each is a flow of its own: to script its operations, make that first.
        """
        for child in children:
            self(child)
        found = spec if isinstance(spec, WorkflowSpec) else _only(Path(spec), key)
        name = (found.meta.key, found.meta.version)
        operations = _operations_of(found)
        publish(self._client.registry, found, operations=operations)
        if name not in self._flows:
            book = ScriptBook(found, operations)
            self._flows[name] = Flow(found, book, operations, self._client, self._world, self._runs)
        return self._flows[name]

    def elapsed(self) -> timedelta:
        """How much virtual time has passed since the harness was made."""
        return timedelta(milliseconds=self._clock.now_ms - _ms(FIRST_MOMENT))

    def emit(self, type: str, data: Any = None, *, source: str = "/test", id: str | None = None) -> int:  # noqa: A002
        """An external event comes, for all that wait for it; how many steps took it at once.

        A step that has yet to look back takes it when the run goes on.
        """
        event = CloudEvent(id=id or f"event-{next(self._numbers)}", type=type, source=source, data=data)
        return self._world.emit(event)

    def double_messages(self) -> None:
        """Deliver every message twice from now on, as brokers may."""
        self._world.doubles = True

    def check(self) -> None:
        """UnusedScripts if a script was not played; the `harness` fixture does this at the end of each test."""
        unused = [line for flow in self._flows.values() for line in flow.unused_scripts()]
        if unused:
            raise UnusedScripts("never called:\n  " + "\n  ".join(unused))

    def story(self) -> str:
        """What happened in each run, by virtual time."""
        return "\n\n".join(run.story() for run in self._runs)

    def _book_of(self, run_id: str) -> tuple[ScriptBook, OperationRegistry]:
        _, values = self._client.store.read(run_id, (fields.WORKFLOW, fields.VERSION))
        flow = self._flows[values[fields.WORKFLOW] or "", values[fields.VERSION] or ""]
        return flow.book, flow.operations


def _only(path: Path, key: str | None) -> WorkflowSpec:
    found = [one.spec for one in load_path(path) if key in (None, one.spec.meta.key)]
    if len(found) != 1:
        keys = ", ".join(one.spec.meta.key for one in load_path(path))
        raise ValueError(f"{path} has the workflows {keys}: say which one, as in harness(path, key)")
    return found[0]


def _operations_of(spec: WorkflowSpec) -> OperationRegistry:
    """The operations that the spec names: as this process has them, else as little as can be assumed of them."""
    registry = OperationRegistry()
    for reference in operation_references(spec):
        registry.register(OPERATIONS.get(reference) if reference in OPERATIONS else unspecified(reference))
    return registry


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
