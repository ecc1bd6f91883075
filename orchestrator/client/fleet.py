"""What runs where: queues, workers, beats and listeners from the register, runs by status, versions that are in use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator import logs
from orchestrator.client.search import PAUSED
from orchestrator.client.shown import QueueStats, Stats, WorkerStats
from orchestrator.client.versions import Versions
from orchestrator.engine.indexes import PAUSED_RUNS, archived_index, live_index, status_index
from orchestrator.engine.roots import rfc3339
from orchestrator.engine.state import OVER, RunStatus
from orchestrator.errors import Unreachable
from orchestrator.plan.graph import Plan
from orchestrator.spec.canonical import from_canonical
from orchestrator.spec.flows import flows_of
from orchestrator.spec.operations import OperationInfo
from orchestrator.spec.versions import latest_stable
from orchestrator.store.archive.port import Archive
from orchestrator.store.port import Store
from orchestrator.store.registry import Definition, Registry, WorkerRecord

log = logs.get("client")


@dataclass(frozen=True, slots=True)
class InUse:
    """A version that has live runs, or that new runs take."""

    definition: Definition
    plan: Plan
    live: int

    @property
    def operations(self) -> frozenset[str]:
        """What its steps and undos call, as `key@major`."""
        return frozenset(OperationInfo.from_json(info).reference for info in self.definition.operations.values())

    @property
    def listens(self) -> bool:
        """Whether external events start its runs, or its steps wait for some."""
        spec = from_canonical(self.definition.canonical)
        steps = (step.event for flow in flows_of(spec) for step in flow.steps)
        return any(one.event for one in spec.triggers) or any(one is not None and one.type is not None for one in steps)

    @property
    def queues(self) -> frozenset[str]:
        """Where its steps and undos are sent."""
        works = (work for node in self.plan.nodes.values() for work in (node.work, node.undo))
        return frozenset(work.queue for work in works if work is not None)


def stats(
    store: Store,
    registry: Registry,
    versions: Versions,
    depths: Callable[[Iterable[str]], Mapping[str, int]],
    archive: Archive | None = None,
) -> Stats:
    """What the register, the indexes, the broker and the archive say now; `depths` has what waits in queues."""
    archived = None if archive is None else archived_runs(store, archive)
    workers, leader = registry.workers(), registry.leadership.leader()
    named = {queue for worker in workers for queue in worker.queues}
    named |= {queue for version in versions_in_use(store, registry, versions) for queue in version.queues}
    waiting = depths(sorted(named))
    return Stats(
        runs=run_counts(store, archived),
        queues=tuple(QueueStats(name, count, _consumers(workers, name)) for name, count in waiting.items()),
        workers=tuple(map(announced, workers)),
        beats=tuple(map(announced, registry.beats())),
        leader=None if leader is None else leader.holder,
        listeners=tuple(map(announced, registry.listeners())),
        archived=None if archived is None else sum(archived.values()),
    )


def versions_in_use(store: Store, registry: Registry, versions: Versions) -> list[InUse]:
    """Every version with live runs and the latest of each workflow, by workflow and publication."""
    used: list[InUse] = []
    known = {key: registry.versions(key) for key in registry.workflows()}
    live = store.index_sizes([live_index(key, one.version) for key, published in known.items() for one in published])
    for key, published in known.items():
        latest = latest_stable({one.version: one.stability for one in published})
        for one in published:
            count = live[live_index(key, one.version)]
            if count or one.version == latest:
                used.append(InUse(one, versions.plan(key, one.version), count))
    return used


def archived_runs(store: Store, archive: Archive) -> dict[str, int] | None:
    """How many runs of each status are in the archive alone; None if it does not answer.

    What the archive has, without what it has copies of while they are still here: off by what moves meanwhile.
    """
    try:
        counts = archive.counts()
    except Unreachable as error:
        log.warning("archive_not_counted", error=error.message)
        return None
    copies = store.index_sizes([archived_index(status) for status in OVER])
    return {status.value: max(0, counts[status] - copies[archived_index(status)]) for status in OVER}


def run_counts(store: Store, archived: Mapping[str, int] | None = None) -> dict[str, int]:
    """Runs that are kept, by status; those that are paused are counted as such as well."""
    names = {status.value: status_index(status) for status in RunStatus} | {PAUSED: PAUSED_RUNS}
    sizes = store.index_sizes(list(names.values()))
    return {status: sizes[name] + (archived or {}).get(status, 0) for status, name in names.items()}


def live_counts(store: Store, workflows: Sequence[str] | None = None) -> dict[str, int]:
    """Runs that are not over, by status; of these workflows, or of all, and then those that are paused as well."""
    going_on = [status for status in RunStatus if status not in OVER]
    keys = [None] if workflows is None else workflows
    paused = [PAUSED_RUNS] if workflows is None else []
    sizes = store.index_sizes([*(status_index(status, key) for status in going_on for key in keys), *paused])
    counts = {status.value: sum(sizes[status_index(status, key)] for key in keys) for status in going_on}
    return counts if workflows is not None else {**counts, PAUSED: sizes[PAUSED_RUNS]}


def _consumers(workers: Sequence[WorkerRecord], queue: str) -> tuple[str, ...]:
    return tuple(worker.name for worker in workers if queue in worker.queues)


def announced(worker: WorkerRecord) -> WorkerStats:
    """A worker, beat or listener as it is told of in short."""
    return WorkerStats(
        name=worker.name,
        host=worker.host,
        pid=worker.pid,
        queues=worker.queues,
        operations=tuple(sorted(OperationInfo.from_json(info).reference for info in worker.operations)),
        concurrency=worker.concurrency,
        seen_at=rfc3339(worker.seen_at),
    )
