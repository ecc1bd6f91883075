"""Time limits: of an attempt, its silence, its queue, and the run."""

import pytest

from orchestrator.spec.workflow import Step
from tests.integration.system import System, ended, states
from tests.integration.workflows import charge_step, workflow

pytestmark = pytest.mark.integration


def test_an_attempt_over_its_time_is_interrupted_and_undone(system: System) -> None:
    """Every pool process hangs in a charge that was made; each is free again in time, each charge is given back."""
    system.publish(workflow("step-timeout", charge_step(timeout=1_000)))
    gate = system.gate()  # stays shut
    hanging = {"method": f"pm_gate_{gate.name}"}
    runs = [system.client.start("tests.step-timeout", hanging) for _ in range(4)]

    shown = [ended(run) for run in runs]
    served = ended(system.pay("pm_ok"), timeout_s=10)

    assert {one.error["code"] for one in shown} == {"step_timeout"}
    assert {one.compensation for one in shown} == {"completed"}
    assert [(len(system.charges(run)), len(system.refunds(run))) for run in runs] == [(1, 1)] * 4
    assert served.status == "completed"


def test_an_operation_that_falls_silent_is_over(system: System) -> None:
    """No heartbeat for longer than allowed: the attempt has failed with unknown outcome, and is undone."""
    system.publish(workflow("silence", charge_step(heartbeat_timeout=1_000)))
    gate = system.gate()
    run = system.client.start("tests.silence", {"method": f"pm_gate_{gate.name}"})

    shown = ended(run)

    assert (shown.error["code"], shown.compensation) == ("heartbeat_timeout", "completed")
    assert (len(system.charges(run)), len(system.refunds(run))) == (1, 1)


def test_an_operation_that_sends_heartbeats_may_take_its_time(system: System) -> None:
    """Longer than the silence that is allowed, and than the lease."""
    system.publish(workflow("heartbeats", charge_step(heartbeat_timeout=1_000)))
    run = system.client.start("tests.heartbeats", {"method": "pm_slow_2500"})

    assert ended(run).status == "completed"
    assert len(system.calls(run, "charge")) == 1


def test_a_step_that_nobody_takes_fails_in_time(system: System) -> None:
    """Its queue has no worker; nothing was executed, so nothing is undone."""
    system.publish(workflow("queue-timeout", charge_step(queue="deserted", queue_timeout=1_000)))
    run = system.client.start("tests.queue-timeout", {"method": "pm_ok"})

    shown = ended(run)

    assert (shown.status, shown.error["code"], shown.compensation) == ("failed", "queue_timeout", "none")
    assert system.calls(run, "charge") == []


def test_a_run_over_its_time_is_stopped_and_undone(system: System) -> None:
    """The limit is the run's, wherever it is; undoing comes after it."""
    steps = (charge_step(), Step(id="long", wait="1h"))
    system.publish(workflow("run-timeout", *steps, timeout=1_000))
    run = system.client.start("tests.run-timeout", {"method": "pm_ok"})

    shown = ended(run)

    assert (shown.status, shown.error["code"], shown.compensation) == ("failed", "run_timeout", "completed")
    assert states(shown) == {"charge": "completed", "long": "cancelled", "charge~": "completed"}
    assert len(system.refunds(run)) == 1
