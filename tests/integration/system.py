"""A system for tests: workers and beats in processes of their own, a Redis, and a provider outside of it all."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from orchestrator import Orchestrator, Settings, WorkflowSpec
from orchestrator.client.access import create_key
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.receiving import Receiving, names_by
from orchestrator.client.shown import RunDescription
from orchestrator.clock import elapsed_s
from orchestrator.engine.roots import rfc3339
from orchestrator.errors import RunFailed
from orchestrator.local import (
    Fleet,
    LocalRedis,
    ManagedProcess,
    api_command,
    beat_command,
    environment,
    listener_command,
    worker_command,
)
from orchestrator.local.redis_server import free_port
from orchestrator.spec.cloudevents import CloudEvent
from orchestrator.spec.loader import load_path
from orchestrator.store.events import entry_key
from workers.operations.provider import Call, Charge, Kind, Provider, Refund

ROOT = Path(__file__).parents[2]
DEADLINE_S = 20.0
"""Every run has ended right so long after a fault."""
SHORT = {"lease_ms": 1_500, "heartbeat_ms": 300, "sweep_ms": 100, "resend_ms": 500}
"""Timings under which a fault is got over in two or three seconds."""
MODULES = ("payments", "email", "notify", "travel", "batch", "examples")
OPERATIONS = tuple(f"workers.operations.{name}" for name in MODULES)

_POLL_S = 0.02


def until(condition: Callable[[], object], what: str, timeout_s: float = DEADLINE_S) -> None:
    """Return as soon as the condition holds; fail with `what` if it does not within the time."""
    deadline, pause = elapsed_s() + timeout_s, threading.Event()
    while not condition():
        assert elapsed_s() < deadline, f"not within {timeout_s:g} s: {what}"
        pause.wait(_POLL_S)


@dataclass(frozen=True, slots=True)
class Gate:
    """A point in an operation at which it waits until it is let through."""

    folder: Path
    name: str

    def reached(self, *, not_by: int | None = None) -> int:
        """The process that waits here, as soon as one does, other than `not_by`."""
        mark = self.folder / f"{self.name}.reached"
        until(lambda: mark.exists() and int(mark.read_text()) != not_by, f"gate {self.name} is reached")
        return int(mark.read_text())

    def open(self) -> None:
        """Let through whoever waits here or comes by later."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / self.name).touch()


class System:
    """One namespace and one broker database of a Redis, with the processes that a test asks for."""

    def __init__(self, server: LocalRedis, folder: Path, *, broker_url: str, **settings: object) -> None:
        self.server = server
        self.folder = folder
        chosen: dict[str, Any] = {
            "namespace": f"test-{secrets.token_hex(4)}",
            "operations": list(OPERATIONS),
            "broker_url": broker_url,
            "dashboard": False,
            **SHORT,
            **settings,
        }
        self.broker = redis.Redis.from_url(broker_url)
        self.broker.flushdb()
        self.client = Orchestrator.connect(settings=Settings(redis_url=server.url(), **chosen))
        self.provider = Provider(folder / "provider.sqlite")
        surroundings = {
            "PYTHONPATH": str(ROOT),
            "ORCHESTRATOR_PROVIDER_DB": str(self.provider.path),
            "ORCHESTRATOR_OUTBOX": str(folder / "outbox"),
            "ORCHESTRATOR_GATES": str(folder / "gates"),
        }
        self._env = {**environment(server.url(), **chosen), **surroundings}
        self.fleet = Fleet(env=self._env, logs=folder)
        self._lines: dict[str, str] = {}
        self._gates: list[Gate] = []

    def start_worker(
        self,
        name: str = "worker",
        *,
        queues: Sequence[str] = ("default",),
        concurrency: int = 2,
        pool: str = "prefork",
        app: str = "workers",
        extra: Sequence[str] = (),
        **settings: object,
    ) -> ManagedProcess:
        """Begin to start a worker; `ready` waits for it. The settings are its own."""
        own_name = f"{name}-{secrets.token_hex(2)}"
        command = worker_command(queues, concurrency=concurrency, name=own_name, pool=pool, extra=extra)
        command[command.index("workers")] = app
        self._lines[name] = "ready."
        return self.fleet.start(name, command, env=self._env | _variables(settings))

    def start_beat(self, name: str = "beat") -> ManagedProcess:
        """Begin to start a beat; `ready` waits for it."""
        self._lines[name] = "beat: Starting"
        return self.fleet.start(name, beat_command())

    def start_api(self, name: str = "api", **settings: object) -> str:
        """Begin to start an API process; `ready` waits for it. Its base URL."""
        port = free_port()
        self._lines[name] = "Uvicorn running"
        self.fleet.start(name, api_command("127.0.0.1", port), env=self._env | _variables(settings))
        return f"http://127.0.0.1:{port}/api/v1"

    def start_listener(self, name: str = "listener") -> ManagedProcess:
        """Begin to start a listener; `ready` waits for it."""
        self._lines[name] = "listening"
        return self.fleet.start(name, listener_command())

    def start_other(self, name: str, command: Sequence[str], line: str, **variables: str) -> ManagedProcess:
        """Begin to start another program; `ready` waits for this line of it."""
        self._lines[name] = line
        return self.fleet.start(name, command, env=self._env | variables)

    def ready(self) -> System:
        """Start again whoever has ended, and wait until all are at work."""
        for process in self.fleet.ended():
            process.start()
        for process in self.fleet:
            process.wait_for_line(self._lines[process.name])
        return self

    def publish(self, *specs: WorkflowSpec) -> None:
        """Publish these; the folder `specs/` if none are given."""
        for spec in specs or [loaded.spec for loaded in load_path(ROOT / "specs")]:
            self.client.publish(spec)

    def pay(self, method: str = "pm_ok", *, email: str = "ada@example.com", **options: Any) -> RedisRunHandle:
        """Start `payment.flow`; a receipt to `nobody@invalid` fails for good."""
        given = {"amount": 1250, "payment_method_id": method}
        return self.client.start("payment.flow", given, ctx={"user_id": "u-1", "user_email": email}, **options)

    def emit(self, type: str, data: Any, *, id: str | None = None) -> int:  # noqa: A002
        """An external event comes, for all that wait for it; how many steps took it at once."""
        client = self.client
        event = CloudEvent(id=id or secrets.token_hex(8), type=type, source="/test", data=data)
        (entry,) = client.event_store.append([event.text()])
        root = event.root(rfc3339(entry_key(entry)[0]))
        names = names_by(root, client.event_store.correlations(type))
        client.event_store.note([(entry, name) for name in names])
        return Receiving(client.settings, client.store, client.catalogue, client.dispatcher).deliver(root, names)

    def gate(self) -> Gate:
        """A gate that no other test knows."""
        gate = Gate(self.folder / "gates", f"g{secrets.token_hex(4)}")
        self._gates.append(gate)
        return gate

    def holder(self, pid: int) -> ManagedProcess:
        """The worker whose main process or pool child this is."""
        return next(process for process in self.fleet if pid in (process.pid, *process.child_pids()))

    def calls(self, run: RedisRunHandle, kind: Kind) -> list[Call]:
        """The requests of a run that reached the provider."""
        return [call for call in self.provider.calls(kind) if _of(run, call.key)]

    def charges(self, run: RedisRunHandle) -> list[Charge]:
        """What a run was charged, as the provider's books say."""
        return [charge for charge in self.provider.charges() if _of(run, charge.key)]

    def refunds(self, run: RedisRunHandle) -> list[Refund]:
        """What a run was given back, as the provider's books say."""
        return [refund for refund in self.provider.refunds() if _of(run, refund.key)]

    def queued(self, queue: str = "default") -> int:
        """How many messages wait in a queue."""
        return self.client.dispatcher.waiting_in(queue)

    def release(self) -> None:
        """Open every gate, thaw who is frozen."""
        for gate in self._gates:
            gate.open()
        for process in self.fleet:
            process.thaw()

    def close(self) -> None:
        """Kill every process and close every socket."""
        self.fleet.stop(grace_s=0.0)
        self.client.dispatcher.app.close()
        self.broker.close()


def token(system: System, role: str, *workflows: str, user: str = "ada", groups: Sequence[str] = ()) -> str:
    """A key's token."""
    client = system.client
    return create_key(client.access, client.audit, user=user, role=role, groups=groups, workflows=workflows).token


def server_of(system: System) -> str:
    """The address of a system's API, as producers give it."""
    return f"http://127.0.0.1:{system.fleet['api'].command[-1]}"


def ended(run: RedisRunHandle, timeout_s: float = DEADLINE_S) -> RunDescription:
    """The run as it ended; it has left nothing in the ledger, and no step has been settled twice."""
    with suppress(RunFailed):
        run.result(timeout_s)
    assert run.store.entries(run.run_id) == {}
    assert run.store.shard_entry(run.run_id) is None
    completed = [event["step"] for event in events(run, "step_completed")]
    assert len(completed) == len(set(completed))
    return run.describe()


def events(run: RedisRunHandle, kind: str) -> list[Mapping[str, Any]]:
    """The events of one type in a run's history."""
    return [entry.event for entry in run.history() if entry.event["type"] == kind]


def executions(run: RedisRunHandle) -> list[str]:
    """The steps that were started, in order: one name for each time."""
    return [str(event["step"]) for event in events(run, "step_started")]


def happened(run: RedisRunHandle, kind: str, step: str) -> bool:
    """Whether a run's history tells this of a step."""
    return any(event.get("step") == step for event in events(run, kind))


def states(shown: RunDescription) -> dict[str, str]:
    """The state of each step that was reached."""
    return {step.address: step.state for step in shown.steps if step.state != "pending"}


def _of(run: RedisRunHandle, key: str) -> bool:
    return key.startswith(f"{run.run_id}:")


def _variables(settings: Mapping[str, object]) -> dict[str, str]:
    return {name: environment("", **settings)[name] for name in (f"ORCHESTRATOR_{one.upper()}" for one in settings)}
