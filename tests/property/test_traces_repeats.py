"""Rules 5, 14 and 20: what comes twice, for nothing, or too late.

Each trace is how a weaker reading of a rule broke; the rules and their numbers are in docs/rules.md.
"""

from __future__ import annotations

import pytest

from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN
from orchestrator.engine.commit import NEVER, Answer, Changes, Commit, Stage
from orchestrator.engine.effects import Apply, Attempt
from orchestrator.engine.lease import progress, renewal
from orchestrator.engine.outcome import Success
from orchestrator.engine.state import RunStatus, StepState
from tests.property.behaviours import DECLINES, OK, REFUSES
from tests.property.specs import TWICE, write
from tests.property.world import RUN_ID, World, world_of

pytestmark = pytest.mark.property


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
            world = world_of(
                {"id": "a", "transitions": [{"when": "input.no", "to": "$end"}], "on_success": "b"},
                {**once, "on_success": "$end"},
                given={"no": False},
            )
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
    """In cancel take·0·a rollback take·2·a a counter would issue a token twice, after a loss of the last second."""
    world = world_of(write("a"))
    earlier = world.store.copy()
    world.until(0, Attempt)
    world.store.restore(earlier)
    world.messages.append("a")

    world.until(2, Attempt)

    first, second = world.record.claims["a"]
    assert first != second


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


# 20. A run that has been deleted.


def test_nothing_is_written_for_a_run_that_no_longer_exists() -> None:
    """A late settle, renewal, report or sweep does not bring half a run back."""
    world = world_of(write("a"))
    world.begin(0)
    world.to_next_entry()
    world.decide(0)
    world.store.restore(type(world.store)(world.settings, lambda: world.now_ms))
    token = world.trials["a"][0].token
    decided = world.sweepers[0].found
    assert decided is not None

    replies = [
        world.store.apply(renewal(RUN_ID, "1", "a", token, lease_ms=15_000, deadline_ms=None, waited_for=True)),
        world.store.apply(progress(RUN_ID, "1", "a", token, "1", None)),
        world.store.apply(decided.move.commit),
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
