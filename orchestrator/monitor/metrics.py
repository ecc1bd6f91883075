"""The reader of the feed that counts: what a batch of events adds to the sums, and by whom it is kept.

Everything is counted by the hour of the event's own moment, so that it does not matter when it is read. A run counts as
failed or cancelled when it stops, as completed when it completes; how it was undone is counted when that is over. So a
run that is undone again, or a child that is undone after it completed, is not a second end.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from orchestrator import logs
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.engine import fields
from orchestrator.engine.address import is_drain, is_lane, is_undo, parse_address
from orchestrator.monitor.feed import Batch
from orchestrator.plan.graph import REST, SINK
from orchestrator.store.metrics import EVER, EVER_STEPS, HOUR_MS, Metrics, Place
from orchestrator.store.port import FeedEntry, Store
from orchestrator.store.sketches import bucket_of

log = logs.get("metrics")

NAME: Final = "metrics"
KNOWN: Final = 50_000
"""Runs whose workflow and version are remembered."""
DURATION, ATTEMPT, WAIT = "duration", "attempt", "wait"
"""The distributions, in ms: of runs from start to end, of attempts, of what waited for a worker."""
UNMEASURED: Final = "unmeasured"

_UNDO: Final = "undo_"
_RUN_COUNTS: Final[Mapping[str, str]] = {
    "run_started": "started",
    "run_retried": "retried",
    "sla_met": "sla_met",
    "sla_warned": "sla_warned",
    "sla_breached": "sla_breached",
}
_STEP_COUNTS: Final[Mapping[str, str]] = {
    "step_started": "started",
    "step_completed": "completed",
    "step_failed": "failed",
    "step_lost": "lost",
    "step_skipped": "skipped",
    "step_cancelled": "cancelled",
    "attempt_failed": "retries",
    "attempt_lost": "lost_attempts",
    "late_result": "late",
    "undo_waived": "waived",
    "sla_met": "sla_met",
    "sla_warned": "sla_warned",
    "sla_breached": "sla_breached",
}
_ENDS: Final = frozenset({"run_completed", "run_failed", "run_cancelled"})
_COMPENSATIONS: Final[Mapping[str, str]] = {"completed": "compensated", "failed": "compensation_failed"}
_GATES: Final = frozenset({SINK, REST})


@dataclass(frozen=True, slots=True)
class Origin:
    """What a run is of, and when it began."""

    workflow: str
    version: str
    created_at: int


def fold(entries: Iterable[FeedEntry], origins: Mapping[str, Origin]) -> dict[Place, Counter[str]]:
    """What these events add to the sums. Of a run that is not among the origins no more is known than that it was."""
    sums: defaultdict[Place, Counter[str]] = defaultdict(Counter)
    for entry in entries:
        hour, origin = entry.at_ms - entry.at_ms % HOUR_MS, origins.get(entry.run_id)
        if origin is None:
            found, step, workflow, version = Counter({UNMEASURED: 1}), "", "", ""
        else:
            step = _step_of(entry.event)
            found = _of_run(entry, origin) if not step else _of_step(entry.event, entry.at_ms)
            workflow, version = origin.workflow, origin.version
        if found:
            named = {f"{version}|{step}|{name}": number for name, number in found.items()}
            sums[workflow, hour].update(named)
            sums[workflow, EVER_STEPS if step else EVER].update(named)
    return dict(sums)


def _of_run(entry: FeedEntry, origin: Origin) -> Counter[str]:
    event, kind = entry.event, str(entry.event["type"])
    found = Counter[str]()
    if kind in _RUN_COUNTS:
        found[_RUN_COUNTS[kind]] += 1
    elif kind == "run_stopping" or (kind == "run_completed" and "compensation" not in event):
        found[str(event.get("reason", "completed"))] += 1
        _measure(found, DURATION, entry.at_ms - origin.created_at)
    elif kind in _ENDS and event.get("compensation") in _COMPENSATIONS:
        found[_COMPENSATIONS[event["compensation"]]] += 1
    return found


def _of_step(event: Mapping[str, Any], at_ms: int) -> Counter[str]:
    kind, found = str(event["type"]), Counter[str]()
    if kind == "items_completed":
        found["completed"] += len(event["items"])
        for took_ms in event.get("took_ms", ()):
            _measure(found, ATTEMPT, took_ms)
        return found
    if kind in _STEP_COUNTS:
        found[_STEP_COUNTS[kind]] += 1
        if "took_ms" in event:
            _measure(found, ATTEMPT, event["took_ms"])
    if kind == "step_started" and "in_hand" not in event:
        _measure(found, WAIT, max(0, at_ms - event.get("ready_at", at_ms)))
    if is_undo(str(event["step"])):
        found = Counter({f"{_UNDO}{name}": number for name, number in found.items()})
    return found


def _measure(found: Counter[str], name: str, value_ms: float) -> None:
    found[f"{name}|{bucket_of(value_ms)}"] += 1
    found[f"{name}|sum"] += round(value_ms * 1000)  # in µs: sums are whole numbers


def _step_of(event: Mapping[str, Any]) -> str:
    """The id of the step that an event tells of; empty if it is of the run, or of the engine's own steps."""
    address = event.get("step")
    if not isinstance(address, str) or is_drain(address):
        return ""
    if is_lane(address):
        address = address.rpartition("~~")[0]
    step = parse_address(address).step if "[" not in address.rpartition("/")[2] else ""
    return "" if step in _GATES else step


class MetricsReader:
    """Keeps the sums; each batch is added in the commit that moves its position."""

    name = NAME
    looks_back = True

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._known: dict[str, Origin] = {}

    def positions(self) -> dict[int, str]:
        """Shard → the id of the last event that is in the sums."""
        return self._metrics.positions(NAME)

    def take(self, batch: Batch) -> bool:
        """Add what the events come to; False if another process has done so."""
        self._learn(batch.entries)
        sums = fold(batch.entries, self._known)
        taken = self._metrics.add(NAME, batch.shard, batch.after, batch.upto, sums)
        lost = sums.get(("", EVER), Counter()).total()
        if taken and lost:
            log.warning("events_unmeasured", shard=batch.shard, events=lost)
        return taken

    def _learn(self, entries: Sequence[FeedEntry]) -> None:
        """Read what the runs are of that are not known yet."""
        if len(self._known) > KNOWN:
            self._known = dict(list(self._known.items())[KNOWN // 2 :])
        unknown = list({entry.run_id: None for entry in entries if entry.run_id not in self._known})
        if not unknown:
            return
        found = self._store.read_many(unknown, (fields.WORKFLOW, fields.VERSION, fields.CREATED_AT))
        for run_id, values in zip(unknown, found, strict=True):
            workflow, version, created_at = values.values()
            if workflow is not None and version is not None:
                self._known[run_id] = Origin(workflow, version, int(created_at or 0))
        for entry in entries:  # a run may be deleted by now; its start says what it was
            if entry.event["type"] == "run_started" and entry.run_id not in self._known:
                self._known[entry.run_id] = Origin(entry.event["workflow"], entry.event["version"], entry.at_ms)


def metrics_reader(client: RedisOrchestrator) -> MetricsReader:
    """The reader that keeps a client's sums."""
    return MetricsReader(client.store, client.sums)
