"""Cancelling: nothing new starts, what can be undone is waited for and undone, all else ends at once."""

import pytest

from orchestrator import Retry
from orchestrator.client.handle import RedisRunHandle
from orchestrator.clock import elapsed_s
from orchestrator.spec.workflow import Step
from tests.integration.system import System, ended, events, executions, happened, states, until
from tests.integration.workflows import charge_step, upper_step, workflow

pytestmark = pytest.mark.integration

AT_ONCE_S = 3.0


def cancelled_at_once(run: RedisRunHandle) -> None:
    """Cancel, and see the run end without waiting for anything."""
    began = elapsed_s()
    run.cancel("not wanted any more", by="ada")
    shown = ended(run)
    assert elapsed_s() - began < AT_ONCE_S
    assert (shown.status, shown.error["code"], shown.error["message"]) == (
        "cancelled",
        "cancelled",
        "not wanted any more",
    )


def test_a_step_that_can_be_undone_is_waited_for_and_undone(system: System) -> None:
    """Cancelled while the charge is on the way: its end is awaited, then it is given back; nothing follows it."""
    gate = system.gate()
    run = system.pay(f"pm_gate_{gate.name}")
    gate.reached()

    run.cancel()
    before = (run.status().value, system.refunds(run))
    gate.open()
    shown = ended(run)

    assert before == ("compensating", [])
    assert (shown.status, shown.compensation) == ("cancelled", "completed")
    assert len(system.refunds(run)) == 1
    assert "send-receipt" not in executions(run)


def test_a_step_that_cannot_be_undone_is_dropped_at_once(system: System) -> None:
    """The run ends while the operation still works; its result is recorded as late."""
    system.publish(workflow("cancel-dropped", charge_step(compensation=None)))
    gate = system.gate()
    run = system.client.start("tests.cancel-dropped", {"method": f"pm_gate_{gate.name}"})
    gate.reached()

    cancelled_at_once(run)
    gate.open()
    until(lambda: happened(run, "late_result", "charge"), "the late result is recorded")

    assert states(run.describe()) == {"charge": "cancelled"}


def test_a_wait_is_given_up_at_once(system: System) -> None:
    """A run that would have slept for a week; what was done before is undone."""
    system.publish(workflow("cancel-wait", charge_step(), Step(id="week", wait="7d"), upper_step("after")))
    run = system.client.start("tests.cancel-wait", {"method": "pm_ok"})
    until(lambda: happened(run, "step_waiting", "week"), "the run waits")

    cancelled_at_once(run)

    assert states(run.describe()) == {"charge": "completed", "week": "cancelled", "charge~": "completed"}
    assert len(system.refunds(run)) == 1


def test_a_retry_delay_is_given_up_at_once(system: System) -> None:
    """The next attempt was an hour away; every attempt has reported that nothing happened, so nothing is undone."""
    system.publish(workflow("cancel-retry", charge_step(retry=Retry(max_attempts=2, delay="1h", max_delay="1h"))))
    run = system.client.start("tests.cancel-retry", {"method": "pm_flaky_9"})
    until(lambda: events(run, "attempt_failed"), "the first attempt has failed")

    cancelled_at_once(run)

    assert (run.describe().compensation, system.calls(run, "refund")) == ("none", [])
