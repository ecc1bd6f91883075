"""Redis as state: what it has written survives. Redis as broker: what it holds is disposable."""

from collections.abc import Iterator

import pytest

from orchestrator import Start
from orchestrator.local import LocalRedis
from tests.integration.conftest import MakeSystem
from tests.integration.system import ended, until

pytestmark = pytest.mark.integration


@pytest.fixture
def server() -> Iterator[LocalRedis]:
    """A Redis that may be killed."""
    with LocalRedis() as redis:
        yield redis


def test_runs_outlive_the_death_of_redis(make_system: MakeSystem, server: LocalRedis) -> None:
    """Killed and started again on its files, with one charge made and unsettled, one run waiting, others on the way."""
    system = make_system()
    system.publish()
    system.start_worker()
    system.start_beat()
    system.ready()
    gate = system.gate()
    gated = system.pay(f"pm_gate_{gate.name}")
    waiting = system.client.start("examples.wait", {"text": "tea"})
    gate.reached()
    runs = [gated, waiting, *(system.pay("pm_ok") for _ in range(10))]

    server.kill()
    gate.open()
    server.start()

    assert [ended(run).status for run in runs] == ["completed"] * len(runs)
    assert {len(system.charges(run)) for run in runs if run is not waiting} == {1}


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

    for moved in (1, 10, 20):
        until(lambda moved=moved: sum(len(run.history()) > 2 for run in runs) >= moved, f"{moved} runs have moved")
        system.broker.flushdb()

    assert [ended(run).status for run in runs] == ["completed"] * 20
    assert {len(system.charges(run)) for run in runs[:8]} == {1}
