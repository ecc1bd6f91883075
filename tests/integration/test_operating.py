"""Operators on real processes: pause and resume around a map, retry after a failure, undo by hand."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator import define_workflow
from orchestrator.client.handle import RedisRunHandle
from orchestrator.spec.workflow import Step
from tests.integration.system import Gate, System, ended, events, executions, happened, states, until
from tests.integration.workflows import charge_step, workflow

pytestmark = pytest.mark.integration


def charges_of(*methods: str, **options: Any) -> dict[str, Any]:
    """A map that makes a charge for each method, two at once."""
    body = [charge_step(inputs={"amount": 1250, "paymentMethodId": "${item}"})]
    return {"id": "all", "map": {"items": "input.methods", "steps": body, "max_concurrency": 2, **options}}


def gated(*gates: Gate) -> list[str]:
    """Methods whose charges stop at these gates."""
    return [f"pm_gate_{gate.name}" for gate in gates]


def test_a_paused_map_begins_no_further_item(system: System) -> None:
    """Items that run end; the others wait until the run goes on, and each is charged once."""
    system.publish(define_workflow(meta={"key": "tests.paused-map", "version": "1.0.0"}, steps=[charges_of()]))
    gates = [system.gate(), system.gate()]
    run = system.client.start("tests.paused-map", {"methods": [*gated(*gates), *["pm_ok"] * 4]})
    for gate in gates:
        gate.reached()

    run.pause("books are closed", by="ada")
    for gate in gates:
        gate.open()
    until(lambda: len(events(run, "step_completed")) == 2, "what ran has ended")
    begun, shown = executions(run), run.describe()
    run.resume(by="ada")

    assert (begun, shown.status) == (["all[0]/charge", "all[1]/charge"], "paused")
    assert ended(run).status == "completed"
    assert len(system.charges(run)) == 6


def failed_at_the_receipt(system: System, gate: Gate) -> RedisRunHandle:
    """A run that failed when its receipt could not be sent, and gave its charge back."""
    run = system.pay(f"pm_gate_{gate.name}", email="nobody@invalid")
    gate.reached()
    gate.open()
    assert ended(run).compensation == "completed"
    return run


def test_a_run_that_gave_its_charge_back_charges_again_when_it_is_retried(system: System) -> None:
    """Under a new key; the provider's books have two charges and one refund, of the first."""
    inputs = {"to": "${input.to}", "template": "payment-receipt", "data": "${steps.charge.output}"}
    system.publish(workflow("retried", charge_step(), Step(id="mail", operation="email.send", inputs=inputs)))
    run = system.client.start("tests.retried", {"method": "pm_ok", "to": "nobody@invalid"})
    first = ended(run)

    run.retry("address mended", by="ada", input={"method": "pm_ok", "to": "ada@example.com"})
    until(lambda: run.status().value == "completed", "the retried run completes")

    shown = run.describe()
    assert (first.status, first.compensation) == ("failed", "completed")
    assert (shown.incarnation, shown.compensation, states(shown)) == (
        2,
        "none",
        {"charge": "completed", "mail": "completed"},
    )
    charges = system.charges(run)
    assert [charge.key.rpartition(":")[2] for charge in charges] == ["1", "2"]
    assert [refund.charge_id for refund in system.refunds(run)] == [charges[0].id]


def test_a_worker_killed_in_a_retried_run_is_got_over(system: System) -> None:
    """The retried life of a run has leases like its first: its charge is made once, under its own key."""
    run = failed_at_the_receipt(system, gate := system.gate())
    (gate.folder / gate.name).unlink()
    (gate.folder / f"{gate.name}.reached").unlink()

    run.retry()
    holder = gate.reached()
    system.holder(holder).kill()
    gate.open()
    until(lambda: len(events(run, "run_failed")) == 2, "the retried run has ended, too")

    assert run.store.entries(run.run_id) == {}
    assert [len(system.charges(run)), len(system.refunds(run))] == [2, 2]
    assert happened(run, "attempt_lost", "charge-payment")
    assert len({call.key for call in system.calls(run, "charge")}) == 2


def test_an_undo_by_hand_is_made_when_an_operator_says_so(system: System) -> None:
    """Not before; and once, however often it is asked for."""
    failing = Step(id="fails", operation="text.upper", inputs={"text": "${1 / 0}"})
    system.publish(workflow("undo-by-hand", charge_step(), failing, compensation={"trigger": "manual"}))
    run = system.client.start("tests.undo-by-hand", {"method": "pm_ok"})
    shown = ended(run)
    before = system.refunds(run)

    run.undo("checked", by="ada")
    until(lambda: run.describe().compensation == "completed", "the undo is made")
    run.undo()

    assert (shown.status, shown.compensation, before) == ("failed", "pending", [])
    assert run.describe().status == "failed"
    assert len(system.refunds(run)) == 1
