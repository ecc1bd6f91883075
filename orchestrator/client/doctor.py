"""The doctor: what stands in the way of runs, what it means, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Final

from orchestrator.broker.dispatch import Dispatcher
from orchestrator.broker.queues import depths
from orchestrator.client.archiving import check_archive
from orchestrator.client.fleet import InUse, versions_in_use
from orchestrator.client.shown import Finding, Level
from orchestrator.client.versions import Versions
from orchestrator.clock import wall_ms
from orchestrator.engine import fields
from orchestrator.engine.indexes import status_index
from orchestrator.engine.state import OVER, RunStatus
from orchestrator.errors import Unreachable
from orchestrator.plan.plan import DEFAULT_QUEUE
from orchestrator.spec.operations import OperationInfo
from orchestrator.store.alerts import Alerts
from orchestrator.store.archive.port import Archive
from orchestrator.store.events import Events, Miss
from orchestrator.store.leadership import Leader
from orchestrator.store.port import Server, Store
from orchestrator.store.registry import Registry, WorkerRecord

OLDEST_REDIS: Final = (6, 2)
LARGEST_SKEW_MS: Final = 2_000
SAMPLE: Final = 200
"""Live runs, the newest of each status, whose ledger is looked at."""


def examine(
    store: Store,
    registry: Registry,
    versions: Versions,
    dispatcher: Dispatcher,
    events: Events,
    alerts: Alerts,
    channels: Collection[str],
    archive: Archive | None = None,
) -> list[Finding]:
    """Everything that the doctor finds, in the order in which it is best mended."""
    found = list(_examine_broker(lambda: depths(dispatcher.app, [DEFAULT_QUEUE])))
    try:
        server = store.server()
        skew_ms = wall_ms() - store.time_ms()
        used = versions_in_use(store, registry, versions)
        workers = registry.workers()
        state = [
            *check_server(server),
            *check_clock(skew_ms),
            *check_beats(registry.beats(), registry.leadership.leader()),
            *check_listeners(used, registry.listeners()),
            *check_workers(workers),
            *check_operations(used, workers),
            *check_ledger(unwatched(store)),
            *check_events(events.dead_count(), events.misses()),
            *check_alerts(channels, alerts.dead_count(), registry.listeners()),
            *check_archive(store, archive),
        ]
    except Unreachable as error:
        advice = "start it, or say where it is: setting `redis_url` (ORCHESTRATOR_REDIS_URL)"
        return [Finding(Level.ERROR, "redis_unreachable", error.message, advice), *found]
    if not any(finding.code == "broker_unreachable" for finding in found):
        queues = {queue for version in used for queue in version.queues} | {DEFAULT_QUEUE}
        state += check_queues(used, workers, depths(dispatcher.app, sorted(queues)))
    return [*state, *found]


def check_server(server: Server) -> Iterator[Finding]:
    """New enough, deletes nothing, and writes what it holds to disk."""
    name, version = server.name.capitalize(), ".".join(map(str, server.version))
    if server.name == "redis" and server.version < OLDEST_REDIS:
        wanted = ".".join(map(str, OLDEST_REDIS))
        yield Finding(Level.ERROR, "redis_too_old", f"Redis {version} is too old", f"use Redis {wanted} or Valkey")
    else:
        yield Finding(Level.OK, "redis", f"{name} {version} answers".replace("  ", " "))
    if server.eviction == "noeviction":
        yield Finding(Level.OK, "eviction", "it deletes nothing when memory is short")
    else:
        message = f"when memory is short it deletes what it holds, runs among it (`{server.eviction}`)"
        yield Finding(Level.ERROR, "evicting", message, "set `maxmemory-policy noeviction`")
    if server.persists:
        yield Finding(Level.OK, "persistence", "it writes an append-only file")
    else:
        message = "it writes no append-only file: a crash loses what came after its last snapshot"
        yield Finding(Level.WARNING, "no_append_only_file", message, "set `appendonly yes`")


def check_clock(skew_ms: int) -> Iterator[Finding]:
    """Moments are the server's, so a wrong clock here harms no run, but what people read and write here is off."""
    if abs(skew_ms) <= LARGEST_SKEW_MS:
        yield Finding(Level.OK, "clock", "this machine's clock and the server's agree")
        return
    way = "ahead of" if skew_ms > 0 else "behind"
    message = f"this machine's clock is {abs(skew_ms) / 1000:.1f} s {way} the server's"
    yield Finding(Level.WARNING, "clock_skew", message, "have both machines set their clocks by NTP")


def check_beats(beats: Sequence[WorkerRecord], leader: Leader | None = None) -> Iterator[Finding]:
    """Somebody sweeps, and one of them fires the schedules."""
    if beats:
        yield Finding(Level.OK, "beat", f"beat runs: {_names(beats)}")
        if leader is not None:
            yield Finding(Level.OK, "leader", f"{leader.holder} leads: it fires the schedules")
        else:
            message = "none of the beats leads: no schedule fires"
            yield Finding(Level.WARNING, "no_leader", message, "one takes over within 10 s; else look in their logs")
    else:
        message = "no beat has been seen in 20 s: no timer fires, no retry comes, nothing that got lost is sent again"
        yield Finding(Level.ERROR, "no_beat", message, "start one: `celery -A workers beat`")


def check_listeners(used: Iterable[InUse], listeners: Sequence[WorkerRecord]) -> Iterator[Finding]:
    """Somebody listens, if external events start runs or steps wait for some."""
    concerned = [version for version in used if version.listens]
    if listeners:
        yield Finding(Level.OK, "listener", f"a listener runs: {_names(listeners)}")
    elif concerned:
        level, why = _urgency(concerned)
        message = f"no listener has been seen in 20 s: no external event is taken in, which {why} wait for"
        yield Finding(level, "no_listener", message, "start one: `orchestrator listen`")
    else:
        yield Finding(Level.OK, "listener", "no published workflow waits for external events")


def check_events(dead: int, misses: Sequence[Miss]) -> Iterator[Finding]:
    """Nothing was given up, and every filter had an answer."""
    if dead:
        message = f"external events that were given up: {dead}"
        yield Finding(
            Level.WARNING, "dead_events", message, "look why: `orchestrator events dead`, then replay or discard"
        )
    for miss in misses:
        message = f"the filter of trigger {miss.trigger!r} had no answer for event {miss.entry_id}: {miss.error}"
        yield Finding(
            Level.WARNING, "filter_without_answer", message, "let it ask with `has(…)` for what may be missing"
        )
    if not dead and not misses:
        yield Finding(Level.OK, "events", "no external event was given up")


def check_alerts(channels: Collection[str], dead: int, listeners: Sequence[WorkerRecord]) -> Iterator[Finding]:
    """What a person should know of reaches one."""
    if channels and not listeners:
        message = f"no listener has been seen in 20 s: no alert is raised, nor sent to {', '.join(channels)}"
        yield Finding(Level.WARNING, "alerts_not_sent", message, "start one: `orchestrator listen`")
    if dead:
        message = f"messages about alerts that were given up: {dead}"
        yield Finding(Level.WARNING, "dead_alerts", message, "look why: `orchestrator alerts dead`, then replay")
    if not dead and (listeners or not channels):
        yield Finding(Level.OK, "alerts", "no message about an alert was given up")


def check_workers(workers: Sequence[WorkerRecord]) -> Iterator[Finding]:
    """Somebody works."""
    if workers:
        yield Finding(Level.OK, "workers", f"workers run: {_names(workers)}")
    else:
        message = "no worker has been seen in 20 s: no step is executed"
        yield Finding(Level.ERROR, "no_workers", message, "start one: `celery -A workers worker -Q default`")


def check_operations(used: Iterable[InUse], workers: Sequence[WorkerRecord]) -> Iterator[Finding]:
    """Somebody has every operation that is called; what live runs call is an error, what new ones would, a warning."""
    served = {OperationInfo.from_json(info).reference for worker in workers for info in worker.operations}
    missing = {name for version in used for name in version.operations} - served
    for name in sorted(missing):
        level, why = _urgency([version for version in used if name in version.operations])
        advice = "start a worker whose setting `operations` names the module that defines it"
        yield Finding(level, "operation_not_served", f"no worker has the operation {name!r}, which {why} call", advice)
    if not missing:
        yield Finding(Level.OK, "operations", "every operation that published workflows call is served")


def check_queues(used: Sequence[InUse], workers: Sequence[WorkerRecord], waiting: dict[str, int]) -> Iterator[Finding]:
    """Somebody takes from every queue that is sent to; `waiting` has the messages of each."""
    consumed = {queue for worker in workers for queue in worker.queues}
    concerned = {queue: [one for one in used if queue in one.queues] for queue in waiting if queue not in consumed}
    lonely = {queue: versions for queue, versions in concerned.items() if versions or waiting[queue]}
    for queue, versions in sorted(lonely.items()):
        level, why = _urgency(versions)
        message = f"no worker takes from the queue {queue!r}"
        message += f", in which {waiting[queue]} messages wait" if waiting[queue] else ""
        message += f"; {why} use it" if versions else ""
        advice = f"start a worker for it: `celery -A workers worker -Q {queue}`"
        yield Finding(Level.ERROR if waiting[queue] else level, "queue_without_worker", message, advice)
    if not lonely:
        yield Finding(Level.OK, "queues", "every queue that is sent to has a worker")


def check_ledger(run_ids: Sequence[str]) -> Iterator[Finding]:
    """Every live run that was looked at has an entry; these have none."""
    if not run_ids:
        yield Finding(Level.OK, "ledger", "every live run that was looked at is watched")
        return
    message = f"live runs that nobody will look at again: {', '.join(run_ids[:5])}"
    message += f" and {len(run_ids) - 5} more" if len(run_ids) > 5 else ""  # noqa: PLR2004
    advice = "keep a beat running: it repairs them within a minute; then look in its log for `run_repaired`"
    yield Finding(Level.ERROR, "runs_without_entry", message, advice)


def unwatched(store: Store) -> list[str]:
    """Live runs without a ledger entry, of a sample."""
    going_on = [status for status in RunStatus if status not in OVER]
    sample = [run_id for status in going_on for _, run_id in store.newest(status_index(status), None, SAMPLE)]
    suspects = [run_id for run_id in sample if store.shard_entry(run_id) is None]
    now = store.read_many(suspects, (fields.STATUS,))
    return [run_id for run_id, values in zip(suspects, now, strict=True) if values[fields.STATUS] in going_on]


def _examine_broker(ask: Callable[[], object]) -> Iterator[Finding]:
    try:
        ask()
    except Unreachable as error:
        advice = "start it, or say where it is: setting `broker_url` (ORCHESTRATOR_BROKER_URL)"
        yield Finding(Level.ERROR, "broker_unreachable", error.message, advice)
    else:
        yield Finding(Level.OK, "broker", "the broker answers")


def _urgency(versions: Sequence[InUse]) -> tuple[Level, str]:
    """How bad it is that these versions miss something, and whom it concerns."""
    live = [version for version in versions if version.live]
    names = ", ".join(version.plan.name for version in live or versions)
    return (Level.ERROR, f"live runs of {names}") if live else (Level.WARNING, f"new runs of {names} would")


def _names(workers: Sequence[WorkerRecord]) -> str:
    return ", ".join(worker.name for worker in workers)
