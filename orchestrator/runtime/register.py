"""The register's entries of workers and beats, said every few seconds while they live."""

from __future__ import annotations

import os
import platform
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import celery

from orchestrator import logs
from orchestrator.clock import wall_ms
from orchestrator.errors import Unreachable
from orchestrator.plan.canvas import STEP_TASK
from orchestrator.runtime.vitals import Vitals
from orchestrator.settings import Settings
from orchestrator.spec.operations import OPERATIONS
from orchestrator.store.registry import RedisRegistry, WorkerRecord
from orchestrator.store.watch import RedisWatch

log = logs.get("register")

INTERVAL_S = 5.0
MOST_ACTIVE = 50
"""Messages that a record tells of, at most."""
LOOK_S = 0.2
"""How often a worker that is to end looks whether it is idle."""
FAREWELL_S = 2.0
"""So long an end waits for the farewell to be said."""


def beat_record() -> WorkerRecord:
    """What the beat of this process says of itself."""
    host, pid = socket.gethostname(), os.getpid()
    return WorkerRecord(f"beat-{pid}@{host}", queues=(), operations=(), pid=pid, host=host, role="beat")


class Announcer:
    """Announces this worker until it has ended; the record of one that dies says since when nothing was heard of it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopped = threading.Event()
        self._news = threading.Event()
        self._state: Literal["online", "draining", "stopping"] = "online"
        self._paused: tuple[str, ...] = ()
        self._taken: Counter[str] = Counter()
        self._vitals = Vitals()
        self._thread: threading.Thread | None = None
        self._ends = False

    def start(self, consumer: Any) -> None:
        """Begin, for the Celery consumer of a worker that is ready; it may be told so again after each reconnection."""
        if self._thread is not None and self._thread.is_alive():
            return
        record = WorkerRecord(
            name=str(getattr(consumer, "hostname", "") or socket.gethostname()),
            queues=(),
            operations=tuple(info.to_json() for info in OPERATIONS.infos()),
            pid=os.getpid(),
            host=socket.gethostname(),
            pool=_pool(consumer),
            started_at=wall_ms(),
            software=f"celery {celery.__version__}, Python {platform.python_version()}",
        )
        self._thread = threading.Thread(target=self._announce, args=(record, consumer), name="register", daemon=True)
        self._thread.start()

    def stopping(self) -> None:
        """The worker ends when what it has begun is done."""
        self._state = "stopping"
        self._news.set()

    @property
    def ends(self) -> bool:
        """Whether the worker takes nothing new, and will not again."""
        return self._state == "stopping"

    def end_when_idle(self) -> None:
        """The worker takes nothing new, and is to end as soon as it has nothing any more."""
        self._ends = True
        self.stopping()

    def tell(self) -> None:
        """Announce it now."""
        self._news.set()

    def drain(self, queues: Sequence[str]) -> None:
        """The worker takes nothing more from these queues; twice is once."""
        self._paused = tuple(dict.fromkeys((*self._paused, *queues)))
        self._state = "draining"

    def resume(self) -> tuple[str, ...]:
        """The worker takes messages again; the queues that it was drained of."""
        queues, self._paused = self._paused, ()
        self._state = "online"
        return queues

    def stop(self) -> None:
        """The worker has ended."""
        self._stopped.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join(FAREWELL_S)

    def note_taken(self, request: Any) -> None:
        """A message was taken from its queue."""
        self._taken[_queue(request)] += 1

    def _announce(self, record: WorkerRecord, consumer: Any) -> None:
        registry = RedisRegistry(self._settings.redis_url, self._settings)
        watch = RedisWatch(self._settings.redis_url, self._settings)
        told: Counter[str] = Counter()
        while not self._stopped.is_set():
            self._news.clear()
            try:
                registry.announce(self._now(record, consumer))
                taken = Counter(self._taken)
                watch.take({queue: count - told[queue] for queue, count in taken.items() if count > told[queue]})
                told = taken
            except Unreachable as error:
                log.warning("not_announced", error=str(error))
            except Exception:  # whatever Celery says of itself that is not understood: the worker still lives
                log.exception("not_announced")
            self._rest()
        try:
            registry.retire(record.name)
        except Unreachable as error:
            log.warning("no_farewell", error=str(error))

    def _rest(self) -> None:
        """Until it is time to announce again, or there is news."""
        if not self._ends:
            self._news.wait(0 if self._stopped.is_set() else INTERVAL_S)
        elif not self._stopped.wait(LOOK_S) and _is_idle():
            self._ends = False
            os.kill(os.getpid(), signal.SIGTERM)

    def _now(self, record: WorkerRecord, consumer: Any) -> WorkerRecord:
        """The record with what changes."""
        from celery.worker import state as celery_state  # noqa: PLC0415  # beats need nothing of a worker's

        consumed = () if self._state == "stopping" else _queues(consumer)
        reserved, active = _listed(celery_state.reserved_requests), _listed(celery_state.active_requests)
        pool = getattr(consumer, "pool", None)
        controller = getattr(consumer, "controller", None)
        return replace(
            record,
            queues=consumed,
            state=self._state,
            paused_queues=self._paused,
            concurrency=int(getattr(pool, "num_processes", None) or getattr(controller, "concurrency", None) or 0),
            processed=celery_state.all_total_count[0],
            prefetched=len({*map(id, reserved)} - {*map(id, active)}),
            unacknowledged=dict(Counter(_queue(one) for one in reserved if not one.acknowledged)),
            active=tuple(_shown(one) for one in active[:MOST_ACTIVE]),
            vitals=self._vitals.read((record.pid, *_children(pool))),
        )


def _is_idle() -> bool:
    """Whether the worker of this process has no message in hand."""
    from celery.worker import state as celery_state  # noqa: PLC0415  # beats need nothing of a worker's

    return not len(celery_state.reserved_requests)


def _queues(consumer: Any) -> tuple[str, ...]:
    consumed = getattr(getattr(consumer, "task_consumer", None), "queues", None) or ()
    return tuple(sorted(str(queue.name) for queue in consumed))


def _pool(consumer: Any) -> str:
    """As `-P` names it."""
    pool = getattr(consumer, "pool", None)
    name = type(pool).__module__.rpartition(".")[2]
    return "" if pool is None else {"thread": "threads"}.get(name, name)


def _children(pool: Any) -> list[int]:
    """The processes of a prefork pool."""
    processes = getattr(getattr(pool, "_pool", None), "_pool", None)
    return [pid for one in list(processes or ()) if isinstance(pid := getattr(one, "pid", None), int)]


def _listed(requests: Iterable[Any]) -> list[Any]:
    """What Celery holds in a set that other threads change meanwhile."""
    for _ in range(3):
        try:
            return sorted(requests, key=lambda one: one.time_start or 0.0)
        except RuntimeError:
            continue
    return []


def _queue(request: Any) -> str:
    return str((request.delivery_info or {}).get("routing_key") or "")


def _shown(request: Any) -> Mapping[str, Any]:
    """A message that is worked off; of one of ours, where of which run it began."""
    run_id = step = None
    if request.request_dict.get("task") == STEP_TASK:
        run_id, step = request.request_dict["args"]
    since_ms = int(request.time_start * 1000) if request.time_start else 0
    return {"name": request.name, "run_id": run_id, "step": step, "since_ms": since_ms, "pid": request.worker_pid}
