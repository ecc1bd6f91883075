"""How runs and steps look."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from rich.console import Console, RenderableType

from orchestrator.cli.views import (
    LISTED,
    LONG,
    kept_table,
    run_facts,
    runs_table,
    state_text,
    status_line,
    steps_table,
    undos_table,
)
from orchestrator.client.shown import RunDescription, RunSummary, StepDescription
from orchestrator.engine.state import RunStatus, StepState
from orchestrator.engine.undoing import Kept, PlannedUndo

WORDY = "x" * 300


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
    console = Console(width=width, record=True, file=None, quiet=False, force_terminal=False, markup=False)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get().splitlines()


@pytest.mark.parametrize("state", [*StepState, *RunStatus, "paused"])
def test_every_state_has_a_look(state: str) -> None:
    """A state that is new must not break the command line."""
    assert state in state_text(state).plain


@pytest.mark.parametrize("width", [80, 120])
def test_only_a_result_is_cut_to_the_terminals_width(width: int) -> None:
    """A long output costs no other column a letter."""
    lines = shown(steps_table(run(step("charge-payment", output={"text": WORDY})), width), width)

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


@pytest.mark.parametrize(
    ("waits_for", "near", "words"),
    [
        ({"event": "order.shipped"}, None, "for event order.shipped"),
        ({"signals": ["go", "halt"]}, None, "for signal go or halt"),
        (
            {"event": "paid", "source": "/bank", "filter": "event.data.n > 1", "correlation": 17},
            None,
            "for event paid from /bank of 17 where event.data.n > 1",
        ),
        (
            {"event": "paid"},
            {"event": "e1", "part": "filter", "wanted": "event.data.n > 1", "found": False},
            "for event paid; not event e1: event.data.n > 1 is false",
        ),
        (
            {"event": "paid"},
            {"event": "e1", "part": "correlation", "wanted": 17, "found": "18"},
            "for event paid; not event e1: it is of 18, not of 17",
        ),
        (
            {"event": "paid"},
            {"event": "e1", "part": "source", "wanted": "/bank", "found": "/shop"},
            "for event paid; not event e1: it is from /shop, not /bank",
        ),
        (
            {"event": "paid"},
            {"event": "e1", "part": "data", "wanted": "data_schema", "found": "'n' is a required property"},
            "for event paid; not event e1: its data: 'n' is a required property",
        ),
    ],
)
def test_a_step_that_waits_for_something_from_outside_says_for_what_and_what_nearly_was_it(
    waits_for: dict[str, Any], near: dict[str, Any] | None, words: str
) -> None:
    """So that one sees at once why it still waits."""
    waiting = step("come", kind="event", operation=None, state="waiting", output=None)

    lines = shown(steps_table(run(dataclasses.replace(waiting, waits_for=waits_for, near_miss=near)), 140), 140)

    assert words in lines[1]


def test_the_status_line_says_why_and_whether_it_was_undone() -> None:
    """What one would ask first of a run that failed."""
    error = {"code": "declined", "message": "declined", "step": "charge"}
    failed = run(status="failed", compensation="completed", error=error)

    assert status_line(failed).plain == "✗ failed after 1.2 s, undo completed  charge: declined"


@pytest.mark.parametrize("width", [80, 120])
def test_a_list_of_runs_never_cuts_an_id(width: int) -> None:
    """It is what the next command is given; the workflow's name gives way."""
    lines = shown(runs_table([listed(workflow="a." + WORDY)], width), width)

    assert lines[1].startswith("0123456789abcdef01234567 ")
    assert "✓ completed" in lines[1]
    assert "2026-01-31 12:00:00" in lines[1]


def test_neither_id_nor_status_of_a_run_is_cut_for_a_longer_one() -> None:
    """The other columns give way to an id that a starter chose."""
    lines = shown(runs_table([listed(run_id="order-" + "7" * 34), listed()], 80), 80)

    assert all("✓ completed" in line for line in lines[1:])
    assert "order-" + "7" * 34 in lines[1]


def test_the_steps_of_thousands_of_items_are_a_few_rows() -> None:
    """Unless the whole run is wanted."""
    items = run(*(step(f"ship[{n}]/pack") for n in range(3_000)))

    _, crowd = shown(steps_table(items, 80))

    assert crowd.split() == ["ship[*]/pack", "✓", "completed", "3,000", "completed"]
    assert len(shown(steps_table(items, 80, whole=True))) == 3_001


def test_a_nested_step_is_shown_by_its_address() -> None:
    """Its undo by the same."""
    nested = run(step("ship[3]/pack"), step("ship[3]/pack~", kind="undo", undoes="ship[3]/pack"))

    _, done, undo = shown(steps_table(nested, 80))

    assert done.startswith("ship[3]/pack ")
    assert undo.startswith("undo ship[3]/pack ")


def test_an_undo_that_was_waived_says_by_whom() -> None:
    """Its state alone would say that it was made."""
    waived = step("charge~", kind="undo", undoes="charge", attempt=1, output=None, waived_by="ada")

    assert shown(steps_table(run(waived), 80))[1].rstrip().endswith("waived by ada")


def facts(**fields: Any) -> dict[str, str]:
    """What is told of a run, by name."""
    lines = (line.split(None, 1) for line in shown(run_facts(run(**fields)), 200))
    return {name: rest.strip() for name, rest in lines}


def test_a_paused_run_says_since_when() -> None:
    """And a run that was begun again says how often."""
    told = facts(status="paused", paused_at="2026-01-31T12:00:05.000Z", ended_at=None, incarnation=3)

    assert told["status"] == "◌ paused since 2026-01-31 12:00:05 UTC"
    assert told["incarnation"].startswith("3")


@pytest.mark.parametrize("compensation", ["pending", "failed"])
def test_an_undo_that_waits_for_an_operator_says_what_to_do(compensation: str) -> None:
    """The command, with the run's id."""
    assert "orchestrator undo 0123456789abcdef01234567" in facts(status="failed", compensation=compensation)["undo"]


def test_a_very_long_output_is_told_by_its_beginning() -> None:
    """And by where to find the rest."""
    told = " ".join(shown(run_facts(run(output=["x" * 10] * 10_000)), 200))

    assert len(told) < 2 * LONG
    assert "characters; --json has them all" in told


def planned(number: int) -> list[PlannedUndo]:
    """So many undos to come."""
    return [PlannedUndo(f"ship[{n}]/pack~", "stock.release@1", {"hold": n}, "done") for n in range(number)]


def test_a_planned_undo_is_shown_with_its_operation_and_inputs() -> None:
    """By the step that it undoes."""
    _, row = shown(undos_table(planned(1), 80))

    assert row.split() == ["ship[0]/pack", "stock.release@1", "done", '{"hold":', "0}"]


def test_of_thousands_of_planned_undos_the_first_are_shown() -> None:
    """With the number of the rest; the same of what stays."""
    kept = [Kept(f"ship[{n}]/pack", "behind_pivot") for n in range(3_000)]

    for table in (undos_table(planned(3_000), 80), kept_table(kept, 80)):
        lines = shown(table)
        assert len(lines) == LISTED + 2
        assert lines[-1].startswith(f"… {3_000 - LISTED:,} more")


@pytest.mark.parametrize("why", ["no_compensation", "behind_pivot", "in_flight", "undone", "run_ended"])
def test_what_stays_says_why(why: str) -> None:
    """Every reason has words of its own."""
    assert len(shown(kept_table([Kept("charge", why)], 80))[1].split()) > 3


def test_a_parent_and_its_child_name_each_other() -> None:
    """The child its parent's step, the step the run that it waits for."""
    waits = step("pay", kind="workflow", operation=None, state="waiting", output=None, child_run="r/pay:1")

    facts = shown(run_facts(run(parent="r", parent_step="pay")))
    steps = shown(steps_table(run(waits), 120), 120)

    assert any(line.startswith("child of") and line.rstrip().endswith("r, step pay") for line in facts)
    assert any("run r/pay:1" in line for line in steps)
