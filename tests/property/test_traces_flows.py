"""Rules 2, 3, 14, 16 and 24 within flows: joins, maps, races, needs, loops, and undo where a failure stops.

Each trace is how a weaker reading of a rule broke; the rules and their numbers are in docs/rules.md.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.engine.address import DRAIN
from orchestrator.engine.slice import Apply, Attempt, Fork
from orchestrator.engine.state import RunStatus, StepState
from tests.property.behaviours import BREAKS_OFF, DECLINES, OK, REFUSES, Behaviour
from tests.property.specs import write
from tests.property.world import RUN_ID, World, world_of

pytestmark = pytest.mark.property

Written = dict[str, Any]


def parallel(name: str, *branches: list[Written], more: Written | None = None, **terms: Any) -> Written:
    """A step with the branches `b0`, `b1` and so on."""
    named = {f"b{place}": steps for place, steps in enumerate(branches)}
    return {"id": name, "parallel": {"branches": named, **terms}, **(more or {})}


def mapped(name: str, items: str, *steps: Written, **terms: Any) -> Written:
    """A step that works off items."""
    return {"id": name, "map": {"items": items, "steps": list(steps), **terms}}


def handled(*main: Written) -> tuple[Written, ...]:
    """A sequence; the failure of its last step leads to the handler `h`, and the flow completes."""
    *others, last = main
    return (*others, {**last, "on_failure": "h"}, {"id": "h", "operation": "do.write", "on_success": "$end"})


def hold(world: World, seat: int, address: str, behaviour: Behaviour = OK) -> None:
    """A worker executes a step and has not told its outcome; another brings the run there, one step a message."""
    world.fuses = False
    while address not in world.messages:
        assert world.take(2), f"{address} is never reached"
        world.finish(2)
    world.take(seat, address)
    world.begin(seat, behaviour)


def tell(world: World, seat: int, *looks: str) -> None:
    """The worker tells its outcome; then somebody looks at these addresses."""
    world.finish(seat)
    for address in looks:
        world.messages.append(address)
        world.take(seat, address)
        world.finish(seat)


def order_of_settling(world: World, *addresses: str) -> list[str]:
    """These addresses, the one that was settled first first."""
    return sorted(addresses, key=lambda address: world.record.settled[address])


# 2. Leaving and arriving are decided by the commit, in every scope.


def test_the_last_of_two_branches_to_arrive_joins() -> None:
    """x.view y.view x.settle y.settle: neither saw the other arrive, and the join happens, once."""
    world = world_of(parallel("p", [write("x")], [write("y")]), write("d"))
    hold(world, 0, "p[b0]/x")
    hold(world, 1, "p[b1]/y")

    world.finish(0)
    first = world.state("p")
    world.finish(1)
    second = world.state("p")
    world.settle_down()

    assert (first, second) == (StepState.WAITING, StepState.READY)
    assert world.ran("d") == 1


def test_the_last_of_two_to_leave_a_failed_container_starts_its_undo() -> None:
    """z.fail x.view y.view x.settle y.settle: the list of undos is frozen when both have left, and not before."""
    world = world_of(*handled(parallel("p", [write("x")], [write("y")], [write("z")])))
    hold(world, 0, "p[b0]/x")
    hold(world, 1, "p[b1]/y")
    hold(world, 2, "p[b2]/z", REFUSES)
    tell(world, 2, "p")

    drained = [world.state("p/~")]
    for seat in (0, 1):
        world.finish(seat)
        drained.append(world.state("p/~"))
    world.settle_down()

    assert drained == [StepState.WAITING, StepState.WAITING, StepState.READY]
    assert world.undid() == ["p[b1]/y", "p[b0]/x"]
    assert world.status is RunStatus.COMPLETED


def test_a_step_that_settles_in_an_inner_flow_leaves_every_scope_around_it() -> None:
    """A drain of the outermost scope waits for what is in flight three flows below."""
    deep = mapped("m", "[1]", parallel("q", [write("x")], [write("y")]))
    world = world_of(*handled(parallel("p", [deep], [write("z")])))
    hold(world, 1, "p[b1]/z", REFUSES)
    hold(world, 0, "p[b0]/m[0]/q[b0]/x")
    tell(world, 1, "p")

    before = world.state("p/~"), world.ran("h")
    world.settle_down()

    assert before == (StepState.WAITING, 0)
    assert world.undid() == ["p[b0]/m[0]/q[b0]/x"]
    assert order_of_settling(world, "h", "p[b0]/m[0]/q[b0]/x~", "p/~") == ["p/~", "p[b0]/m[0]/q[b0]/x~", "h"]


# 3. Stopping.


def test_a_timer_does_not_keep_a_failed_container_waiting() -> None:
    """A wait of ten hours beside a failed branch is given up at once, and the handler starts."""
    world = world_of(*handled(parallel("p", [{"id": "w", "wait": "10h"}], [write("z")])), habits={"z": REFUSES})
    began_ms = world.now_ms

    world.settle_down(limit_ms=60_000)

    assert world.state("p[b0]/w") is StepState.CANCELLED
    assert world.ran("h") == 1
    assert world.now_ms - began_ms < 10_000


def test_a_cancel_in_the_middle_of_a_scopes_undo_lets_it_end_and_undoes_the_rest() -> None:
    """In p fails, y~ begins, cancel: y and x are undone once, the handler never starts, and then a is undone."""
    world = world_of(write("a"), *handled(parallel("p", [write("x"), write("y"), write("z")])), habits={"z": REFUSES})
    hold(world, 0, "p[b0]/y~")

    world.cancel()
    world.settle_down()

    assert world.status is RunStatus.CANCELLED
    assert world.undid() == ["p[b0]/y", "p[b0]/x", "a"]
    assert world.ran("h") == 0


def test_a_pause_during_a_scopes_undo_holds_the_next_undo_and_the_handler() -> None:
    """The run is paused when y~ settles: x~ waits for the resume, and h for x~."""
    world = world_of(*handled(parallel("p", [write("x"), write("y"), write("z")])), habits={"z": REFUSES})
    hold(world, 0, "p[b0]/y~")
    world.pause(on=True)

    tell(world, 0, "p[b0]/x~", "p/~")
    paused = world.undid(), world.ran("h"), world.store.shard_entry(RUN_ID)
    world.settle_down()

    assert paused == (["p[b0]/y"], 0, float("inf"))
    assert world.undid() == ["p[b0]/y", "p[b0]/x"]
    assert world.ran("h") == 1


def test_a_container_that_takes_too_long_during_its_last_step_waits_for_it_and_undoes_it() -> None:
    """In x begins, p times out, x.settle: what x did is undone, and the timeout is what the handler hears of."""
    world = world_of(*handled(parallel("p", [write("x")], more={"timeout": "5s"})))
    hold(world, 0, "p[b0]/x")
    world.pass_ms(5_000)
    world.sweep()

    stopped = world.state("p"), world.state("p/~")
    world.finish(0)
    world.settle_down()

    assert stopped == (StepState.FAILED, StepState.WAITING)
    assert json.loads(world.values()["p:err"])["code"] == "step_timeout"
    assert world.undid() == ["p[b0]/x"]
    assert world.ran("h") == 1


def test_a_container_that_fails_before_it_began_is_handled_at_once() -> None:
    """Its items are no list: no step is live inside of it, so nobody would ever leave and start its undo."""
    world = world_of(write("a"), *handled(mapped("m", "input.flag", write("x"))), given={"flag": True})

    world.settle_down()

    assert world.ran("h") == 1
    assert world.status is RunStatus.COMPLETED


# 14. Messages decide nothing, within flows either.


@pytest.mark.parametrize("effects", range(10))
def test_a_branch_that_is_told_of_twice_arrives_once(effects: int) -> None:
    """x.settle x.settle: a join of two by counting would go on without y."""
    world = world_of(parallel("p", [write("x")], [write("y"), write("z")], [write("v")], join=2), write("d"))
    hold(world, 0, "p[b0]/x")
    world.messages += ["p[b0]/x", "p[b0]/x", "p", "p"]

    tell(world, 0, "p[b0]/x", "p")
    world.go(1, effects)
    world.settle_down()

    assert world.ran("p[b0]/x") == world.ran("d") == 1
    assert world.status is RunStatus.COMPLETED


def test_a_stray_errback_of_a_container_starts_nothing() -> None:
    """`p/~` means: look at it. It says nothing of whether p has failed."""
    world = world_of(parallel("p", [write("x")], [write("y")]), write("d"))
    hold(world, 0, "p[b0]/x")

    tell(world, 1, "p/~", "p[b0]/~", DRAIN)
    world.settle_down()

    assert world.status is RunStatus.COMPLETED
    assert world.undid() == []


def test_a_worker_that_dies_before_it_forks_loses_no_branch() -> None:
    """p.begin crash: the branches were made ready by the commit, each with an entry, so all are found."""
    world = world_of(parallel("p", [write("x")], [write("y")], [write("z")]), write("d"))
    world.until(0, Fork)
    world.crash(0)

    world.settle_down()

    assert [world.ran(step) for step in ("p[b0]/x", "p[b1]/y", "p[b2]/z", "d")] == [1, 1, 1, 1]


def test_a_join_whose_message_is_lost_happens_all_the_same() -> None:
    """x.settle y.settle crash: the container that was made ready has an entry."""
    world = world_of(parallel("p", [write("x")], [write("y")]), write("d"))
    hold(world, 0, "p[b0]/x")
    hold(world, 1, "p[b1]/y")

    world.finish(0)
    world.finish(1)
    world.messages.clear()
    world.settle_down()

    assert world.ran("d") == 1


def test_an_undo_that_another_worker_takes_up_goes_on_with_its_list() -> None:
    """y~ claimed, crash: whoever takes y~ again knows the list that it stands in, and what follows it."""
    world = world_of(*handled(parallel("p", [write("x"), write("y"), write("z")])), habits={"z": REFUSES})
    hold(world, 0, "p[b0]/y~")
    world.crash(0)

    world.settle_down()

    assert world.undid()[-1] == "p[b0]/x"
    assert world.ran("h") == 1


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


# Where a failure stops.


def test_what_a_handled_container_did_is_undone_before_its_handler_and_the_rest_stays() -> None:
    """a, then x y in p, z fails: y and x are undone, then h starts; a stays."""
    world = world_of(write("a"), *handled(parallel("p", [write("x"), write("y"), write("z")])), habits={"z": DECLINES})

    world.settle_down()

    assert world.undid() == ["p[b0]/y", "p[b0]/x"]
    assert order_of_settling(world, "h", "p[b0]/x~", "p[b0]/y~") == ["p[b0]/y~", "p[b0]/x~", "h"]
    assert world.status is RunStatus.COMPLETED


@pytest.mark.parametrize("behaviour", [DECLINES, BREAKS_OFF])
def test_a_failure_four_flows_deep_that_nobody_handles_undoes_the_whole_run_newest_first(behaviour: Behaviour) -> None:
    """In a / p / m / q / n everything on the way is undone once, whichever flow it is in."""
    deepest = mapped("n", "[1]", write("v"), write("z"))
    middle = mapped("m", "[1]", write("y"), parallel("q", [deepest]))
    world = world_of(write("a"), parallel("p", [write("x"), middle]), habits={"z": behaviour})

    world.settle_down()

    inner = "p[b0]/m[0]/q[b0]/n[0]"
    happened = [f"{inner}/z"] if behaviour.happens else []
    assert world.undid() == [*happened, f"{inner}/v", "p[b0]/m[0]/y", "p[b0]/x", "a"]
    assert json.loads(world.values()["error"])["address"] == f"{inner}/z"
    assert world.status is RunStatus.FAILED


def test_an_undo_that_fails_does_not_keep_a_handler_from_starting() -> None:
    """y~ fails for good: x is undone all the same, and h starts."""
    world = world_of(*handled(parallel("p", [write("x"), write("y"), write("z")])))
    world.habits = {"y~": REFUSES, "z": REFUSES}

    world.settle_down()

    assert world.undid() == ["p[b0]/x"]
    assert world.ran("h") == 1


# Needs and loops.


def test_a_failure_closes_a_needs_flow_to_all_but_those_that_wait_for_failures() -> None:
    """While c is in flight, b fails: d is not begun, f (any_failed) and g (all_done) are; then the flow stops."""
    world = world_of(
        write("b", needs=[]),
        write("c", needs=[]),
        write("d", needs=["c"]),
        write("f", needs=["b"], run_if="any_failed"),
        write("g", needs=["d", "f"], run_if="all_done"),
    )
    hold(world, 0, "c")
    hold(world, 1, "b", REFUSES)

    tell(world, 1)
    world.settle_down()

    assert [world.ran(step) for step in "bcdfg"] == [1, 1, 0, 1, 1]
    assert world.state("d") is StepState.CANCELLED
    assert json.loads(world.values()["error"])["address"] == "b"
    assert world.undid() == ["g", "f", "c"]


def test_a_failure_that_may_be_is_undone_and_told_to_those_that_need_it() -> None:
    """Of b, which may fail and broke off: what it did is undone before d is judged."""
    world = world_of(
        write("b", needs=[], allow_failure=True),
        write("d", needs=["b"], run_if="any_failed"),
        write("e", needs=["b"]),
        habits={"b": BREAKS_OFF},
    )

    world.settle_down()

    assert world.undid() == ["b"]
    assert order_of_settling(world, "d", "b~") == ["b~", "d"]
    assert world.state("e") is StepState.SKIPPED
    assert world.status is RunStatus.COMPLETED


def test_two_that_settle_together_make_what_needs_both_ready_once() -> None:
    """b.view c.view b.settle c.settle: d hears of both, and runs once."""
    world = world_of(write("b", needs=[]), write("c", needs=[]), write("d", needs=["b", "c"]))
    hold(world, 0, "b")
    hold(world, 1, "c")

    world.finish(0)
    first = world.state("d")
    world.finish(1)
    second = world.state("d")
    world.settle_down()

    assert (first, second) == (StepState.PENDING, StepState.READY)
    assert world.ran("d") == 1


def test_a_loop_whose_visits_are_used_up_leads_to_its_handler() -> None:
    """The third visit of two is not made; what the visits did stays, as the failure is handled."""
    world = world_of(
        write("a", max_visits=2, on_success="w", on_failure="h"),
        {"id": "w", "wait": "1s", "on_success": "a"},
        write("h", on_success="$end"),
    )

    world.settle_down()

    assert [world.ran(step) for step in ("a", "a#2", "a#3", "h")] == [1, 1, 0, 1]
    assert json.loads(world.values()["a#3:err"])["code"] == "max_visits"
    assert world.undid() == []
    assert world.status is RunStatus.COMPLETED


def test_each_visit_of_a_container_in_a_loop_has_flows_of_its_own() -> None:
    """p, p#2, then p#3 is one too many and nobody handles it: every visit's steps are undone, newest first."""
    world = world_of(
        {**parallel("p", [write("x")]), "max_visits": 2, "on_success": "w"},
        {"id": "w", "wait": "1s", "on_success": "p"},
    )

    world.settle_down()

    assert world.undid() == ["p#2[b0]/x", "p[b0]/x"]
    assert json.loads(world.values()["error"])["code"] == "max_visits"


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
