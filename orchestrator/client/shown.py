"""What the client answers with: plain values, the same over Redis and over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orchestrator.client.plain import Plain
from orchestrator.errors import Problem
from orchestrator.spec.cloudevents import CloudEvent


@dataclass(frozen=True, slots=True)
class SlaEscalation:
    """An escalation that was made. The moment is RFC 3339 in UTC."""

    to: str
    at: str


@dataclass(frozen=True, slots=True)
class SlaDescription:
    """How a run or step does by its SLA. Moments are RFC 3339 in UTC."""

    state: str
    """`ok`, `warned`, `breached`, or `met`: it ended in time."""
    due_at: str
    """When it is breached, or would have been."""
    warned_at: str | None
    breached_at: str | None
    """When the breach was seen: within about a second, by its end at the latest."""
    escalations: tuple[SlaEscalation, ...]


@dataclass(frozen=True, slots=True)
class StepDescription:
    """One step, or one undo."""

    address: str
    kind: str
    operation: str | None
    state: str
    attempt: int
    started_at: str | None
    ended_at: str | None
    duration_ms: int | None
    waits_until: str | None
    output: Any
    error: Any
    undoes: str | None
    waived_by: str | None = None
    """Of an undo that was done by hand: who said so."""
    child_run: str | None = None
    """Of a step that runs a workflow: the run that it started last; of its undo, the run that is undone."""
    waits_for: Mapping[str, Any] | None = None
    """Of a step that waits for something from outside: `event`, `source`, `filter`, `correlation`; or `signals`."""
    near_miss: Mapping[str, Any] | None = None
    """Why the latest event of the right type was not for it: `event` (its id), `part`, `wanted`, `found`."""
    sla: SlaDescription | None = None
    """Of a step that has an SLA and was reached."""


@dataclass(frozen=True, slots=True)
class RunDescription(Plain):
    """One run. Moments are RFC 3339 in UTC, durations in ms."""

    run_id: str
    workflow: str
    version: str
    status: str
    compensation: str
    created_at: str
    ended_at: str | None
    duration_ms: int
    started_by: str
    input: Any
    ctx: Any
    output: Any
    error: Any
    attention: str | None
    steps: tuple[StepDescription, ...]
    incarnation: int = 1
    """How often it was begun: a retry and an undo by hand are new incarnations."""
    paused_at: str | None = None
    parent: str | None = None
    """The run that started it, if one did."""
    parent_step: str | None = None
    sla: SlaDescription | None = None
    """Of a run whose workflow has an SLA."""
    archived: bool = False
    """Whether it is kept in the archive alone: it can be read, and not acted on."""


@dataclass(frozen=True, slots=True)
class QueueStats:
    """One queue: what waits in it, and which workers take from it."""

    name: str
    waiting: int
    workers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WorkerStats:
    """One live worker, beat or listener, as it said at `seen_at`."""

    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    operations: tuple[str, ...]
    concurrency: int
    seen_at: str


@dataclass(frozen=True, slots=True)
class Stats(Plain):
    """The fleet at one moment. Runs that are paused are counted as such and under the status that they go on with."""

    runs: Mapping[str, int]
    queues: tuple[QueueStats, ...]
    workers: tuple[WorkerStats, ...]
    beats: tuple[WorkerStats, ...]
    leader: str | None = None
    """The beat that fires the schedules."""
    listeners: tuple[WorkerStats, ...] = ()
    archived: int | None = None
    """How many of the runs are kept in the archive alone; null if none is set, or it does not answer."""


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"  # runs go on, but something is not as it should be
    ERROR = "error"  # runs get stuck or may be lost


@dataclass(frozen=True, slots=True)
class Finding(Plain):
    """One thing that was looked at: what was found, and what to do unless it is well."""

    level: Level
    code: str
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class RunSummary(Plain):
    """A run as lists show it. Moments are RFC 3339 in UTC, durations in ms."""

    run_id: str
    workflow: str
    version: str
    status: str
    compensation: str
    created_at: str
    ended_at: str | None
    duration_ms: int
    started_by: str
    error: Any
    attention: str | None
    sla: str | None = None
    """How it does by its own SLA, if it has one: `ok`, `warned`, `breached` or `met`."""
    archived: bool = False
    """Whether it is kept in the archive alone."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the runs, sorted, and where to go on; no cursor: there are no more."""

    runs: tuple[RunSummary, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class VersionStatus(Plain):
    """One version of a workflow. Moments are RFC 3339 in UTC."""

    version: str
    stability: str
    """As its definition says; a mark does not change it."""
    digest: str
    published_at: str
    deprecated_at: str | None
    """Since when it is marked as deprecated."""
    takes_percent: float
    """Of the new runs that name no version."""
    live_runs: int
    """Runs that are not over; with none, and nobody starting any, it is drained."""


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing came to."""

    key: str
    version: str
    digest: str
    created: bool
    """Whether it is new; False if the very same was published before."""
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenApproval(Plain):
    """An approval that waits for a decision. Moments are RFC 3339 in UTC."""

    run_id: str
    workflow: str
    version: str
    step: str
    title: str
    mode: str
    users: tuple[str, ...]
    groups: tuple[str, ...]
    asked_at: str
    due_at: str | None
    decisions: tuple[dict[str, Any], ...]
    form: dict[str, Any] | None
    """JSON Schema of what a decision is to come with."""
    started_by: str | None = None
    """Who started the run."""
    barred: str | None = None
    """The starter, if they may not decide."""
    remind_at: str | None = None
    """When those who have not decided are reminded."""
    escalate_at: str | None = None
    """When further people are asked."""
    escalate_to: dict[str, list[str]] | None = None
    """Whom: `users` and `groups`."""
    refused: str | None = None
    """In a list of all: why whoever asks may not decide it."""


@dataclass(frozen=True, slots=True)
class ApprovalPage:
    """Open approvals, newest runs first; the cursor is of the page behind it, which a short page may have too."""

    approvals: tuple[OpenApproval, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class TakenIn:
    """An entry of the stream of events."""

    entry_id: str
    received_at: str
    """RFC 3339, in UTC."""
    event: CloudEvent | None
    """None if it is no CloudEvent."""
    body: str
    only: str = ""
    """`workflow/trigger` if it is replayed for that one alone."""

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        shown = {"event": self.event.to_json()} if self.event else {"event": None, "body": self.body}
        return {"entry": self.entry_id, "received_at": self.received_at, **shown, "only": self.only or None}


@dataclass(frozen=True, slots=True)
class TriggerMiss(Plain):
    """An event that the filter of a trigger had no answer for, so that it started nothing."""

    trigger: str
    """`workflow/trigger`."""
    entry_id: str
    at: str
    """When the event came in: RFC 3339, in UTC."""
    error: str


@dataclass(frozen=True, slots=True)
class DeadEvent(Plain):
    """An event that was given up: by a trigger (`workflow/trigger`), or altogether."""

    id: str
    entry_id: str
    at: str
    """When it was given up: RFC 3339, in UTC."""
    reason: str
    attempts: int
    trigger: str | None
    body: str


@dataclass(frozen=True, slots=True)
class DeliveryDescription(Plain):
    """A message to a channel. Moments are RFC 3339 in UTC."""

    id: str
    """Whoever receives it knows it by this, also if it comes twice."""
    channel: str
    kind: str
    """That of its alerts, or `test`."""
    state: str
    """pending, sending, sent or dead: given up, until somebody replays it."""
    alerts: tuple[str, ...]
    """The ids of those that it names: the first of `count`."""
    count: int
    attempts: int
    created_at: str
    due_at: str | None
    """When it is sent, or tried again."""
    sent_at: str | None
    error: str | None
    """Why the last attempt failed."""


@dataclass(frozen=True, slots=True)
class AlertDescription(Plain):
    """Something that a person should know of. Moments are RFC 3339 in UTC."""

    id: str
    kind: str
    level: str
    """warning, error or critical."""
    state: str
    """open, acknowledged or resolved."""
    title: str
    text: str
    workflow: str | None
    version: str | None
    run_id: str | None
    step: str | None
    count: int
    """How often it happened."""
    first_at: str
    last_at: str
    acknowledged_by: str | None
    acknowledged_at: str | None
    resolved_by: str | None
    resolved_at: str | None
    comment: str | None
    deliveries: tuple[DeliveryDescription, ...]


@dataclass(frozen=True, slots=True)
class AlertPage:
    """Some of the alerts, newest first, and where to go on; no cursor: there are no more."""

    alerts: tuple[AlertDescription, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class ChannelDescription(Plain):
    """Where alerts go. Of the URL nothing is shown that may be secret."""

    name: str
    url: str
    on: tuple[str, ...]
    min_level: str


@dataclass(frozen=True, slots=True)
class SchedulePage:
    """Some of the schedules, by workflow and name, and where to go on; no cursor: there are no more."""

    schedules: tuple[ScheduleDescription, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class ScheduleDescription(Plain):
    """A schedule, as it stands. Moments are RFC 3339 in UTC."""

    workflow: str
    name: str
    state: str
    """active, paused, or retired: no version that new runs take has it any more."""
    definition: Mapping[str, Any]
    """As the version says."""
    paused: Mapping[str, str] | None
    """By whom, why and since when."""
    next: tuple[str, ...]
    """The moments of the next fires, jitter included."""
    waiting: str | None
    """The slot that waits for the end of a run."""
    last: str | None
    """The last slot that was decided."""
    backfills: int
    """Ranges that are being filled up."""
    counts: Mapping[str, int]
    """Slots by what became of them."""
    recent: tuple[Mapping[str, Any], ...]
    """The last slots, the newest first, and what became of each."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot that is past."""

    slot: str
    run_id: str | None
    """Its run, if that is there: a backfill passes the slot over."""


@dataclass(frozen=True, slots=True)
class Slots(Plain):
    """The slots of a range: what a backfill of it is about."""

    count: int
    """At most one more than a backfill may have."""
    slots: tuple[Slot, ...]
    """The first of them."""
