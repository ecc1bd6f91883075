"""Each trace is how a weaker reading of a rule broke; the rules and their numbers are in docs/rules.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN
from orchestrator.engine.commit import NEVER, Answer, Changes, Commit, Stage
from orchestrator.engine.lease import progress, renewal
from orchestrator.engine.outcome import Success
from orchestrator.engine.slice import Apply, Attempt
from orchestrator.engine.stages import Timing, leave, reach, stop, when_drained
from orchestrator.engine.state import RunStatus, StepState
from tests.property.specs import plan_of
from tests.property.world import (
    BREAKS_OFF,
    DECLINES,
    OK,
    REFUSES,
    RETURNS_RUBBISH,
    RUN_ID,
    TIMING,
    Behaviour,
    World,
)

pytestmark = pytest.mark.property


def write(name: str, **more: Any) -> dict[str, Any]:
    """A step that writes and can be undone."""
    return {"id": name, "operation": "do.write", "compensation": "undo.write", **more}


def world_of(*steps: Mapping[str, Any], given: Mapping[str, Any] | None = None, **workflow: Any) -> World:
    """A run of these steps, its first message sent."""
    return World(plan_of(*steps, **workflow), given or {})


TWICE = {"max_attempts": 2, "delay": "10s", "backoff": "constant"}


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
    """sweep·read, settle, next claim, sweep·commit: the late decision about another token changes nothing."""
    world = world_of(write("a", retry=TWICE))
    world.begin(0, DECLINES)
    world.to_next_entry()
    world.decide(1)
    world.finish(0)
    world.to_next_entry()
    world.sweep()
    world.until(1, Attempt)

    world.commit(1)

    assert world.state("a") is StepState.RUNNING


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
    world = world_of(write("a"))
    timing = Timing()
    both = reach("b", timing) | reach("c", timing)
    world.store.apply(Commit(RUN_ID, "1", (Stage({}, both | leave("a", StepState.CANCELLED)),)))
    world.store.apply(Commit(RUN_ID, "1", (stop(RunStatus.RUNNING, RunStatus.FAILED, {"code": "x", "message": ""}),)))
    leaves = [
        Commit(RUN_ID, "1", (Stage({}, leave(step, StepState.CANCELLED), then=(when_drained(),)),)) for step in ("b", "c")
    ]

    world.store.apply(leaves[0])
    first = world.state(DRAIN)
    world.store.apply(leaves[1])

    assert first is StepState.PENDING
    assert world.state(DRAIN) is StepState.READY
    assert set(world.store.entries(RUN_ID)) == {"$", DRAIN}


def test_leaving_twice_is_leaving_once() -> None:
    """A commit that is sent twice takes no second member out, as a counter would."""
    world = world_of(write("a"))
    timing = Timing()
    world.store.apply(Commit(RUN_ID, "1", (Stage({}, reach("b", timing)),)))
    gone = Commit(RUN_ID, "1", (Stage({}, leave("a", StepState.CANCELLED), then=(when_drained(),)),))

    world.store.apply(gone)
    world.store.apply(gone)

    assert world.values()[fields.LIVE_COUNT] == "1"


# 3. Stopping.


def test_a_cancel_while_a_step_is_ready_ends_the_run() -> None:
    """cancel with `a` ready and its message lost: the entry falls due and the step is settled `cancelled`."""
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
    """fail … pause … settle: pause is a flag that only claims read, so the failure stops the run (RULES 13)."""
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


# 5. Every commit may be sent twice.


def _lose(world: World, seat: int) -> None:
    """Lose the reply to the worker's next commit, and let it send the commit again."""
    world.until(seat, Apply)
    world.lose_reply(seat)
    world.go(seat)


def test_a_claim_whose_reply_is_lost_is_granted_again() -> None:
    """The same token still holds the step, so it is not `held elsewhere`, and no lease has to run out."""
    world = world_of({"id": "a", "operation": "do.once"})

    _lose(world, 0)
    world.begin(0)
    world.finish(0)

    assert world.status is RunStatus.COMPLETED
    assert world.record.claims["a"] == [world.trials["a"][0].token]


def test_a_settle_whose_reply_is_lost_is_not_late() -> None:
    """… noreply·1 go·1 go·1 cancel: a bogus second effect would be undone twice."""
    world = world_of(write("a"), write("b"))
    world.begin(0)
    world.go(0)

    world.lose_reply(0)
    world.cancel()
    world.settle_down()

    assert not world.events("late_result")
    assert len([step for step in world.undid() if step == "a"]) == 1


def test_a_settle_and_claim_whose_reply_is_lost_goes_on_with_what_it_claimed() -> None:
    """The second stage is granted again as well, so that nothing sleeps for a lease."""
    world = world_of(write("a"), {"id": "b", "operation": "do.once"})
    world.begin(0)

    _lose(world, 0)
    began_ms = world.now_ms
    world.finish(0)

    assert world.status is RunStatus.COMPLETED
    assert (world.ran("b"), world.now_ms) == (1, began_ms)


def test_a_failed_attempt_whose_reply_is_lost_waits_once() -> None:
    """The retry is counted once, and the failure is not recorded as late."""
    world = world_of(write("a", retry=TWICE))
    world.begin(0, DECLINES)

    _lose(world, 0)
    world.finish(0)

    assert world.values()["a:attempt"] == "2"
    assert not world.events("late_result")


def test_the_end_of_a_run_may_be_sent_twice() -> None:
    """Settle and end are one commit; its second answer is the first one's."""
    world = world_of(write("a"))
    world.begin(0)

    _lose(world, 0)

    assert world.status is RunStatus.COMPLETED
    assert not world.events("late_result")
    assert len(world.events("run_completed")) == 1


@pytest.mark.parametrize("before", ["choice", "wait", "retry", "drain"])
def test_a_claim_behind_any_move_may_be_sent_twice(before: str) -> None:
    """An operation that is not idempotent is not lost because the reply to a choice, a wake or a drain was."""
    once = {"id": "b", "operation": "do.once"}
    match before:
        case "choice":
            world = world_of({"id": "a", "transitions": [{"when": "input.no", "to": "$end"}], "on_success": "b"},
                             {**once, "on_success": "$end"}, given={"no": False})
        case "wait":
            world = world_of({"id": "a", "wait": "2s"}, once)
            world.take(0)
            world.finish(0)
            world.pass_ms(2_000)
        case "retry":
            world = world_of({**once, "retry": TWICE})
            world.begin(0, DECLINES)
            world.finish(0)
            world.pass_ms(10_000)
            world.messages.append("b")
        case _:
            world = world_of({"id": "b", "operation": "do.write", "compensation": "undo.once"}, write("c"))
            world.begin(0)
            world.go(0, 2)
            world.begin(0, REFUSES)
            world.finish(0)

    _lose(world, 0)
    world.settle_down()

    assert world.values().get("compensation", "none") in ("none", "completed")
    assert not any(state is StepState.LOST for state in map(world.state, ("b", "b~")))


def test_a_start_that_is_sent_twice_starts_one_run() -> None:
    """It is known by its run id; what happened in between stays."""
    world = world_of(write("a"))
    world.begin(0)
    before = world.values()

    again = World(world.plan).store.history(RUN_ID)
    reply = world.store.apply(Commit(RUN_ID, None, (Stage({}, Changes(set={"status": "running"})),)))

    assert reply.answers == (Answer.GONE,)
    assert world.values() == before
    assert len(again) == 1


def test_tokens_are_drawn_anew_for_every_claim() -> None:
    """cancel take·0·a rollback take·2·a: a counter would issue a token twice after a loss of the last second."""
    world = world_of(write("a"))
    earlier = world.store.copy()
    world.until(0, Attempt)
    world.store.restore(earlier)
    world.messages.append("a")

    world.until(2, Attempt)

    first, second = world.record.claims["a"]
    assert first != second


# 6. A write is preceded and followed by commits.


def test_a_write_never_sees_a_value_that_can_still_change() -> None:
    """w1.quote w1.charge w2.quote: the quote is committed before the charge begins, so it is never computed again."""
    world = world_of({"id": "quote", "operation": "do.read"}, write("charge", inputs={"quote": "${steps.quote.output}"}))
    world.begin(0)
    world.go(0, 2)
    world.until(0, Attempt)
    recorded = world.values()["quote:out"]
    world.begin(0)
    world.crash(0)

    world.settle_down()

    assert json.loads(recorded) == {"n": 1}
    assert world.ran("quote") == 1
    assert world.ran("charge") == 2


# 7. An unknown outcome outlives the last attempt.


def test_an_unknown_outcome_outlives_a_later_reported_failure() -> None:
    """take·2·a go·2 go·2 crash·2 sweep·a take·2·a fail·2: attempt 1 may have charged, so the step is undone."""
    world = world_of(write("a"))
    world.begin(2)
    world.crash(2)
    world.to_next_entry()
    world.sweep()

    world.begin(1, REFUSES)
    world.settle_down()

    assert world.state("a") is StepState.FAILED
    assert world.undid() == ["a"]


def test_a_late_success_does_not_strike_its_token_off() -> None:
    """sweep·a … go·2 fail·1: attempt 1 succeeds late, attempt 2 fails for good, and the effect is undone."""
    world = world_of(write("a"))
    world.begin(0)
    world.to_next_entry()
    world.sweep()
    world.begin(1, REFUSES)
    world.finish(0)
    world.finish(1)

    world.settle_down()

    assert world.state("a") is StepState.FAILED
    assert world.undid() == ["a"]


def test_a_late_reported_failure_strikes_its_token_off() -> None:
    """Attempt 1 says at last that nothing happened, attempt 2 says so too: there is nothing to undo."""
    world = world_of(write("a"))
    world.begin(0, REFUSES)
    world.to_next_entry()
    world.sweep()
    world.until(1, Attempt)
    world.finish(0)

    world.begin(1, REFUSES)
    world.settle_down()

    assert world.values()["compensation"] == "none"
    assert world.ran("a~") == 0


@pytest.mark.parametrize(
    ("behaviour", "undone"), [(REFUSES, []), (BREAKS_OFF, ["a"]), (RETURNS_RUBBISH, ["a"])], ids=lambda value: str(value)[:30]
)
def test_only_a_reported_failure_says_that_nothing_happened(behaviour: Behaviour, undone: list[str]) -> None:
    """Any other exception leaves the token standing; a result that was refused means that the effect is there."""
    world = world_of(write("a"))
    world.begin(0, behaviour)
    world.finish(0)

    world.settle_down()

    assert world.status is RunStatus.FAILED
    assert world.undid() == undone


def test_an_unknown_outcome_is_not_tried_again_unless_it_is_idempotent() -> None:
    """The policy has another attempt, the operation does not."""
    world = world_of({"id": "a", "operation": "do.once", "retry": TWICE})
    world.begin(0, BREAKS_OFF)

    world.settle_down()

    assert world.ran("a") == 1


# 8. Late results are kept for the undo.


def test_the_undo_is_given_a_late_result() -> None:
    """Attempt 1 charges and is stopped; attempt 2 fails; attempt 1 reports its id before the undo begins."""
    world = world_of(write("a"))
    world.begin(0)
    world.to_next_entry()
    world.sweep()
    world.begin(1, REFUSES)
    world.finish(0)
    world.finish(1)

    world.until(2, Attempt)
    effect = world.workers[2].effect

    assert isinstance(effect, Attempt)
    assert effect.inputs["output"] == {"n": 1}
    assert effect.inputs["outcome"] == "unknown"
    assert fields.ATTENTION not in world.values()


def test_a_late_result_of_an_attempt_that_was_timed_out_is_kept() -> None:
    """The sweeper's settle is not the attempt's own, so the attempt is not told that its own was accepted."""
    world = world_of(write("a", timeout="5s"))
    world.begin(0)
    world.to_next_entry()
    world.sweep()

    world.finish(0)

    assert json.loads(world.values()["a:late"]) == {"n": 1}
    world.settle_down()
    assert world.undid() == ["a"]
    assert fields.ATTENTION not in world.values()


def test_an_undo_that_knows_nothing_marks_the_run() -> None:
    """No output, no progress, no outcome: somebody has to look."""
    world = world_of(write("a"))
    world.begin(0, BREAKS_OFF)

    world.settle_down()

    assert world.values()[fields.ATTENTION] == "unknown_effect"
    assert [event["step"] for event in world.events("attention")] == ["a"]


def test_the_last_progress_belongs_to_the_recorded_outputs() -> None:
    """An operation can save its charge id before it returns, and the undo gets it."""
    world = world_of(write("a"))
    world.begin(0)
    world.beat(0, {"charge": 17})
    world.crash(0)
    world.cancel()
    world.to_next_entry()
    world.sweep()

    world.until(1, Attempt)
    effect = world.workers[1].effect

    assert isinstance(effect, Attempt)
    assert effect.inputs["output"] == {"charge": 17}
    world.settle_down()
    assert fields.ATTENTION not in world.values()


def test_a_late_success_behind_its_undo_marks_the_run() -> None:
    """It may have written after its undo, so the run says that somebody has to look."""
    world = world_of(write("a"))
    world.begin(0)
    world.beat(0, {"charge": 17})
    world.cancel()
    world.to_next_entry()
    world.sweep()
    world.take(1)
    world.finish(1)
    over = world.status, fields.ATTENTION in world.values()

    world.finish(0)

    assert over == (RunStatus.CANCELLED, False)
    assert world.values()[fields.ATTENTION] == "unknown_effect"


# 10. Undos have addresses of their own.


def test_two_steps_that_name_one_compensating_step_are_both_undone() -> None:
    """Each undo is at its step's address plus `~`, with its step's key."""
    world = world_of(
        write("a", compensation="put-back"),
        write("b", compensation="put-back"),
        {"id": "c", "operation": "do.write"},
        {"id": "put-back", "operation": "undo.write"},
    )
    for _ in range(2):
        world.begin(0)
        world.go(0)
    world.begin(0, REFUSES)

    world.settle_down()

    assert world.undid() == ["b", "a"]
    assert [key for kind, key, _ in world.outside if kind == "undid"] == [f"{RUN_ID}:b:1", f"{RUN_ID}:a:1"]


# 11. Absences are guarded like values.


def test_what_was_decided_before_a_cancel_is_decided_again() -> None:
    """wait.view cancel wait.park: the park is refused, and the step is cancelled instead of waiting."""
    world = world_of({"id": "w", "wait": "10h"}, write("b"))
    world.until(0, Apply)

    world.cancel(drops=False)
    world.finish(0)

    assert world.state("w") is StepState.CANCELLED


def test_what_was_read_before_others_moved_the_run_is_read_again() -> None:
    """w1.claim·b w0.claim·b(refused, reads c) w1.b w1.c w0.d: w0 does not believe that c has no output yet."""
    reads = {"reads": {"c": "${has(steps.c.output) ? steps.c.output : null}"}}
    world = world_of(write("a"), write("b"), write("c"), write("d", inputs=reads), output=reads)
    world.fuses = False
    world.begin(0)
    world.finish(0)
    world.messages.append("b")
    world.until(0, Apply)
    world.until(1, Attempt)
    world.go(0)
    for step in ("b", "c"):
        world.take(1, step)
        world.finish(1)

    world.begin(0)
    world.settle_down()

    assert world.ran("d") == 1
    assert json.loads(world.values()["output"])["reads"]["c"] == {"n": 3}


def test_a_heartbeat_that_comes_before_the_sweepers_commit_counts() -> None:
    """The sweeper decided from a silence that is over by now."""
    world = world_of(write("a", heartbeat_timeout="8s"))
    world.begin(0)
    world.pass_ms(8_000)
    world.decide(0)

    world.beat(0, "half")
    world.commit(0)

    assert world.state("a") is StepState.RUNNING


# 12. The ledger. (Its invariant is asserted after every commit of every trace.)


def test_a_long_wait_ends_at_its_moment_without_any_message() -> None:
    """The entry is the timer: the sweeper sends, and the look behind the moment completes the wait."""
    world = world_of({"id": "w", "wait": "10h"}, write("b"))
    world.take(0)
    world.finish(0)
    waiting, began_ms = world.state("w"), world.now_ms

    world.settle_down(limit_ms=36_000_000)

    assert waiting is StepState.WAITING
    assert world.status is RunStatus.COMPLETED
    assert world.now_ms - began_ms == 36_000_000


# 14. Messages decide nothing.


def test_an_errback_for_a_step_that_succeeded_starts_nothing() -> None:
    """Celery calls errbacks of steps that succeeded, too; a healthy run is not undone by one."""
    world = world_of(write("a"), write("b"))
    world.begin(0)
    world.messages.append(DRAIN)

    world.take(1, DRAIN)
    world.finish(1)
    world.settle_down()

    assert world.status is RunStatus.COMPLETED
    assert world.undid() == []


def test_a_late_errback_undoes_nothing_twice() -> None:
    """It looks at a flow whose undo is under way, or done."""
    world = world_of(write("a"), write("b"))
    world.begin(0)
    world.go(0, 2)
    world.begin(0, REFUSES)
    world.finish(0)
    world.messages += [DRAIN, DRAIN, DRAIN]

    world.begin(1)
    world.take(2, DRAIN)
    world.finish(2)
    world.settle_down()

    assert world.undid() == ["a"]


@pytest.mark.parametrize("effects", range(12))
@pytest.mark.parametrize("fails", [False, True])
def test_a_doubled_message_does_nothing_at_any_point(effects: int, fails: bool) -> None:
    """A second copy of the first message, taken by another worker after so many effects."""
    world = world_of(write("a"), write("b"), {"id": "c", "operation": "do.once"})
    world.messages.append("a")
    world.go(0, effects, OK)

    world.take(1, "a")
    world.finish(1)
    world.settle_down(REFUSES if fails else OK)

    assert all(world.ran(step) <= 1 for step in "abc")
    assert world.status is (RunStatus.COMPLETED if world.ran("c") and not fails else world.status)


def test_a_message_for_a_step_that_is_done_goes_on_if_what_follows_is_ready() -> None:
    """The first worker died between its settle and its hand-over: a redelivered message finds the next step."""
    world = world_of(write("a"), write("b"))
    world.fuses = False
    world.begin(0)
    world.go(0, 2)
    world.workers[0].steps = None
    world.messages[:] = ["a"]

    world.begin(1)

    assert [trial.address for trial in world.trials["b"]] == ["b"]


# 17. Resends.


def test_the_resend_interval_doubles_up_to_its_limit() -> None:
    """A step that nobody takes is sent ever more rarely: 2 s, 4 s … 5 minutes."""
    world = world_of(write("a"))
    gaps = []
    for _ in range(10):
        before_ms = world.now_ms
        world.to_next_entry()
        world.sweep()
        gaps.append(world.now_ms - before_ms)

    assert gaps == [2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000]
    assert len(world.messages) == 11


def test_the_undo_of_a_flow_is_sent_ever_more_rarely_too() -> None:
    """`~` is a ready address like any other."""
    world = world_of(write("a"))
    world.cancel(drops=False)
    world.sweep()
    world.messages.clear()
    gaps = []
    for _ in range(4):
        world.sweep()
        before_ms = world.now_ms
        world.to_next_entry()
        gaps.append(world.now_ms - before_ms)

    assert gaps == [4_000, 8_000, 16_000, 32_000]


# 18. Leases.


def test_a_renewal_is_refused_to_whoever_does_not_hold_the_step() -> None:
    """A worker woken from SIGSTOP renews no lease of another's."""
    world = world_of(write("a"))
    world.begin(0)
    world.to_next_entry()
    world.sweep()
    world.begin(1)
    entry = world.store.entries(RUN_ID)["a"]
    world.pass_ms(1_000)

    world.beat(0, "half")

    assert world.store.entries(RUN_ID)["a"] == entry
    assert "a:beat" not in world.values()


def test_a_renewal_never_goes_past_the_attempts_deadline() -> None:
    """A hung operation is not renewed for ever: at its deadline the attempt is over."""
    world = world_of(write("a", timeout="20s", retry=TWICE))
    world.begin(0)
    began_ms = world.now_ms
    world.pass_ms(10_000)
    world.beat(0)

    world.to_next_entry()
    world.sweep()

    assert world.now_ms - began_ms == 20_000
    assert world.state("a") is StepState.WAITING


def test_a_write_does_not_begin_once_its_lease_has_run_out() -> None:
    """claim, SIGSTOP for longer than the lease, SIGCONT: another worker may have begun it meanwhile."""
    world = world_of(write("a"))
    world.until(0, Attempt)
    world.pass_ms(15_000)

    world.finish(0)

    assert world.ran("a") == 0


# 20. A run that has been deleted.


def test_nothing_is_written_for_a_run_that_no_longer_exists() -> None:
    """A late settle, renewal, report or sweep does not bring half a run back."""
    world = world_of(write("a"))
    world.begin(0)
    world.to_next_entry()
    world.decide(0)
    world.store.restore(type(world.store)(world.settings, lambda: world.now_ms))
    token = world.trials["a"][0].token
    lease = {"lease_ms": TIMING.lease_ms, "deadline_ms": None, "waited_for": True}

    replies = [
        world.store.apply(renewal(RUN_ID, "1", "a", token, **lease)),
        world.store.apply(progress(RUN_ID, "1", "a", token, "1", None)),
        world.store.apply(world.sweepers[0].found.move.commit),  # type: ignore[union-attr]
    ]
    steps = world.workers[0].steps
    assert steps is not None
    effect = steps.send(Success("1"))
    assert isinstance(effect, Apply)
    replies.append(world.store.apply(effect.commit))

    assert {reply.first for reply in replies} == {Answer.GONE}
    assert world.values() == {}
    assert world.store.entries(RUN_ID) == {}
    assert world.store.shard_entry(RUN_ID) is None


def test_a_settle_of_an_earlier_incarnation_is_gone() -> None:
    """What an attempt of an earlier life of the run reports does not touch the present one (RULES 9)."""
    world = world_of(write("a"))
    world.begin(0)
    world.go(0)
    effect = world.workers[0].effect
    world.store.apply(Commit(RUN_ID, "1", (Stage({}, Changes(set={fields.INCARNATION: "2"}, entries={"$": NEVER})),)))
    before = world.values()

    assert isinstance(effect, Apply)
    reply = world.store.apply(effect.commit)

    assert reply.first is Answer.GONE
    assert world.values() == before


# 24. Pivots, and what a handled failure undoes.


def test_a_completed_pivot_seals_what_completed_before_it() -> None:
    """Neither it nor what came before is ever undone; what came after is."""
    world = world_of(write("a"), write("b", pivot=True), write("c"), {"id": "d", "operation": "do.write"})
    for _ in range(3):
        world.begin(0)
        world.go(0)
    world.begin(0, REFUSES)

    world.settle_down()

    assert world.undid() == ["c"]


def test_a_pivot_of_unknown_outcome_has_not_passed() -> None:
    """It may have happened, so it is undone, with what came before it."""
    world = world_of(write("a"), write("b", pivot=True))
    world.begin(0)
    world.go(0)
    world.begin(0, BREAKS_OFF)

    world.settle_down()

    assert world.undid() == ["b", "a"]


def test_a_handled_failure_undoes_the_step_itself_before_its_handler() -> None:
    """What was done before it stays; the run completes, and is not compensated."""
    world = world_of(
        write("a", on_success="b"),
        write("b", on_failure="h", on_success="$end"),
        {"id": "h", "operation": "do.write", "inputs": {"code": "${error.code}"}, "on_success": "$end"},
    )
    world.begin(0)
    world.go(0)
    world.begin(0, BREAKS_OFF)

    world.settle_down()

    assert world.status is RunStatus.COMPLETED
    assert world.undid() == ["b"]
    assert [trial.address for _, _, trial in world.outside] == ["a", "b", "b~", "h"]


def test_an_undo_that_fails_for_good_does_not_stop_the_others() -> None:
    """`compensation: failed`, and the run's error stays what stopped it."""
    undo = {"operation": "undo.write", "retry": {"max_attempts": 1}}
    world = world_of(write("a"), write("b", compensation=undo), {"id": "c", "operation": "do.write"})
    for _ in range(2):
        world.begin(0)
        world.go(0)
    world.begin(0, REFUSES)
    world.finish(0)
    world.begin(0, REFUSES)

    world.settle_down()

    assert world.undid() == ["a"]
    assert world.values()["compensation"] == "failed"
    assert json.loads(world.values()["error"])["step"] == "c"
