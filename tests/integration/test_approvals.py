"""Approvals on real workers: who decides does so from another process."""

from __future__ import annotations

import pytest

from tests.integration.system import System, ended, events, executions, until

pytestmark = pytest.mark.integration

CLAIM = {"amount": 200_000, "manager": "ann"}


def asked(system: System, user: str, run_id: str) -> list[str]:
    """The steps of a run that somebody is asked to decide."""
    return [one.step for one in system.client.approvals.list(user) if one.run_id == run_id]


def test_a_claim_goes_through_the_manager_and_the_board(system: System) -> None:
    """Each finds it in the inbox, and no worker waits meanwhile."""
    run, approvals = system.client.start("expense.claim", CLAIM), system.client.approvals
    until(lambda: asked(system, "ann", run.run_id) == ["manager"], "the manager is asked")
    approvals.decide(run.run_id, "manager", "approve", by="ann", form={"cost_centre": "C-7"})
    until(lambda: asked(system, "ada", run.run_id) == ["board"], "the board is asked")

    approvals.decide(run.run_id, "board", "approve", by="ada")
    approvals.decide(run.run_id, "board", "approve", by="cleo")

    assert ended(run).status == "completed"
    assert executions(run) == ["pay"]
    assert asked(system, "ada", run.run_id) == []


def test_a_decision_is_found_after_all_workers_were_killed(system: System) -> None:
    """It is in the state; the ledger sends what follows to whoever is there then."""
    run = system.client.start("expense.claim", CLAIM | {"amount": 10})
    until(lambda: asked(system, "ann", run.run_id) == ["manager"], "the manager is asked")
    for process in system.fleet:
        process.kill()

    system.client.approvals.decide(run.run_id, "manager", "approve", by="ann", form={"cost_centre": "C-7"})
    system.ready()

    assert ended(run).status == "completed"
    assert len(events(run, "approval_decision")) == 1
