"""Starting: once for a key, many at a time."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator import Start
from orchestrator.errors import RunConflict
from tests.integration.system import System, ended, executions

pytestmark = pytest.mark.integration


def test_the_same_key_and_input_is_the_same_run(system: System) -> None:
    """Started again while it goes and when it is over: one run, charged once; another input is refused."""
    first = system.pay("pm_ok", idempotency_key="order-1")
    second = system.pay("pm_ok", idempotency_key="order-1")
    ended(first)
    third = system.pay("pm_ok", idempotency_key="order-1")

    with pytest.raises(RunConflict):
        system.pay("pm_declined", idempotency_key="order-1")

    assert first.run_id == second.run_id == third.run_id
    assert executions(first) == ["validate-payment", "charge-payment", "send-receipt"]
    assert len(system.calls(first, "charge")) == 1


def test_twenty_at_once_start_one_run(system: System) -> None:
    """Twenty threads give the same key at the same time."""
    with ThreadPoolExecutor(20) as threads:
        runs = list(threads.map(lambda _: system.pay("pm_ok", idempotency_key="order-2"), range(20)))

    assert {run.run_id for run in runs} == {runs[0].run_id}
    assert ended(runs[0]).status == "completed"
    assert len(system.calls(runs[0], "charge")) == 1


def test_many_starts_all_complete(system: System) -> None:
    """Two hundred runs in one call."""
    runs = system.client.start_many([Start("examples.sequence", {"name": f"n{number}"}) for number in range(200)])

    outputs = [run.result(20.0) for run in runs]

    assert outputs == [{"text": f"Hello, N{number}"} for number in range(200)]
