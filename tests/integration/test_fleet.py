"""Workers are looked at, resized, drained, ended and lost, in processes of their own."""

from __future__ import annotations

import pytest

from orchestrator import Orchestrator
from orchestrator.client.shown_fleet import WorkerDescription, WorkerState
from orchestrator.errors import Conflict, Forbidden, InvalidRequest, PoolFixed, UnknownWorker, WorkerSilent
from orchestrator.local import ManagedProcess
from tests.integration.conftest import MakeSystem
from tests.integration.system import System, ended, server_of, token, until

pytestmark = pytest.mark.integration

GREETING = {"name": "ada"}


def started(system: System, name: str = "worker", **options: object) -> tuple[ManagedProcess, str]:
    """A worker that stands in the register, and its name there."""
    process = system.start_worker(name, **options)  # type: ignore[arg-type]
    system.ready()
    until(lambda: _names(system, process), f"{name} is announced")
    return process, _names(system, process)[0]


def _names(system: System, process: ManagedProcess) -> list[str]:
    return [one.name for one in system.client.fleet.workers() if one.pid == process.pid]


def comes_to(system: System, name: str, state: WorkerState, timeout_s: float = 20) -> WorkerDescription:
    """The worker, as soon as it is in that state."""
    until(lambda: system.client.fleet.worker(name).state is state, f"{name} is {state}", timeout_s)
    return system.client.fleet.worker(name)


def test_a_worker_tells_what_it_is_at(make_system: MakeSystem) -> None:
    """The message that it works off, the lease of the step that it has come to, and what it takes from the machine."""
    system = make_system()
    system.publish()
    _, name = started(system)
    gate = system.gate()
    run = system.pay(f"pm_gate_{gate.name}")
    child = gate.reached()

    until(lambda: system.client.fleet.worker(name).leases, "the lease is told")
    system.client.fleet.limit_rate(name, "orchestrator.step", "0")  # it answers, and so tells of itself at once
    until(lambda: system.client.fleet.worker(name).active, "the message is told")
    shown = system.client.fleet.worker(name)
    gate.open()

    (lease,) = shown.leases
    assert (lease.run_id, lease.step, lease.pid) == (run.run_id, "charge-payment", child)
    assert (lease.workflow, lease.since < lease.until) == ("payment.flow", True)
    assert (run.run_id, child) in {(one.run_id, one.pid) for one in shown.active}
    assert {one.name.partition("/")[0] for one in shown.active} == {"payment.flow@1.0.0"}
    assert (shown.pool, shown.concurrency, shown.queues, shown.prefetched) == ("prefork", 2, ("default",), 0)
    assert "payments.charge@1.0.0" in shown.operations
    assert "payment.flow@1.0.0" in (shown.serves or ())
    assert shown.rss_bytes is not None
    assert ended(run).status == "completed"
    until(lambda: not system.client.fleet.worker(name).leases, "the lease is given back")


def test_a_pool_grows_and_shrinks(make_system: MakeSystem) -> None:
    """As the worker itself counts its processes; the last one stays."""
    system = make_system()
    _, name = started(system, concurrency=1)
    fleet = system.client.fleet

    fleet.grow(name, 2)
    until(lambda: fleet.worker(name).concurrency == 3, "the register knows")
    until(lambda: len(fleet.inspect(name)["stats"]["pool"]["processes"]) == 3, "Celery has started them")
    fleet.shrink(name)

    until(lambda: fleet.worker(name).concurrency == 2, "the register knows")
    until(lambda: len(fleet.inspect(name)["stats"]["pool"]["processes"]) == 2, "Celery has ended one")
    with pytest.raises(InvalidRequest, match="one stays"):
        fleet.shrink(name, 2)


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_other_pools_work_off_drain_and_end_too(make_system: MakeSystem, pool: str) -> None:
    """But do not change their size."""
    system = make_system()
    system.publish()
    process, name = started(system, pool=pool)
    fleet = system.client.fleet

    with pytest.raises(PoolFixed, match=pool):
        fleet.grow(name)
    fleet.drain(name)
    comes_to(system, name, WorkerState.DRAINING)
    run = system.client.start("examples.sequence", GREETING)
    until(lambda: fleet.worker(name).queues == (), "it takes from no queue")
    fleet.resume(name)

    assert ended(run).status == "completed"
    fleet.shutdown(name)
    until(lambda: not process.running, "the worker ends")
    assert fleet.workers() == []


def test_a_worker_that_is_drained_takes_nothing_new_and_loses_nothing(make_system: MakeSystem) -> None:
    """200 runs, one of two workers drained in the middle: all end right, and what it had it ended itself."""
    system = make_system()
    system.publish()
    _, name = started(system, "one")
    _, other = started(system, "two")
    system.start_beat()
    system.ready()
    fleet = system.client.fleet

    runs = [system.client.start("examples.sequence", GREETING) for _ in range(100)]
    fleet.drain(name, "a new kernel")
    runs += [system.client.start("examples.sequence", GREETING) for _ in range(100)]

    assert {ended(run).status for run in runs} == {"completed"}
    drained = comes_to(system, name, WorkerState.DRAINING)
    assert (drained.queues, drained.paused_queues) == ((), ("default",))
    until(lambda: fleet.worker(name).prefetched == 0, "it has ended what it had")
    (queue,) = [one for one in fleet.queues().queues if one.name == "default"]
    assert queue.workers == (other,)
    fleet.resume(name)
    assert comes_to(system, name, WorkerState.ONLINE).paused_queues == ()
    until(lambda: fleet.worker(name).queues == ("default",), "it takes from its queue again")


def test_a_drained_worker_ends_the_step_that_it_has(make_system: MakeSystem) -> None:
    """And may be shut down: it ends when the step has, and is missed by nobody."""
    system = make_system()
    system.publish()
    process, name = started(system)
    gate = system.gate()
    run = system.pay(f"pm_gate_{gate.name}")
    gate.reached()

    system.client.fleet.shutdown(name)
    comes_to(system, name, WorkerState.STOPPING)
    assert process.running
    gate.open()

    until(lambda: not process.running, "the worker ends")
    assert system.client.fleet.workers() == []
    assert [event for event in run.history() if event.event["type"] == "attempt_lost"] == []


def test_a_killed_worker_is_lost_until_it_is_forgotten(make_system: MakeSystem) -> None:
    """It is told since when, takes no orders, and consumes no queue."""
    system = make_system()
    system.publish()
    process, name = started(system)
    fleet = system.client.fleet
    with pytest.raises(Conflict):
        fleet.forget(name)

    process.kill()
    shown = comes_to(system, name, WorkerState.LOST, timeout_s=40)

    assert shown.lost_since == shown.seen_at
    with pytest.raises(WorkerSilent, match="has not been seen since"):
        fleet.drain(name)
    with pytest.raises(UnknownWorker, match=f"did you mean {name}"):
        fleet.drain(name[:-1])
    assert [one.workers for one in fleet.queues().queues if one.name == "default"] == [()]
    fleet.forget(name)
    assert fleet.workers() == []


def test_a_frozen_worker_is_silent(make_system: MakeSystem) -> None:
    """After two seconds, with an error that says so."""
    system = make_system()
    process, name = started(system)
    process.freeze()

    with pytest.raises(WorkerSilent, match="has not answered within 2 s"):
        system.client.fleet.grow(name)


def test_queues_are_told_of_with_rates(make_system: MakeSystem) -> None:
    """What came and what was taken, from samples that beat takes; a queue that nobody takes from, too."""
    system = make_system()
    system.publish()
    _, name = started(system)
    system.start_beat()
    system.ready()
    fleet = system.client.fleet
    fleet.add_consumer(name, "more")
    until(lambda: fleet.samples("default"), "a sample")
    for _ in range(50):
        system.client.start("examples.sequence", GREETING)
    until(lambda: fleet.queues().queues[0].out_per_s, "rates are known", 40)

    found = {one.name: one for one in fleet.queues().queues}
    assert found["more"].workers == (name,)
    assert (found["default"].in_per_s or 0) > 0
    fleet.cancel_consumer(name, "more")
    until(lambda: fleet.worker(name).queues == ("default",), "it takes from it no more")
    with pytest.raises(Conflict, match="takes from default"):
        fleet.cancel_consumer(name, "more")


@pytest.mark.usefixtures("api_url")
def test_the_fleet_over_http_is_the_same(system: System) -> None:
    """For an admin; an operator looks on, and what is done is in the audit log."""
    here = system.client.fleet
    name = here.workers()[0].name
    with Orchestrator.connect(server_of(system), api_key=token(system, "operator")) as operator:
        with pytest.raises(Forbidden):
            operator.fleet.drain(name)
        looked = operator.fleet.worker(name)
    with Orchestrator.connect(server_of(system), api_key=token(system, "admin", user="grace")) as admin:
        fleet = admin.fleet
        fleet.grow(name, 1, "more work")
        fleet.shrink(name, 1)
        fleet.limit_rate(name, "orchestrator.step", "0")
        until(lambda: fleet.worker(name).concurrency == 2, "as before")
        queues, workers = fleet.queues(), fleet.workers()
        inspected = fleet.inspect(name)

    still = {"name": name, "host": looked.host, "pid": looked.pid, "pool": looked.pool, "operations": looked.operations}
    assert {field: getattr(here.worker(name), field) for field in still} == still
    assert [one.name for one in queues.queues] == [one.name for one in here.queues().queues]
    assert [one.name for one in workers] == [one.name for one in here.workers()]
    assert set(inspected) == set(here.inspect(name))
    entries = system.client.access.read(None, 10)
    assert any((one.action, one.user, one.reason) == ("grow_pool", "grace", "more work") for one in entries)
    assert any((one.action, one.outcome) == ("drain_worker", "forbidden") for one in entries)
