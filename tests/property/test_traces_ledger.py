"""Rules 11 to 18: what is read again, and when anything is looked at.

Each trace is how a weaker reading of a rule broke; the rules and their numbers are in docs/rules.md.
"""

from __future__ import annotations

import json

import pytest

from orchestrator.engine.effects import Apply, Attempt
from orchestrator.engine.state import RunStatus, StepState
from tests.property.behaviours import DECLINES
from tests.property.specs import TWICE, write
from tests.property.world import RUN_ID, world_of

pytestmark = pytest.mark.property


# 11. Absences are guarded like values.


def test_what_was_decided_before_a_cancel_is_decided_again() -> None:
    """wait.view cancel wait.park: the park is refused, and the step is cancelled instead of waiting."""
    world = world_of({"id": "w", "wait": "10h"}, write("b"))
    world.until(0, Apply)

    world.cancel(drops=False)
    world.finish(0)

    assert world.state("w") is StepState.CANCELLED


def test_what_was_read_before_others_moved_the_run_is_read_again() -> None:
    """w1.claim·b w0.claim·b(refused, reads c) w1.b w1.c w0.d: w0 does not believe that c has no output yet."""
    reads = {"reads": {"c": "${has(steps.c.output) ? steps.c.output : null}"}}
    world = world_of(write("a"), write("b"), write("c"), write("d", inputs=reads), output=reads)
    world.fuses = False
    world.begin(0)
    world.finish(0)
    world.messages.append("b")
    world.until(0, Apply)
    world.until(1, Attempt)
    world.go(0)
    for step in ("b", "c"):
        world.take(1, step)
        world.finish(1)

    world.begin(0)
    world.settle_down()

    assert world.ran("d") == 1
    assert json.loads(world.values()["output"])["reads"]["c"] == {"n": 3}


def test_a_heartbeat_that_comes_before_the_sweepers_commit_counts() -> None:
    """The sweeper decided from a silence that is over by now."""
    world = world_of(write("a", heartbeat_timeout="8s"))
    world.begin(0)
    world.pass_ms(8_000)
    world.decide(0)

    world.report(0, "half")
    world.commit(0)

    assert world.state("a") is StepState.RUNNING


# 12. The ledger. (Its invariant is asserted after every commit of every trace.)


def test_a_long_wait_ends_at_its_moment_without_any_message() -> None:
    """The entry is the timer: the sweeper sends, and the look behind the moment completes the wait."""
    world = world_of({"id": "w", "wait": "10h"}, write("b"))
    world.take(0)
    world.finish(0)
    waiting, began_ms = world.state("w"), world.now_ms

    world.settle_down(limit_ms=36_000_000)

    assert waiting is StepState.WAITING
    assert world.status is RunStatus.COMPLETED
    assert world.now_ms - began_ms == 36_000_000


# 17. Resends.


def test_the_resend_interval_doubles_up_to_its_limit() -> None:
    """A step that nobody takes is sent ever more rarely: 2 s, 4 s … 5 minutes."""
    world = world_of(write("a"))
    gaps = []
    for _ in range(10):
        before_ms = world.now_ms
        world.to_next_entry()
        world.sweep()
        gaps.append(world.now_ms - before_ms)

    assert gaps == [2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000]
    assert len(world.messages) == 11


def test_the_undo_of_a_flow_is_sent_ever_more_rarely_too() -> None:
    """`~` is a ready address like any other."""
    world = world_of(write("a"))
    world.cancel(drops=False)
    world.sweep()
    world.messages.clear()
    gaps = []
    for _ in range(4):
        world.sweep()
        before_ms = world.now_ms
        world.to_next_entry()
        gaps.append(world.now_ms - before_ms)

    assert gaps == [4_000, 8_000, 16_000, 32_000]


# 18. Leases.


def test_a_renewal_is_refused_to_whoever_does_not_hold_the_step() -> None:
    """A worker woken from SIGSTOP renews no lease of another's."""
    world = world_of(write("a"))
    world.begin(0)
    world.to_next_entry()
    world.sweep()
    world.begin(1)
    entry = world.store.entries(RUN_ID)["a"]
    world.pass_ms(1_000)

    world.beat(0)
    world.report(0, "half")

    assert world.store.entries(RUN_ID)["a"] == entry
    assert "a:beat" not in world.values()


def test_a_renewal_never_goes_past_the_attempts_deadline() -> None:
    """A hung operation is not renewed for ever: at its deadline the attempt is over."""
    world = world_of(write("a", timeout="20s", retry=TWICE))
    world.begin(0)
    began_ms = world.now_ms
    world.pass_ms(10_000)
    world.beat(0)

    world.to_next_entry()
    world.sweep()

    assert world.now_ms - began_ms == 20_000
    assert world.state("a") is StepState.WAITING


def test_a_write_does_not_begin_once_its_lease_has_run_out() -> None:
    """claim, SIGSTOP for longer than the lease, SIGCONT: another worker may have begun it meanwhile."""
    world = world_of(write("a"))
    world.until(0, Attempt)
    world.pass_ms(15_000)

    world.finish(0)

    assert world.ran("a") == 0


def test_a_step_that_is_ready_again_has_its_whole_queue_timeout_again() -> None:
    """It counts the time in which nobody took the step, not that of attempts and delays."""
    world = world_of(write("a", retry={**TWICE, "max_attempts": 3}, queue_timeout="5s"))
    world.begin(0, DECLINES)
    world.finish(0)
    world.to_next_entry()
    world.sweep()
    ready_ms = world.now_ms

    while world.state("a") is StepState.READY:
        world.to_next_entry()
        world.sweep()

    assert world.now_ms - ready_ms == 5_000
    assert json.loads(world.values()["a:err"])["code"] == "queue_timeout"


def test_no_attempt_starts_once_the_policys_time_is_over() -> None:
    """`max_elapsed` is asked again by the claim, as nobody may have taken the step for a while."""
    world = world_of(write("a", retry={**TWICE, "max_elapsed": "15s"}))
    world.begin(0, DECLINES)
    world.finish(0)
    world.pass_ms(15_000)

    world.settle_down()

    error = json.loads(world.values()["error"])
    assert world.ran("a") == 1
    assert (error["code"], error["details"]["retries_ended"]) == ("declined", "max_elapsed")


def test_a_dropped_steps_lease_is_not_renewed() -> None:
    """Nobody waits for it, so a canceller that died before it settled the step keeps no run alive."""
    world = world_of({"id": "a", "operation": "do.write"})
    world.begin(0)
    world.cancel(drops=False)
    entry = world.store.entries(RUN_ID)["a"]
    world.pass_ms(5_000)

    world.beat(0)

    assert world.store.entries(RUN_ID)["a"] == entry
