"""The names of a run's fields. Values are text: JSON where the docstring says so, moments in ms of Redis's clock."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from orchestrator.engine.address import container_of_lane, flow_of, scopes_around
from orchestrator.engine.commit import CREATED_AT, INCARNATION, PAUSED, PAUSED_AT, count_field

__all__ = ["CREATED_AT", "INCARNATION", "PAUSED", "PAUSED_AT"]

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
SCHEDULED_AT: Final = "scheduled_at"  # the slot that the run is for, if a schedule started it
ENDED_AT: Final = "ended_at"
STOPPED_AT: Final = "stopped_at"  # the moment from which nothing new may start
RUN_DEADLINE: Final = "deadline"
RUN_LIMIT: Final = "limit"  # ms that the run may take, if it has a limit
UNDO_LIST: Final = "undo"  # JSON list of addresses, newest completion first
UNDO_FAILED: Final = "undo_failed"  # "1" once an undo has failed for good
ATTENTION: Final = "attention"
SLOT: Final = "slot"  # "1" while the run holds the slots of its workflow's limits
PARENT: Final = "parent"  # of a child: the run that started it
PARENT_STEP: Final = "parent_step"  # of a child: the address of the step that started it
TRACE: Final = "trace"  # W3C traceparent of whoever started the run, or its root, within a trace
DEPTH: Final = "depth"  # of a child: how many runs are above it
WAITER: Final = "waiter"  # JSON: run, address and incarnation of who is told of the run's end, if anybody is
SIGNALS: Final = "signals"  # how many signals have come
FIRST_SIGNAL: Final = "first_signal"  # no signal before this one is left to be taken
CHANGED_BY: Final = "changed_by"  # the token of the operator's change that began this incarnation
TOUCHED: Final = "touched"  # another number with each change that comes after the run's end, within its incarnation
ARCHIVED: Final = "archived"  # which state of the run is in the archive, as `retention.edition` names it
ARCHIVED_AT: Final = "archived_at"  # only of a run that is read from the archive: when it was put there

LIVE_SET: Final = "live"
"""The set of the run's live steps, those within containers included."""
LIVE_COUNT: Final = count_field(LIVE_SET)

HEAD: Final = (
    INCARNATION,
    WORKFLOW,
    VERSION,
    DIGEST,
    STATUS,
    STOPPING,
    PAUSED,
    REASON,
    UNDO_LIST,
    UNDO_FAILED,
    SLOT,
    WAITER,
)
"""What every look at a run begins with."""
CHILD_END: Final = (INCARNATION, STATUS, OUTPUT, ERROR, COMPENSATION)
"""What a parent reads of a child that has ended."""


def _of(name: str) -> Callable[[str], str]:
    """The field of that name, by the address of what it is of: a step, an undo, a container, a flow, a lane."""

    def field(address: str) -> str:
        return f"{address}:{name}"

    return field


# Steps.


state = _of("state")
"""The step's StepState."""
token = _of("token")
"""The token of the attempt that may settle; empty when none may."""
settled_by = _of("by")
"""The token whose settle was the last to be accepted."""
attempt = _of("attempt")
"""The number of the present attempt, from 1; absent for the first."""
losses = _of("losses")
"""How often the present attempt's worker was lost."""
ready_at = _of("ready")
"""The moment since which it waits for a worker; absent if it was claimed in the commit that made it ready."""
first_started = _of("first")
"""The moment of the first attempt."""
started = _of("started")
"""The moment of the last claim."""
ended = _of("ended")
"""The moment at which the step was settled for good."""
deadline = _of("deadline")
"""The moment at which the attempt is over for the run."""
silent_at = _of("silent")
"""The moment at which the attempt is over unless its operation sends a heartbeat."""
queue_deadline = _of("queued")
"""The moment by which a ready step must have been taken."""
until = _of("until")
"""The moment that a waiting step waits for."""
output = _of("out")
"""JSON: the recorded result."""
late_output = _of("late")
"""JSON: what an attempt returned when it was no longer its turn."""
progress = _of("beat")
"""JSON: what the operation's last heartbeat said."""
done = _of("done")
"""Holds "1" if the operation returned though the step then failed: its effect is there."""
error = _of("err")
"""JSON: the last error."""
in_line = _of("line")
"""The token that a step asks for its slots with, while it waits for them."""
epoch = _of("epoch")
"""The incarnation in which a completed or undone result of the step was last discarded; absent: the first."""
waived = _of("waived")
"""Of an undo that was done by hand: who said so."""
sequence = _of("seq")
"""The place of the step in the order in which steps were settled."""
cause = _of("cause")
"""On a failure path: the address of the step whose failure led here."""
went_to = _of("to")
"""The address that followed, so that an old message for this one finds it."""
after_undo = _of("next")
"""Of an undo in a flow that goes on: the target that follows."""
resends = _of("resends")
"""How often the sweeper has sent this step since it was made ready."""
parked = _of("parked")
"""The Celery signature that was put aside when the step began to wait."""


def recorded_outputs(address: str) -> tuple[str, str, str]:
    """Everything that a step may have left for its undo, the best first: result, late result, progress."""
    return output(address), late_output(address), progress(address)


def open_set(address: str) -> str:
    """The set of the step's tokens that have not reported a failure."""
    return f"open:{address}"


def open_count(address: str) -> str:
    """How many tokens have not reported a failure."""
    return count_field(open_set(address))


# Steps that run a workflow.


child = _of("child")
"""The child that a step started last, as `child_text` writes it; of an undo, the child that it undoes."""


def child_text(run_id: str, pinned: tuple[str, str]) -> str:
    """A child as its parent notes it: run id, workflow and version, with spaces between."""
    return " ".join((run_id, *pinned))


children = _of("children")
"""How many children a step has started in all its lives, so that each has an id of its own."""
stops = _of("stops")
"""Why a step has stopped the child that it waits for: `halted` with its flow, or `timeout`."""


# What comes from outside.


def signal(number: int) -> str:
    """JSON: a signal that has come, as the step that takes it puts it out; from 1."""
    return f"signal.{number}"


def taken_by(number: int) -> str:
    """The address of the step that has taken a signal."""
    return f"{TAKEN_BY}{number}"


TAKEN_BY: Final = "signal_by."


def signal_seen(digest: str) -> str:
    """The number of the signal whose sender's id has that digest."""
    return f"signal_id.{digest}"


waits_for = _of("waits")
"""JSON list: the names by which a step that waits for an event is found."""
looked_back = _of("looked")
"""Holds "1" once a waiting step has looked for events that had come before."""
asked = _of("asked")
"""JSON: of an approval, who is asked and who will be; see `approvals.py`."""
decisions = _of("decisions")
"""JSON list: the decisions of an approval, oldest first."""
link_secret = _of("secret")
"""Of an approval: what the tokens of its links are made with."""
remind_at = _of("remind")
"""Of an approval: the moment of the next reminder."""
escalate_at = _of("escalate")
"""Of an approval: the moment from which the next level is asked as well."""
near_miss = _of("miss")
"""JSON: why the latest event of the right type was not for the step."""


def waiting_set(name: str) -> str:
    """The set of the run's steps that wait for events by that name."""
    return f"waiting:{name}"


correlated_to = _of("value")
"""JSON: what an event must be correlated to, as it was when the step began to wait."""
came_meanwhile = _of("came")
"""The event that came last while the step had yet to look back."""


def took_event(step: str, event: str) -> str:
    """Which visit of a step has taken an event; by the step's address without any visits, and the event's digest."""
    return f"{step}:{TOOK}{event}"


TOOK: Final = "took."


# Scopes: a container, or the flow of a branch or an item, by its address.


def stopping(scope: str) -> str:
    """Holds "1" from the moment that nothing new may start inside of it."""
    return f"{scope}:stopping" if scope else STOPPING


def live_set(scope: str) -> str:
    """The set of the live steps inside of it."""
    return f"live:{scope}" if scope else LIVE_SET


def undo_list(scope: str) -> str:
    """JSON: addresses of the undos of what lies inside, newest completion first."""
    return f"{scope}:undo" if scope else UNDO_LIST


listed_in = _of("of")
"""Of an undo: the scope whose list it stands in; absent: the run's."""


# Containers.


size = _of("size")
"""How many branches or items it has; absent until it has begun."""
begun = _of("begun")
"""How many of a map's items have begun."""
batch = _of("batch")
"""Of a lane: `first:number`, the items that its attempt works off."""
rest = _of("rest")
"""Of a lane: `first:number`, the items of an earlier batch that it has not come to."""
item = _of("item")
"""JSON: the item that a flow of a map is for."""
ends = _of("ends")
"""Of the gate that ends a flow: the step that was the last of it."""
flow_state = _of("flow")
"""How the flow of a branch or an item ended: `completed` or `failed`."""
first_failed = _of("first")
"""The flow that was the first to fail."""
failures = _of("failures")
"""JSON: what failed in a container that completed nevertheless."""


def completed_set(container: str) -> str:
    """The set of its flows that completed."""
    return f"done:{container}"


def failed_set(container: str) -> str:
    """The set of its flows that failed."""
    return f"failed:{container}"


def over_set(container: str) -> str:
    """The set of its flows that completed or failed."""
    return f"over:{container}"


def counts(container: str) -> tuple[str, str, str]:
    """How many of its flows completed, failed, and are over."""
    return (
        count_field(completed_set(container)),
        count_field(failed_set(container)),
        count_field(over_set(container)),
    )


# Needs flows and loops.


closed = _of("closed")
"""Of a needs flow: the address of the step whose failure closed it."""


def settled_set(address: str) -> str:
    """The set of the steps that it needs which are settled."""
    return f"in:{address}"


visits = _of("visits")
"""How often a step of a loop has been visited, by the address of its first visit."""


def latest(step: str, name: str) -> str:
    """Of a step of a loop: what its latest settled visit left, by the address of the first; ends in `.name`."""
    return f"{step}:last.{name}"


used_inputs = _of("in")
"""JSON: the inputs of an attempt, where what they were made of may change until the undo."""
closing_error = _of("closing")
"""JSON: of a needs flow, the failure that closed it."""


# SLAs, of a step or, at the address `$`, of the run.


sla_due = _of("sla.due")
"""The moment at which the SLA is breached."""
sla_next = _of("sla.next")
"""The moment of the next level that has not fired; absent once there is none, or what is measured is over."""


def sla_fired(address: str, level: str) -> str:
    """The moment at which a level fired; `met`: at which it ended within its SLA."""
    return f"{address}:sla.{level}"


lease = _of("lease")
"""Of a step that has an SLA: the moment at which its lease runs out, as its entry may fall due before."""


# What a look begins with.


_STEP_HEAD: Final = (
    state,
    token,
    attempt,
    losses,
    first_started,
    deadline,
    silent_at,
    queue_deadline,
    cause,
    went_to,
    until,
    after_undo,
    done,
    resends,
    error,
    size,
    begun,
    listed_in,
    in_line,
    ends,
    child,
    stops,
    waits_for,
    looked_back,
    ready_at,
)


@lru_cache(maxsize=4096)
def step_head(address: str) -> tuple[str, ...]:
    """What every look at a step begins with: itself, and whether what it lies inside of goes on."""
    around = tuple(stopping(scope) for scope in scopes_around(address))
    return (*(field(address) for field in _STEP_HEAD), open_count(address), closed(flow_of(address)), *around)


def lane_head(lane: str) -> tuple[str, ...]:
    """What a look at a lane begins with, besides."""
    container = container_of_lane(lane)
    return batch(lane), rest(lane), state(container), size(container), begun(container)
