"""Queues and workers over Redis and the broker: `orchestrator.fleet`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any, Final

from typing_extensions import override

from orchestrator.broker import control
from orchestrator.broker.dispatch import Dispatcher
from orchestrator.client.audit import Audit
from orchestrator.client.fleet import InUse
from orchestrator.client.fleet_surface import Fleet
from orchestrator.client.queues import RATE_MS, QueueLook, described, history, names
from orchestrator.client.shown_fleet import (
    ActiveMessage,
    HeldLease,
    Queues,
    QueueSample,
    WorkerDescription,
    WorkerState,
)
from orchestrator.client.versions import Versions
from orchestrator.clock import wall_ms
from orchestrator.engine.roots import rfc3339
from orchestrator.errors import Conflict, InvalidRequest, PoolFixed, UnknownWorker, WorkerSilent
from orchestrator.plan.canvas import STEP_TASK
from orchestrator.spec.operations import OperationInfo
from orchestrator.store.events import Events
from orchestrator.store.port import Store
from orchestrator.store.registry import Registry, WorkerRecord
from orchestrator.store.watch import SAMPLE_MS, Held, Watch

GROWING: Final = frozenset({"prefork", "gevent", "eventlet"})
"""Celery's pools that can change their size."""
INSPECTED: Final = ("stats", "active_queues", "active", "reserved", "scheduled", "revoked", "registered")
_LAST_MINUTE: Final = RATE_MS // SAMPLE_MS + 2


class RedisFleet(Fleet):
    """What the register, the notes and the broker say, and the workers themselves where they are asked."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        look: QueueLook,
        store: Store,
        registry: Registry,
        versions: Versions,
        watch: Watch,
        events: Events,
        audit: Audit,
    ) -> None:
        self._app = dispatcher.app
        self._look = look
        self._store = store
        self._registry = registry
        self._versions = versions
        self._watch = watch
        self._events = events
        self._audit = audit

    @override
    def queues(self) -> Queues:
        workers, used = self._registry.workers(), self._used()
        depths = self._look.depths(names(used, workers))
        samples = self._watch.samples(_LAST_MINUTE)
        dead = {"events": self._events.dead_count()}
        return Queues(described(depths, workers, used, samples, wall_ms()), dead)

    @override
    def samples(self, queue: str) -> list[QueueSample]:
        return history(self._watch.samples(), queue)

    def samples_of(self, queues: Sequence[str]) -> dict[str, list[QueueSample]]:
        """The same of several, by one look."""
        samples = self._watch.samples()
        return {queue: history(samples, queue) for queue in queues}

    @override
    def workers(self) -> list[WorkerDescription]:
        live, lost = self._registry.workers(), self._registry.lost()
        held = self._watch.held([one.name for one in live])
        found = [_described(one, held[one.name]) for one in live]
        return sorted((*found, *(_described(one, (), lost=True) for one in lost)), key=lambda one: one.name)

    @override
    def worker(self, name: str) -> WorkerDescription:
        record, lost = self._record(name)
        held = () if lost else self._watch.held([name])[name]
        return _described(record, held, lost=lost, serves=() if lost else _served(record, self._used()))

    @override
    def inspect(self, name: str) -> dict[str, Any]:
        self._alive(name)
        return {what: control.order(self._app, name, what) for what in INSPECTED}

    @override
    def grow(self, name: str, count: int = 1, reason: str = "") -> None:
        with self._audit.acting("grow_pool", _target(name), reason):
            self._resizable(name, count)
            self._order(name, "pool_grow", n=count)

    @override
    def shrink(self, name: str, count: int = 1, reason: str = "") -> None:
        with self._audit.acting("shrink_pool", _target(name), reason):
            record = self._resizable(name, count)
            if count >= record.concurrency:
                text = f"worker {name!r} has a pool of {record.concurrency}, of which one stays; drain it instead"
                raise InvalidRequest(text, worker=name, concurrency=record.concurrency)
            self._order(name, "pool_shrink", n=count)

    @override
    def add_consumer(self, name: str, queue: str, reason: str = "") -> None:
        with self._audit.acting("add_consumer", _target(name, f"queues/{queue}"), reason):
            self._alive(name)
            self._order(name, "add_consumer", queue=_queue(queue))

    @override
    def cancel_consumer(self, name: str, queue: str, reason: str = "") -> None:
        with self._audit.acting("cancel_consumer", _target(name, f"queues/{queue}"), reason):
            record = self._alive(name)
            if queue not in record.queues:
                raise Conflict(f"worker {name!r} takes from {', '.join(record.queues) or 'no queue'}", worker=name)
            self._order(name, "cancel_consumer", queue=queue)

    @override
    def drain(self, name: str, reason: str = "") -> None:
        with self._audit.acting("drain_worker", _target(name), reason):
            self._alive(name)
            control.order(self._app, name, control.DRAIN)

    @override
    def resume(self, name: str, reason: str = "") -> None:
        with self._audit.acting("resume_worker", _target(name), reason):
            self._alive(name)
            control.order(self._app, name, control.RESUME)

    @override
    def shutdown(self, name: str, reason: str = "") -> None:
        with self._audit.acting("shut_down_worker", _target(name), reason):
            self._alive(name)
            control.order(self._app, name, control.SHUT_DOWN)

    @override
    def limit_time(
        self, name: str, task: str, *, soft_s: float | None = None, hard_s: float | None = None, reason: str = ""
    ) -> None:
        with self._audit.acting("limit_time", _target(name, f"tasks/{task}"), reason):
            if task == STEP_TASK:
                raise InvalidRequest("steps have the limits that their specs say: `timeout`", task=task)
            if any(limit is not None and limit <= 0 for limit in (soft_s, hard_s)):
                raise InvalidRequest("a time limit is more than nothing", soft_s=soft_s, hard_s=hard_s)
            self._alive(name)
            self._order(name, "time_limit", task_name=task, soft=soft_s, hard=hard_s)

    @override
    def limit_rate(self, name: str, task: str, rate: str, reason: str = "") -> None:
        with self._audit.acting("limit_rate", _target(name, f"tasks/{task}"), reason):
            self._alive(name)
            self._order(name, "rate_limit", task_name=task, rate_limit=rate)

    @override
    def forget(self, name: str, reason: str = "") -> None:
        with self._audit.acting("forget_worker", _target(name), reason):
            _, lost = self._record(name)
            if not lost:
                raise Conflict(f"worker {name!r} lives; it leaves the list when it ends", worker=name)
            self._registry.retire(name)

    def _used(self) -> list[InUse]:
        return self._look.used(self._store, self._registry, self._versions)

    def _record(self, name: str) -> tuple[WorkerRecord, bool]:
        """What a worker said last, and whether it is lost."""
        for record in self._registry.workers():
            if record.name == name:
                return record, False
        lost = {record.name: record for record in self._registry.lost()}
        if name in lost:
            return lost[name], True
        near = get_close_matches(name, [*lost, *(one.name for one in self._registry.workers())], n=3, cutoff=0.4)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UnknownWorker(f"there is no worker {name!r}{hint}", worker=name, near=near)

    def _alive(self, name: str) -> WorkerRecord:
        record, lost = self._record(name)
        if lost:
            raise WorkerSilent(f"worker {name!r} has not been seen since {rfc3339(record.seen_at)}", worker=name)
        return record

    def _resizable(self, name: str, count: int) -> WorkerRecord:
        if count < 1:
            raise InvalidRequest(f"a pool changes by 1 or more, not by {count}", count=count)
        record = self._alive(name)
        if record.pool and record.pool not in GROWING:
            text = f"the pool of worker {name!r} is `{record.pool}`, which cannot change its size; start another worker"
            raise PoolFixed(text, worker=name, pool=record.pool)
        return record

    def _order(self, name: str, command: str, **arguments: Any) -> None:
        """Celery's own commands; then the register is told what has come of it."""
        control.order(self._app, name, command, **arguments)
        with suppress(WorkerSilent):
            control.order(self._app, name, control.TELL)


def _described(
    record: WorkerRecord, held: Sequence[Held], *, lost: bool = False, serves: tuple[str, ...] | None = None
) -> WorkerDescription:
    vitals: Mapping[str, float] = {} if lost else record.vitals
    infos = [OperationInfo.from_json(info) for info in record.operations]
    return WorkerDescription(
        name=record.name,
        state=WorkerState.LOST if lost else WorkerState(record.state),
        host=record.host,
        pid=record.pid,
        seen_at=rfc3339(record.seen_at),
        lost_since=rfc3339(record.seen_at) if lost else None,
        started_at=rfc3339(record.started_at) if record.started_at else None,
        pool=record.pool,
        concurrency=record.concurrency,
        queues=record.queues,
        paused_queues=record.paused_queues,
        operations=tuple(sorted(f"{info.key}@{info.version}" for info in infos)),
        processed=record.processed,
        prefetched=record.prefetched,
        active=tuple(map(_active, record.active)),
        leases=tuple(map(_lease, held)),
        rss_bytes=int(vitals["rss_bytes"]) if "rss_bytes" in vitals else None,
        cpu_percent=vitals.get("cpu_percent"),
        load=vitals.get("load"),
        software=record.software,
        serves=serves,
    )


def _active(one: Mapping[str, Any]) -> ActiveMessage:
    since = rfc3339(one["since_ms"]) if one["since_ms"] else None
    return ActiveMessage(one["name"], one["run_id"], one["step"], since, one["pid"])


def _lease(one: Held) -> HeldLease:
    return HeldLease(one.run_id, one.workflow, one.step, rfc3339(one.since_ms), rfc3339(one.until_ms), one.pid)


def _served(record: WorkerRecord, used: Sequence[InUse]) -> tuple[str, ...]:
    has = {OperationInfo.from_json(info).reference for info in record.operations}
    return tuple(one.plan.name for one in used if one.operations <= has)


def _target(name: str, what: str = "") -> str:
    return f"workers/{name}/{what}".rstrip("/")


def _queue(name: str) -> str:
    if not name.strip() or not name.isprintable():
        raise InvalidRequest(f"a queue has a name of printable characters, not {name!r}")
    return name
