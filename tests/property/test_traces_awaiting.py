"""Traces of steps that wait for something from outside: RULES 11, and what delivery may meet."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.engine.effects import Apply, Recall
from orchestrator.engine.state import RunStatus, StepState
from tests.property.scenes import mapped, parallel
from tests.property.specs import write
from tests.property.world import World, world_of

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
