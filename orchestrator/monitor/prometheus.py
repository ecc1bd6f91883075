"""The series that Prometheus reads: what the reader of the feed has counted, and how things stand at this moment.

Names are those that https://prometheus.io/docs/practices/naming/ asks for: base units, `_total` on what only grows.
Counters are the sums since the beginning, which Redis keeps, so that every API process says the same and none begins at
zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from orchestrator.client.fleet import run_counts
from orchestrator.client.metrics import Tally
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.errors import Unreachable
from orchestrator.monitor.metrics import NAME, UNMEASURED
from orchestrator.store.metrics import EVER, EVER_STEPS
from orchestrator.store.positions import START
from orchestrator.store.sketches import Sketch

LIMITS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400)
"""The upper limits of every histogram's buckets."""

_PINNED: Final = ("workflow", "version")
_STEP: Final = (*_PINNED, "step")
_RUN_COUNTS: Final = (
    ("runs_started", "started", "Runs that were accepted."),
    ("runs_completed", "completed", "Runs that completed."),
    ("runs_failed", "failed", "Runs that stopped because they failed."),
    ("runs_cancelled", "cancelled", "Runs that stopped because somebody wanted it."),
    ("runs_retried", "retried", "Runs that were begun again after their end."),
    ("compensations_completed", "compensated", "Runs that were undone."),
    ("compensations_failed", "compensation_failed", "Runs that could not be undone altogether."),
    ("run_slas_met", "sla_met", "Runs that ended within their SLA."),
    ("run_slas_breached", "sla_breached", "Runs that took longer than their SLA."),
)
_STEP_COUNTS: Final = (
    ("attempts_started", "started", "Attempts of steps that were claimed."),
    ("steps_completed", "completed", "Steps that completed."),
    ("steps_failed", "failed", "Steps that failed for good."),
    ("attempts_retried", "retries", "Attempts that failed and were followed by another."),
    ("attempts_lost", "lost_attempts", "Attempts whose worker was lost, and that were taken up again."),
    ("steps_lost", "lost", "Steps that ended without anybody knowing their outcome."),
    ("late_results", "late", "Results that came when it was no longer their turn."),
    ("undos_failed", "undo_failed", "Undos that failed for good."),
    ("step_slas_met", "sla_met", "Steps that ended within their SLA."),
    ("step_slas_breached", "sla_breached", "Steps that took longer than their SLA."),
)
_STEP_TIMES: Final = (
    ("attempt_duration", "attempt", "How long attempts took, as their workers measured them."),
    ("queue_wait", "wait", "How long steps waited for a worker."),
)


class Exposition(Collector):
    """Everything, collected anew each time it is read."""

    def __init__(self, client: RedisOrchestrator) -> None:
        self._client = client

    def collect(self) -> Iterator[Metric]:
        """Family by family."""
        client, workflows = self._client, self._client.registry.workflows()
        places = [(workflow, place) for place in (EVER, EVER_STEPS) for workflow in workflows]
        unmeasured, *found = client.sums.read([("", EVER), *places])
        runs = dict(zip(workflows, map(Tally, found[: len(workflows)]), strict=True))
        steps = dict(zip(workflows, map(Tally, found[len(workflows) :]), strict=True))
        yield from _counts("", _RUN_COUNTS, _PINNED, _of_runs(runs))
        yield from _times("", (("run_duration", "duration", _RUN_TIME),), _PINNED, _of_runs(runs))
        yield from _counts("", _STEP_COUNTS, _PINNED, _of_all_steps(steps))
        yield from _times("", _STEP_TIMES, _PINNED, _of_all_steps(steps))
        if client.settings.metrics_steps:
            yield from _counts("step_", _STEP_COUNTS, _STEP, _of_steps(steps))
            yield from _times("step_", _STEP_TIMES, _STEP, _of_steps(steps))
        lost = CounterMetricFamily(
            _name("events_unmeasured"), "Events of runs that were deleted before they were read."
        )
        lost.add_metric((), sum(number for name, number in unmeasured.items() if name.endswith(f"|{UNMEASURED}")))
        yield lost
        yield from _stand(client)


_RUN_TIME: Final = "How long runs took from the accepted start to completion or stop."

_Place = tuple[tuple[str, ...], Tally, str, str | None]
"""The values of the labels; the sums, and of which version and step (None: all) of them."""


def _of_runs(tallies: dict[str, Tally]) -> list[_Place]:
    return [
        ((workflow, version), tally, version, "") for workflow, tally in tallies.items() for version in tally.versions
    ]


def _of_all_steps(tallies: dict[str, Tally]) -> list[_Place]:
    return [(labels, tally, version, None) for labels, tally, version, _ in _of_runs(tallies)]


def _of_steps(tallies: dict[str, Tally]) -> list[_Place]:
    return [
        ((workflow, version, step), tally, version, step)
        for workflow, tally in tallies.items()
        for version, step in tally.places
    ]


def _counts(
    prefix: str, named: Iterable[tuple[str, str, str]], labels: tuple[str, ...], places: list[_Place]
) -> Iterator[Metric]:
    for name, counter, says in named:
        own = name.removeprefix("steps_").removeprefix("step_") if prefix else name
        family = CounterMetricFamily(_name(prefix + own), says, labels=labels)
        for values, tally, version, step in places:
            family.add_metric(values, tally.count(counter, version=version, step=step))
        yield family


def _times(
    prefix: str, named: Iterable[tuple[str, str, str]], labels: tuple[str, ...], places: list[_Place]
) -> Iterator[Metric]:
    for name, measured, says in named:
        family = HistogramMetricFamily(_name(f"{prefix}{name}_seconds"), says, labels=labels)
        for values, tally, version, step in places:
            sketch = tally.sketch(measured, version=version, step=step)
            family.add_metric(values, _buckets(sketch), sketch.total / 1000)
        yield family


def _buckets(sketch: Sketch) -> list[tuple[str, float]]:
    """How many are not above each limit; a value within 1 % of a limit may be counted on its other side."""
    counted: list[tuple[str, float]] = [(str(float(limit)), sketch.at_most(limit * 1000)) for limit in LIMITS_S]
    return [*counted, ("+Inf", sketch.count)]


def _stand(client: RedisOrchestrator) -> Iterator[Metric]:
    """How things stand now; what the broker does not say is left out."""
    runs = GaugeMetricFamily(_name("runs"), "Runs that are kept, by status.", labels=("status",))
    processes = GaugeMetricFamily(_name("processes"), "Processes that announce themselves.", labels=("role",))
    depth = GaugeMetricFamily(_name("queue_depth"), "Messages that wait in a queue.", labels=("queue",))
    oldest = GaugeMetricFamily(_name("queue_oldest_seconds"), "Age of the oldest message.", labels=("queue",))
    dead = GaugeMetricFamily(_name("dead_letters"), "What was given up and waits for somebody.", labels=("kind",))
    reached = GaugeMetricFamily(_name("broker_up"), "Whether the broker answers.")
    lag = GaugeMetricFamily(_name("feed_lag_seconds"), "Age of the oldest event not read yet.", labels=("reader",))
    registry = client.registry
    for role, found in (
        ("worker", registry.workers()),
        ("beat", registry.beats()),
        ("listener", registry.listeners()),
    ):
        processes.add_metric((role,), len(found))
    for status, count in run_counts(client.store).items():
        runs.add_metric((status,), count)
    lag.add_metric((NAME,), feed_lag_ms(client) / 1000)
    try:
        queues = client.fleet.queues()
        reached.add_metric((), 1)
        for queue in queues.queues:
            depth.add_metric((queue.name,), queue.waiting)
            if queue.oldest_ms is not None:
                oldest.add_metric((queue.name,), queue.oldest_ms / 1000)
        for kind, number in queues.dead.items():
            dead.add_metric((kind,), number)
    except Unreachable:
        reached.add_metric((), 0)
    yield from (runs, processes, depth, oldest, dead, reached, lag)


def feed_lag_ms(client: RedisOrchestrator) -> int:
    """How long the oldest event has waited for the reader that counts."""
    held = client.sums.positions(NAME)
    at = {shard: held.get(shard, START) for shard in range(client.settings.shards)}
    unread = [
        entry.at_ms for shard, page in client.store.feeds(at, 2).items() for entry in page if entry.id != at[shard]
    ]
    return max(0, client.store.time_ms() - min(unread)) if unread else 0


def _name(name: str) -> str:
    return f"orchestrator_{name}"
