"""Why a run does not move, as a value: what is told of the run, and of each step that is live."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.client.plain import Plain


class Reason(StrEnum):
    """What a live step, or a run, waits for."""

    RUNNING = "running"  # a worker executes it
    LEASE_OVER = "lease_over"  # its worker has not been heard of; the sweeper takes it up again
    QUEUED = "queued"  # its message waits in a queue that a worker takes from
    NO_WORKER = "no_worker"  # no worker runs at all
    QUEUE_WITHOUT_WORKER = "queue_without_worker"  # workers run, but none takes from its queue
    OPERATION_NOT_SERVED = "operation_not_served"  # of those that take from its queue none has its operation
    BROKER_UNREACHABLE = "broker_unreachable"  # nobody knows what waits in its queue
    TIMER = "timer"  # a moment
    RETRY = "retry"  # the moment of its next attempt
    LIMIT = "limit"  # others hold the slots of a limit
    EVENT = "event"  # an external event that fits
    LOOKING_BACK = "looking_back"  # a look at the events that had come before it began to wait
    SIGNAL = "signal"  # a signal to the run
    APPROVAL = "approval"  # people
    CHILD = "child"  # the end of the run that it has started, or of that run's undo
    INSIDE = "inside"  # what goes on in its branches or items
    PAUSED = "paused"  # somebody lets the run go on
    STOPPING = "stopping"  # what is in flight ends first; nothing new begins
    UNDOING = "undoing"  # what was done is being undone
    UNDO_BY_HAND = "undo_by_hand"  # the run is over; its undo waits for an operator
    UNDO_FAILED = "undo_failed"  # the run is over; undos failed for good and wait for an operator
    SEVERAL = "several"  # of a run: its steps wait for different things
    UNWATCHED = "unwatched"  # nobody will look at it; the sweeper's slow scan repairs that
    OVER = "over"  # nothing: the run has ended


@dataclass(frozen=True, slots=True)
class WhyStep:
    """Why one live step is where it is. Moments are RFC 3339 in UTC."""

    address: str
    state: str
    reason: Reason
    sentence: str
    advice: str = ""
    """What somebody may do about it."""
    since: str | None = None
    """Since when it runs or waits, if that is known."""
    until: str | None = None
    """The moment that it waits for, if it waits for one; of one that runs, when its attempt is over at the latest."""
    next_look_at: str | None = None
    """When the sweeper looks at it if nothing else happens; None: only something else moves it."""
    worker: str | None = None
    """Who executes it."""
    queue: str | None = None
    """Where its message is."""
    child_run: str | None = None
    """The run whose end it waits for."""


@dataclass(frozen=True, slots=True)
class Why(Plain):
    """Why a run is where it is, as it stood `at` a moment."""

    run_id: str
    status: str
    reason: Reason
    sentence: str
    steps: tuple[WhyStep, ...]
    at: str
    next_look_at: str | None = None
    """When the sweeper looks at the run if nothing else happens; None: only something else moves it."""
    live: int = 0
    """How many steps are live; of very many, the first are told."""
    advice: str = ""
    hints: tuple[str, ...] = ()
    """What stands in the way of all runs."""
