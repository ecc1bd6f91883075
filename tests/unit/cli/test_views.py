"""How runs and steps look."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from rich.console import Console, RenderableType

from orchestrator.cli.views import error_text, runs_table, state_text, status_line, steps_table, took
from orchestrator.client.description import RunDescription, StepDescription
from orchestrator.client.search import RunSummary
from orchestrator.engine.state import RunStatus, StepState

LONG = "x" * 300


def step(address: str, **fields: Any) -> StepDescription:
    """A completed step."""
    made: dict[str, Any] = {
        "address": address,
        "kind": "operation",
        "operation": "payments.charge@1",
        "state": "completed",
        "attempt": 1,
        "started_at": "2026-01-31T12:00:00.000Z",
        "ended_at": "2026-01-31T12:00:00.063Z",
        "duration_ms": 63,
        "waits_until": None,
        "output": {"charge": 1},
        "error": None,
        "undoes": None,
    }
    return StepDescription(**{**made, **fields})


def run(*steps: StepDescription, **fields: Any) -> RunDescription:
    """A completed run of these steps."""
    made: dict[str, Any] = {
        "run_id": "0123456789abcdef01234567",
        "workflow": "payment.flow",
        "version": "1.0.0",
        "status": "completed",
        "compensation": "none",
        "created_at": "2026-01-31T12:00:00.000Z",
        "ended_at": "2026-01-31T12:00:01.200Z",
        "duration_ms": 1_200,
        "started_by": "ada",
        "input": {},
        "ctx": {},
        "output": None,
        "error": None,
        "attention": None,
        "steps": steps,
    }
    return RunDescription(**{**made, **fields})


def listed(**fields: Any) -> RunSummary:
    """A completed run, as lists show it."""
    made = {field.name: getattr(run(), field.name) for field in dataclasses.fields(RunSummary)}
    return RunSummary(**{**made, **fields})


def shown(renderable: RenderableType, width: int = 80) -> list[str]:
    """Its lines in a terminal of that width."""
    console = Console(width=width, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get().splitlines()


@pytest.mark.parametrize(
    ("duration_ms", "text"),
    [(None, ""), (63, "63 ms"), (1_240, "1.2 s"), (200_000, "3 m 20 s"), (7_500_000, "2 h 5 m")],
)
def test_a_duration_is_as_short_as_it_can_be_read(duration_ms: int | None, text: str) -> None:
    """Two units at most."""
    assert took(duration_ms) == text


@pytest.mark.parametrize("state", [*StepState, *RunStatus, "paused"])
def test_every_state_has_a_look(state: str) -> None:
    """A state that is new must not break the command line."""
    assert state in state_text(state).plain


def test_an_error_without_a_message_of_its_own_is_its_code() -> None:
    """The code said twice helps nobody."""
    assert error_text({"code": "declined", "message": "declined"}) == "declined"
    assert error_text({"code": "declined", "message": "No money."}) == "declined: No money."


@pytest.mark.parametrize("width", [80, 120])
def test_only_a_result_is_cut_to_the_terminals_width(width: int) -> None:
    """A long output costs no other column a letter."""
    lines = shown(steps_table(run(step("charge-payment", output={"text": LONG})), width), width)

    assert len(lines) == 2
    assert "attempt" in lines[0]
    assert "charge-payment" in lines[1]
    assert "✓ completed" in lines[1]
    assert "63 ms" in lines[1]
    assert lines[1].rstrip().endswith("…")


def test_a_wide_terminal_shows_the_operations() -> None:
    """Where there is room; a narrow one shows results instead."""
    one = run(step("charge-payment"))

    assert "payments.charge@1" in shown(steps_table(one, 120), 120)[1]
    assert "payments.charge@1" not in shown(steps_table(one, 80), 80)[1]


def test_undos_name_what_they_undo() -> None:
    """Not the address with its sign."""
    undo = step("charge-payment~", kind="undo", undoes="charge-payment")

    assert shown(steps_table(run(undo), 80))[1].startswith("undo charge-payment ")


def test_a_running_step_grows_older_between_two_looks() -> None:
    """The time since the description was made is added to what runs, and to nothing else."""
    both = run(step("a"), step("b", state="running", ended_at=None, output=None))

    _, ended, running = shown(steps_table(both, 80, later_ms=900))

    assert "63 ms" in ended
    assert "963 ms" in running


def test_a_step_that_waits_says_until_when_and_why() -> None:
    """The next attempt's moment, and the error of the last."""
    waiting = step(
        "a", state="waiting", output=None, waits_until="2026-01-31T12:00:07.000Z", error={"code": "busy", "message": ""}
    )

    assert "until 12:00:07 UTC after busy" in shown(steps_table(run(waiting), 80))[1]


def test_the_status_line_says_why_and_whether_it_was_undone() -> None:
    """What one would ask first of a run that failed."""
    error = {"code": "declined", "message": "declined", "step": "charge"}
    failed = run(status="failed", compensation="completed", error=error)

    assert status_line(failed).plain == "✗ failed after 1.2 s, undo completed  charge: declined"


@pytest.mark.parametrize("width", [80, 120])
def test_a_list_of_runs_never_cuts_an_id(width: int) -> None:
    """It is what the next command is given; the workflow's name gives way."""
    lines = shown(runs_table([listed(workflow="a." + LONG)], width), width)

    assert lines[1].startswith("0123456789abcdef01234567 ")
    assert "✓ completed" in lines[1]
    assert "2026-01-31 12:00:00" in lines[1]


def test_neither_id_nor_status_of_a_run_is_cut_for_a_longer_one() -> None:
    """The other columns give way to an id that a starter chose."""
    lines = shown(runs_table([listed(run_id="order-" + "7" * 34), listed()], 80), 80)

    assert all("✓ completed" in line for line in lines[1:])
    assert "order-" + "7" * 34 in lines[1]
