"""The one Celery task of all workflows and versions: look at this address of this run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from celery import Celery, Task
from celery.exceptions import Ignore, Reject
from celery.signals import worker_process_shutdown, worker_shutdown

from orchestrator import logs
from orchestrator.broker.dispatch import Dispatcher
from orchestrator.client.versions import Versions
from orchestrator.engine.effects import Parked, Stopped
from orchestrator.errors import Unreachable
from orchestrator.plan.canvas import STEP_TASK
from orchestrator.runtime.message import work
from orchestrator.runtime.worker import Worker
from orchestrator.settings import Settings
from orchestrator.store.redis import RedisStore
from orchestrator.store.registry import RedisRegistry
from orchestrator.telemetry import Telemetry

if TYPE_CHECKING:
    from orchestrator.runtime.tracing import Tracing

log = logs.get("tasks")


class StepFailed(Exception):
    """A step failed and nobody handles it: Celery calls the errback, which asks for the undo."""


class Workers:
    """The worker of this process, made when it is first needed, so that forked processes share no socket."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._made: tuple[int, Worker] | None = None
        self._telemetry: Telemetry | None = None

    @property
    def here(self) -> Worker:
        """The worker of this process."""
        if self._made is None or self._made[0] != os.getpid():
            settings = self._settings
            store = RedisStore(settings.redis_url, settings)
            versions = Versions(RedisRegistry(settings.redis_url, settings))
            dispatcher = Dispatcher(self._app, settings)
            self._telemetry = Telemetry.here(settings.namespace)
            made = Worker(settings, store, versions, dispatcher, tracing=_tracing(self._telemetry))
            self._made = os.getpid(), made
        return self._made[1]

    def end(self, **_: object) -> None:
        """This process is about to end: what it knows of traces is sent."""
        if self._made is not None and self._made[0] == os.getpid() and self._telemetry is not None:
            self._telemetry.shutdown()


def _tracing(telemetry: Telemetry | None) -> Tracing | None:
    if telemetry is None:
        return None
    from orchestrator.runtime.tracing import Tracing  # noqa: PLC0415  # OpenTelemetry, where it is wanted

    return Tracing(telemetry)


def register_tasks(app: Celery, settings: Settings) -> Task[Any, Any]:
    """Add our task to an app."""
    workers = Workers(app, settings)
    worker_process_shutdown.connect(workers.end, weak=False)
    worker_shutdown.connect(workers.end, weak=False)

    @app.task(
        name=STEP_TASK,
        shared=False,
        bind=True,
        serializer="json",
        max_retries=None,
        acks_late=True,
        reject_on_worker_lost=True,
        ignore_result=True,
        store_errors_even_if_ignored=False,
        throws=(StepFailed,),
    )
    def step(self: Task[Any, Any], run_id: str, address: str) -> None:
        """Look at an address of a run, and do what there is to do from there on."""
        try:
            ending = work(workers.here, self, run_id, address)
        except Unreachable as error:
            log.warning("state_unreachable", run_id=run_id, step=address, error=str(error))
            raise Reject(str(error), requeue=False) from error
        if isinstance(ending, Parked):
            raise Ignore
        if isinstance(ending, Stopped):
            raise StepFailed(f"{run_id} {ending.address}: {ending.failure}")

    registered: Task[Any, Any] = step
    return registered
