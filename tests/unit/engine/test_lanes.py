"""Which maps are worked off in batches, and what a lane decides from what it sees."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.engine import fields
from orchestrator.engine.address import scopes_around
from orchestrator.engine.commit import Commit, count_field
from orchestrator.engine.lanes import MAX_BATCH, batch_of, body_of, first_lanes, give_back, look_at_lane, settle_batch
from orchestrator.engine.onward import Move, Terms
from orchestrator.engine.outcome import Failure, Outcome, Success
from orchestrator.engine.places import container_at, is_container, work_at
from orchestrator.engine.stages import Timing
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Plan
from tests.property.specs import plan_of

READ: dict[str, Any] = {"id": "x", "operation": "do.read"}
DONE = Success(json.dumps("done"))
NO = Failure("declined", "No.")


def mapping(*steps: dict[str, Any], **terms: Any) -> Plan:
    """A plan of one map."""
    body = {"items": "input.all", "steps": list(steps or (READ,)), **terms}
    return plan_of({"id": "m", "map": body})


def terms(batch: int = 1) -> Terms:
    """What a message decides with."""
    return Terms(Timing(), token="next", batch=batch)


def seen(lane: str = "m~~0", state: str | None = "ready", *, begun: int = 0, size: int = 10, **more: str) -> RunView:
    """What a look at a lane of a map that goes on begins with."""
    head = {"incarnation": "1", "status": "running", "stopping": "0", "paused": "0", "m:state": "waiting"}
    counted = {"m:size": str(size), "m:begun": str(begun)}
    values: dict[str, str | None] = {**head, **counted, f"{lane}:state": state}
    return RunView("run", values | {name.replace("__", ":"): text for name, text in more.items()}, 1_000)


def taken(move: Move | None) -> str | None:
    """The batch that a move's last stage takes."""
    assert move is not None
    return move.commit.stages[-1].changes.set.get(fields.batch("m~~0"))


def settled(outcomes: list[Outcome], *, batch: str, begun: int, size: int = 10) -> Move:
    """The settle of a batch with these outcomes, as far as it came."""
    view = seen(state="running", begun=begun, size=size)
    view.learn({fields.batch("m~~0"): batch, fields.token("m~~0"): "t"}, 1_000)
    return settle_batch(mapping(), view, "m~~0", "t", outcomes, terms())


@pytest.mark.parametrize(
    "step",
    [
        {"operation": "do.write"},
        {"operation": "do.letter"},
        {"operation": "do.read", "queue_timeout": "5s"},
        {"operation": "do.read", "heartbeat_timeout": "5s"},
        {"operation": "do.read", "limits": [{"key": "one", "max": 1}]},
        {"operation": "do.read", "on_failure": "$end"},
        {"operation": "do.read", "pivot": True},
        {"wait": "1s"},
    ],
)
def test_items_that_ask_for_a_step_of_their_own_get_one(step: dict[str, Any]) -> None:
    """An effect, a limit, a deadline in the queue, a handler: each item has a claim of its own."""
    plan = mapping({"id": "x", **step})

    assert plan.batch_body(container_at(plan, "m")) is None
    with pytest.raises(ValueError, match="not a lane"):
        body_of(plan, "m~~0")


@pytest.mark.parametrize("step", [{}, {"retry": {"max_attempts": 3}}, {"timeout": "5s"}, {"inputs": {"n": "${item}"}}])
def test_a_body_of_one_operation_without_effect_is_worked_off_in_batches(step: dict[str, Any]) -> None:
    """Neither retries nor a timeout ask for a claim of each item."""
    plan = mapping({**READ, **step})

    assert body_of(plan, "m~~0").id == "x"
    assert work_at(plan, "m~~0") == work_at(plan, "m[0]/x")


def test_a_body_of_several_steps_or_with_an_output_is_worked_off_step_by_step() -> None:
    """Only what one call gives is recorded with a batch."""
    for plan in (mapping(READ, {**READ, "id": "y"}), mapping(output={"n": "${steps.x.output}"})):
        assert plan.batch_body(container_at(plan, "m")) is None


def test_a_lane_lies_inside_its_map_and_is_none() -> None:
    """What stops the map stops the lane."""
    assert scopes_around("a[0]/m#2~~1") == ("a", "a[0]", "a[0]/m#2")
    assert not is_container(mapping(), "m~~0")


@pytest.mark.parametrize(("size", "most", "spares"), [(1, 10, 0), (3, 10, 2), (10, 2, 1), (10, 1, 0)])
def test_a_map_begins_with_one_lane_and_may_open_as_many_as_it_has_use_for(size: int, most: int, spares: int) -> None:
    """One is ready; the spare ones have neither state nor entry."""
    onward = first_lanes(mapping(max_concurrency=most), "m", size, terms())

    assert onward.to == "m~~0"
    assert onward.spares == tuple(f"m~~{number}" for number in range(1, spares + 1))
    assert list(onward.changes.entries) == ["m~~0"]


@pytest.mark.parametrize(
    ("batch", "begun", "size", "expected"),
    [(1, 0, 10, "0:1"), (4, 3, 10, "3:4"), (4, 8, 10, "8:2"), (1_000, 0, 1_000, f"0:{MAX_BATCH}"), (0, 0, 10, "0:1")],
)
def test_a_lane_takes_what_it_may_and_what_there_is(batch: int, begun: int, size: int, expected: str) -> None:
    """At least one, at most 64, never more than are left; guarded by how many have begun."""
    move = look_at_lane(mapping(), seen(begun=begun, size=size), "m~~0", terms(batch))

    assert taken(move) == expected
    assert move is not None
    assert move.commit.stages[-1].guards[fields.begun("m")] == str(begun)


def test_the_time_of_a_batch_is_that_of_its_items() -> None:
    """Four items of five seconds each have twenty together."""
    move = look_at_lane(mapping({**READ, "timeout": "5s"}), seen(), "m~~0", terms(4))

    assert move is not None
    assert move.commit.stages[-1].changes.stamp[fields.deadline("m~~0")] == 20_000


def test_a_lane_with_nothing_left_leaves_and_says_nothing() -> None:
    """It ends on what it saw: neither have others begun less, nor has the map been decided since."""
    move = look_at_lane(mapping(), seen(begun=10), "m~~0", terms())

    assert move is not None
    (stage,) = move.commit.stages
    assert stage.changes.set[fields.state("m~~0")] == "completed"
    assert stage.changes.events == ()
    assert stage.guards == {"m~~0:state": "ready", "m:begun": "10", "m:state": "waiting"}


def test_a_lane_that_leaves_a_map_which_is_decided_joins_it() -> None:
    """Whoever decided it may have died: the map is looked at next."""
    ready, waiting = (seen(begun=10, m__state=state) for state in ("ready", "waiting"))

    moves = [look_at_lane(mapping(), view, "m~~0", terms()) for view in (ready, waiting)]

    assert [move is not None and move.to == "m" for move in moves] == [True, False]


@pytest.mark.parametrize(("begun", "lane"), [(10, "m~~1"), (0, "m~~10")])
def test_a_lane_that_is_not_wanted_is_not_opened(begun: int, lane: str) -> None:
    """Nothing is left for it, or it is one more than items may be worked on at once."""
    assert look_at_lane(mapping(), seen(lane, None, begun=begun), lane, terms()) is None


@pytest.mark.parametrize(("state", "stages"), [(None, 2), ("waiting", 2), ("ready", 1)])
def test_a_lane_that_is_opened_or_woken_is_claimed_by_the_same_commit(state: str | None, stages: int) -> None:
    """First it is ready, which may be sent again; then it is claimed."""
    move = look_at_lane(mapping(), seen(state=state), "m~~0", terms())

    assert move is not None
    assert move.claims == "m~~0"
    assert len(move.commit.stages) == stages
    assert all(stage.already == {"m~~0:state": "running", "m~~0:token": "next"} for stage in move.commit.stages)


def test_what_failed_is_given_back_and_what_was_not_reached_is_kept() -> None:
    """Of five items two are done: the second is a step of its own, and the lane takes the last two one by one."""
    move = settled([DONE, NO, DONE], batch="2:5", begun=7)

    changes = move.commit.stages[0].changes
    assert [fork for fork in move.forks if fork != "m"] == ["m[3]/x"]
    states = [changes.set.get(fields.state(f"m[{n}]/x")) for n in range(2, 7)]
    assert states == ["completed", "ready", "completed", None, None]
    assert changes.set[fields.rest("m~~0")] == "5:2"
    assert changes.events == ({"type": "items_completed", "step": "m", "items": [2, 4]},)
    assert taken(move) == "5:1"
    assert move.commit.stages[1].changes.set[fields.rest("m~~0")] == "6:1"


def test_a_lane_that_took_the_last_items_leaves_with_their_settle() -> None:
    """Nothing is left to take: one commit ends the batch and the lane, and the map is looked at."""
    move = settled([DONE, DONE], batch="8:2", begun=10)

    (stage,) = move.commit.stages
    assert (stage.changes.set[fields.state("m~~0")], move.to, move.claims) == ("completed", "m", None)


def test_a_batch_decides_a_join_at_every_number_that_it_may_come_to() -> None:
    """Two are waited for and three come: at two, three or four the map is joined."""
    plan, view = mapping(join=2), seen(state="running", begun=4)
    view.learn({fields.batch("m~~0"): "1:3", fields.token("m~~0"): "t"}, 1_000)

    move = settle_batch(plan, view, "m~~0", "t", [DONE] * 3, terms())

    counted = count_field(fields.completed_set("m"))
    then = move.commit.stages[0].then
    assert [guards[counted] for guards in (one.guards for one in then) if counted in guards] == ["2", "3", "4"]


@pytest.mark.parametrize(("batch", "forks", "rest"), [("1:2", (), "1:2"), ("1:1", ("m[1]/x",), None)])
def test_a_batch_whose_worker_was_lost_is_worked_off_one_by_one(
    batch: str, forks: tuple[str, ...], rest: str | None
) -> None:
    """The lane keeps its items, and a single one is a step of its own; only what is due and holds the token ends."""
    view = seen(state="running", begun=3)
    view.learn({fields.batch("m~~0"): batch}, 1_000)

    move = give_back(mapping(), view, "m~~0", "t", terms())

    assert (move.to, move.forks) == ("m~~0", forks)
    assert move.commit.stages[0].changes.set.get(fields.rest("m~~0")) == rest
    assert stage_of(move.commit) == (("m~~0",), {"m~~0:state": "running", "m~~0:token": "t"})
    assert batch_of(mapping(), seen(), "m~~0") == []


def stage_of(commit: Commit) -> tuple[tuple[str, ...], dict[str, str | None]]:
    """What the only stage of a commit asks for."""
    (stage,) = commit.stages
    return stage.due, dict(stage.guards)
