"""What workflows did in a span of time, out of the sums that the reader of the feed keeps by the hour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from orchestrator.client.closed import ClosedSums
from orchestrator.client.measures import Hour, Measures, OverallStats, Spread, StepMeasures, WorkflowStats
from orchestrator.client.pieces import Pieces, summed
from orchestrator.client.search import moment_ms
from orchestrator.client.surface import Moment
from orchestrator.engine.roots import rfc3339
from orchestrator.errors import InvalidRequest
from orchestrator.store.metrics import Metrics
from orchestrator.store.rollups import DAY_MS, HOUR_MS
from orchestrator.store.sketches import ZERO, Sketch, merged

LONGEST_HOURS: Final = 24 * 366
_UNDO: Final = "undo_"
_SHARES: Final = (0.5, 0.95, 0.99)
_SUM: Final = ZERO - 1
"""In place of a bucket: what the values add up to."""


class Tally:
    """Sums by version, step and name, put together again from the fields that they were kept in."""

    def __init__(self, sums: Mapping[str, int]) -> None:
        self.counts: dict[tuple[str, str], dict[str, int]] = {}
        self.sketches: dict[tuple[str, str], dict[str, Sketch]] = {}
        for field, number in sums.items():
            place, name, bucket = _parsed(field)
            if bucket is None:
                self.counts.setdefault(place, {})[name] = number
                continue
            sketches = self.sketches.setdefault(place, {})
            sketch = sketches.get(name)
            if sketch is None:
                sketch = sketches[name] = Sketch()
            if bucket == _SUM:
                sketch.total = number / 1000
            else:
                sketch.counts[bucket] = number

    @property
    def places(self) -> list[tuple[str, str]]:
        """Each version and step that something is known of."""
        return sorted({*self.counts, *self.sketches})

    @property
    def versions(self) -> list[str]:
        """Each version that something is known of."""
        return sorted({version for version, _ in self.places})

    def count(self, name: str, *, version: str | None = None, step: str | None = "") -> int:
        """A sum over versions, or of one; of runs (`""`), of one step, or of all steps (None)."""
        return sum(
            counts.get(name, 0) for place, counts in self.counts.items() if _is_of(place, version=version, step=step)
        )

    def sketch(self, name: str, *, version: str | None = None, step: str | None = "") -> Sketch:
        """A distribution, likewise."""
        found = (held for place, held in self.sketches.items() if _is_of(place, version=version, step=step))
        return merged(held[name] for held in found if name in held)


@lru_cache(maxsize=100_000)
def _parsed(field: str) -> tuple[tuple[str, str], str, int | None]:
    """Version and step, name, and bucket, if it is of a distribution."""
    version, step, name, *bucket = field.split("|")
    if not bucket:
        return (version, step), name, None
    return (version, step), name, _SUM if bucket == ["sum"] else int(bucket[0])


def workflow_stats(
    metrics: Metrics, workflow: str, now_ms: int, since: Moment | None, until: Moment | None
) -> WorkflowStats:
    """What a workflow did: in the last 24 hours, unless it is said since when and until when."""
    hours = _hours(now_ms, since, until)
    pieces = Pieces(metrics, hours, now_ms)
    whole = Tally(pieces.everything(workflow))
    steps = sorted({step for _, step in whole.places if step})
    return WorkflowStats(
        workflow=workflow,
        since=rfc3339(hours[0]),
        until=rfc3339(hours[-1] + HOUR_MS),
        total=_measures(whole, None),
        versions=tuple(_measures(whole, version) for version in whole.versions),
        steps=tuple(_step(whole, step) for step in steps),
        hours=_hours_of(hours, pieces.by_hour([workflow])),
    )


def overall_stats(
    metrics: Metrics,
    live: Mapping[str, int],
    workflows: Sequence[str],
    now_ms: int,
    since: Moment | None,
    until: Moment | None,
    *,
    are_all: bool,
    closed: ClosedSums | None = None,
) -> OverallStats:
    """What these workflows did together, and each of them; `are_all`: no others have been counted."""
    hours = _hours(now_ms, since, until)
    pieces = Pieces(metrics, hours, now_ms, closed)
    by_workflow = pieces.whole(workflows)
    return OverallStats(
        since=rfc3339(hours[0]),
        until=rfc3339(hours[-1] + HOUR_MS),
        live=live,
        total=_measures(Tally(summed(by_workflow.values())), None),
        workflows={key: _measures(Tally(sums), None) for key, sums in by_workflow.items() if sums},
        hours=_hours_of(hours, pieces.by_hour(workflows, are_all=are_all)),
    )


def measures_of(
    metrics: Metrics, workflows: Sequence[str], now_ms: int, since: Moment, closed: ClosedSums
) -> dict[str, Measures]:
    """What each of these workflows did since then."""
    whole = Pieces(metrics, _hours(now_ms, since, None), now_ms, closed).whole(workflows)
    return {key: _measures(Tally(sums), None) for key, sums in whole.items()}


def _hours(now_ms: int, since: Moment | None, until: Moment | None) -> range:
    """The first moments of the hours of a span; the last 24 hours, unless it is said."""
    until_ms = now_ms if until is None else moment_ms(until, now_ms, "until")
    since_ms = until_ms - DAY_MS if since is None else moment_ms(since, now_ms, "since")
    if since_ms >= until_ms:
        raise InvalidRequest("since must be before until")
    hours = range(since_ms - since_ms % HOUR_MS, until_ms, HOUR_MS)
    if len(hours) > LONGEST_HOURS:
        raise InvalidRequest(f"at most {LONGEST_HOURS} hours at once, not {len(hours)}")
    return hours


def _is_of(place: tuple[str, str], *, version: str | None, step: str | None) -> bool:
    return version in (None, place[0]) and (place[1] != "" if step is None else place[1] == step)


def _measures(tally: Tally, version: str | None) -> Measures:
    def runs(name: str) -> int:
        return tally.count(name, version=version)

    def steps(name: str) -> int:
        return tally.count(name, version=version, step=None)

    completed, failed, cancelled = runs("completed"), runs("failed"), runs("cancelled")
    undone = runs("compensated") + runs("compensation_failed")
    return Measures(
        version=version,
        started=runs("started"),
        completed=completed,
        failed=failed,
        cancelled=cancelled,
        retried=runs("retried"),
        compensated=runs("compensated"),
        compensation_failed=runs("compensation_failed"),
        retries=steps("retries"),
        lost_attempts=steps("lost_attempts"),
        late=steps("late"),
        undo_failed=steps(f"{_UNDO}failed") + steps(f"{_UNDO}lost"),
        sla_met=runs("sla_met"),
        sla_breached=runs("sla_breached"),
        sla_warned=runs("sla_warned"),
        success_rate=_share(completed, completed + failed),
        retry_rate=_share(steps("retries"), steps("completed") + steps("failed") + steps("lost") + steps("retries")),
        sla_compliance=_share(runs("sla_met"), runs("sla_met") + runs("sla_breached")),
        compensation_rate=_share(undone, completed + failed + cancelled),
        duration=spread(tally.sketch("duration", version=version)),
        queue_wait=spread(tally.sketch("wait", version=version, step=None)),
    )


def _step(tally: Tally, step: str) -> StepMeasures:
    def of(name: str) -> int:
        return tally.count(name, step=step)

    completed, failed, retries = of("completed"), of("failed") + of("lost"), of("retries")
    return StepMeasures(
        step=step,
        started=of("started"),
        completed=completed,
        failed=failed,
        cancelled=of("cancelled"),
        skipped=of("skipped"),
        retries=retries,
        lost_attempts=of("lost_attempts"),
        late=of("late"),
        undone=of(f"{_UNDO}completed"),
        undo_failed=of(f"{_UNDO}failed") + of(f"{_UNDO}lost"),
        sla_met=of("sla_met"),
        sla_breached=of("sla_breached"),
        success_rate=_share(completed, completed + failed),
        retry_rate=_share(retries, completed + failed + retries),
        sla_compliance=_share(of("sla_met"), of("sla_met") + of("sla_breached")),
        duration=spread(tally.sketch("attempt", step=step)),
        queue_wait=spread(tally.sketch("wait", step=step)),
    )


def _hours_of(hours: Iterable[int], found: Iterable[Mapping[str, int]]) -> tuple[Hour, ...]:
    return tuple(_hour(hour, Tally(sums)) for hour, sums in zip(hours, found, strict=True))


def _hour(hour: int, tally: Tally) -> Hour:
    p50, p95, p99 = map(_rounded, tally.sketch("duration").quantiles(*_SHARES))
    return Hour(
        at=rfc3339(hour),
        started=tally.count("started"),
        completed=tally.count("completed"),
        failed=tally.count("failed"),
        cancelled=tally.count("cancelled"),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        sla_met=tally.count("sla_met"),
        sla_breached=tally.count("sla_breached"),
    )


def spread(sketch: Sketch) -> Spread | None:
    """A sketch as it is shown; None if nothing was measured."""
    p50, p95, p99 = map(_rounded, sketch.quantiles(*_SHARES))
    mean = _rounded(sketch.mean)
    if mean is None or p50 is None or p95 is None or p99 is None:
        return None
    return Spread(sketch.count, mean, p50, p95, p99)


def _rounded(value_ms: float | None) -> float | None:
    return None if value_ms is None else round(value_ms, 3)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
