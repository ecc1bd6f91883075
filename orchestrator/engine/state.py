"""The states of runs and steps, and the two tables that say how they change.

The tables are the whole truth: the engine asks them before it writes a state, the documentation draws them, and a test
walks every pair of state and happening.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from orchestrator.errors import IllegalTransition


class RunStatus(StrEnum):
    """Where a run is."""

    PENDING = "pending"  # accepted, not started
    RUNNING = "running"  # going
    COMPENSATING = "compensating"  # stopped: steps in flight end, then what was done is undone
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


OVER = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED})


class RunHappening(StrEnum):
    """What changes a run."""

    START = "start"
    COMPLETE = "complete"
    STOP = "stop"  # an unhandled failure, a cancel, a timeout
    END_FAILED = "end_failed"  # everything that was to be undone has been tried
    END_CANCELLED = "end_cancelled"
    END_COMPLETED = "end_completed"  # of a run that had completed, undos that had failed were tried again
    RETRY = "retry"  # an operator lets it go on from where it failed
    UNDO = "undo"  # an operator has undone what was left


class StepState(StrEnum):
    """Where a step is."""

    PENDING = "pending"  # not reached
    READY = "ready"  # to be claimed
    RUNNING = "running"  # claimed: an attempt holds a token and a lease
    WAITING = "waiting"  # for a moment, the next attempt, something from outside, or the end of a child
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    LOST = "lost"  # its worker died and it may not be tried again: nobody knows what it did


LIVE = frozenset({StepState.READY, StepState.RUNNING, StepState.WAITING})
SETTLED = frozenset({StepState.COMPLETED, StepState.FAILED, StepState.SKIPPED, StepState.CANCELLED, StepState.LOST})
UNSUCCESSFUL = frozenset({StepState.FAILED, StepState.LOST})


class StepHappening(StrEnum):
    """What changes a step."""

    REACH = "reach"  # the flow came to it
    CLAIM = "claim"
    WAIT = "wait"  # a timer, the delay before the next attempt, something from outside
    WAKE = "wake"  # the moment has come
    COMPLETE = "complete"
    FAIL = "fail"
    LAPSE = "lapse"  # the lease ran out; the attempt is to be taken up again
    LOSE = "lose"  # the lease ran out for good
    SKIP = "skip"
    CANCEL = "cancel"
    WAIVE = "waive"  # an operator says that the undo was done by hand


RUN_TABLE: Mapping[tuple[RunStatus, RunHappening], RunStatus] = {
    (RunStatus.PENDING, RunHappening.START): RunStatus.RUNNING,
    (RunStatus.PENDING, RunHappening.STOP): RunStatus.COMPENSATING,
    (RunStatus.RUNNING, RunHappening.COMPLETE): RunStatus.COMPLETED,
    (RunStatus.RUNNING, RunHappening.STOP): RunStatus.COMPENSATING,
    (RunStatus.COMPENSATING, RunHappening.END_FAILED): RunStatus.FAILED,
    (RunStatus.COMPENSATING, RunHappening.END_CANCELLED): RunStatus.CANCELLED,
    (RunStatus.COMPENSATING, RunHappening.END_COMPLETED): RunStatus.COMPLETED,
    (RunStatus.FAILED, RunHappening.RETRY): RunStatus.RUNNING,
    (RunStatus.CANCELLED, RunHappening.RETRY): RunStatus.RUNNING,
    (RunStatus.COMPLETED, RunHappening.UNDO): RunStatus.COMPENSATING,
    (RunStatus.FAILED, RunHappening.UNDO): RunStatus.COMPENSATING,
    (RunStatus.CANCELLED, RunHappening.UNDO): RunStatus.COMPENSATING,
}

# A lapsed step is ready while its old token still stands, so it may also be settled from there.
STEP_TABLE: Mapping[tuple[StepState, StepHappening], StepState] = {
    (StepState.PENDING, StepHappening.REACH): StepState.READY,
    (StepState.PENDING, StepHappening.SKIP): StepState.SKIPPED,
    (StepState.READY, StepHappening.CLAIM): StepState.RUNNING,
    (StepState.READY, StepHappening.WAIT): StepState.WAITING,
    (StepState.READY, StepHappening.COMPLETE): StepState.COMPLETED,
    (StepState.READY, StepHappening.FAIL): StepState.FAILED,
    (StepState.READY, StepHappening.SKIP): StepState.SKIPPED,
    (StepState.READY, StepHappening.LOSE): StepState.LOST,
    (StepState.READY, StepHappening.CANCEL): StepState.CANCELLED,
    (StepState.RUNNING, StepHappening.WAIT): StepState.WAITING,
    (StepState.RUNNING, StepHappening.COMPLETE): StepState.COMPLETED,
    (StepState.RUNNING, StepHappening.FAIL): StepState.FAILED,
    (StepState.RUNNING, StepHappening.LAPSE): StepState.READY,
    (StepState.RUNNING, StepHappening.LOSE): StepState.LOST,
    (StepState.RUNNING, StepHappening.CANCEL): StepState.CANCELLED,
    (StepState.WAITING, StepHappening.WAKE): StepState.READY,
    (StepState.WAITING, StepHappening.COMPLETE): StepState.COMPLETED,
    (StepState.WAITING, StepHappening.FAIL): StepState.FAILED,
    (StepState.WAITING, StepHappening.LOSE): StepState.LOST,
    (StepState.WAITING, StepHappening.CANCEL): StepState.CANCELLED,
    (StepState.WAITING, StepHappening.SKIP): StepState.SKIPPED,
    (StepState.PENDING, StepHappening.WAIVE): StepState.COMPLETED,
    (StepState.FAILED, StepHappening.WAIVE): StepState.COMPLETED,
    (StepState.LOST, StepHappening.WAIVE): StepState.COMPLETED,
}

_State = TypeVar("_State", RunStatus, StepState)
_Happening = TypeVar("_Happening", RunHappening, StepHappening)


def _move(table: Mapping[tuple[_State, _Happening], _State], state: _State, happening: _Happening) -> _State:
    try:
        return table[state, happening]
    except KeyError:
        raise IllegalTransition(
            f"{happening.value} is not possible from {state.value}", state=state.value, happening=happening.value
        ) from None


def move_run(status: RunStatus, happening: RunHappening) -> RunStatus:
    """The status after the happening; IllegalTransition if the table has none."""
    return _move(RUN_TABLE, status, happening)


def move_step(state: StepState, happening: StepHappening) -> StepState:
    """The state after the happening; IllegalTransition if the table has none."""
    return _move(STEP_TABLE, state, happening)
