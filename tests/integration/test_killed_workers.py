"""Workers that are killed in mid-work: another takes the step up again, and its effect is there once."""

import os
import signal
from collections.abc import Callable

import pytest

from orchestrator.local import ManagedProcess
from tests.integration.conftest import MakeSystem
from tests.integration.system import System, ended, events, executions, happened, states, until

pytestmark = pytest.mark.integration

Kill = Callable[[ManagedProcess, int], object]


def kill_all(worker: ManagedProcess, child: int) -> None:
    """SIGKILL to the worker with its children: the machine is gone."""
    worker.kill()


def kill_main(worker: ManagedProcess, child: int) -> None:
    """SIGKILL to the worker's main process alone."""
    worker.kill(group=False)


def kill_child(worker: ManagedProcess, child: int) -> None:
    """SIGKILL to the pool child alone, as the kernel does when memory runs out."""
    os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("kill", [kill_all, kill_main, kill_child])
@pytest.mark.parametrize("point", ["pregate", "gate"])
def test_a_killed_worker_s_charge_is_made_once(system: System, kill: Kill, point: str) -> None:
    """Killed before the provider was asked, or after it answered and before the run knew: charged once."""
    gate = system.gate()
    run = system.pay(f"pm_{point}_{gate.name}")
    holder = gate.reached()

    kill(system.holder(holder), holder)
    gate.open()
    shown = ended(run)

    assert (shown.status, shown.compensation) == ("completed", "none")
    assert len(system.charges(run)) == 1
    assert len({call.key for call in system.calls(run, "charge")}) == 1


@pytest.mark.parametrize("kill", [kill_all, kill_child])
def test_a_lost_attempt_is_taken_up_by_another_process(system: System, kill: Kill) -> None:
    """The loss stands in the history, the attempt keeps its number, and another process executes it."""
    gate = system.gate()
    run = system.pay(f"pm_gate_{gate.name}")
    first = gate.reached()

    kill(system.holder(first), first)
    gate.reached(not_by=first)
    gate.open()
    ended(run)

    assert [event["step"] for event in events(run, "attempt_lost")] == ["charge-payment"]
    assert [call.attempt for call in system.calls(run, "charge")] == [1, 1]
    assert len({call.pid for call in system.calls(run, "charge")}) == 2


def test_a_slice_that_is_cut_off_goes_on_where_it_was(system: System) -> None:
    """Killed between two steps of one message: what was committed is not executed again."""
    gate = system.gate()
    run = system.pay(f"pm_pregate_{gate.name}")
    holder = gate.reached()
    assert happened(run, "step_completed", "validate-payment")

    system.holder(holder).kill()
    gate.open()
    ended(run)

    assert len(system.calls(run, "validate")) == 1
    assert executions(run).count("validate-payment") == executions(run).count("send-receipt") == 1


@pytest.mark.parametrize("kill", [kill_all, kill_main, kill_child])
def test_an_undo_that_is_cut_off_is_made_once(system: System, kill: Kill) -> None:
    """Killed after the refund was made and before the run knew: given back once, and the run says so."""
    gate = system.gate()
    run = system.pay(f"pm_refundgate_{gate.name}", email="nobody@invalid")
    holder = gate.reached()

    kill(system.holder(holder), holder)
    gate.open()
    shown = ended(run)

    assert (shown.status, shown.compensation) == ("failed", "completed")
    assert states(shown)["charge-payment~"] == "completed"
    assert [refund.charge_id for refund in system.refunds(run)] == [charge.id for charge in system.charges(run)]


def test_a_step_that_kills_its_workers_ends_as_lost(system: System) -> None:
    """The third loss of an attempt fails the step; its outcome being unknown, the charge is given back."""
    gate = system.gate()
    run = system.pay(f"pm_gate_{gate.name}")
    holder = None

    for _ in range(3):
        holder = gate.reached(not_by=holder)
        os.kill(holder, signal.SIGKILL)
    shown = ended(run)

    assert (shown.status, shown.error["code"]) == ("failed", "worker_lost")
    assert [len(system.charges(run)), len(system.refunds(run))] == [1, 1]


def test_a_killed_worker_is_got_over_with_the_timings_that_ship(make_system: MakeSystem) -> None:
    """Back within the lease and a sweep: 16 s, and what it takes to execute the step."""
    system = make_system(lease_ms=15_000, heartbeat_ms=5_000, sweep_ms=1_000, resend_ms=2_000)
    system.publish()
    system.start_worker("worker-1")
    system.start_worker("worker-2")
    system.start_beat()
    system.ready()
    gate = system.gate()
    run = system.pay(f"pm_gate_{gate.name}")
    holder = gate.reached()

    system.holder(holder).kill()
    gate.open()

    # a beat that was stalled itself waits one heartbeat more before it ends leases
    assert ended(run, 30.0).status == "completed"
    assert len(system.charges(run)) == 1


def test_a_worker_that_is_asked_to_end_finishes_its_step(make_system: MakeSystem) -> None:
    """A deploy in mid-run: SIGTERM lets the attempt end, and nothing is executed twice."""
    system = make_system()
    system.publish()
    leaving = system.start_worker("leaving", concurrency=1)
    system.start_beat()
    system.ready()
    gate = system.gate()
    run = system.pay(f"pm_gate_{gate.name}")
    gate.reached()

    leaving.ask_to_end()
    system.start_worker("coming", concurrency=1)
    system.fleet["coming"].wait_for_line("ready.")
    gate.open()

    assert ended(run).status == "completed"
    assert len(system.calls(run, "charge")) == 1
    until(lambda: not leaving.running, "the worker has ended")


def test_a_worker_that_is_asked_to_end_gives_back_what_it_has_not_begun(make_system: MakeSystem) -> None:
    """What it had fetched ahead is in the queue again: another worker has it, without a beat that sends it again."""
    system = make_system()
    system.publish()
    leaving = system.start_worker("leaving", concurrency=1)
    system.ready()
    gate = system.gate()
    first = system.pay(f"pm_gate_{gate.name}")
    gate.reached()
    others = [system.pay() for _ in range(3)]
    until(lambda: system.queued() == 0, "all messages are fetched")

    leaving.ask_to_end()
    gate.open()
    until(lambda: not leaving.running, "the worker has ended")
    system.start_worker("coming", concurrency=1)
    system.fleet["coming"].wait_for_line("ready.")

    assert [ended(run).status for run in (first, *others)] == ["completed"] * 4
