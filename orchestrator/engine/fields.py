"""The names of a run's fields. Values are text: JSON where the docstring says so, moments in ms of Redis's clock."""

from __future__ import annotations

from typing import Final

from orchestrator.engine.commit import CREATED_AT, INCARNATION, PAUSED, count_field

__all__ = ["CREATED_AT", "INCARNATION", "PAUSED"]

WORKFLOW: Final = "workflow"
VERSION: Final = "version"
DIGEST: Final = "digest"
STATUS: Final = "status"
STOPPING: Final = "stopping"  # "1" from the moment that nothing new may start
REASON: Final = "reason"  # failed or cancelled: the status that a stopping run ends with
COMPENSATION: Final = "compensation"
INPUT: Final = "input"  # JSON
CTX: Final = "ctx"  # JSON
OUTPUT: Final = "output"  # JSON
ERROR: Final = "error"  # JSON
STARTED_BY: Final = "started_by"
ENDED_AT: Final = "ended_at"
RUN_DEADLINE: Final = "deadline"
UNDO_LIST: Final = "undo"  # JSON list of addresses, newest completion first
UNDO_FAILED: Final = "undo_failed"  # "1" once an undo has failed for good
ATTENTION: Final = "attention"

LIVE_SET: Final = "live"
LIVE_COUNT: Final = count_field(LIVE_SET)

HEAD: Final = (INCARNATION, WORKFLOW, VERSION, DIGEST, STATUS, STOPPING, PAUSED, REASON, UNDO_LIST, UNDO_FAILED)
"""What every look at a run begins with."""

_STEP_HEAD: Final = (
    "state",
    "token",
    "attempt",
    "losses",
    "first",
    "deadline",
    "silent",
    "queued",
    "cause",
    "to",
    "until",
    "next",
    "done",
    "resends",
    "err",
)


def step_head(address: str) -> tuple[str, ...]:
    """What every look at a step begins with."""
    return (*(f"{address}:{name}" for name in _STEP_HEAD), open_count(address))


def recorded_outputs(address: str) -> tuple[str, str, str]:
    """Everything that a step may have left for its undo, the best first: result, late result, progress."""
    return output(address), late_output(address), progress(address)


def state(address: str) -> str:
    """The step's StepState."""
    return f"{address}:state"


def token(address: str) -> str:
    """The token of the attempt that may settle; empty when none may."""
    return f"{address}:token"


def settled_by(address: str) -> str:
    """The token whose settle was the last to be accepted."""
    return f"{address}:by"


def attempt(address: str) -> str:
    """The number of the present attempt, from 1; absent for the first."""
    return f"{address}:attempt"


def losses(address: str) -> str:
    """How often the present attempt's worker was lost."""
    return f"{address}:losses"


def first_started(address: str) -> str:
    """The moment of the first attempt."""
    return f"{address}:first"


def started(address: str) -> str:
    """The moment of the last claim."""
    return f"{address}:started"


def ended(address: str) -> str:
    """The moment at which the step was settled for good."""
    return f"{address}:ended"


def deadline(address: str) -> str:
    """The moment at which the attempt is over for the run."""
    return f"{address}:deadline"


def silent_at(address: str) -> str:
    """The moment at which the attempt is over unless its operation sends a heartbeat."""
    return f"{address}:silent"


def queue_deadline(address: str) -> str:
    """The moment by which a ready step must have been taken."""
    return f"{address}:queued"


def until(address: str) -> str:
    """The moment that a waiting step waits for."""
    return f"{address}:until"


def output(address: str) -> str:
    """JSON: the recorded result."""
    return f"{address}:out"


def late_output(address: str) -> str:
    """JSON: what an attempt returned when it was no longer its turn."""
    return f"{address}:late"


def progress(address: str) -> str:
    """JSON: what the operation's last heartbeat said."""
    return f"{address}:beat"


def done(address: str) -> str:
    """Holds "1" if the operation returned though the step then failed: its effect is there."""
    return f"{address}:done"


def error(address: str) -> str:
    """JSON: the last error."""
    return f"{address}:err"


def sequence(address: str) -> str:
    """The place of the step in the order in which steps were settled."""
    return f"{address}:seq"


def cause(address: str) -> str:
    """On a failure path: the address of the step whose failure led here."""
    return f"{address}:cause"


def went_to(address: str) -> str:
    """The address that followed, so that an old message for this one finds it."""
    return f"{address}:to"


def after_undo(address: str) -> str:
    """Of an undo in a flow that goes on: the target that follows."""
    return f"{address}:next"


def resends(address: str) -> str:
    """How often the sweeper has sent this step since it was made ready."""
    return f"{address}:resends"


def parked(address: str) -> str:
    """The Celery signature that was put aside when the step began to wait."""
    return f"{address}:parked"


def open_set(address: str) -> str:
    """The set of the step's tokens that have not reported a failure."""
    return f"open:{address}"


def open_count(address: str) -> str:
    """How many tokens have not reported a failure."""
    return count_field(open_set(address))
