from __future__ import annotations

from itertools import product

import pytest

from orchestrator.engine.state import (
    LIVE,
    OVER,
    RUN_TABLE,
    SETTLED,
    STEP_TABLE,
    UNSUCCESSFUL,
    RunHappening,
    RunStatus,
    StepHappening,
    StepState,
    move_run,
    move_step,
)
from orchestrator.errors import IllegalTransition

RUNS = """
             start    complete   stop          end_failed  end_cancelled  end_completed  retry    undo
pending      running  -          compensating  -           -              -              -        -
running      -        completed  compensating  -           -              -              -        -
compensating -        -          -             failed      cancelled      completed      -        -
completed    -        -          -             -           -              -              -        compensating
failed       -        -          -             -           -              -              running  compensating
cancelled    -        -          -             -           -              -              running  compensating
"""

STEPS = """
           reach  claim    wait     wake   complete   fail    lapse  lose  skip     cancel     waive
pending    ready  -        -        -      -          -       -      -     skipped  -          completed
ready      -      running  waiting  -      completed  failed  -      lost  skipped  cancelled  -
running    -      -        waiting  -      completed  failed  ready  lost  -        cancelled  -
waiting    -      -        -        ready  completed  failed  -      lost  skipped  cancelled  -
completed  -      -        -        -      -          -       -      -     -        -          -
failed     -      -        -        -      -          -       -      -     -        -          completed
skipped    -      -        -        -      -          -       -      -     -        -          -
cancelled  -      -        -        -      -          -       -      -     -        -          -
lost       -      -        -        -      -          -       -      -     -        -          completed
"""


def cells(table: str) -> dict[tuple[str, str], str]:
    """(state, happening) -> what the picture of a table says; `-` for nothing."""
    happenings, *rows = [line.split() for line in table.strip().splitlines()]
    return {(row[0], happening): to for row in rows for happening, to in zip(happenings, row[1:], strict=True)}


@pytest.mark.parametrize(("status", "happening"), list(product(RunStatus, RunHappening)))
def test_a_run_moves_as_its_table_says(status: RunStatus, happening: RunHappening) -> None:
    """Every pair of status and happening leads where it should, or nowhere."""
    expected = cells(RUNS)[status, happening]

    if expected == "-":
        with pytest.raises(IllegalTransition) as raised:
            move_run(status, happening)
        assert raised.value.details == {"state": status, "happening": happening}
    else:
        assert move_run(status, happening) is RunStatus(expected)


@pytest.mark.parametrize(("state", "happening"), list(product(StepState, StepHappening)))
def test_a_step_moves_as_its_table_says(state: StepState, happening: StepHappening) -> None:
    """Every pair of state and happening leads where it should, or nowhere."""
    expected = cells(STEPS)[state, happening]

    if expected == "-":
        with pytest.raises(IllegalTransition) as raised:
            move_step(state, happening)
        assert raised.value.details == {"state": state, "happening": happening}
    else:
        assert move_step(state, happening) is StepState(expected)


def test_only_an_operator_leaves_an_end() -> None:
    """A run that is over goes on by retry or undo alone, and a settled step moves only as an undo that is waived."""
    assert {happening for status, happening in RUN_TABLE if status in OVER} == {RunHappening.RETRY, RunHappening.UNDO}
    assert {happening for state, happening in STEP_TABLE if state in SETTLED} == {StepHappening.WAIVE}


def test_a_run_that_completed_is_not_retried() -> None:
    """There is nothing that it could go on from."""
    assert (RunStatus.COMPLETED, RunHappening.RETRY) not in RUN_TABLE


def test_every_state_is_one_of_three_kinds() -> None:
    """Not reached, live, or settled; and what is unsuccessful is settled."""
    assert set(StepState) == {StepState.PENDING} | LIVE | SETTLED
    assert not LIVE & SETTLED
    assert UNSUCCESSFUL < SETTLED


def test_every_state_can_be_reached() -> None:
    """No state is there for nothing."""
    assert {RunStatus.PENDING, *RUN_TABLE.values()} == set(RunStatus)
    assert {StepState.PENDING, *STEP_TABLE.values()} == set(StepState)
