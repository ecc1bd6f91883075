"""Beats: none is needed for the common case, any number may run, and none is missed for long."""

import pytest

from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN
from tests.integration.conftest import MakeSystem
from tests.integration.system import ended, events, executions, happened, until

pytestmark = pytest.mark.integration


def test_two_beats_move_each_step_once(make_system: MakeSystem) -> None:
    """All messages are lost, so both send everything again; one is killed meanwhile. No step is executed twice."""
    system = make_system(slice_ms=0)
    system.publish()
    runs = [system.pay("pm_ok") for _ in range(10)]
    runs += [system.client.start("examples.retry-ladder") for _ in range(5)]
    system.broker.flushdb()
    system.start_worker()
    system.start_beat("beat-1")
    system.start_beat("beat-2")
    system.ready()

    until(lambda: happened(runs[0], "step_completed", "validate-payment"), "a beat has sent the first step")
    system.broker.flushdb()
    system.fleet["beat-1"].kill()

    assert [ended(run).status for run in runs] == ["completed"] * 15
    assert {tuple(executions(run)) for run in runs[:10]} == {("validate-payment", "charge-payment", "send-receipt")}
    assert {tuple(executions(run)) for run in runs[10:]} == {("call", "call", "call", "answer")}
    assert [len(system.calls(run, "charge")) for run in runs[:10]] == [1] * 10


def test_the_errback_alone_undoes_a_failed_run(make_system: MakeSystem) -> None:
    """No beat is running: Celery's own failure path starts the compensation."""
    system = make_system()
    system.publish()
    system.start_worker()
    system.ready()

    run = system.pay("pm_ok", email="nobody@invalid")

    assert ended(run).compensation == "completed"
    assert len(system.refunds(run)) == 1


def test_the_ledger_alone_undoes_a_failed_run(make_system: MakeSystem) -> None:
    """No errback is called: the run stays as it stopped until a beat looks, then it is undone."""
    system = make_system()
    system.publish()
    system.start_worker(concurrency=1, app="tests.integration.deaf_workers")
    system.ready()
    run = system.pay("pm_ok", email="nobody@invalid")
    until(lambda: events(run, "run_stopping"), "the run has stopped")
    ended(system.pay("pm_ok"))  # the queue is in order: had an errback been sent, it would have been taken before this
    waiting = run.store.read(run.run_id, [fields.state(DRAIN)])[1]

    system.start_beat()

    assert list(waiting.values()) == ["ready"]
    assert ended(run).compensation == "completed"
    assert len(system.refunds(run)) == 1
