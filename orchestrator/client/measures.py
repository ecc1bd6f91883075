"""What a workflow did in a span of time: plain values, the same over Redis and over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution, in ms: the mean is exact, the quantiles are within 1 %."""

    count: int
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class StepMeasures:
    """What a step did, its undo aside: each visit, item and attempt by itself."""

    step: str
    started: int
    """Attempts that were claimed; items that were executed in batches are not told of."""
    completed: int
    failed: int
    """Failed or lost for good."""
    cancelled: int
    skipped: int
    retries: int
    """Attempts that failed and were followed by another."""
    lost_attempts: int
    """Attempts whose worker was lost, and that were taken up again."""
    late: int
    """Results that came when it was no longer their turn."""
    undone: int
    undo_failed: int
    sla_met: int
    sla_breached: int
    success_rate: float | None
    """completed / (completed + failed)."""
    retry_rate: float | None
    """retries / (completed + failed + retries): the share of attempts that was to be made again."""
    sla_compliance: float | None
    """sla_met / (sla_met + sla_breached)."""
    duration: Spread | None
    """Of attempts, as their workers measured them."""
    queue_wait: Spread | None
    """From ready to claimed; 0 where that is one commit, and not measured of what waited in a worker's hand."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What the runs of a workflow did, of one version or of all."""

    version: str | None
    """None: of all."""
    started: int
    completed: int
    failed: int
    cancelled: int
    retried: int
    """Runs that were begun again after their end."""
    compensated: int
    compensation_failed: int
    retries: int
    """Of all steps, as the next three are."""
    lost_attempts: int
    late: int
    undo_failed: int
    sla_met: int
    sla_breached: int
    sla_warned: int
    success_rate: float | None
    """completed / (completed + failed): a cancelled run is neither, somebody wanted it to end."""
    retry_rate: float | None
    """Of all steps: retries / (completed + failed + retries)."""
    sla_compliance: float | None
    """sla_met / (sla_met + sla_breached), of runs."""
    compensation_rate: float | None
    """(compensated + compensation_failed) / (completed + failed + cancelled)."""
    duration: Spread | None
    """Of runs: from the accepted start to completion, or to the stop; undoing is not counted."""
    queue_wait: Spread | None
    """Of all steps."""


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of a workflow, or of all, by its first moment."""

    at: str
    started: int
    completed: int
    failed: int
    cancelled: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    sla_met: int
    sla_breached: int


@dataclass(frozen=True, slots=True)
class OverallStats:
    """What all workflows did from one moment to another, in whole hours, and the runs that are under way now."""

    since: str
    until: str
    live: Mapping[str, int]
    """Runs that are not over, by status. Those that are paused are counted under the status that they go on with,
    and as such as well; but not for a key of some workflows only."""
    total: Measures
    workflows: Mapping[str, Measures]
    """Of each workflow that did something."""
    hours: tuple[Hour, ...]

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class WorkflowStats:
    """What a workflow did from one moment to another, in whole hours. Moments are RFC 3339 in UTC."""

    workflow: str
    since: str
    until: str
    total: Measures
    versions: tuple[Measures, ...]
    steps: tuple[StepMeasures, ...]
    hours: tuple[Hour, ...]
    """Every hour, those in which nothing happened included."""

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return asdict(self)
