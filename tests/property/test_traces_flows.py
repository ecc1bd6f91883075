"""Rules 2, 3 and 14 within flows: arriving, leaving, and undo where a failure stops; needs flows and loops.

Each trace is how a weaker reading of a rule broke; the rules and their numbers are in docs/rules.md.
"""

from __future__ import annotations

import json

import pytest

from orchestrator.engine.address import DRAIN
from orchestrator.engine.effects import Fork
from orchestrator.engine.state import RunStatus, StepState
from tests.property.behaviours import BREAKS_OFF, DECLINES, REFUSES, Behaviour
from tests.property.scenes import handled, hold, mapped, order_of_settling, parallel, tell
from tests.property.specs import write
from tests.property.world import RUN_ID, world_of

pytestmark = pytest.mark.property


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


def test_what_follows_a_step_in_flight_does_not_start_in_a_failed_container() -> None:
    """While x is in flight, z fails; x.settle+claim·y: the settle stands, the claim is refused, as in a stopped run."""
    world = world_of(*handled(parallel("p", [write("z")], [write("x"), write("y")])))
    hold(world, 0, "p[b1]/x")
    hold(world, 1, "p[b0]/z", REFUSES)
    tell(world, 1, "p")
    world.fuses = True

    world.finish(0)
    world.settle_down()

    assert world.ran("p[b1]/y") == 0
    assert world.undid() == ["p[b1]/x"]


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
    world.fuses = True

    world.finish(0)
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


def test_a_step_that_is_not_to_run_is_skipped_though_nobody_took_it_in_time() -> None:
    """The time in the queue of e is over before anybody has asked whether it runs: a retry of it would."""
    late = write("e", needs=[], when="input.flag", queue_timeout="5s", retry={"max_attempts": 2, "delay": "1s"})
    world = world_of(late, write("b", needs=[]), given={"flag": False})
    world.messages.clear()
    world.pass_ms(5_000)
    world.sweep()

    world.settle_down()

    assert (world.state("e"), world.ran("e")) == (StepState.SKIPPED, 0)


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
