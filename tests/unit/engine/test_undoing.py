"""Undos by hand: made when an operator says so, made again, waived, and foreseen."""

from __future__ import annotations

import pytest

from orchestrator.engine.retention import edition
from orchestrator.engine.undoing import UndoPreview
from orchestrator.engine.view import RunView
from orchestrator.errors import InvalidRequest, RunGoesOn, StepNotWaiting, UnknownStep
from orchestrator.testing import Run, always, delay, effect_then_crash, fail, ok
from tests.unit.engine.conftest import FlowOf, step, undoable, works

NO = fail("declined", retryable=False)
MANUAL = {"trigger": "manual"}
ONCE = {"retry": {"max_attempts": 1}}
LATER = MANUAL | ONCE


def ends(run: Run) -> tuple[str, str]:
    """Status and compensation, and that nothing is left to look at."""
    assert run.handle.store.entries(run.handle.run_id) == {}
    return run.status, run.compensation


def foreseen(preview: UndoPreview) -> tuple[list[str], dict[str, str]]:
    """What would be undone, in that order, and why the rest would not."""
    return [undo.address for undo in preview.undos], {kept.address: kept.why for kept in preview.kept}


def test_an_undo_by_hand_waits_for_an_operator(flow_of: FlowOf) -> None:
    """The run ends before it, and says that it is pending."""
    flow = works(flow_of(undoable("a"), undoable("b"), step("c"), compensation=MANUAL), "a", "b", "a~", "b~")
    run = flow.script("c", NO).run()
    assert (ends(run), run.undos) == (("failed", "pending"), [])

    run.handle.undo("checked", by="ada")
    run.finish()

    assert (ends(run), run.undos) == (("failed", "completed"), ["b", "a"])
    begun = [event for event in run.history if event["type"] == "compensation_started"]
    assert begun == [{"type": "compensation_started", "undo": ["b~", "a~"], "by": "ada", "reason": "checked"}]


def test_asking_for_an_undo_twice_is_asking_once(flow_of: FlowOf) -> None:
    """When it has been made, nothing is left to undo."""
    flow = works(flow_of(undoable("a"), step("b"), compensation=MANUAL), "a", "a~")
    run = flow.script("b", NO).run()
    run.handle.undo()
    run.finish()
    before = run.handle.describe()

    run.handle.undo()

    assert run.handle.describe() == before
    assert len(run.calls_of("a~")) == 1


def test_an_undo_is_refused_while_the_run_goes_on(flow_of: FlowOf) -> None:
    """And so is the second asking, until the first has come to its end."""
    flow = works(flow_of(undoable("a"), step("b"), compensation=MANUAL), "a").script("a~", delay("5s"))
    run = flow.script("b", NO).start()
    with pytest.raises(RunGoesOn):
        run.handle.undo()

    run.finish().handle.undo()
    run.until("a~")

    with pytest.raises(RunGoesOn):
        run.handle.undo()
    assert ends(run.finish()) == ("failed", "completed")


def test_only_undos_that_failed_are_made_again(flow_of: FlowOf) -> None:
    """Under the same key, with attempts of their own; the run keeps its status and its error."""
    flow = works(flow_of(undoable("a"), undoable("b"), step("c"), compensation=ONCE), "a", "b", "b~")
    run = flow.script("a~", NO, ok()).script("c", NO).run()
    assert (ends(run), run.failed_undos) == (("failed", "failed"), ["a"])

    run.handle.undo()
    run.finish()

    assert (ends(run), run.undos, run.error["step"]) == (("failed", "completed"), ["b", "a"], "c")
    assert (len(run.calls_of("b~")), len({call.idempotency_key for call in run.calls_of("a~")})) == (1, 1)


def test_an_undo_that_fails_again_can_be_made_a_third_time(flow_of: FlowOf) -> None:
    """A cancelled run stays cancelled however often."""
    flow = works(flow_of(undoable("a"), {"id": "night", "wait": "8h"}, compensation=ONCE), "a")
    run = flow.script("a~", NO, NO, ok()).start().until("night").cancel().finish()
    for expected in ("failed", "completed"):
        run.handle.undo()
        run.finish()
        assert ends(run) == ("cancelled", expected)


def test_the_undo_of_a_failure_that_was_handled_is_made_again_after_a_success(flow_of: FlowOf) -> None:
    """The run stays completed."""
    flow = flow_of(undoable("a", on_failure="mend"), step("mend", on_success="$end"), compensation=ONCE)
    run = (
        works(flow, "mend").script("a", fail("maybe", retryable=False, outcome="unknown")).script("a~", NO, ok()).run()
    )
    assert ends(run) == ("completed", "failed")

    run.handle.undo()
    run.finish()

    assert ends(run) == ("completed", "completed")


def test_waiving_the_last_failed_undo_ends_the_matter(flow_of: FlowOf) -> None:
    """Of two, the first waiver leaves one; the history says who, and no undo was called."""
    flow = works(flow_of(undoable("a"), undoable("b"), step("c"), compensation=ONCE), "a", "b")
    run = flow.script("a~", NO).script("b~", NO).script("c", NO).run()

    run.handle.waive("a", "paid back in cash", by="ada")
    assert ends(run) == ("failed", "failed")
    run.handle.waive("b~", by="bob")

    assert ends(run) == ("failed", "completed")
    assert [shown.waived_by for shown in run.handle.describe().steps if shown.undoes] == ["bob", "ada"]
    waived = {"type": "undo_waived", "step": "a~", "by": "ada", "reason": "paid back in cash"}
    assert next(event for event in run.history if event["type"] == "undo_waived") == waived


def test_waiving_makes_another_edition_of_the_run(flow_of: FlowOf) -> None:
    """What the archive has of it from before is not the run any more."""
    flow = works(flow_of(undoable("a"), undoable("b"), step("c"), compensation=ONCE), "a", "b")
    run = flow.script("a~", NO).script("b~", NO).script("c", NO).run()
    editions = [edition_of(run)]

    for undone in ("a", "b"):
        run.handle.waive(undone)
        editions.append(edition_of(run))

    assert len(set(editions)) == 3


def edition_of(run: Run) -> str:
    """The state of an ended run, as its mark would name it."""
    now_ms, values = run.handle.store.read_all(run.handle.run_id)
    return edition(RunView(run.handle.run_id, values, now_ms))


def test_a_pending_undo_is_waived_step_by_step(flow_of: FlowOf) -> None:
    """What is not waived is made when it is asked for."""
    flow = works(flow_of(undoable("a"), undoable("b"), step("c"), compensation=MANUAL), "a", "b", "a~")
    run = flow.script("c", NO).run()

    run.handle.waive("b")
    run.handle.undo()
    run.finish()

    assert (ends(run), [call.address for call in run.calls][3:]) == (("failed", "completed"), ["a~"])


@pytest.mark.parametrize(
    ("target", "refusal"),
    [("b", StepNotWaiting), ("a", StepNotWaiting), ("nobody", UnknownStep), ("?", InvalidRequest)],
)
def test_a_waiver_of_what_is_not_owed_is_refused(flow_of: FlowOf, target: str, refusal: type[Exception]) -> None:
    """A step without an undo, one that is undone, one that there is not, and what is no address."""
    run = works(flow_of(undoable("a"), step("b")), "a", "a~").script("b", NO).run()

    with pytest.raises(refusal):
        run.handle.waive(target)


def test_a_waiver_is_refused_while_the_run_goes_on(flow_of: FlowOf) -> None:
    """The undo may still succeed."""
    run = works(flow_of(undoable("a"), step("b")), "a").script("a~", delay("1s")).script("b", NO).start().until("a~")

    with pytest.raises(RunGoesOn):
        run.handle.waive("a")
    run.finish()


def test_a_preview_of_a_run_that_goes_on_says_what_a_failure_now_would_undo(flow_of: FlowOf) -> None:
    """Newest first, with inputs; and what would stay, with the reason."""
    flow = flow_of(undoable("a"), step("b"), undoable("c"), undoable("d"), step("e"))
    works(flow, "b", "c").script("a", ok({"id": 1})).script("d", delay("9s"))

    found = flow.start().until("d").advance("1s").handle.undo_preview()

    assert foreseen(found) == (["c~", "a~"], {"b": "no_compensation", "d": "in_flight"})
    last = found.undos[-1]
    assert (last.operation, last.outcome, last.inputs["output"]) == ("undo.a@1", "done", {"id": 1})


def test_a_preview_says_what_a_pivot_seals(flow_of: FlowOf) -> None:
    """What completed before it, and itself, would stay."""
    run = works(flow_of(undoable("a"), undoable("p", pivot=True), undoable("b")), "a", "p", "b").run()

    assert foreseen(run.handle.undo_preview()) == ([], {"a": "behind_pivot", "p": "behind_pivot", "b": "run_ended"})


def test_the_undo_of_a_tolerated_failure_is_left_beside_those_that_wait(flow_of: FlowOf) -> None:
    """An undo that failed while the run went on is not forgotten because the others wait for an operator."""
    body = [undoable("a"), step("b")]
    flow = flow_of(
        {"id": "all", "map": {"items": "[0, 1]", "steps": body, "tolerate": 1}}, step("c"), compensation=LATER
    )
    works(flow, "a").script("all[0]/b", NO).script("all[1]/b", ok()).script("all[0]/a~", NO)
    run = flow.script("c", delay("1s", NO)).run()
    assert ends(run) == ("failed", "pending")

    run.handle.waive("all[1]/a")
    left = foreseen(run.handle.undo_preview())[0]

    assert (ends(run), left) == (("failed", "pending"), ["all[0]/a~"])


def test_a_preview_counts_an_unknown_outcome_in(flow_of: FlowOf) -> None:
    """The step may have had its effect, so it is undone."""
    flow = flow_of(undoable("a", retry={"max_attempts": 2, "delay": "1h"}))
    flow.script("a", fail("maybe", outcome="unknown"))
    run = flow.start().until(lambda run: run.step("a").state == "waiting")

    (undo,) = run.handle.undo_preview().undos
    run.handle.cancel()
    flow.script("a~", ok())

    assert (undo.address, undo.outcome) == ("a~", "unknown")
    assert run.finish().undos == ["a"]


def test_a_preview_of_a_run_that_is_over_says_what_undo_would_do(flow_of: FlowOf) -> None:
    """Undos that wait or failed; those that were made are named as such."""
    flow = works(flow_of(undoable("a"), undoable("b"), step("c"), compensation=ONCE), "a", "b", "b~")
    run = flow.script("a~", NO, ok()).script("c", NO).run()
    before = foreseen(run.handle.undo_preview())

    run.handle.undo()
    run.finish()

    assert before == (["a~"], {"b": "undone"})
    assert foreseen(run.handle.undo_preview()) == ([], {"a": "undone", "b": "undone"})


def test_a_worker_that_dies_in_an_undo_by_hand_is_got_over(flow_of: FlowOf) -> None:
    """As at any time: the lease ends, and another makes it."""
    flow = works(flow_of(undoable("a"), step("b"), compensation=MANUAL), "a")
    run = flow.script("a~", effect_then_crash(), always(ok())).script("b", NO).run()

    run.handle.undo()
    run.finish()

    assert (ends(run), len(run.calls_of("a~"))) == (("failed", "completed"), 2)
    assert len({call.idempotency_key for call in run.calls_of("a~")}) == 1
