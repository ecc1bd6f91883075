"""Redis as state: what it has written survives. Redis as broker: what it holds is disposable."""

from collections.abc import Iterator, Sequence
from functools import partial

import pytest

from orchestrator import Start
from orchestrator.client.handle import RedisRunHandle
from orchestrator.local import LocalRedis
from tests.integration.conftest import MakeSystem
from tests.integration.system import ended, happened, until
from tests.integration.workflows import upper_step, workflow

pytestmark = pytest.mark.integration


@pytest.fixture
def server() -> Iterator[LocalRedis]:
    """A Redis that may be killed."""
    with LocalRedis() as redis:
        yield redis


def test_runs_outlive_the_death_of_redis(make_system: MakeSystem, server: LocalRedis) -> None:
    """Killed and started again on its files, with two charges made and unsettled, a run waiting, others on the way."""
    system = make_system()
    system.publish()
    system.start_worker()
    system.start_beat()
    system.ready()
    gates = [system.gate() for _ in range(2)]
    waiting = system.client.start("examples.wait", {"text": "tea"})
    until(lambda: happened(waiting, "step_waiting", "a-while"), "a run waits")
    runs = [system.pay(f"pm_gate_{gate.name}") for gate in gates]
    for gate in gates:
        gate.reached()
    runs += [waiting, *(system.pay("pm_ok") for _ in range(4))]
    until(lambda: system.queued() == 0, "the worker holds messages that it cannot begin, and asks for more")

    server.kill()
    system.fleet["worker"].wait_for_line("Cannot connect to redis")
    for gate in gates:
        gate.open()
    server.start()

    assert [ended(run).status for run in runs] == ["completed"] * len(runs)
    assert {len(system.charges(run)) for run in runs if run is not waiting} == {1}


def moved(runs: Sequence[RedisRunHandle], count: int) -> bool:
    """Whether so many runs have gone on from their start."""
    return sum(len(run.history()) > 2 for run in runs) >= count


def test_runs_outlive_the_loss_of_every_message(make_system: MakeSystem) -> None:
    """The broker's database is flushed three times with 20 runs on the way, each step being a message: all finish."""
    system = make_system(slice_ms=0)
    system.publish()
    system.start_worker()
    system.start_beat()
    system.ready()
    ctx = {"user_id": "u-1", "user_email": "ada@example.com"}
    payment = {"amount": 1250, "payment_method_id": "pm_ok"}
    runs = system.client.start_many(
        [Start("payment.flow", payment, ctx) for _ in range(8)]
        + [Start("examples.retry-ladder") for _ in range(6)]
        + [Start("examples.wait", {"text": "tea"}) for _ in range(6)]
    )

    for count in (1, 10, 20):
        until(partial(moved, runs, count), f"{count} runs have moved")
        system.broker.flushdb()

    assert [ended(run).status for run in runs] == ["completed"] * 20
    assert {len(system.charges(run)) for run in runs[:8]} == {1}


def test_a_listener_waits_for_redis(make_system: MakeSystem, server: LocalRedis) -> None:
    """While it is away nothing is handled, and nothing ends; when it is back the listener goes on."""
    system = make_system()
    trigger = {"event": {"name": "placed", "type": "order.created"}}
    system.publish(workflow("placed", upper_step("shout"), triggers=[trigger]))
    listener = system.start_listener()
    system.ready()
    system.client.events.emit(type="order.created", id="before")
    until(lambda: len(system.client.runs(workflow="tests.placed")) == 1, "the listener is at work")

    server.kill()
    listener.wait_for_line("not_announced")
    server.start()
    system.client.events.emit(type="order.created", id="after")

    until(lambda: len(system.client.runs(workflow="tests.placed")) == 2, "the listener goes on")
    assert listener.running
