"""Rule 16: maps whose body has no effect are worked off in batches, by lanes.

Each trace is how a weaker reading of the rule broke; the rules and their numbers are in docs/rules.md.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.client.description import describe
from orchestrator.engine import fields
from orchestrator.engine.effects import Acquire, Apply, Attempt
from orchestrator.engine.onward import Terms
from orchestrator.engine.retry import retry
from orchestrator.engine.state import RunStatus, StepState
from orchestrator.engine.undoing import preview
from orchestrator.engine.verbs import Wish, may_skip
from orchestrator.store.limits import ask_of
from tests.property.behaviours import DECLINES, REFUSES
from tests.property.scenes import Written, handled, mapped, parallel
from tests.property.specs import reads, write
from tests.property.world import TIMING, World, world_of

pytestmark = pytest.mark.property

READ: Written = {"id": "x", "operation": "do.read"}
SEVEN = "[1, 2, 3, 4, 5, 6, 7]"


def read_all(items: str, **terms: Any) -> Written:
    """A map that lanes work off."""
    return mapped("m", items, READ, **terms)


def runs(world: World, size: int) -> list[int]:
    """How often each item of `m` was executed."""
    return [world.ran(f"m[{item}]/x") for item in range(size)]


def batch(world: World, lane: str) -> str | None:
    """What a lane has in hand."""
    return world.values().get(fields.batch(lane))


def straggle(world: World) -> None:
    """Of three items, lane 1 works off the second and its worker dies; lane 0 ends the others, and the map with them.

    Lane 1 is ready, and nobody knows.
    """
    world.begin(0)
    world.take(1, "m~~1")
    world.until(1, Attempt)
    world.go(1, 2)
    world.go(0, 3)
    world.go(1)
    world.crash(1)
    assert world.state("m~~1") is StepState.READY
    assert batch(world, "m~~0") == "2:1"
    world.messages.clear()


# What a lane does.


def test_one_message_works_off_a_map_in_batches_that_grow() -> None:
    """m.begin m~~0(1) m~~0(2) m~~0(4): each item once, outputs in order, and no time passes."""
    world = world_of(read_all(SEVEN))

    world.take(0)
    world.finish(0)

    assert world.status is RunStatus.COMPLETED
    assert sorted(map(len, world.record.batches.taken.values())) == [1, 2, 4]
    assert runs(world, 7) == [1] * 7
    assert json.loads(world.values()["output"]) == [json.loads(world.values()[f"m[{n}]:out"]) for n in range(7)]


def test_items_in_batches_are_told_of_once_and_lanes_of_nothing_but_their_starts() -> None:
    """The history names the items that are over, not the lane's comings and goings."""
    world = world_of(read_all(SEVEN))

    world.settle_down()

    assert [item for told in world.events("items_completed") for item in told["items"]] == list(range(7))
    assert not [entry for entry in world.store.history("run") if "~~" in entry.event.get("step", "")]


@pytest.mark.parametrize("effects", range(16))
def test_a_lane_whose_worker_dies_at_any_place_loses_no_item(effects: int) -> None:
    """m~~0.claim crash; m~~0.settle crash: a batch that was lost is worked off as steps of their own, once."""
    world = world_of(read_all(SEVEN))
    world.go(0, effects)
    lost = set(runs(world, 7)) - {0, 1}
    world.crash(0)

    world.settle_down()

    assert not lost
    assert set(runs(world, 7)) <= {1, 2}
    assert world.status is RunStatus.COMPLETED


def test_a_lane_that_was_lost_is_nobodys_attempt() -> None:
    """m~~0.claim crash: an item that may be tried once is tried, and may still fail once."""
    world = world_of(read_all("[1, 2]"))
    world.begin(0)
    world.crash(0)
    world.to_next_entry()
    world.sweep()

    given_back = world.state("m[0]/x"), world.state("m~~0"), world.view().attempt("m[0]/x")
    world.settle_down()

    assert given_back == (StepState.READY, StepState.READY, 1)
    assert runs(world, 2) == [2, 1]


def test_two_lanes_never_take_the_same_items() -> None:
    """m~~0.view m~~1.view m~~0.claim m~~1.claim: the second is refused, and takes the next ones."""
    world = world_of(read_all(SEVEN, max_concurrency=3))
    world.begin(0)
    world.take(1, "m~~1")
    world.take(2, "m~~2")
    world.until(1, Apply)
    world.until(2, Apply)

    world.until(1, Attempt)
    world.until(2, Attempt)
    taken = [batch(world, f"m~~{lane}") for lane in range(3)]
    world.settle_down()

    assert taken == ["0:1", "1:1", "2:1"]
    assert runs(world, 7) == [1] * 7


def test_a_map_begins_once_though_it_is_ready_again_by_then() -> None:
    """m.view m.view m.begin, every item, m.begin: the second finds it ready, but for its join."""
    world = world_of(read_all("[1, 2]"))
    world.messages.append("m")
    world.until(0, Apply)
    world.until(1, Apply)
    world.fuses = False
    world.begin(1)
    while world.state("m") is not StepState.READY:
        world.go(1)

    world.go(0)
    world.settle_down()

    assert runs(world, 2) == [1, 1]


def test_a_map_opens_no_more_lanes_than_items_it_may_work_on() -> None:
    """A stray message for a third lane of two opens nothing."""
    world = world_of(read_all(SEVEN, max_concurrency=2))
    world.begin(0)

    offered = [message for message in world.messages if "~~" in message]
    world.messages.append("m~~2")
    world.take(1, "m~~2")
    world.finish(1)

    assert offered == ["m~~1"]
    assert world.state("m~~2") is StepState.PENDING
    world.settle_down()


def test_a_lane_whose_opening_is_answered_late_works_all_the_same() -> None:
    """m~~1.open+claim, its reply lost, sent again: the claim stands and is known to, so nobody waits for a lease."""
    world = world_of(read_all(SEVEN))
    world.begin(0)
    world.take(1, "m~~1")
    world.until(1, Apply)
    world.lose_reply(1)

    world.begin(1)
    world.settle_down(limit_ms=0)

    assert runs(world, 7) == [1] * 7


@pytest.mark.parametrize("twice", [False, True])
def test_a_settle_that_is_sent_again_records_a_batch_once(twice: bool) -> None:
    """m~~0.settle+claim, its reply lost, sent again: the next batch is in hand, and nothing was given back."""
    world = world_of(read_all(SEVEN))
    world.begin(0)
    world.until(0, Apply)
    world.go(0)
    world.until(0, Apply)
    if twice:
        world.lose_reply(0)

    world.settle_down(limit_ms=0)

    assert runs(world, 7) == [1] * 7


def test_a_late_settle_of_a_lane_that_was_given_up_changes_nothing() -> None:
    """m~~0.execute lapse m[0]/x.settle m~~0.settle: what was recorded stands."""
    world = world_of(read_all("[1, 2]"))
    world.begin(0)
    world.pass_ms(TIMING.lease_ms)
    world.sweep()
    world.take(1, "m[0]/x")
    world.finish(1)
    recorded = world.values()["m[0]:out"]

    world.finish(0)
    world.settle_down()

    assert world.values()["m[0]:out"] == recorded
    assert world.status is RunStatus.COMPLETED


# What a lane gives back.


@pytest.mark.parametrize("tolerate", [0, 1])
def test_a_failed_item_is_given_back_and_retried_by_its_own_policy(tolerate: int) -> None:
    """m[1]/x fails in its batch: that was nobody's attempt; then it has two, and fails the map or is tolerated."""
    body = {**READ, "retry": {"max_attempts": 2, "delay": "1s"}}
    world = world_of(mapped("m", SEVEN, body, tolerate=tolerate), write("d"), habits={"m[1]/x": DECLINES})

    world.settle_down()

    assert runs(world, 7)[1] == 1 + 2
    assert world.ran("d") == tolerate
    assert world.status is (RunStatus.COMPLETED if tolerate else RunStatus.FAILED)


def test_what_a_slow_batch_did_not_come_to_is_kept_by_its_lane() -> None:
    """The first of two takes long: the lane takes the second next, so that no more runs at once than may."""
    world = world_of(read_all("[1, 2, 3, 4, 5]", max_concurrency=1))
    world.begin(0)
    world.pace_ms = 60
    world.go(0, 2)

    world.until(0, Apply)
    world.go(0)
    kept = world.state("m[2]/x"), batch(world, "m~~0"), world.values()["m:begun"]
    world.settle_down()

    assert kept == (StepState.PENDING, "2:1", "3")
    assert runs(world, 5) == [1] * 5


def test_items_whose_inputs_cannot_be_evaluated_fail_as_steps_of_their_own() -> None:
    """An expression raises for one item: the others are done, and the run says which one it was."""
    body = {**READ, "inputs": {"n": "${10 / item}"}}
    world = world_of(mapped("m", "[1, 0, 2]", body))

    world.settle_down()

    error = json.loads(world.values()["error"])
    assert (error["code"], error["index"]) == ("expression_error", 1)


# How a map with lanes ends.


def test_a_lane_that_finds_nothing_left_leaves_and_the_run_ends() -> None:
    """m~~1.settle crash; m~~0 ends the map: the run waits for the lane that is ready, and for one look at it only."""
    world = world_of(read_all("[1, 2, 3]", max_concurrency=2), write("d"))
    straggle(world)
    world.finish(0)
    goes_on = world.ran("d"), world.status

    world.settle_down(limit_ms=10_000)

    assert goes_on == (1, RunStatus.RUNNING)
    assert world.state("m~~1") is StepState.COMPLETED
    assert world.status is RunStatus.COMPLETED


def test_a_lane_that_leaves_a_loop_late_leaves_its_latest_visit_alone() -> None:
    """After the join of m, m~~1 leaves: who reads m sees what it gave, not what the lane did not."""
    steps = [
        {**read_all("[1, 2, 3]", max_concurrency=2), "max_visits": 1, "on_success": "t", "on_failure": "$end"},
        {"id": "t", "wait": "30s", "on_success": "m"},
    ]
    world = world_of(*steps)
    straggle(world)
    world.finish(0)
    seen = world.values()[fields.latest("m", "out")]

    world.to_next_entry()
    world.sweep()
    world.take(1, "m~~1")
    world.finish(1)

    assert world.state("m~~1") is StepState.COMPLETED
    assert world.values()[fields.latest("m", "out")] == seen != ""
    world.settle_down()


def test_a_race_between_items_is_over_at_once() -> None:
    """Any of seven: the lane that is refused the next batch joins the map, and drops what is in flight elsewhere."""
    world = world_of(read_all(SEVEN, join="any"), write("d"))
    world.begin(1)
    world.take(0, "m~~1")
    world.until(0, Attempt)

    world.finish(1)
    won = world.ran("d")
    world.messages.clear()
    world.settle_down()

    assert won == 1
    assert world.state("m~~1") is StepState.CANCELLED
    assert json.loads(world.values()["m:out"])[1:] == [None] * 6


@pytest.mark.parametrize("join", [2, 3, 4, 6, 7])
def test_a_batch_may_go_past_the_number_that_a_join_waits_for(join: int) -> None:
    """Two of seven, one done and two more at once: three are enough, though nobody has seen two."""
    world = world_of(read_all(SEVEN, join=join), write("d"))

    world.take(0)
    world.finish(0)
    world.settle_down(limit_ms=0)

    assert world.ran("d") == 1
    assert world.status is RunStatus.COMPLETED


def test_a_cancelled_run_drops_a_batch_and_runs_none_of_it_again() -> None:
    """In m~~0.execute cancel m~~0.settle the lane is gone at once, its settle refused, its items never reached."""
    world = world_of(read_all(SEVEN))
    world.begin(0)
    world.cancel()

    gone = world.state("m~~0")
    world.finish(0)
    world.settle_down()

    assert gone is StepState.CANCELLED
    assert world.status is RunStatus.CANCELLED
    assert runs(world, 7) == [1, 0, 0, 0, 0, 0, 0]


def test_a_paused_run_records_a_batch_and_takes_none() -> None:
    """In m~~0.execute pause m~~0.settle+claim the settle stands, the claim is refused until the run goes on."""
    world = world_of(read_all(SEVEN))
    world.begin(0)
    world.pause(on=True)
    world.finish(0)

    paused = world.state("m[0]/x"), world.state("m~~0"), batch(world, "m~~0")
    world.settle_down()

    assert paused == (StepState.COMPLETED, StepState.READY, None)
    assert runs(world, 7) == [1] * 7


def test_a_map_that_takes_too_long_drops_its_batch_and_its_handler_starts() -> None:
    """In m~~0.execute m times out: nobody waits for what cannot be undone."""
    world = world_of(*handled({**read_all(SEVEN), "timeout": "5s"}))
    world.begin(0)
    world.pass_ms(5_000)
    world.sweep()

    world.settle_down(limit_ms=5_000)

    assert json.loads(world.values()["m:err"])["code"] == "step_timeout"
    assert world.state("m~~0") is StepState.CANCELLED
    assert (runs(world, 7)[1:], world.ran("h")) == ([0] * 6, 1)


def test_a_lane_in_a_flow_that_is_closed_speaks_for_no_step() -> None:
    """While m~~0 is in flight, b fails: g waits for m and b, not for b and a lane of m."""
    world = world_of(
        {**read_all(SEVEN), "needs": []},
        write("b", needs=[]),
        write("g", needs=["m", "b"], run_if="all_done"),
        habits={"b": REFUSES},
    )
    world.take(0, "m")
    world.begin(0)
    world.take(1, "b")
    world.finish(1)

    world.finish(0)
    world.settle_down()

    assert world.state("m~~0") is StepState.CANCELLED
    assert world.ran("g") == 1
    assert world.undid() == ["g"]


def test_a_failed_map_beside_others_is_dropped_with_its_lanes() -> None:
    """In one branch a lane is in flight, in the other a step fails: both branches stop, and what was done is undone."""
    world = world_of(*handled(parallel("p", [write("a"), read_all(SEVEN)], [write("z")])), habits={"z": REFUSES})
    world.fuses = False
    for _ in range(4):
        world.take(0)
        world.finish(0)

    world.settle_down()

    assert world.undid() == ["p[b0]/a"]
    assert world.status is RunStatus.COMPLETED


def test_a_map_in_a_map_has_lanes_of_its_own() -> None:
    """m[0]/n~~0 and m[1]/n~~0: each inner map is worked off for itself, the outer one item by item."""
    world = world_of(mapped("m", "[1, 2, 3]", mapped("n", "[1, 2, 3, 4]", READ)), habits={"m[1]/n[2]/x": DECLINES})

    world.settle_down()

    assert all(world.ran(f"m[0]/n[{n}]/x") == 1 for n in range(4))
    assert world.ran("m[1]/n[2]/x") == 2
    assert json.loads(world.values()["error"])["address"] == "m[1]/n[2]/x"


# Lanes and what else there is.


def test_a_lane_stands_in_line_for_its_run() -> None:
    """The run's slot is taken: the lane waits, and works when it is free and it is told so."""
    world = world_of(read_all(SEVEN), limits=[{"key": "one", "max": 1}])
    world.until(0, Acquire)
    effect = world.workers[0].effect
    assert isinstance(effect, Acquire)
    other = replace(ask_of(effect.slots), holder="other $ 1")
    world.limits.acquire(other, 60_000)
    world.finish(0)
    waits, until = world.state("m~~0"), int(world.values()["m~~0:until"])

    world.limits.release(other)
    world.pass_ms(until - world.now_ms)
    world.messages = ["m~~0"]
    world.take(1)
    world.finish(1)

    assert waits is StepState.WAITING
    assert world.status is RunStatus.COMPLETED


def test_a_retried_run_goes_on_with_the_items_that_lanes_have_not_done() -> None:
    """The run fails in mid-map: what is done stays, what failed or was in a batch is done anew, the rest by a lane."""
    world = world_of(read_all("[1, 2, 3, 4, 5, 6, 7, 8, 9]", max_concurrency=1), habits={"m[1]/x": REFUSES})
    world.take(0)
    while "m[1]/x" not in world.messages:
        world.go(0)
    world.take(1, "m[1]/x")
    world.finish(1)
    world.settle_down()
    before, failed = runs(world, 9), world.status
    done = [f"m[{n}]:out" in world.values() for n in range(9)]
    world.habits = {}
    for trial in (one for trials in world.trials.values() for one in trials):
        trial.number = 0

    move = retry(world.plan, world.view(), Terms(TIMING, world.draw()), Wish())
    world.store.apply(move.commit)
    world.messages += [address for address in (move.to, *move.forks) if address]
    world.settle_down()

    assert (failed, world.status) == (RunStatus.FAILED, RunStatus.COMPLETED)
    assert any(done)
    assert 0 in before
    assert [now - then for now, then in zip(runs(world, 9), before, strict=True)] == [int(not whole) for whole in done]


def test_a_run_with_lanes_is_shown_without_them() -> None:
    """Items are shown as they ended, with what they gave, before their map; lanes are nobody's business."""
    world = world_of(write("a"), read_all(SEVEN), write("d"), habits={"m[5]/x": DECLINES})
    world.begin(0)
    shown_early = preview(world.plan, world.view()), describe(world.plan, world.view())
    world.habits = {}
    world.settle_down()

    shown = describe(world.plan, world.view())

    assert not [step.address for seen in (shown, shown_early[1]) for step in seen.steps if "~~" in step.address]
    assert [step.address for step in shown.steps] == ["a", *(f"m[{n}]/x" for n in range(7)), "m", "d"]
    assert [step.output for step in shown.steps][1:8] == json.loads(world.values()["m:out"])


def test_a_lane_cannot_be_skipped_nor_undone() -> None:
    """Operators see the items; a lane that waits is not theirs to skip, and the undo of the run does not know it."""
    world = world_of(write("a"), read_all(SEVEN))
    world.fuses = False
    world.take(0)
    world.finish(0)
    world.take(0, "m")
    world.finish(0)

    lane, foreseen = may_skip(world.plan, world.view(), "m~~0"), preview(world.plan, world.view())

    assert world.state("m~~0") is StepState.READY
    assert not lane
    assert [undo.address for undo in foreseen.undos] == ["a~"]
    assert foreseen.kept == ()
    world.settle_down()


def test_items_read_what_their_map_may_see() -> None:
    """Every item of a batch reads what came before the map, its own item and its own index."""
    body = {**READ, "inputs": {**reads("a"), "item": "${item}", "index": "${index}"}}
    world = world_of(write("a"), mapped("m", "[5, 6, 7]", body))

    world.settle_down()

    told = [world.trials[f"m[{n}]/x"][0].inputs for n in range(3)]
    assert [(seen["item"], seen["index"]) for seen in told] == [(5, 0), (6, 1), (7, 2)]
