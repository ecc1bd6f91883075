"""The clock jumps to where something happens, and everything that goes by time goes by it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.testing import NothingMoves, always, delay, fail, ok
from tests.unit.testing.conftest import FlowOf

A = {"id": "a", "operation": "do.one"}
TWICE = {"max_attempts": 2, "delay": "10s", "backoff": "constant"}


def test_a_wait_of_days_takes_no_time(flow_of: FlowOf) -> None:
    """The run takes them, on the virtual clock."""
    run = flow_of({"id": "pause", "wait": "3d"}).run()

    assert (run.status, run.duration) == ("completed", timedelta(days=3))


def test_short_waits_end_on_time(flow_of: FlowOf) -> None:
    """As a countdown, not when the ledger looks again."""
    assert flow_of({"id": "pause", "wait": "1500ms"}).run().duration == timedelta(seconds=1.5)


def test_delays_and_retries_add_up(flow_of: FlowOf) -> None:
    """Two calls of 3 s, and 10 s between them."""
    run = flow_of({**A, "retry": TWICE}).script("a", delay("3s", fail("busy")), delay("3s")).run()

    assert run.duration == timedelta(seconds=16)
    assert [call.at for call in run.calls_of("a")] == [timedelta(0), timedelta(seconds=13)]


def test_a_call_beyond_its_timeout_is_cut(flow_of: FlowOf) -> None:
    """The attempt ends at its deadline, and is tried again."""
    flow = flow_of({**A, "timeout": "20s", "retry": TWICE}).script("a", delay("1h"), ok())

    run = flow.run()

    assert (run.status, run.duration) == ("completed", timedelta(seconds=30))


def test_a_lease_is_renewed_while_its_worker_lives(flow_of: FlowOf) -> None:
    """A call of nine minutes is made once."""
    run = flow_of(A).script("a", delay("9m", ok())).run()

    assert (run.status, len(run.calls)) == ("completed", 1)


def test_a_silent_operation_is_given_up(flow_of: FlowOf) -> None:
    """Without heartbeats it fails at its `heartbeat_timeout`; what it gives later is late."""
    flow = flow_of({**A, "heartbeat_timeout": "30s"}).script("a", delay("5m", ok()))

    run = flow.run()

    assert (run.error["code"], run.duration) == ("heartbeat_timeout", timedelta(seconds=30))
    assert run.history[-1]["type"] == "late_result"


def test_heartbeats_keep_an_operation_alive(flow_of: FlowOf) -> None:
    """Each one allows it to be silent again."""
    flow = flow_of({**A, "heartbeat_timeout": "30s"}).script("a", delay("5m", ok(), heartbeat="20s"))

    run = flow.run()

    assert (run.status, run.duration) == ("completed", timedelta(minutes=5))


def test_the_limit_of_a_run_stops_it(flow_of: FlowOf) -> None:
    """What is in flight and cannot be undone is not waited for."""
    run = flow_of(A, timeout="1m").script("a", delay("5m")).run()

    assert (run.error["code"], run.duration) == ("run_timeout", timedelta(minutes=1))


def test_time_passes_as_far_as_it_is_told_to(flow_of: FlowOf) -> None:
    """`advance` ends at the moment asked for, in the middle of whatever goes on."""
    run = flow_of(A).script("a", delay("9m")).start()

    run.advance("1m").advance("20s")

    assert (run.status, run.path, run.duration) == ("running", ["a"], timedelta(seconds=80))
    assert (run.finish().status, run.duration) == ("completed", timedelta(minutes=9))


def test_a_run_is_taken_to_a_step(flow_of: FlowOf) -> None:
    """The step has begun, and its operation was not called yet."""
    flow = flow_of(A, {"id": "b", "operation": "do.two"}).script("a", ok()).script("b", ok())

    run = flow.start().until("b")

    assert (run.step("b").state, run.calls_of("b")) == ("running", [])
    assert run.finish().status == "completed"


def test_a_run_is_taken_to_a_condition(flow_of: FlowOf) -> None:
    """Any that can be asked of it."""
    flow = flow_of({**A, "retry": TWICE}).script("a", always(fail("busy")))

    run = flow.start().until(lambda run: run.attempts("a") == 2)

    assert run.duration == timedelta(seconds=10)


def test_runs_share_the_clock(flow_of: FlowOf) -> None:
    """What one does while another is worked on happens at its own moments."""
    flow = flow_of(A, {"id": "b", "operation": "do.two"}).script("a", delay("60s"), delay("20s"))
    flow.script("b", delay("25s"), delay("5s"))
    slow, quick = flow.start(), flow.start()

    slow.finish()

    assert (quick.status, quick.duration) == ("completed", timedelta(seconds=45))
    assert (slow.status, slow.duration) == ("completed", timedelta(seconds=65))
    assert [len(run.calls) for run in (slow, quick)] == [2, 2]


def test_a_step_that_is_never_reached_is_told(flow_of: FlowOf) -> None:
    """With what happened instead."""
    on_failure = {**A, "on_failure": "b", "on_success": "$end"}
    flow = flow_of(on_failure, {"id": "b", "operation": "do.two", "on_success": "$fail"}).script("a", ok())

    with pytest.raises(NothingMoves, match=r"never at 'b'(.|\n)*run_completed"):
        flow.start().until("b")
