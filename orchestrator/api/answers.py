"""What responses carry, where the client has no type for it that says the same."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from orchestrator.client.jobs import Job
from orchestrator.client.shown import (
    AlertDescription,
    ChannelDescription,
    DeadEvent,
    DeliveryDescription,
    Finding,
    OpenApproval,
    RunSummary,
    ScheduleDescription,
    TriggerMiss,
    WorkerStats,
)
from orchestrator.client.shown_fleet import QueueSample, WorkerDescription
from orchestrator.errors import Problem
from orchestrator.store.port import HistoryEntry


class Started(BaseModel):
    """A run that was accepted; it is not lost from here on."""

    run_id: str
    workflow: str
    version: str
    status: str


class Outcome(Started):
    """A run that has ended."""

    compensation: str
    output: Any = None
    error: Any = None


class StartedMany(BaseModel):
    """The runs, in the order in which they were asked for."""

    runs: list[Started]


class RunPage(BaseModel):
    """Some of the runs; without a cursor these were the last."""

    runs: list[RunSummary]
    cursor: str | None = Field(description="Where to go on. A page may be short though there are more.")


class Stand(BaseModel):
    """Where a run stands."""

    run_id: str
    status: str
    compensation: str
    incarnation: int


class Event(BaseModel):
    """Something that happened; what else it says depends on its type."""

    model_config = {"extra": "allow"}

    id: str
    at_ms: int
    type: str


class History(BaseModel):
    """Some of what happened, oldest first; without `after` that was all so far."""

    events: list[Event]
    after: str | None = Field(description="Where to go on.")


def told(entry: HistoryEntry) -> dict[str, Any]:
    """An event of a run's history as it is told: flat; an `id` of its own, such as a signal's, as `event_id`."""
    own = {("event_id" if name == "id" else name): value for name, value in entry.event.items()}
    return {"id": entry.id, "at_ms": entry.at_ms, **own}


class ApprovalList(BaseModel):
    """Open approvals, newest runs first."""

    approvals: list[OpenApproval]
    cursor: str | None = Field(default=None, description="Of the page behind this one, which may be short.")


class Link(BaseModel):
    """What a link carries by which one person may decide one approval without a key."""

    run_id: str
    step: str
    user: str
    token: str


class ScheduleList(BaseModel):
    """Schedules, by workflow and name."""

    schedules: list[ScheduleDescription]
    cursor: str | None = Field(default=None, description="Of the page behind this one; none: there are no more.")


class Triggered(BaseModel):
    """The run that was started."""

    run_id: str


class Backfilled(BaseModel):
    """How many slots the range has; the leading beat starts their runs."""

    slots: int


class TakenEvent(BaseModel):
    """An external event that was taken in."""

    id: str
    source: str
    type: str


class TakenEvents(BaseModel):
    """In the order in which they came."""

    events: list[TakenEvent]


class StreamEntry(BaseModel):
    """An entry of the stream of events."""

    entry_id: str
    received_at: str
    event: dict[str, Any] | None = Field(description="In CloudEvents' JSON format; null if it is no CloudEvent.")
    body: str = Field(description="As it came.")
    only: str = Field(description="`workflow/trigger` if it is replayed for that one alone.")


class EventTail(BaseModel):
    """What came in, oldest first."""

    entries: list[StreamEntry]
    after: str = Field(description="Where to go on.")


class DeadEvents(BaseModel):
    """What was given up, oldest first."""

    events: list[DeadEvent]


class TriggerMisses(BaseModel):
    """The last event of each trigger whose filter had no answer for one."""

    misses: list[TriggerMiss]


class Counted(BaseModel):
    """How many it were."""

    count: int


class WorkflowList(BaseModel):
    """Workflows by key."""

    workflows: list[str]


class VersionShown(BaseModel):
    """A published version."""

    key: str
    version: str
    digest: str
    published_at: str
    deprecated_at: str | None
    definition: dict[str, Any] = Field(description="The canonical JSON that the digest is of.")
    operations: dict[str, Any]


class Graph(BaseModel):
    """The compiled plan, the Celery canvas, and a chart of both in Mermaid."""

    plan: dict[str, Any]
    canvas: dict[str, Any]
    mermaid: str


class TrafficShown(BaseModel):
    """How new runs that name no version are shared out; no weights: the highest stable version takes all."""

    workflow: str
    weights: dict[str, float] | None
    by: str | None


class PublishedOne(BaseModel):
    """A version that was stored, or was there already with the very same content."""

    key: str
    version: str
    digest: str
    created: bool
    warnings: list[Problem]


class PublishedMany(BaseModel):
    """The versions of the document."""

    published: list[PublishedOne]


class SampleList(BaseModel):
    """A queue in the last hour, oldest first."""

    samples: list[QueueSample]


class WorkerList(BaseModel):
    """Workers, the lost of the last day too; live beats and listeners."""

    workers: list[WorkerDescription]
    beats: list[WorkerStats]
    listeners: list[WorkerStats]


class Inspection(BaseModel):
    """What Celery's `inspect` has of a worker."""

    inspected: dict[str, Any]


class Examination(BaseModel):
    """What the doctor found."""

    healthy: bool
    findings: list[Finding]


class JobList(BaseModel):
    """Jobs, the newest first."""

    jobs: list[Job]


class AlertList(BaseModel):
    """Some of the alerts, newest first; without a cursor these were the last."""

    alerts: list[AlertDescription]
    cursor: str | None = Field(description="Where to go on. A page may be short though there are more.")


class ChannelList(BaseModel):
    """Where alerts go."""

    channels: list[ChannelDescription]


class DeliveryList(BaseModel):
    """Messages to channels."""

    deliveries: list[DeliveryDescription]


class Sending(BaseModel):
    """The message that a listener is about to send."""

    delivery: str


class Health(BaseModel):
    """How this process is."""

    status: str


class AuditShown(BaseModel):
    """Who did what."""

    id: str
    at: str
    action: str
    target: str
    user: str
    key: str
    source: str
    agent: str
    reason: str
    outcome: str


class AuditPage(BaseModel):
    """Some of the audit log, newest first; without `before` these were the oldest that are kept."""

    entries: list[AuditShown]
    before: str | None


class KeyShown(BaseModel):
    """An API key, without its secret."""

    id: str
    user: str
    role: str
    groups: list[str]
    workflows: list[str]
    created_by: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None


class KeyMade(KeyShown):
    """An API key with its secret, which is shown this once."""

    token: str


class KeyList(BaseModel):
    """Keys, the oldest first."""

    keys: list[KeyShown]
