"""What clients, workers and sweepers stand between: state in memory, a clock moved by hand, a broker that notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from orchestrator.broker.app import make_app
from orchestrator.broker.dispatch import Dispatcher
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.publishing import publish
from orchestrator.client.receiving import correlations_of
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.engine.effects import Ending
from orchestrator.errors import Unreachable
from orchestrator.plan.canvas import Region
from orchestrator.plan.graph import Plan
from orchestrator.plan.plan import DEFAULT_QUEUE
from orchestrator.runtime.message import work
from orchestrator.runtime.worker import Worker
from orchestrator.settings import Settings
from orchestrator.spec.operations import Effect, Operation, OperationRegistry
from orchestrator.spec.workflow import define_workflow
from orchestrator.store.alerts_memory import MemoryAlerts
from orchestrator.store.events_memory import MemoryEvents
from orchestrator.store.limits_memory import MemoryLimits
from orchestrator.store.memory import MemoryStore
from orchestrator.store.metrics import MemoryMetrics
from orchestrator.store.registry_memory import MemoryRegistry

WORKFLOW = "test.flow"


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

    def __call__(self) -> int:
        """The moment in ms."""
        return self.now_ms

    def elapsed_s(self) -> float:
        """The same clock, as a process reads it."""
        return self.now_ms / 1000

    def move(self, ms: int) -> None:
        """Let so many milliseconds pass."""
        self.now_ms += ms


class RecordingDispatcher(Dispatcher):
    """Notes what is sent instead of sending it; `away` is a broker that takes nothing."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(make_app(settings), settings)
        self.sent: list[tuple[str, str]] = []
        self.resumed: list[str] = []
        self.depth = 0
        self.asked: list[str] = []
        self.away = False

    def send(self, plan: Plan, run_id: str, address: str, *, countdown_s: float | None = None) -> None:
        """Note run and address."""
        if self.away:
            raise Unreachable("the broker does not answer")
        self.sent.append((run_id, address))

    def send_many(self, frontiers: Sequence[tuple[Plan, str, str]]) -> None:
        """Note each."""
        for plan, run_id, address in frontiers:
            self.send(plan, run_id, address)

    def send_lanes(self, plan: Plan, run_id: str, lanes: Sequence[Sequence[str]]) -> None:
        """Note every address."""
        for lane in lanes:
            for address in lane:
                self.send(plan, run_id, address)

    def send_region(self, run_id: str, region: Region, plan: Plan) -> None:
        """Note what each message of the header looks at."""
        for chain in region.header:
            self.send(plan, run_id, chain.signatures[0].address)

    def send_parked(self, text: str, *, countdown_s: float | None = None) -> None:
        """Note the signature."""
        self.resumed.append(text)

    def waiting_in(self, queue: str) -> int:
        """As many as the test says."""
        self.asked.append(queue)
        return self.depth


def made(
    key: str, function: Callable[..., Any], *, effect: Effect = Effect.WRITE, idempotent: bool = True
) -> Operation:
    """An operation that is in no register of this process."""
    return Operation(function, key, "1.0.0", effect, idempotent)


def echo(given: Any) -> Any:
    """Return the input."""
    return given


@dataclass
class Surroundings:
    """A client, and workers with operations of the test's own: `do.write` and `undo.write` unless it says others."""

    behaviour: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    clock: HandClock = field(default_factory=HandClock)

    def __post_init__(self) -> None:
        self.settings = Settings(shards=2, operations=[], broker_url="memory://", slice_ms=60_000)
        self.store = MemoryStore(self.settings, self.clock)
        self.registry = MemoryRegistry(self.clock)
        self.dispatcher = RecordingDispatcher(self.settings)
        self.events = MemoryEvents(self.settings, self.clock)
        self.limits = MemoryLimits(self.clock)
        self.alerts = MemoryAlerts(self.clock)
        self.sums = MemoryMetrics(self.settings, self.clock)
        parts = self.settings, self.store, self.registry, self.dispatcher, self.events
        self.client = RedisOrchestrator(*parts, sums=self.sums, alert_store=self.alerts)
        self.operations = OperationRegistry()
        for key in ("do.write", "undo.write"):
            self.operations.register(made(key, self.behaviour.get(key, echo)))

    def publish(
        self,
        *steps: Mapping[str, Any],
        version: str = "1.0.0",
        stability: str = "stable",
        key: str = WORKFLOW,
        **more: Any,
    ) -> None:
        """Publish a version of the test's workflow: by default one step `a`, without inputs."""
        meta = {"key": key, "version": version, "stability": stability}
        given = steps or ({"id": "a", "operation": "do.write"},)
        spec = define_workflow(meta=meta, steps=given, **more)
        for type_, texts in correlations_of(spec).items():
            self.events.add_correlations(type_, texts)
        publish(self.registry, spec, operations=self.operations)

    def start(self, **options: Any) -> RedisRunHandle:
        """Start a run of it."""
        return self.client.start(WORKFLOW, **options)

    def work(self, run: RedisRunHandle, address: str, *, worker_name: str | None = None) -> Ending:
        """Let a worker work off one message, and those steps that it goes on with."""
        parts = self.settings, self.store, self.client.catalogue, self.dispatcher, self.operations
        worker = Worker(*parts, events=self.events, limits=self.limits)
        delivery = {"routing_key": DEFAULT_QUEUE}
        request = SimpleNamespace(delivery_info=delivery, chain=None, args=None, hostname=worker_name)
        task: Any = SimpleNamespace(request=request)
        try:
            return work(worker, task, run.run_id, address)
        finally:
            worker.heartbeat.stop()

    def types(self, run: RedisRunHandle) -> list[str]:
        """What happened in a run."""
        return [str(entry.event["type"]) for entry in run.history()]
