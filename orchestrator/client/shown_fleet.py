"""What the client tells of queues and workers: plain values, the same over Redis and over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.client.plain import Plain


class WorkerState(StrEnum):
    """What a worker does."""

    ONLINE = "online"  # takes messages
    DRAINING = "draining"  # was told to take nothing new; ends what it has
    STOPPING = "stopping"  # ends what it has, then itself
    LOST = "lost"  # fell silent without a farewell: killed, frozen, or cut off


@dataclass(frozen=True, slots=True)
class QueueDescription:
    """One queue. What the broker does not tell is None: of RabbitMQ, priorities and age."""

    name: str
    waiting: int
    by_priority: Mapping[str, int] | None
    """Priorities, the highest first, as `9-7` → how many messages of these wait."""
    oldest_ms: int | None
    """How long ago the message was sent that waits for longest."""
    unacknowledged: int
    """Messages that workers hold, begun or not."""
    in_per_s: float | None
    out_per_s: float | None
    """Messages a second, over the last minute: those that came, those that workers took."""
    workers: tuple[str, ...]
    """Those that take from it."""
    workflows: tuple[str, ...]
    """The versions in use whose steps are sent to it, as `payment.flow@1.0.0`."""


@dataclass(frozen=True, slots=True)
class Queues(Plain):
    """All queues that are known: to live workers, or to versions in use."""

    queues: tuple[QueueDescription, ...]
    dead: Mapping[str, int]
    """What was given up, and waits for somebody to look at it: `events`, external events."""


@dataclass(frozen=True, slots=True)
class QueueSample:
    """A queue at one moment of the last hour: RFC 3339 in UTC, ten seconds apart."""

    at: str
    waiting: int
    in_per_s: float | None
    out_per_s: float | None
    """Since the sample before."""


@dataclass(frozen=True, slots=True)
class ActiveMessage:
    """A message that a worker works off. It may have gone on to later steps of the run than the one it began with."""

    name: str
    """The step, as `payment.flow@1.0.0/charge`; of a task that is none of ours, its name."""
    run_id: str | None
    step: str | None
    since: str | None
    pid: int | None


@dataclass(frozen=True, slots=True)
class HeldLease:
    """A step under way that has lasted for a heartbeat (5 s): when it was begun, and until when its worker has it."""

    run_id: str
    workflow: str
    step: str
    since: str
    until: str
    """Unless it is renewed, which happens every few seconds."""
    pid: int


@dataclass(frozen=True, slots=True)
class WorkerDescription(Plain):
    """One worker, as it said at `seen_at`. Moments are RFC 3339 in UTC."""

    name: str
    state: WorkerState
    host: str
    pid: int
    seen_at: str
    lost_since: str | None
    started_at: str | None
    pool: str
    """prefork, threads, solo, gevent or eventlet."""
    concurrency: int
    queues: tuple[str, ...]
    paused_queues: tuple[str, ...]
    """Those that it took from before it was drained."""
    operations: tuple[str, ...]
    """As `payments.charge@1.2.0`."""
    processed: int
    prefetched: int
    active: tuple[ActiveMessage, ...]
    leases: tuple[HeldLease, ...]
    rss_bytes: int | None
    cpu_percent: float | None
    """Of one processor; all its processes together."""
    load: float | None
    """Of its machine, over the last minute."""
    software: str
    serves: tuple[str, ...] | None = None
    """The versions in use that it has every operation of, as `payment.flow@1.0.0`; only of one that is asked for."""
