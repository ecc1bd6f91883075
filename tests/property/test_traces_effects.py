"""Rules 6 to 10 and 24: what happened outside, and what is undone of it.

Each trace is how a weaker reading of a rule broke; the rules and their numbers are in docs/rules.md.
"""

from __future__ import annotations

import json

import pytest

from orchestrator.engine import fields
from orchestrator.engine.effects import Attempt
from orchestrator.engine.state import RunStatus, StepState
from tests.property.behaviours import BREAKS_OFF, DECLINES, REFUSES, RETURNS_RUBBISH, Behaviour
from tests.property.specs import TWICE, write
from tests.property.world import RUN_ID, world_of

pytestmark = pytest.mark.property


# 6. A write is preceded and followed by commits.


def test_a_write_never_sees_a_value_that_can_still_change() -> None:
    """w1.quote w1.charge w2.quote: the quote is committed before the charge begins, so it is never computed again."""
    world = world_of(
        {"id": "quote", "operation": "do.read"}, write("charge", inputs={"quote": "${steps.quote.output}"})
    )
    world.begin(0)
    world.go(0, 2)
    world.until(0, Attempt)
    recorded = world.values()["quote:out"]
    world.begin(0)
    world.crash(0)

    world.settle_down()

    assert json.loads(recorded) == {"n": 1}
    assert world.ran("quote") == 1
    assert world.ran("charge") == 2


# 7. An unknown outcome outlives the last attempt.


def test_an_unknown_outcome_outlives_a_later_reported_failure() -> None:
    """take·2·a go·2 go·2 crash·2 sweep·a take·2·a fail·2: attempt 1 may have charged, so the step is undone."""
    world = world_of(write("a"))
    world.begin(2)
    world.crash(2)
    world.to_next_entry()
    world.sweep()

    world.begin(1, REFUSES)
    world.settle_down()

    assert world.state("a") is StepState.FAILED
    assert world.undid() == ["a"]


def test_a_late_success_does_not_strike_its_token_off() -> None:
    """sweep·a … go·2 fail·1: attempt 1 succeeds late, attempt 2 fails for good, and the effect is undone."""
    world = world_of(write("a"))
    world.begin(0)
    world.to_next_entry()
    world.sweep()
    world.begin(1, REFUSES)
    world.finish(0)
    world.finish(1)

    world.settle_down()

    assert world.state("a") is StepState.FAILED
    assert world.undid() == ["a"]


def test_a_late_reported_failure_strikes_its_token_off() -> None:
    """Attempt 1 says at last that nothing happened, attempt 2 says so too: there is nothing to undo."""
    world = world_of(write("a"))
    world.begin(0, REFUSES)
    world.to_next_entry()
    world.sweep()
    world.until(1, Attempt)
    world.finish(0)

    world.begin(1, REFUSES)
    world.settle_down()

    assert world.values()["compensation"] == "none"
    assert world.ran("a~") == 0


@pytest.mark.parametrize(
    ("behaviour", "undone"),
    [(REFUSES, []), (BREAKS_OFF, ["a"]), (RETURNS_RUBBISH, ["a"])],
    ids=lambda value: str(value)[:30],
)
def test_only_a_reported_failure_says_that_nothing_happened(behaviour: Behaviour, undone: list[str]) -> None:
    """Any other exception leaves the token standing; a result that was refused means that the effect is there."""
    world = world_of(write("a"))
    world.begin(0, behaviour)
    world.finish(0)

    world.settle_down()

    assert world.status is RunStatus.FAILED
    assert world.undid() == undone
    assert (fields.ATTENTION in world.values()) is (behaviour is BREAKS_OFF)


def test_an_unknown_outcome_is_not_tried_again_unless_it_is_idempotent() -> None:
    """The policy has another attempt, the operation does not."""
    world = world_of({"id": "a", "operation": "do.once", "retry": TWICE})
    world.begin(0, BREAKS_OFF)

    world.settle_down()

    assert world.ran("a") == 1


# 8. Late results are kept for the undo.


def test_the_undo_is_given_a_late_result() -> None:
    """Attempt 1 charges and is stopped; attempt 2 fails; attempt 1 reports its id before the undo begins."""
    world = world_of(write("a"))
    world.begin(0)
    world.to_next_entry()
    world.sweep()
    world.begin(1, REFUSES)
    world.finish(0)
    world.finish(1)

    world.until(2, Attempt)
    effect = world.workers[2].effect

    assert isinstance(effect, Attempt)
    assert effect.inputs["output"] == {"n": 1}
    assert effect.inputs["outcome"] == "unknown"
    assert fields.ATTENTION not in world.values()


def test_a_late_result_of_an_attempt_that_was_timed_out_is_kept() -> None:
    """The sweeper's settle is not the attempt's own, so the attempt is not told that its own was accepted."""
    world = world_of(write("a", timeout="5s"))
    world.begin(0)
    world.to_next_entry()
    world.sweep()

    world.finish(0)

    assert json.loads(world.values()["a:late"]) == {"n": 1}
    world.settle_down()
    assert world.undid() == ["a"]
    assert fields.ATTENTION not in world.values()


def test_an_undo_that_knows_nothing_marks_the_run() -> None:
    """No output, no progress, no outcome: somebody has to look."""
    world = world_of(write("a"))
    world.begin(0, BREAKS_OFF)

    world.settle_down()

    assert world.values()[fields.ATTENTION] == "unknown_effect"
    assert [event["step"] for event in world.events("attention")] == ["a"]


def test_the_last_progress_belongs_to_the_recorded_outputs() -> None:
    """An operation can save its charge id before it returns, and the undo gets it."""
    world = world_of(write("a"))
    world.begin(0)
    world.report(0, {"charge": 17})
    world.crash(0)
    world.cancel()
    world.to_next_entry()
    world.sweep()

    world.until(1, Attempt)
    effect = world.workers[1].effect

    assert isinstance(effect, Attempt)
    assert effect.inputs["output"] == {"charge": 17}
    world.settle_down()
    assert fields.ATTENTION not in world.values()


def test_a_late_success_behind_its_undo_marks_the_run() -> None:
    """It may have written after its undo, so the run says that somebody has to look."""
    world = world_of(write("a"))
    world.begin(0)
    world.report(0, {"charge": 17})
    world.cancel()
    world.to_next_entry()
    world.sweep()
    world.take(1)
    world.finish(1)
    over = world.status, fields.ATTENTION in world.values()

    world.finish(0)

    assert over == (RunStatus.CANCELLED, False)
    assert world.values()[fields.ATTENTION] == "unknown_effect"


# 10. Undos have addresses of their own.


def test_two_steps_that_name_one_compensating_step_are_both_undone() -> None:
    """Each undo is at its step's address plus `~`, with its step's key."""
    world = world_of(
        write("a", compensation="put-back"),
        write("b", compensation="put-back"),
        {"id": "c", "operation": "do.write"},
        {"id": "put-back", "operation": "undo.write"},
    )
    for _ in range(2):
        world.begin(0)
        world.go(0)
    world.begin(0, REFUSES)

    world.settle_down()

    assert world.undid() == ["b", "a"]
    assert [key for kind, key, _ in world.outside if kind == "undid"] == [f"{RUN_ID}:b:1", f"{RUN_ID}:a:1"]


# 24. Pivots, and what a handled failure undoes.


def test_a_completed_pivot_seals_what_completed_before_it() -> None:
    """Neither it nor what came before is ever undone; what came after is."""
    world = world_of(write("a"), write("b", pivot=True), write("c"), {"id": "d", "operation": "do.write"})
    for _ in range(3):
        world.begin(0)
        world.go(0)
    world.begin(0, REFUSES)

    world.settle_down()

    assert world.undid() == ["c"]


def test_a_pivot_of_unknown_outcome_has_not_passed() -> None:
    """It may have happened, so it is undone, with what came before it."""
    world = world_of(write("a"), write("b", pivot=True))
    world.begin(0)
    world.go(0)
    world.begin(0, BREAKS_OFF)

    world.settle_down()

    assert world.undid() == ["b", "a"]


def test_a_handled_failure_undoes_the_step_itself_before_its_handler() -> None:
    """What was done before it stays; the run completes, and is not compensated."""
    world = world_of(
        write("a", on_success="b"),
        write("b", on_failure="h", on_success="$end"),
        {"id": "h", "operation": "do.write", "inputs": {"code": "${error.code}"}, "on_success": "$end"},
    )
    world.begin(0)
    world.go(0)
    world.begin(0, BREAKS_OFF)

    world.settle_down()

    assert world.status is RunStatus.COMPLETED
    assert world.undid() == ["b"]
    assert [trial.address for _, _, trial in world.outside] == ["a", "b", "b~", "h"]


def test_an_undo_that_fails_for_good_does_not_stop_the_others() -> None:
    """`compensation: failed`, and the run's error stays what stopped it."""
    undo = {"operation": "undo.write", "retry": {"max_attempts": 1}}
    world = world_of(write("a"), write("b", compensation=undo), {"id": "c", "operation": "do.write"})
    for _ in range(2):
        world.begin(0)
        world.go(0)
    world.begin(0, REFUSES)
    world.finish(0)
    world.begin(0, REFUSES)

    world.settle_down()

    assert world.undid() == ["a"]
    assert world.values()["compensation"] == "failed"
    assert json.loads(world.values()["error"])["step"] == "c"


@pytest.mark.parametrize("waits", [False, True])
def test_a_worker_without_the_operation_drops_the_message(waits: bool) -> None:
    """It claims nothing, neither what is ready nor what has waited for its next attempt; another one will."""
    world = world_of(write("a", retry=TWICE))
    if waits:
        world.begin(0, DECLINES)
        world.finish(0)
        world.pass_ms(10_000)
        world.messages.append("a")
    world.lacks = frozenset({"do.write@1"})

    world.take(1)
    world.finish(1)

    assert world.ran("a") == int(waits)
    assert world.state("a") is (StepState.WAITING if waits else StepState.READY)
    world.lacks = frozenset()
    world.settle_down()
    assert world.status is RunStatus.COMPLETED


def test_a_failure_that_the_sweeper_decides_takes_its_conditional_route() -> None:
    """A timeout may be handled `when` the input says so; the sweeper reads what the condition takes."""
    world = world_of(
        write(
            "a",
            timeout="5s",
            on_failure=[{"errors": ["step_timeout"], "when": "input.flag", "to": "h"}],
            on_success="$end",
        ),
        {"id": "h", "operation": "do.write", "on_success": "$end"},
        given={"flag": True},
    )
    world.begin(0)
    world.crash(0)

    world.settle_down()

    assert world.status is RunStatus.COMPLETED
    assert [trial.address for _, _, trial in world.outside] == ["a", "a~", "h"]


def test_a_cancel_does_not_cut_the_delay_of_an_undos_retry_short() -> None:
    """Everything that waits is looked at, but an undo goes on as its policy says, and once."""
    undo = {"operation": "undo.write", "retry": TWICE}
    world = world_of(
        write("a", compensation=undo, on_failure="h", on_success="$end"),
        {"id": "h", "operation": "do.write", "on_success": "$end"},
    )
    world.begin(0, BREAKS_OFF)
    world.go(0)
    world.begin(0, DECLINES)
    world.finish(0)

    world.cancel()
    world.sweep()
    waits, entry = world.state("a~"), world.store.entries(RUN_ID)["a~"]
    world.settle_down()

    assert (waits, entry - world.now_ms) == (StepState.WAITING, 0)
    assert world.undid() == ["a"]
    assert world.ran("h") == 0


def test_nothing_is_undone_after_a_cancel_if_the_workflow_says_so() -> None:
    """`compensation: {on_cancel: false}`; after a failure it is."""
    world = world_of(write("a"), write("b"), compensation={"on_cancel": False})
    world.begin(0)
    world.go(0)
    world.cancel()

    world.settle_down()

    assert world.undid() == []
    assert world.values()["compensation"] == "none"


def test_an_undo_that_failed_before_its_handler_is_not_forgotten() -> None:
    """The run fails later with nothing else to undo: `compensation: failed`."""
    undo = {"operation": "undo.write", "retry": {"max_attempts": 1}}
    world = world_of(
        write("a", compensation=undo, on_failure="h", on_success="$end"),
        {"id": "h", "operation": "do.write", "on_success": "$fail"},
    )
    world.begin(0, BREAKS_OFF)
    world.go(0)
    world.begin(0, REFUSES)

    world.settle_down()

    assert world.status is RunStatus.FAILED
    assert world.values()["compensation"] == "failed"
