"""Traces of steps without effect that share a commit: RULES 6 and 16."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine.effects import Apply, Attempt
from orchestrator.engine.state import RunStatus, StepState
from tests.property.behaviours import REFUSES
from tests.property.scenes import parallel
from tests.property.specs import write
from tests.property.world import World, world_of

pytestmark = pytest.mark.property


def read(name: str, **more: Any) -> dict[str, Any]:
    """A step without effect."""
    return {"id": name, "operation": "do.read", **more}


def sharing(*steps: dict[str, Any]) -> World:
    """A run of these steps whose worker knows them to be quick."""
    world = world_of(*steps)
    world.shares = True
    return world


def executed(world: World, seat: int, steps: int) -> None:
    """A worker executes so many steps, and has told nobody of them."""
    for _ in range(steps - 1):
        world.begin(seat)
        world.go(seat)
    world.begin(seat)


def test_a_chain_of_quick_reads_is_two_commits() -> None:
    """The claim of the first, and what became of all of them; with a claim each it would be one more a step."""
    world = sharing(*(read(f"r{number}") for number in range(6)))
    before = world.record.commits

    world.take(0)
    world.finish(0)

    assert world.record.commits - before == 2
    assert [event["step"] for event in world.events("step_completed")] == [f"r{number}" for number in range(6)]


def test_branches_of_quick_reads_share_commits() -> None:
    """The next branch that waits in the message is begun as the last one ends."""
    world = sharing(parallel("all", *([read(f"r{number}")] for number in range(5))))

    world.settle_down()

    assert world.status is RunStatus.COMPLETED
    assert world.record.commits <= 6


def test_a_worker_that_dies_takes_with_it_what_it_had_not_committed() -> None:
    """`w1.quote w1.charge w2.quote w1.commit w2.charge`: nothing that could still change has been seen."""
    world = sharing(read("a"), read("b"), write("w"))
    executed(world, 0, 2)

    world.crash(0)
    world.settle_down()

    assert (world.ran("a"), world.ran("b"), world.ran("w")) == (2, 2, 1)
    assert [event["step"] for event in world.events("attempt_lost")] == ["a"]


def test_a_write_is_preceded_by_the_commit_of_what_it_saw() -> None:
    """Its claim goes with the results of everything before it."""
    world = sharing(read("a"), read("b"), write("w"), read("c"))
    executed(world, 0, 2)

    world.go(0)
    world.until(0, Attempt)

    assert (world.state("a"), world.state("b")) == (StepState.COMPLETED, StepState.COMPLETED)
    assert (world.state("w"), world.ran("w")) == (StepState.RUNNING, 0)


def test_a_write_that_nothing_undoes_is_claimed_like_any_other() -> None:
    """Whether it could be undone is not what counts."""
    world = sharing(read("a"), {"id": "w", "operation": "do.write"}, read("b"))
    executed(world, 0, 1)

    world.go(0)
    world.until(0, Attempt)

    assert (world.state("w"), world.ran("w")) == (StepState.RUNNING, 0)


def test_a_step_that_may_take_longer_has_a_claim_of_its_own() -> None:
    """Else the one before it would be timed out in its stead."""
    world = sharing(read("a", timeout="10s"), read("b", timeout="20s"))
    executed(world, 0, 1)

    world.go(0)
    world.until(0, Attempt)

    assert (world.state("a"), world.state("b")) == (StepState.COMPLETED, StepState.RUNNING)


def test_a_pause_leaves_what_was_begun_without_a_claim_as_it_was() -> None:
    """The first step is settled; the next one is ready, and is executed when the run goes on."""
    world = sharing(read("a"), read("b"))
    executed(world, 0, 2)
    world.pause(on=True)

    world.finish(0)

    assert (world.state("a"), world.state("b")) == (StepState.COMPLETED, StepState.READY)
    world.settle_down()
    assert world.ran("b") == 2


def test_a_shared_commit_whose_reply_is_lost_is_granted_when_it_is_sent_again() -> None:
    """RULES 5: the claim at its end stands, so nobody waits for its lease."""
    world = sharing(read("a"), read("b"), write("w"))
    executed(world, 0, 2)
    world.go(0)
    world.until(0, Apply)

    world.lose_reply(0)
    world.settle_down()

    assert world.events("attempt_lost") == []
    assert (world.ran("a"), world.ran("b"), world.ran("w")) == (1, 1, 1)


def test_after_a_lapse_nothing_is_shared() -> None:
    """So that a step that kills its worker is found."""
    world = sharing(read("a"), read("b"), read("c"))
    executed(world, 0, 2)
    world.crash(0)
    world.to_next_entry()
    world.sweep()

    for _ in range(2):
        world.begin(1)
        world.go(1)
    world.until(1, Attempt)

    assert world.state("b") is StepState.COMPLETED
    assert world.state("c") is StepState.RUNNING


def test_a_second_message_for_what_is_kept_back_executes_nothing() -> None:
    """It waits in the message beside the first one."""
    world = sharing(parallel("all", *([read(f"r{number}")] for number in range(3))))
    world.until(0, Attempt)
    world.messages += world.messages

    world.settle_down()

    assert [world.ran(f"all[b{number}]/r{number}") for number in range(3)] == [1, 1, 1]


def test_a_step_that_fails_ends_what_is_shared() -> None:
    """Its failure and the results before it are one commit."""
    world = sharing(read("a"), read("b", on_failure="h"), read("h", on_success="$end"))
    world.habits = {"b": REFUSES}

    world.settle_down()

    assert (world.state("a"), world.state("b"), world.state("h")) == (
        StepState.COMPLETED,
        StepState.FAILED,
        StepState.COMPLETED,
    )
