"""A worker that is frozen past its lease and thawed when its step has long been done."""

import pytest

from tests.integration.system import System, ended, events, states, until

pytestmark = pytest.mark.integration


def test_a_late_result_is_recorded_and_moves_nothing(system: System) -> None:
    """Another worker finishes the run; the thawed one's word stands beside it, and the charge is there once."""
    gate = system.gate()
    run = system.pay(f"pm_gate_{gate.name}")
    first = gate.reached()
    sleeper = system.holder(first)

    sleeper.freeze()
    gate.reached(not_by=first)
    gate.open()
    before = ended(run)
    sleeper.thaw()
    until(lambda: events(run, "late_result"), "the late result is recorded")

    assert [(event["step"], event["outcome"]) for event in events(run, "late_result")] == [
        ("charge-payment", "completed")
    ]
    assert ended(run) == before
    assert run.history()[-1].event["type"] == "late_result"
    assert (len(system.charges(run)), len(system.calls(run, "charge"))) == (1, 2)
    assert before.attention is None


def test_a_charge_that_comes_after_its_refund_is_refused(system: System) -> None:
    """Frozen before it asked, cancelled meanwhile: the key was given back first, so nothing is charged."""
    gate = system.gate()
    run = system.pay(f"pm_pregate_{gate.name}")
    sleeper = system.holder(gate.reached())

    sleeper.freeze()
    run.cancel()
    shown = ended(run)
    gate.open()
    sleeper.thaw()
    until(lambda: events(run, "late_result"), "the late failure is recorded")

    assert (shown.status, states(shown)["charge-payment~"]) == ("cancelled", "completed")
    assert events(run, "late_result")[0]["error"]["code"] == "already_refunded"
    assert system.charges(run) == []
    assert run.describe().status == "cancelled"
