"""Rules 1 to 4: leases, leaving, stopping, settling.

Each trace is how a weaker reading of a rule broke; the rules and their numbers are in docs/rules.md.
"""

from __future__ import annotations

import json

import pytest

from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN
from orchestrator.engine.commit import Commit, Stage
from orchestrator.engine.effects import Attempt
from orchestrator.engine.stages import RUN_DRAINED, Timing, leave, reach, stop
from orchestrator.engine.state import RunStatus, StepState
from tests.property.behaviours import DECLINES, REFUSES
from tests.property.specs import TWICE, write
from tests.property.world import RUN_ID, world_of

pytestmark = pytest.mark.property


# 1. Only the sweeper ends a lease.


def test_a_dead_workers_step_is_taken_up_again() -> None:
    """take·2·a go·2(claim) crash·2: the sweeper makes the step ready, the next message is granted, once."""
    world = world_of(write("a"))
    world.until(2, Attempt)
    world.crash(2)

    world.to_next_entry()
    world.sweep()
    ended = world.state("a")
    world.settle_down()

    assert ended is StepState.READY
    assert world.status is RunStatus.COMPLETED
    assert world.ran("a") == 1


def test_a_claim_takes_ready_steps_and_nothing_else() -> None:
    """A lease that has run out is not the claim's business, however late it is."""
    world = world_of(write("a"))
    world.until(0, Attempt)
    world.pass_ms(60_000)

    world.messages.append("a")
    world.finish(1)
    world.take(1)
    world.finish(1)

    assert world.record.claims["a"] == [world.values()["a:token"]]
    assert world.state("a") is StepState.RUNNING


def test_a_dead_workers_step_leaves_a_stopping_run() -> None:
    """… crash·2 cancel: claims are refused, so the sweeper settles the step `lost`, and its effect is undone."""
    world = world_of(write("a"))
    world.begin(2)
    world.crash(2)
    world.cancel()

    world.settle_down()

    assert world.status is RunStatus.CANCELLED
    assert world.state("a") is StepState.LOST
    assert world.undid() == ["a"]


def test_the_old_token_may_settle_until_the_next_claim() -> None:
    """A worker that was only slow wakes up behind the sweeper: its result counts, and nothing runs again."""
    world = world_of(write("a"))
    world.begin(0)
    world.to_next_entry()
    world.sweep()

    world.finish(0)
    world.settle_down()

    assert world.status is RunStatus.COMPLETED
    assert world.ran("a") == 1


def test_a_lapse_counts_only_if_the_token_is_unchanged() -> None:
    """sweep·read, settle, next claim, its lease lapses, sweep·commit: the decision was about another attempt."""
    world = world_of(write("a", retry=TWICE))
    world.begin(0, DECLINES)
    world.to_next_entry()
    world.decide(1)
    world.finish(0)
    world.to_next_entry()
    world.sweep()
    world.until(1, Attempt)
    world.to_next_entry()

    world.commit(1)

    assert world.state("a") is StepState.RUNNING


def test_a_lapse_counts_only_if_the_lease_is_still_over() -> None:
    """sweep·read, heartbeat, sweep·commit: the worker lives."""
    world = world_of(write("a"))
    world.begin(0)
    world.to_next_entry()
    world.decide(1)

    world.beat(0)
    world.commit(1)

    assert world.state("a") is StepState.RUNNING


def test_a_lapsed_step_of_a_stopping_run_is_lost() -> None:
    """crash·2 sweep·a cancel: it is ready again, but its first attempt has not reported."""
    world = world_of(write("a"))
    world.begin(2)
    world.crash(2)
    world.to_next_entry()
    world.sweep()

    world.cancel()
    world.settle_down()

    assert world.state("a") is StepState.LOST
    assert world.undid() == ["a"]


def test_an_operation_that_is_not_idempotent_is_not_taken_up_again() -> None:
    """Its worker may have done it: the step is lost at the first lapse."""
    world = world_of({"id": "a", "operation": "do.once"})
    world.begin(0)
    world.crash(0)

    world.settle_down()

    assert world.ran("a") == 1
    assert world.values()["error"]
    assert json.loads(world.values()["error"])["code"] == "worker_lost"


def test_the_third_loss_of_an_attempt_is_the_last() -> None:
    """A step that kills its workers ends with `worker_lost`, and a loss uses up no attempt."""
    world = world_of(write("a", retry=TWICE))
    for _ in range(3):
        world.begin(0)
        world.crash(0)
        world.to_next_entry()
        world.sweep()

    world.settle_down()

    assert world.ran("a") == 3
    assert {trial.number for trial in world.trials["a"]} == {1}
    assert json.loads(world.values()["error"])["code"] == "worker_lost"


# 2. Leaving is decided by the commit.


def test_the_last_of_two_to_leave_starts_the_undo() -> None:
    """b.view c.view b.settle c.settle: neither saw the other gone, and still exactly one makes the undo ready."""
    world = world_of(write("a"), write("b"), write("c"))
    timing = Timing()
    both = reach(world.plan, "b", timing) | reach(world.plan, "c", timing)
    world.store.apply(Commit(RUN_ID, "1", (Stage({}, both | leave(world.plan, "a", StepState.CANCELLED)),)))
    world.store.apply(
        Commit(
            RUN_ID, "1", (stop(world.plan.pinned, RunStatus.RUNNING, RunStatus.FAILED, {"code": "x", "message": ""}),)
        )
    )
    leaves = [
        Commit(RUN_ID, "1", (Stage({}, leave(world.plan, step, StepState.CANCELLED), then=(RUN_DRAINED,)),))
        for step in ("b", "c")
    ]

    world.store.apply(leaves[0])
    first = world.state(DRAIN)
    world.store.apply(leaves[1])

    assert first is StepState.PENDING
    assert world.state(DRAIN) is StepState.READY
    assert set(world.store.entries(RUN_ID)) == {"$", DRAIN}


def test_leaving_twice_is_leaving_once() -> None:
    """A commit that is sent twice takes no second member out, as a counter would."""
    world = world_of(write("a"), write("b"))
    timing = Timing()
    world.store.apply(Commit(RUN_ID, "1", (Stage({}, reach(world.plan, "b", timing)),)))
    gone = Commit(RUN_ID, "1", (Stage({}, leave(world.plan, "a", StepState.CANCELLED), then=(RUN_DRAINED,)),))

    world.store.apply(gone)
    world.store.apply(gone)

    assert world.values()[fields.LIVE_COUNT] == "1"


# 3. Stopping.


def test_a_cancel_while_a_step_is_ready_ends_the_run() -> None:
    """A cancel with `a` ready and its message lost: the entry falls due and the step is settled `cancelled`."""
    world = world_of(write("a"), write("b"))
    world.messages.clear()

    world.cancel(drops=False)
    world.settle_down()

    assert world.status is RunStatus.CANCELLED
    assert world.ran("a") == 0
    assert world.state("a") is StepState.CANCELLED


def test_a_cancel_while_a_step_waits_ends_the_run_at_once() -> None:
    """A timer of ten hours does not keep a cancelled run alive."""
    world = world_of({"id": "w", "wait": "10h"}, write("b"))
    world.take(0)
    world.finish(0)

    world.cancel()
    began_ms = world.now_ms
    world.settle_down()

    assert world.status is RunStatus.CANCELLED
    assert world.now_ms == began_ms


def test_a_claim_in_a_stopping_run_settles_the_step() -> None:
    """The message of a ready step that comes after the cancel starts nothing, and what was done is undone."""
    world = world_of(write("a"), write("b"))
    world.fuses = False
    world.take(0)
    world.finish(0)
    world.cancel()

    world.settle_down()

    assert world.ran("b") == 0
    assert world.undid() == ["a"]


def test_what_is_in_flight_is_waited_for_and_then_undone() -> None:
    """A step that could be undone ends its attempt; the list of undos is frozen only then."""
    world = world_of(write("a"), write("b"))
    world.begin(0)
    world.go(0, 2)
    world.begin(0)
    world.cancel()
    world.sweep()
    stopped = world.status, world.undid()

    world.settle_down()

    assert stopped == (RunStatus.COMPENSATING, [])
    assert world.undid() == ["b", "a"]


def test_what_is_in_flight_and_cannot_be_undone_is_dropped() -> None:
    """The run does not wait for it; its result comes late and moves nothing."""
    world = world_of(write("a"), {"id": "b", "operation": "do.write"})
    world.begin(0)
    world.go(0, 2)
    world.begin(0)

    world.cancel()
    dropped = world.state("b"), world.state(DRAIN)
    world.settle_down()

    assert dropped == (StepState.CANCELLED, StepState.READY)
    assert world.undid() == ["a"]
    assert world.events("late_result")


def test_the_first_reason_stands() -> None:
    """A cancel during the undo of a failure changes nothing (RULES 24)."""
    world = world_of(write("a"), write("b"))
    world.begin(0)
    world.go(0, 2)
    world.begin(0, REFUSES)
    world.go(0, 2)

    world.cancel()
    world.settle_down()

    assert world.status is RunStatus.FAILED
    assert json.loads(world.values()["error"])["code"] == "refused"


def test_a_run_that_is_over_its_time_stops_like_any_other() -> None:
    """Its timeout is the run's own ledger entry; undoing is not cut short."""
    world = world_of(write("a"), {"id": "w", "wait": "1h"}, timeout="30s")

    world.settle_down()

    assert world.status is RunStatus.FAILED
    assert json.loads(world.values()["error"])["code"] == "run_timeout"
    assert world.undid() == ["a"]


# 4. A settle is guarded by its token alone; the claim of what follows is a second stage.


@pytest.mark.parametrize("refused", ["cancel", "pause"])
def test_a_claim_refused_between_settle_and_claim_undoes_nothing(refused: str) -> None:
    """… take·2·b1 go·2 pause …: the result stands, the next step does not start, and nothing is executed twice."""
    world = world_of(write("a"), write("b"))
    world.begin(0)

    world.cancel() if refused == "cancel" else world.pause(on=True)
    world.finish(0)
    after = world.state("a"), world.ran("b")
    world.settle_down()

    assert after == (StepState.COMPLETED, 0)
    assert world.ran("a") == 1
    assert world.status is (RunStatus.CANCELLED if refused == "cancel" else RunStatus.COMPLETED)


def test_a_failure_that_lands_in_a_paused_run_is_settled() -> None:
    """In fail … pause … settle: pause is a flag that only claims read, so the failure stops the run (RULES 13)."""
    world = world_of(write("a"), write("b"))
    world.begin(0)
    world.go(0, 2)
    world.begin(0, REFUSES)
    world.pause(on=True)

    world.finish(0)
    paused = world.status, world.undid(), world.store.shard_entry(RUN_ID)
    world.settle_down()

    assert paused == (RunStatus.COMPENSATING, [], float("inf"))
    assert world.undid() == ["a"]


def test_a_cancel_clears_the_pause() -> None:
    """A paused run can be cancelled, and is undone at once."""
    world = world_of(write("a"), write("b"))
    world.begin(0)
    world.pause(on=True)
    world.finish(0)

    world.cancel()

    assert world.values()["paused"] == "0"
    world.settle_down()
    assert world.undid() == ["a"]
