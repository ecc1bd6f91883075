"""Approvals on the command line, against a fleet of `orchestrator dev`."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Command
from tests.e2e.test_commands import new_id
from tests.integration.system import until

pytestmark = pytest.mark.integration

FORM = '{"cost_centre": "C-7"}'


def asked(command: Command, amount: int) -> str:
    """A claim that waits for its manager, who has a name that no other test has."""
    run = new_id()
    given = f'{{"amount": {amount}, "manager": "{run}@example.com"}}'
    command("start", "expense.claim", "--input", given, "--run-id", run)
    until(lambda: steps_for(command, f"{run}@example.com") == ["manager"], "the manager is asked")
    return run


def steps_for(command: Command, user: str) -> list[str]:
    """The steps that somebody may decide."""
    return [one["step"] for one in command("approvals", "list", "--user", user, "--json").document]


def test_an_approval_is_listed_and_decided(command: Command) -> None:
    """By whom it asks, with what it asks for; then it waits for nobody."""
    run = asked(command, 900)
    manager = f"{run}@example.com"

    stranger = command("approvals", "approve", run, "manager", "--by", "eve", "--form", FORM)
    empty = command("approvals", "approve", run, "manager", "--by", manager, "--form", "{}")
    decided = command("approvals", "approve", run, "manager", "--by", manager, "--form", FORM, "--comment", "fine")

    assert (stranger.code, "[not_asked]" in stranger.stderr) == (1, True)
    assert (empty.code, "[invalid_input]" in empty.stderr) == (1, True)
    assert (decided.code, decided.stdout) == (0, "step manager  completed\n")
    assert steps_for(command, manager) == []
    assert command("watch", run).code == 0


def test_an_approval_is_handed_on_and_rejected(command: Command) -> None:
    """Whoever it was handed on to decides; the list says whom it asks."""
    run = asked(command, 900)
    manager, deputy = f"{run}@example.com", f"{run}-deputy"

    handed = command("approvals", "delegate", run, "manager", deputy, "--by", manager)
    listed = command("approvals", "list", "--user", deputy).stdout
    rejected = command("approvals", "reject", run, "manager", "--by", deputy, "--comment", "no receipt", "--json")

    assert handed.stdout == f"step manager  asks {deputy}\n"
    assert run in listed
    assert rejected.document == {"run_id": run, "step": "manager", "state": "failed"}
    assert "has rejected: no receipt" in command("show", run).stdout


def test_nothing_that_waits_is_said_in_words(command: Command) -> None:
    """And an empty list for programs."""
    nobody = new_id()

    assert command("approvals", "list", "--user", nobody).stdout == "nothing waits for a decision\n"
    assert steps_for(command, nobody) == []
