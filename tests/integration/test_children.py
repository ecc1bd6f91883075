"""Child runs on real workers: what is killed, lost or cancelled between a parent and its child."""

from __future__ import annotations

import os
import signal

import pytest

from orchestrator import Step
from orchestrator.client.handle import RedisRunHandle
from orchestrator.spec.workflow import Transition
from tests.integration.conftest import MakeSystem
from tests.integration.system import System, ended, happened, states, until
from tests.integration.workflows import charge_step, upper_step, workflow

pytestmark = pytest.mark.integration

CHILD = workflow("child", charge_step())
GIVEN = {"method": "${input.method}"}
PARENT = workflow(
    "parent", upper_step("before"), Step(id="pay", workflow="tests.child", inputs=GIVEN), upper_step("after")
)
BROKEN = workflow(
    "broken",
    charge_step(id="first", on_success="pay"),
    Step(id="pay", workflow="tests.child", inputs=GIVEN, on_success="no"),
    Step(id="no", transitions=[Transition(when="false", to="$end")]),
)


@pytest.fixture
def family(system: System) -> System:
    """The shared system, which knows a parent and its child."""
    system.publish(CHILD, PARENT)
    return system


def child_of(run: RedisRunHandle, step: str = "pay") -> RedisRunHandle:
    """The run that a step has started last."""
    until(lambda: _child(run, step) is not None, f"{step} has a child")
    return RedisRunHandle(str(_child(run, step)), run.store, run.versions, run.dispatcher)


def _child(run: RedisRunHandle, step: str) -> str | None:
    return next((one.child_run for one in run.describe().steps if one.address == step), None)


def test_a_worker_that_is_killed_in_a_child_is_got_over(family: System) -> None:
    """The child goes on where it was, the parent with its output; charged once."""
    gate = family.gate()
    run = family.client.start("tests.parent", {"method": f"pm_gate_{gate.name}"})
    holder = gate.reached()
    child = child_of(run)

    family.holder(holder).kill()
    gate.open()
    shown = ended(run)

    assert shown.status == ended(child).status == "completed"
    assert states(shown) == {"before": "completed", "pay": "completed", "after": "completed"}
    assert len(family.charges(child)) == 1


def test_a_child_that_is_over_is_heard_though_every_message_is_lost(make_system: MakeSystem) -> None:
    """Between the child's end and the parent's settle: worker killed, broker flushed, and the ledger knows."""
    system = make_system()
    system.publish(CHILD, PARENT)
    gate = system.gate()
    worker = system.start_worker("worker-1", concurrency=1)
    system.ready()
    run = system.client.start("tests.parent", {"method": f"pm_gate_{gate.name}"})
    gate.reached()
    child = child_of(run)
    gate.open()
    until(lambda: child.describe().ended_at is not None, "the child is over")

    worker.kill()
    system.broker.flushdb()
    system.start_worker("worker-2")
    system.start_beat()
    system.ready()

    assert ended(run).status == "completed"
    assert happened(run, "step_completed", "after")
    assert len(system.charges(child)) == 1


def test_the_broker_s_content_is_not_needed_for_a_child(family: System) -> None:
    """Flushed while the child runs."""
    gate = family.gate()
    run = family.client.start("tests.parent", {"method": f"pm_gate_{gate.name}"})
    gate.reached()
    family.broker.flushdb()
    gate.open()

    assert ended(run).status == "completed"


def test_a_cancel_stops_a_child_that_runs_and_waits_for_its_undo(family: System) -> None:
    """The charge in flight ends, and is given back in the child, before the parent is over."""
    gate = family.gate()
    run = family.client.start("tests.parent", {"method": f"pm_gate_{gate.name}"})
    gate.reached()
    child = child_of(run)

    run.cancel("changed my mind")
    until(lambda: child.status() == "compensating", "the child is told")
    assert run.status() == "compensating"
    gate.open()
    shown = ended(run)

    assert (shown.status, ended(child).status) == ("cancelled", "cancelled")
    assert len(family.charges(child)) == len(family.refunds(child)) == 1


@pytest.mark.parametrize("killed", [False, True])
def test_a_completed_child_is_undone_with_its_parent(family: System, killed: bool) -> None:
    """Though the worker that undoes it is killed: given back once, newest first, and the child stays completed."""
    family.publish(BROKEN)
    gate = family.gate()
    method = f"pm_refundgate_{gate.name}" if killed else "pm_ok"
    run = family.client.start("tests.broken", {"method": method})
    if killed:
        os.kill(gate.reached(), signal.SIGKILL)
        gate.open()
    shown, child = ended(run), child_of(run)

    assert (shown.status, shown.compensation) == ("failed", "completed")
    assert (child.status(), child.describe().compensation) == ("completed", "completed")
    assert [len(family.charges(child)), len(family.refunds(child))] == [1, 1]
    assert [len(family.charges(run)), len(family.refunds(run))] == [1, 1]
