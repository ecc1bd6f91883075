"""Rules 16 and 24: the items of maps, and races.

Each trace is how a weaker reading of a rule broke; the rules and their numbers are in docs/rules.md.
"""

from __future__ import annotations

import json

import pytest

from orchestrator.engine.effects import Apply, Attempt
from orchestrator.engine.state import RunStatus, StepState
from tests.property.behaviours import DECLINES, REFUSES
from tests.property.scenes import Written, handled, hold, mapped, parallel, tell
from tests.property.specs import write
from tests.property.world import world_of

pytestmark = pytest.mark.property


# 16. Items.


def test_a_worker_that_dies_between_two_items_leaves_none_behind() -> None:
    """m[0].settle crash: nothing in the map is live then, and still the next item begins."""
    world = world_of(mapped("m", "[1, 2, 3]", write("x"), max_concurrency=1), write("d"))
    hold(world, 0, "m[0]/x")

    world.finish(0)
    world.messages.clear()
    world.settle_down()

    assert [world.ran(f"m[{n}]/x") for n in range(3)] == [1, 1, 1]
    assert world.ran("d") == 1


def test_a_map_works_on_no_more_items_at_once_than_it_may() -> None:
    """Two looks at a map whose first two items are over at once: each slot is given away once."""
    world = world_of(mapped("m", "[1, 2, 3, 4, 5]", write("x"), max_concurrency=2))
    hold(world, 0, "m[0]/x")
    hold(world, 1, "m[1]/x")
    world.finish(0)
    world.finish(1)
    world.messages += ["m", "m", "m"]

    world.until(0, Apply)
    world.until(1, Apply)
    world.settle_down()

    assert all(world.ran(f"m[{n}]/x") == 1 for n in range(5))


def test_a_worker_that_works_off_one_item_after_the_other_joins_them() -> None:
    """In m[0].settle m.look m[1].settle m.look the second look decides from what the second settle left."""
    world = world_of(*handled(mapped("m", "[1, 2]", write("x"), max_concurrency=1)))

    world.take(0)
    world.finish(0)

    assert world.status is RunStatus.COMPLETED
    assert (world.ran("m[1]/x"), world.ran("h")) == (1, 0)


def test_an_item_that_may_fail_is_undone_while_the_others_go_on() -> None:
    """m[1] fails behind x: what it did is undone, and nothing of the others."""
    body = [write("x"), write("y")]
    world = world_of(mapped("m", "[1, 2, 3]", *body, tolerate=1), write("d"), habits={"m[1]/y": REFUSES})

    world.settle_down()

    assert world.undid() == ["m[1]/x"]
    assert json.loads(world.values()["m:failures"]) == [{"index": 1, "step": "y", "code": "refused", "message": ""}]
    assert json.loads(world.values()["m:out"])[1] is None
    assert world.status is RunStatus.COMPLETED


def test_items_that_have_not_begun_when_too_many_failed_never_begin() -> None:
    """Over the limit the map fails: the fourth item is not touched, and what the third did is undone."""
    world = world_of(mapped("m", "[1, 2, 3, 4]", write("x"), tolerate=1, max_concurrency=1))
    world.habits = {"m[0]/x": REFUSES, "m[1]/x": REFUSES}

    world.settle_down()

    assert json.loads(world.values()["error"])["code"] == "join_failed"
    assert [world.ran(f"m[{n}]/x") for n in range(4)] == [1, 1, 0, 0]


def test_a_join_of_more_items_than_there_are_fails_at_once() -> None:
    """One item, two to complete: no arrival would ever decide it."""
    world = world_of(mapped("m", "[1]", write("x"), join=2))

    world.settle_down()

    assert json.loads(world.values()["error"])["code"] == "join_failed"
    assert world.ran("m[0]/x") == 0


def test_a_map_in_a_map_undoes_an_inner_item_alone() -> None:
    """m[1]/n[0] fails and is tolerated there: the undo reaches neither its brother nor the outer item."""
    inner = mapped("n", "[1, 2]", write("x"), write("y"), tolerate=1)
    world = world_of(mapped("m", "[1, 2]", write("a"), inner), habits={"m[1]/n[0]/y": DECLINES})

    world.settle_down()

    assert world.undid() == ["m[1]/n[0]/x"]
    assert world.status is RunStatus.COMPLETED


# 24. Races.


def race(*, rest: str = "cancel") -> tuple[Written, Written, Written]:
    """a, then x1 x2 against y1 y2, then d."""
    branches = [[write("x1"), write("x2")], [write("y1"), write("y2")]]
    return write("a"), parallel("p", *branches, join="any", rest=rest), write("d")


def test_the_loser_of_a_race_is_undone_beside_the_run() -> None:
    """While y2 is in flight, x wins: d does not wait for it, the end of the run does, and x stays."""
    world = world_of(*race())
    hold(world, 0, "p[b1]/y2")
    hold(world, 1, "p[b0]/x2")
    tell(world, 1, "p", "d")
    meanwhile = world.state("d"), world.state("p[b1]/y2"), world.status

    world.finish(0)
    world.settle_down()

    assert meanwhile == (StepState.COMPLETED, StepState.RUNNING, RunStatus.RUNNING)
    assert world.undid() == ["p[b1]/y2", "p[b1]/y1"]
    assert world.status is RunStatus.COMPLETED


def test_a_loser_that_completes_after_the_join_has_lost() -> None:
    """x.settle join y2.settle: the whole branch is done, but the output was fixed without it, so it is undone."""
    world = world_of(*race())
    hold(world, 0, "p[b1]/y2")
    hold(world, 1, "p[b0]/x2")
    tell(world, 1, "p")

    tell(world, 0, "p[b1]/y2", "p")
    world.settle_down()

    assert json.loads(world.values()["p:out"])["b1"] is None
    assert world.undid() == ["p[b1]/y2", "p[b1]/y1"]


def test_two_that_arrive_before_the_join_have_both_won() -> None:
    """x2.settle y2.settle join: both are in the output, and neither is undone."""
    world = world_of(*race())
    hold(world, 0, "p[b1]/y2")
    hold(world, 1, "p[b0]/x2")

    world.finish(0)
    world.finish(1)
    world.settle_down()

    assert None not in json.loads(world.values()["p:out"]).values()
    assert world.undid() == []


def test_a_run_that_fails_while_a_loser_is_undone_undoes_nothing_twice() -> None:
    """y1~ is in flight when d fails: the run's list begins behind it, newest first, and has the winner in it."""
    world = world_of(*race(), habits={"d": REFUSES})
    hold(world, 0, "p[b1]/y1")
    hold(world, 1, "p[b0]/x2")
    tell(world, 1, "p")
    tell(world, 0)
    hold(world, 0, "p[b1]/y1~")
    hold(world, 1, "d", REFUSES)

    tell(world, 1)
    world.settle_down()

    assert world.undid() == ["p[b1]/y1", "p[b0]/x2", "p[b0]/x1", "a"]
    assert world.status is RunStatus.FAILED


def test_what_goes_on_beside_the_flow_keeps_the_run_open_and_changes_nothing() -> None:
    """rest: continue, x wins, d is done, y2 fails: the run waits for it and completes, and y1 is undone alone."""
    world = world_of(*race(rest="continue"))
    hold(world, 0, "p[b1]/y2", REFUSES)
    hold(world, 1, "p[b0]/x2")
    tell(world, 1, "p", "d")
    meanwhile = world.state("d"), world.status

    world.finish(0)
    world.settle_down()

    assert meanwhile == (StepState.COMPLETED, RunStatus.RUNNING)
    assert world.status is RunStatus.COMPLETED
    assert world.undid() == ["p[b1]/y1"]


def test_a_pivot_in_a_branch_seals_what_was_done_before_it_everywhere() -> None:
    """x, then the pivot in the other branch, then z fails: neither x nor the pivot is undone, what came later is."""
    pivot = write("y", pivot=True)
    world = world_of(write("a"), parallel("p", [write("x")], [pivot, write("v"), write("z")]))
    hold(world, 0, "p[b0]/x")
    tell(world, 0)
    hold(world, 0, "p[b1]/z", REFUSES)

    tell(world, 0)
    world.settle_down()

    assert world.status is RunStatus.FAILED
    assert world.undid() == ["p[b1]/v"]


def test_a_step_in_flight_when_its_race_is_lost_is_dropped_if_nothing_could_undo_it() -> None:
    """Of y, a plain write: the losing flow does not wait for it, and its result comes late."""
    world = world_of(parallel("p", [write("x")], [{"id": "y", "operation": "do.write"}], join="any"))
    hold(world, 0, "p[b1]/y")
    hold(world, 1, "p[b0]/x")
    tell(world, 1, "p", "p/~")
    dropped = world.state("p[b1]/y"), isinstance(world.workers[0].effect, Attempt)

    world.settle_down()

    assert dropped == (StepState.CANCELLED, True)
    assert [event["step"] for event in world.events("late_result")] == ["p[b1]/y"]
    assert world.status is RunStatus.COMPLETED
