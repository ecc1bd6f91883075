"""Dying workers, doubled messages and cancels, and what the engine makes of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator import StepContext, operation
from orchestrator.testing import Action, Harness, always, delay, doubled, effect_then_crash, fail, ok, real, worker_lost
from tests.unit.testing.conftest import FlowOf

A = {"id": "a", "operation": "do.one", "compensation": "undo.one"}
B = {"id": "b", "operation": "do.two"}


@operation("harness.ask", version="1.0.0", effect="write", idempotent=True)
def ask(_given: object, context: StepContext) -> dict[str, bool]:
    """Whether anybody still waits."""
    return {"cancelled": context.cancelled}


LEASE = timedelta(seconds=15)


@pytest.mark.parametrize("lost", [worker_lost(), effect_then_crash()], ids=str)
def test_a_lost_call_is_made_again_with_its_key(flow_of: FlowOf, lost: Action) -> None:
    """When the lease has ended; it is the same attempt."""
    run = flow_of(A).script("a", lost, ok()).run()

    assert (run.status, run.duration, run.attempts("a")) == ("completed", LEASE, 1)
    assert len(run.calls_of("a")) == 2
    assert len({call.idempotency_key for call in run.calls_of("a")}) == 1


def test_a_worker_lost_in_mid_call_was_alive_until_then(flow_of: FlowOf) -> None:
    """Its lease counts from its last heartbeat, every 5 s."""
    run = flow_of(A).script("a", delay("62s", worker_lost()), ok()).run()

    assert run.duration == timedelta(seconds=60) + LEASE


def test_what_is_done_before_a_crash_is_done(flow_of: FlowOf) -> None:
    """A function of a script is called; what it gives is lost."""
    done: list[str] = []
    flow = flow_of(A).script("a", effect_then_crash(ok(lambda _: done.append("effect"))), ok("told"))

    assert (flow.run().output, done) == ("told", ["effect"])


def test_the_third_loss_is_the_last(flow_of: FlowOf) -> None:
    """The step is lost, and undone: nobody knows what it did."""
    run = flow_of(A).script("a", always(worker_lost())).script("a~", ok()).run()

    assert (run.error["code"], len(run.calls_of("a")), run.undos) == ("worker_lost", 3, ["a"])


def test_a_doubled_message_changes_nothing(flow_of: FlowOf) -> None:
    """The second finds the step held."""
    run = flow_of(A, B).script("a", doubled(delay("5s"))).script("b", ok()).run()

    assert (run.status, run.path, len(run.calls)) == ("completed", ["a", "b"], 2)
    assert run.messages == 3


def test_all_messages_may_be_doubled(flow_of: FlowOf, harness: Harness) -> None:
    """Also those that undo."""
    flow = flow_of(A, B).script("a", always(ok())).script("b", always(fail("no"))).script("a~", always(ok()))
    plain = flow.run()
    harness.double_messages()

    run = flow.run()

    assert (run.status, run.undos, len(run.calls)) == ("failed", ["a"], 3)
    assert run.messages > plain.messages


def test_a_cancel_in_mid_run_undoes_what_was_done(flow_of: FlowOf) -> None:
    """What waits does not begin."""
    flow = flow_of(A, {"id": "pause", "wait": "1d"}, B).script("a", ok()).script("undo.one", delay("2s"))
    run = flow.start().until("pause").advance("1h")

    run.cancel("changed my mind").finish()

    assert (run.status, run.path, run.undos) == ("cancelled", ["a"], ["a"])
    assert (run.error["message"], run.duration) == ("changed my mind", timedelta(hours=1, seconds=2))


def test_an_operation_is_told_that_nobody_waits_for_it(flow_of: FlowOf) -> None:
    """When the heartbeat has heard of the cancel; what was done all the same is undone."""
    step = {"id": "a", "operation": "harness.ask", "compensation": "undo.one"}
    flow = flow_of(step).script("a", delay("1m", real())).script("a~", ok())

    run = flow.start().advance("20s").cancel().finish()

    assert (run.step("a").output, run.undos) == ({"cancelled": True}, ["a"])


def test_an_undo_that_fails_is_told_apart(flow_of: FlowOf) -> None:
    """The others are made all the same."""
    flow = flow_of(A, {**B, "compensation": {"operation": "undo.two", "retry": {"max_attempts": 1}}}, {**B, "id": "c"})
    flow.script("a", ok()).script("b", ok()).script("c", fail("no")).script("a~", ok()).script("b~", fail("stuck"))

    run = flow.run()

    assert (run.undos, run.failed_undos, run.compensation) == (["a"], ["b"], "failed")


def test_runs_tell_the_same_story_every_time(flow_of: FlowOf) -> None:
    """Nothing is drawn at random, jitter included."""
    retry = {"max_attempts": 2, "delay": "10s", "jitter": "full"}
    flow = flow_of({**A, "retry": retry}).script("a", fail("busy"), ok(), fail("busy"), ok())

    first, second = flow.run(), flow.run()

    assert first.duration == second.duration == timedelta(seconds=5)
