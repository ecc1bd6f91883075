"""The two systems under test: each with a Redis of its own, one prefork worker of two children, and beat."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Literal, Self

from celery import Celery, chain, chord

from bench.meters import flush
from bench.plain import URL, plain_app
from orchestrator import Map, Meta, Orchestrator, Parallel, Settings, Start, Step, WorkflowSpec, define_workflow
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.local import Fleet, LocalRedis, beat_command, environment, worker_command

STEPS = 10
WIDTH = 50
WAIT_S = 120.0
INPUT = {"order": "A-2041-77", "customer": "c-000184", "lines": [{"sku": "TEA-500", "count": 2}], "total": 2590}
ITEMS = {"items": list(range(WIDTH))}

Shape = Literal["chain", "parallel", "map"]
"""Ten steps one after the other; fifty beside each other, then one, as branches or as items."""

PRODUCER_DB = 1
"""A database that no worker listens to: what a producer alone can do."""


class System(ABC):
    """A server, a worker and beat, from entry to exit. Of the databases, 0 has the workers, PRODUCER_DB has none."""

    name = ""

    def __init__(self, make_server: Callable[[], LocalRedis] = LocalRedis) -> None:
        self._make_server = make_server
        self._stack = ExitStack()

    @abstractmethod
    def commands(self) -> tuple[list[str], list[str], dict[str, str]]:
        """The worker's command line, beat's, and their environment."""

    @abstractmethod
    def open(self) -> None:
        """Connect the client, and run once."""

    @abstractmethod
    def run(self, count: int, shape: Shape = "chain") -> None:
        """Start so many runs of a shape and wait for the results of all, the last one first."""

    @abstractmethod
    def clear(self) -> None:
        """Take away what was started where nobody works it off."""

    @abstractmethod
    def start(self, count: int) -> None:
        """Start so many runs one by one where nobody works them off."""

    @abstractmethod
    def start_many(self, count: int) -> None:
        """Start so many runs at once where nobody works them off."""

    def __enter__(self) -> Self:
        with self._stack:
            self.server = self._stack.enter_context(self._make_server())
            worker, beat, env = self.commands()
            self.fleet = self._stack.enter_context(Fleet(env=env))
            self.fleet.start("beat", beat).wait_for_line("beat: Starting")
            self.fleet.start("worker", worker).wait_for_line("ready.")
            self.open()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


class Plain(System):
    """Celery chains, with results."""

    name = "plain Celery"

    def commands(self) -> tuple[list[str], list[str], dict[str, str]]:
        """As our own, with another app."""
        plain = [sys.executable, "-m", "celery", "-q", "-A", "bench.plain"]
        schedule = ["-s", str(self.server.folder / "beat-schedule")]
        worker = worker_command(("celery",), name="plain")
        return (
            [*plain, *worker[worker.index("worker") :]],
            [*plain, "beat", "-l", "INFO", *schedule],
            environment(self.server.url()) | {URL: self.server.url()},
        )

    def open(self) -> None:
        """One app a database."""
        self._app = plain_app(self.server.url())
        self._producer = plain_app(self.server.url(PRODUCER_DB))
        self.run(1)

    def run(self, count: int, shape: Shape = "chain") -> None:
        """Send chains or chords and get their last results."""
        canvas = _chain if shape == "chain" else _chord
        results = [canvas(self._app).apply_async() for _ in range(count)]
        for result in reversed(results):
            result.get(timeout=WAIT_S)
            result.forget()

    def clear(self) -> None:
        """Empty the producer's database."""
        flush(self.server.url(PRODUCER_DB))

    def start(self, count: int) -> None:
        """Send chains."""
        for _ in range(count):
            _chain(self._producer).apply_async()

    def start_many(self, count: int) -> None:
        """Celery has nothing of the kind: one by one."""
        self.start(count)


class Ours(System):
    """This orchestrator, with everything durable as by default."""

    def __init__(self, operation: str, name: str = "ours", make_server: Callable[[], LocalRedis] = LocalRedis) -> None:
        super().__init__(make_server)
        self.name = name
        self._specs = specs(operation)
        self._chain = self._specs["chain"].meta.key

    def commands(self) -> tuple[list[str], list[str], dict[str, str]]:
        """The commands that everybody starts."""
        return worker_command(), beat_command(), environment(self.server.url(), operations=["bench.operations"])

    def open(self) -> None:
        """Publish to both databases, and run once."""
        self.client, self._producer = (self._connect(db) for db in (0, PRODUCER_DB))
        self.run(1)

    def run(self, count: int, shape: Shape = "chain") -> None:
        """Start runs and get their results."""
        self.finish(Start(self._specs[shape].meta.key, ITEMS if shape == "map" else INPUT), count)

    def finish(self, one: Start, count: int = 1) -> None:
        """Start runs of any workflow and get their results."""
        for handle in reversed(self.client.start_many([one] * count)):
            handle.result(WAIT_S)

    def clear(self) -> None:
        """Empty the producer's database, and publish again."""
        flush(self.server.url(PRODUCER_DB))
        self._publish(self._producer)

    def start(self, count: int) -> None:
        """Start runs, one call each."""
        for _ in range(count):
            self._producer.start(self._chain, INPUT)

    def start_many(self, count: int) -> None:
        """Start runs, one call for all."""
        self._producer.start_many([Start(self._chain, INPUT)] * count)

    def elsewhere(self, spec: WorkflowSpec, db: int = PRODUCER_DB) -> RedisOrchestrator:
        """A client of a database that no worker listens to, with this workflow."""
        client = self._connect(db)
        client.publish(spec)
        return client

    def _connect(self, db: int) -> RedisOrchestrator:
        settings = Settings(redis_url=self.server.url(db), operations=["bench.operations"])
        client = Orchestrator.connect(settings=settings)
        self._publish(client)
        return client

    def _publish(self, client: RedisOrchestrator) -> None:
        for spec in self._specs.values():
            client.publish(spec)


def specs(operation: str) -> dict[Shape, WorkflowSpec]:
    """A workflow of each shape, all of whose steps are the same operation."""
    branches = {f"branch-{n}": [Step(id=f"step-{n}", operation=operation)] for n in range(1, WIDTH + 1)}
    item = [Step(id="step", operation=operation)]
    last = Step(id="last", operation=operation)
    steps: dict[Shape, list[Step]] = {
        "parallel": [Step(id="all", parallel=Parallel(branches=branches)), last],
        "map": [Step(id="all", map=Map(items="input.items", steps=item, max_concurrency=WIDTH)), last],
    }
    fans = {
        shape: define_workflow(meta=Meta(key=f"bench.{shape}", version="1.0.0"), steps=listed)
        for shape, listed in steps.items()
    }
    return {"chain": sequence("bench.chain", operation, STEPS), **fans}


def sequence(key: str, operation: str, length: int) -> WorkflowSpec:
    """A workflow of so many steps, one after the other."""
    steps = [Step(id=f"step-{number}", operation=operation) for number in range(1, length + 1)]
    return define_workflow(meta=Meta(key=key, version="1.0.0"), steps=steps)


def _chain(app: Celery) -> Any:
    return chain(*_steps(app, STEPS), app=app)


def _chord(app: Celery) -> Any:
    *header, body = _steps(app, WIDTH + 1)
    return chord(header, body, app=app)


def _steps(app: Celery, count: int) -> list[Any]:
    step = app.signature("plain.noop", immutable=True)
    return [step.clone() for _ in range(count)]
