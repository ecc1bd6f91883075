"""Traces of steps that wait for something from outside: RULES 11, and what delivery may meet."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.engine.awaiting import hand_over, note_misses
from orchestrator.engine.effects import Apply, Recall
from orchestrator.engine.onward import Terms
from orchestrator.engine.state import RunStatus, StepState
from tests.property.behaviours import DECLINES
from tests.property.scenes import mapped, parallel
from tests.property.specs import write
from tests.property.world import TIMING, World, world_of

pytestmark = pytest.mark.property

EVENT: dict[str, Any] = {"id": "come", "event": {"type": "came"}}
FITTING: dict[str, Any] = {"id": "come", "event": {"type": "came", "filter": "event.data.n > 1"}}
SIGNAL: dict[str, Any] = {"id": "go", "event": {"signal": "go"}}


def taken(world: World) -> list[str]:
    """The ids of the events that steps took, in order."""
    return [event["id"] for event in world.events("event_received")]


def waits(world: World, *steps: str) -> None:
    """Workers do what there is to do, and the steps wait."""
    while world.messages:
        world.go(0)
        world.finish(0)
    assert all(world.state(step) is StepState.WAITING for step in steps)


def test_an_event_that_comes_while_its_step_begins_to_wait_is_not_lost() -> None:
    """RULES 11: wait.view (nothing there), event.arrive (nobody waits), wait.park."""
    world = world_of(EVENT)
    world.until(0, Apply)

    world.note(1)
    world.deliver()
    world.settle_down()

    assert taken(world) == ["e1"]
    assert world.status is RunStatus.COMPLETED


def test_an_event_that_comes_between_the_look_back_and_its_end_is_not_lost() -> None:
    """The step is found by the index by then."""
    world = world_of(EVENT)
    world.until(0, Recall)
    world.go(0)

    world.note(1)
    world.deliver()
    world.settle_down()

    assert taken(world) == ["e1"]


def test_a_worker_that_dies_before_it_looks_back_leaves_that_to_the_ledger() -> None:
    """The entry of a step that has yet to look back falls due soon."""
    world = world_of(EVENT)
    world.note(1)
    world.until(0, Recall)

    world.crash(0)
    world.settle_down()

    assert taken(world) == ["e1"]


def test_a_listener_that_dies_before_it_delivers_is_made_good_by_another() -> None:
    """An event is acknowledged only once all have it, so it is delivered again."""
    world = world_of(parallel("both", [EVENT], [{**EVENT, "id": "too"}]))
    waits(world, "both[b0]/come", "both[b1]/too")
    world.note(1)
    world.deliver(at_most=1)

    world.deliver()
    world.settle_down()

    assert taken(world) == ["e1", "e1"]


def test_a_step_takes_an_event_once_though_it_is_delivered_again_to_its_next_visit() -> None:
    """A loop that waits for the same type again waits for another event."""
    leaves = [{"errors": ["max_visits"], "to": "$end"}]
    world = world_of({**EVENT, "max_visits": 2, "on_success": "come", "on_failure": leaves})
    waits(world, "come")
    world.note(1)
    world.deliver()
    waits(world, "come#2")

    world.deliver()

    assert world.state("come#2") is StepState.WAITING
    world.note(2)
    world.deliver()
    world.settle_down()
    assert taken(world) == ["e1", "e2"]


def test_events_that_came_before_are_taken_oldest_first() -> None:
    """From the run's start on; those that do not fit are passed over, and the last of them is noted."""
    world = world_of(FITTING)
    for n in (1, 2, 3):
        world.note(n)

    world.settle_down()

    assert taken(world) == ["e2"]
    assert json.loads(world.values()["come:out"])["data"] == {"n": 2}


def test_an_event_that_does_not_fit_is_noted_as_a_near_miss() -> None:
    """What did not fit, what was wanted, what was found."""
    world = world_of(FITTING)
    waits(world, "come")

    world.note(1)
    world.deliver()

    missed = json.loads(world.values()["come:miss"])
    assert missed == {"event": "e1", "part": "filter", "wanted": "event.data.n > 1", "found": False}


def test_a_correlated_step_is_found_by_its_value_only() -> None:
    """So that an event costs as many looks as runs that may want it."""
    correlated = {"event": "event.data.n", "value": "input.n"}
    world = world_of({"id": "come", "event": {"type": "came", "correlation": correlated}}, given={"n": 7.0})
    waits(world, "come")
    world.note(5)
    world.deliver()
    assert taken(world) == []

    world.note(7)
    world.deliver()
    world.settle_down()

    assert taken(world) == ["e2"]


def test_an_event_meets_a_pause_and_is_taken() -> None:
    """RULES 13: a pause holds up claims, not what arrives."""
    world = world_of(EVENT, write("after"))
    waits(world, "come")
    world.pause(on=True)

    world.note(1)
    world.deliver()

    assert world.state("come") is StepState.COMPLETED
    assert world.state("after") is StepState.READY


def test_an_event_that_comes_after_a_cancel_moves_nothing() -> None:
    """A stopping flow takes nothing in."""
    world = world_of(EVENT, write("after"))
    waits(world, "come")
    world.cancel(drops=False)

    world.note(1)
    world.deliver()
    world.settle_down()

    assert taken(world) == []
    assert world.state("come") is StepState.CANCELLED


def test_a_wait_that_is_over_fails_with_wait_timeout() -> None:
    """Only the sweeper ends it; no policy retries it."""
    world = world_of({**EVENT, "timeout": "10s"})
    waits(world, "come")

    world.pass_ms(10_000)
    world.settle_down()

    assert world.status is RunStatus.FAILED
    assert json.loads(world.values()["error"])["code"] == "wait_timeout"


def test_a_signal_that_comes_while_its_step_begins_to_wait_is_not_lost() -> None:
    """RULES 11: the commit guards that no signal has come."""
    world = world_of(SIGNAL)
    world.until(0, Apply)

    world.signal("go", "s1")
    world.settle_down()

    assert json.loads(world.values()["go:out"])["id"] == "s1"


def test_a_signal_that_is_sent_twice_is_one() -> None:
    """The second step waits for another."""
    world = world_of(SIGNAL, {**SIGNAL, "id": "again"})
    waits(world, "go")

    world.signal("go", "s1")
    waits(world, "again")
    world.signal("go", "s1")

    assert world.state("again") is StepState.WAITING
    world.signal("go", "s2")
    world.settle_down()
    assert json.loads(world.values()["again:out"])["id"] == "s2"


def test_signals_are_kept_and_taken_oldest_first_by_one_step_each() -> None:
    """Those that came before anybody waited, in the order in which they came."""
    world = world_of(mapped("each", "[1, 2]", SIGNAL, max_concurrency=1))
    for name in ("s1", "s2"):
        world.signal("go", name)

    world.settle_down()

    assert [json.loads(world.values()[f"each[{n}]/go:out"])["id"] for n in (0, 1)] == ["s1", "s2"]


def test_a_cancel_that_meets_the_end_of_a_look_back_is_not_forgotten() -> None:
    """Before: the step's entry, which the cancel had made due, was put off for ever."""
    world = world_of(EVENT, write("after"))
    world.until(0, Recall)
    world.go(0)

    world.cancel(drops=False)
    world.settle_down()

    assert world.status is RunStatus.CANCELLED


def test_a_cancel_that_meets_a_sweeper_which_puts_a_wait_off_is_not_forgotten() -> None:
    """Before: the sweeper's decision from before the cancel put the step off for ever."""
    world = world_of(
        {"id": "bad", "operation": "do.write"},
        {**EVENT, "needs": ["first"], "run_if": "all_done"},
        {"id": "first", "operation": "do.read"},
        habits={"bad": DECLINES},
    )
    world.take(0, "first")
    world.finish(0)
    world.take(0, "come")
    world.finish(0)
    world.take(0, "bad")
    world.finish(0)
    world.decide(0)

    world.cancel(drops=False)
    world.commit(0)
    world.settle_down()

    assert world.state("come") is StepState.CANCELLED


def test_a_cancel_that_meets_a_sweeper_which_puts_a_container_off_is_not_forgotten() -> None:
    """The same, for what waits for its branches: the run never ended."""
    fork = parallel("both", [EVENT], [{**EVENT, "id": "too"}])
    world = world_of(
        {"id": "bad", "operation": "do.write"},
        {**fork, "needs": ["first"], "run_if": "all_done"},
        {"id": "first", "operation": "do.read"},
        habits={"bad": DECLINES},
    )
    world.messages.remove("bad")
    waits(world, "both[b0]/come", "both[b1]/too")
    world.messages.append("bad")
    world.go(0)
    world.finish(0)
    (due,) = world.store.due(0, 9)
    world.decide(0, due.addresses.index("both"))

    world.cancel(drops=False)
    world.commit(0, sends=False)
    world.messages.clear()
    world.settle_down()

    assert world.status is RunStatus.CANCELLED


def test_an_older_event_is_taken_before_one_that_comes_while_the_step_has_yet_to_look_back() -> None:
    """Before: who handed the younger over was quicker than the look back."""
    world = world_of(EVENT)
    world.note(1)
    world.until(0, Recall)

    world.note(2)
    world.deliver()
    world.settle_down()

    assert taken(world) == ["e1"]


def test_what_came_in_time_is_taken_though_no_worker_looked_back_until_the_wait_was_over() -> None:
    """Before: the sweeper ended the wait without anybody having looked."""
    world = world_of({**EVENT, "timeout": "10s"})
    world.note(1)
    world.until(0, Recall)
    world.crash(0)

    world.pass_ms(60_000)
    world.sweep()
    world.settle_down()

    assert taken(world) == ["e1"]
    assert world.status is RunStatus.COMPLETED


def test_a_step_within_a_container_that_is_visited_again_takes_an_event_once_as_well() -> None:
    """Before: its second address was that of another step."""
    around = {"max_visits": 2, "on_success": "both", "on_failure": [{"errors": ["max_visits"], "to": "$end"}]}
    world = world_of(parallel("both", [EVENT], [{**EVENT, "id": "too"}], more=around))
    world.note(1)
    waits(world, "both#2[b0]/come", "both#2[b1]/too")

    world.note(2)
    world.deliver()
    world.settle_down()

    assert sorted(taken(world)) == ["e1", "e1", "e2", "e2"]


def test_a_step_waits_for_the_value_that_it_began_to_wait_with() -> None:
    """Before: what it was correlated to was read anew, when a loop around it had gone on."""
    correlated = {"type": "came", "correlation": {"event": "event.data.n", "value": "steps.draw.output.n"}}
    world = world_of(
        write("draw", max_visits=2, on_failure=[{"errors": ["max_visits"], "to": "$end"}], on_success="fork"),
        parallel(
            "fork",
            [{"id": "come", "event": correlated}],
            [{"id": "quick", "operation": "do.read"}],
            join="any",
            rest="continue",
            more={"on_success": "draw"},
        ),
    )
    waits(world, "fork[b0]/come", "fork#2[b0]/come")
    values = [json.loads(world.values()[f"{fork}[b0]/come:value"]) for fork in ("fork", "fork#2")]
    assert values[0] != values[1]

    world.note(values[0])
    world.deliver()

    assert world.state("fork[b0]/come") is StepState.COMPLETED
    assert world.state("fork#2[b0]/come") is StepState.WAITING


def test_a_near_miss_does_not_touch_a_step_that_waits_no_more() -> None:
    """The listener read the run before the step was over."""
    world = world_of(FITTING, write("after"))
    waits(world, "come")
    world.note(1)
    move, misses = hand_over(world.plan, world.view(), world.log[0][1], Terms(TIMING, "t"))
    world.note(2)
    world.deliver()

    assert move is None
    assert note_misses(world.view(), misses) is None


def test_signals_that_steps_took_while_they_waited_are_not_read_again() -> None:
    """A loop that takes many looks at those that are left only."""
    world = world_of({**SIGNAL, "max_visits": 3, "on_success": "go", "on_failure": [{"errors": ["*"], "to": "$end"}]})
    for number in (1, 2):
        waits(world, "go" if number == 1 else "go#2")
        world.signal("go", f"s{number}")

    waits(world, "go#3")

    assert world.values()["first_signal"] == "3"
