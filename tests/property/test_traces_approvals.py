"""Traces of approvals: decisions meet each other, the clock, a cancel and a pause."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.engine.approvals import Choice, Decision, decide
from orchestrator.engine.onward import Move, Terms
from orchestrator.engine.state import RunStatus, StepState
from tests.property.specs import write
from tests.property.test_traces_awaiting import waits
from tests.property.world import TIMING, World, world_of

pytestmark = pytest.mark.property


def ask(**more: Any) -> dict[str, Any]:
    """A step that asks Ann and Bob."""
    return {"id": "ask", "approval": {"users": ["ann", "bob"], "exclude_starter": False, **more}}


def decided(world: World, by: str, choice: Choice = "approve") -> Move:
    """The move by which somebody decides, as things stand now."""
    decision = Decision(by, (), choice, "", None, "t")
    return decide(world.plan, world.view(), "ask", decision, Terms(TIMING, world.draw(), 0.5, lambda _: False))


def test_of_two_who_decide_at_once_one_decides_again() -> None:
    """Each read before the other's commit; the decision that was first is not lost."""
    world = world_of(ask(mode="all"))
    waits(world, "ask")
    first, second = decided(world, "ann"), decided(world, "bob")

    assert world.apply(first.commit).first.stands
    assert not world.apply(second.commit).first.stands
    world.apply(decided(world, "bob").commit)
    world.settle_down()

    assert [one["by"] for one in json.loads(world.values()["ask:out"])["decisions"]] == ["ann", "bob"]


def test_a_cancel_that_meets_a_sweeper_which_looks_later_is_not_forgotten() -> None:
    """Before: the sweeper's decision from before the cancel put the approval off until it would have reminded."""
    world = world_of({**ask(remind="1d"), "timeout": "7d"})
    waits(world, "ask")
    world.pass_ms(86_400_000)
    world.decide(0)

    world.cancel(drops=False)
    world.commit(0)
    world.settle_down()

    assert world.status is RunStatus.CANCELLED


def test_a_decision_that_is_sent_twice_is_one() -> None:
    """The reply got lost, and the same commit comes again."""
    world = world_of(ask())
    waits(world, "ask")
    move = decided(world, "ann")

    replies = [world.apply(move.commit).first for _ in range(2)]

    assert all(reply.stands for reply in replies)
    assert len(world.events("approval_decision")) == 1


def test_a_decision_that_comes_after_the_time_is_over_moves_nothing() -> None:
    """The sweeper has ended the wait."""
    world = world_of({**ask(), "timeout": "10s"})
    waits(world, "ask")
    late = decided(world, "ann")

    world.pass_ms(10_000)
    world.sweep()

    assert not world.apply(late.commit).first.stands
    assert world.state("ask") is StepState.FAILED


def test_a_decision_that_meets_a_cancel_moves_nothing() -> None:
    """A stopping flow takes nothing in."""
    world = world_of(ask(), write("after"))
    waits(world, "ask")
    late = decided(world, "ann")

    world.cancel(drops=False)

    assert not world.apply(late.commit).first.stands
    world.settle_down()
    assert world.status is RunStatus.CANCELLED


def test_a_decision_meets_a_pause_and_stands() -> None:
    """RULES 13: a pause holds up claims, not what arrives."""
    world = world_of(ask(), write("after"))
    waits(world, "ask")
    world.pause(on=True)

    world.apply(decided(world, "ann").commit)

    assert (world.state("ask"), world.state("after")) == (StepState.COMPLETED, StepState.READY)
