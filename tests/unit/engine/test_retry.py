"""Retry: what is kept of a run that failed, what is run again, and under which keys."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.errors import InvalidInput, NotRetriable, RunGoesOn, RunOver
from orchestrator.testing import Harness, Run, always, delay, fail, ok
from tests.unit.engine.conftest import FlowOf, step, undoable, works

NO = fail("declined", retryable=False)


def keys(run: Run, target: str) -> list[str]:
    """The epochs of the idempotency keys that a step was called with, in order."""
    return [call.idempotency_key.rpartition(":")[2] for call in run.calls_of(target)]


def called(run: Run) -> list[str]:
    """The addresses that were called, in order."""
    return [call.address for call in run.calls]


def retried(run: Run, **options: Any) -> list[str]:
    """Retry a run that is over, let it end, and tell what was called since."""
    before = len(run.calls)
    assert run.over
    run.handle.retry(**options)
    run.finish()
    assert run.handle.store.entries(run.handle.run_id) == {}
    return called(run)[before:]


def has_failed(run: Run) -> bool:
    """Whether a step of the run has failed for good."""
    return any(event["type"] == "step_failed" for event in run.history)


def test_what_was_undone_runs_again_first_under_new_keys(flow_of: FlowOf) -> None:
    """A chain whose undo was made begins again at the first step that was undone; what had failed keeps its key."""
    flow = flow_of(step("a"), undoable("b"), step("c"), undoable("d"), step("e"))
    run = works(flow, "a", "b", "b~", "c", "d", "d~").script("e", NO, ok()).run()

    again = retried(run)

    assert again == ["b", "c", "d", "e"]
    assert (run.status, run.compensation, run.error) == ("completed", "none", None)
    assert {name: keys(run, name) for name in "abcde"} == {
        "a": ["1"],
        "b": ["1", "2"],
        "c": ["1", "2"],
        "d": ["1", "2"],
        "e": ["1", "1"],
    }


def test_without_an_undo_only_what_did_not_complete_runs_again(flow_of: FlowOf) -> None:
    """Under the same key, so that an effect of unknown outcome is there once."""
    flow = flow_of(step("a"), step("b"), step("c"))
    run = works(flow, "a", "c").script("b", NO, ok()).run()

    assert retried(run) == ["b", "c"]
    assert (run.status, keys(run, "b"), keys(run, "a")) == ("completed", ["1", "1"], ["1"])


def test_a_second_retry_goes_on_where_the_first_one_failed(flow_of: FlowOf) -> None:
    """Each undone life of a step has a key of its own."""
    flow = flow_of(undoable("a"), step("b"))
    run = works(flow, "a", "a~").script("b", NO, NO, ok()).run()

    assert retried(run) == ["a", "b", "a~"]
    assert retried(run) == ["a", "b"]
    assert (keys(run, "a"), keys(run, "a~"), keys(run, "b")) == (["1", "2", "3"], ["1", "2"], ["1", "1", "1"])
    assert run.handle.describe().incarnation == 3


@pytest.mark.parametrize("name", ["m", "n", "live"])
def test_a_steps_name_does_not_matter(flow_of: FlowOf, name: str) -> None:
    """Not even where fields of the engine's own have the same beginning."""
    flow = flow_of(undoable(name), step("last"))
    run = works(flow, name, f"{name}~").script("last", NO, NO, ok()).run()
    retried(run)

    assert retried(run) == [name, "last"]
    assert keys(run, name) == ["1", "2", "3"]


def test_a_branch_that_completed_is_kept(flow_of: FlowOf) -> None:
    """In the other, the steps before the one that failed are kept, too; the join sees both."""
    branches = {"x": [step("x1")], "y": [step("y1"), step("y2"), step("y3")]}
    flow = flow_of({"id": "both", "parallel": {"branches": branches}}, step("end"))
    flow.script("x1", ok(1)).script("y1", ok(2)).script("y2", delay("2s", NO), ok(3)).script("y3", ok(4))
    run = works(flow, "end").run()

    assert retried(run) == ["both[y]/y2", "both[y]/y3", "end"]
    assert run.step("both").output == {"x": 1, "y": 4}


def test_a_branch_that_was_undone_runs_again_and_the_other_does_not(flow_of: FlowOf) -> None:
    """What ran beside it and was not undone stays."""
    branches = {"x": [undoable("x1")], "y": [step("y1")], "z": [step("z1")]}
    flow = works(flow_of({"id": "both", "parallel": {"branches": branches}}), "x1", "x1~", "y1")
    run = flow.script("z1", delay("2s", NO), ok()).run()

    assert sorted(retried(run)) == ["both[x]/x1", "both[z]/z1"]
    assert (keys(run, "x1"), keys(run, "z1"), keys(run, "y1")) == (["1", "2"], ["1", "1"], ["1"])


def mapped(*steps: dict[str, Any], items: str = "[0, 1, 2, 3]", **more: Any) -> dict[str, Any]:
    """A map of these steps over some items."""
    return {"id": "all", "map": {"items": items, "steps": list(steps), **more}}


def test_of_a_map_only_the_items_that_did_not_complete_run_again(flow_of: FlowOf) -> None:
    """Those that had not begun begin."""
    flow = works(flow_of(mapped(step("a"), max_concurrency=1)), "a")
    run = flow.script("all[1]/a", NO, ok(1)).run()
    assert called(run) == ["all[0]/a", "all[1]/a"]

    assert retried(run) == ["all[1]/a", "all[2]/a", "all[3]/a"]
    assert (run.status, run.output) == ("completed", [None, 1, None, None])


def test_an_item_whose_failure_was_tolerated_stays_as_it_ended(flow_of: FlowOf) -> None:
    """The map has completed; it is the step behind it that did not."""
    missing = {"missing": "${steps.all.failures[0].index}"}
    flow = works(flow_of(mapped(step("a"), tolerate=1), step("b"), output=missing), "a")
    run = flow.script("all[2]/a", NO).script("b", NO, ok()).run()

    assert retried(run) == ["b"]
    assert run.output == {"missing": 2}


def test_a_map_that_failed_runs_its_failed_items_again(flow_of: FlowOf) -> None:
    """All of them, not only those that were too many; the one that was given up begins anew."""
    flow = works(flow_of(mapped(step("a"), tolerate=1)), "a")
    run = flow.script("all[0]/a", NO, ok()).script("all[2]/a", NO, ok()).run()
    assert (run.error["code"], run.step("all[3]/a").state) == ("join_failed", "cancelled")

    assert sorted(retried(run)) == ["all[0]/a", "all[2]/a", "all[3]/a"]
    assert run.status == "completed"


def test_what_failed_in_a_map_that_was_given_up_runs_again(flow_of: FlowOf) -> None:
    """A failure that nobody tolerated is no result, though the map itself was only cancelled."""
    branches = {"x": [mapped(step("a"), items="[0, 1]", max_concurrency=1)], "y": [step("b")]}
    flow = works(flow_of({"id": "both", "parallel": {"branches": branches}}), "b")
    flow.script("a", NO, always(ok()))
    run = flow.start().until(has_failed)
    run.cancel().finish()

    assert "both[x]/all[0]/a" in retried(run)
    assert run.status == "completed"


def test_a_map_of_which_every_begun_item_is_kept_begins_the_next(flow_of: FlowOf) -> None:
    """Cancelled between two items, the first of which had failed and was tolerated."""
    flow = works(flow_of(mapped(undoable("a"), items="[0, 1]", max_concurrency=1, tolerate=1)), "all[1]/a", "all[0]/a~")
    unknown = fail("maybe", retryable=False, outcome="unknown")
    run = flow.script("all[0]/a", unknown).start().until(has_failed)
    run.cancel().finish()

    assert retried(run) == ["all[1]/a"]
    assert (run.status, run.output) == ("completed", [None, None])


def test_a_map_within_a_branch_goes_on_at_the_item_that_failed(flow_of: FlowOf) -> None:
    """However deep it lies; what is around it goes on as if it had never stopped."""
    inner = mapped(step("a"), step("b"), items="[0, 1]", max_concurrency=1)
    flow = flow_of({"id": "both", "parallel": {"branches": {"x": [inner, step("c")], "y": [step("d")]}}}, step("e"))
    run = works(flow, "a", "b", "c", "d", "e").script("both[x]/all[1]/b", delay("2s", NO), ok()).run()

    assert retried(run) == ["both[x]/all[1]/b", "both[x]/c", "e"]
    assert run.path[-4:] == ["both[x]/all", "both[x]/c", "both", "e"]


def diamond(**more: Any) -> list[dict[str, Any]]:
    """Two steps between a first and a last one."""
    needs = {"needs": ["top"]}
    return [
        step("top"),
        {**step("left"), **needs},
        {**step("right"), **needs, **more},
        step("end", needs=["left", "right"]),
    ]


def test_in_a_needs_flow_what_completed_counts_as_heard(flow_of: FlowOf) -> None:
    """Only what failed and what needs it runs again; its other needs are known."""
    flow = works(flow_of(*diamond()), "top", "left", "end")
    run = flow.script("right", delay("1s", NO), ok()).run()

    assert retried(run) == ["right", "end"]
    assert run.status == "completed"


def test_in_a_needs_flow_what_depends_on_nothing_undone_stays(flow_of: FlowOf) -> None:
    """The step beside an undone one is kept; what needs the undone one runs again behind it."""
    flow = flow_of(
        undoable("a"), step("b"), step("c", needs=["a"]), step("d", needs=["b"]), step("e", needs=["c", "d"])
    )
    run = works(flow, "a", "a~", "b", "c", "d").script("e", NO, ok()).run()

    assert retried(run) == ["a", "c", "e"]
    assert (keys(run, "a"), keys(run, "c"), keys(run, "d")) == (["1", "2"], ["1", "2"], ["1"])


def test_a_loop_goes_on_in_the_visit_that_failed(flow_of: FlowOf) -> None:
    """Visits are counted on, and what earlier ones left is seen."""
    again = [{"when": "steps.poll.output < 4", "to": "poll"}]
    poll = step("poll", max_visits=4, inputs={"last": "${has(steps.poll.output) ? steps.poll.output : 0}"})
    flow = flow_of({**poll, "on_success": "look"}, {"id": "look", "transitions": again, "on_success": "$end"})
    run = flow.script("poll", ok(1), ok(2), NO, ok(3), ok(4)).run()
    assert run.error["step"] == "poll"

    assert retried(run) == ["poll#3", "poll#4"]
    assert [call.input["last"] for call in run.calls] == [0, 1, 2, 2, 3]


def test_a_failure_that_was_handled_and_led_to_fail_is_tried_again(flow_of: FlowOf) -> None:
    """The run goes on at the step that failed, not at its handler."""
    flow = flow_of(step("a"), step("b", on_failure="tell"), step("c"), step("tell", on_success="$fail"))
    run = works(flow, "a", "c", "tell").script("b", NO, ok()).run()
    assert run.path == ["a", "b", "tell"]

    assert retried(run) == ["b", "c"]
    assert run.path == ["a", "b", "c"]


def test_a_failure_that_was_handled_stays_handled(flow_of: FlowOf) -> None:
    """Its handler has run; it is a later step that failed."""
    flow = flow_of(step("a", on_failure="mend"), step("b"), step("mend", on_success="b"))
    run = works(flow, "mend").script("a", NO).script("b", NO, ok()).run()

    assert retried(run) == ["b"]
    assert run.path == ["a", "mend", "b"]


def test_a_race_that_was_won_is_not_run_again(flow_of: FlowOf) -> None:
    """Nor is what its losers had done, which is undone already."""
    branches = {"x": [step("x1")], "y": [undoable("y1"), step("y2")]}
    race = {"id": "race", "parallel": {"branches": branches, "join": "any"}}
    flow = works(flow_of(race, step("b")), "y1", "y1~")
    run = flow.script("x1", delay("2s")).script("y2", delay("9s")).script("b", delay("20s", NO), ok()).run()

    assert retried(run) == ["b"]
    assert run.undos == ["race[y]/y1"]


def test_what_lies_behind_a_pivot_stays(flow_of: FlowOf) -> None:
    """It was not undone, so it is not run again."""
    flow = flow_of(undoable("a"), step("p", pivot=True), undoable("b"), step("c"))
    run = works(flow, "a", "p", "b", "b~").script("c", NO, ok()).run()

    assert retried(run) == ["b", "c"]
    assert (keys(run, "a"), keys(run, "b")) == (["1"], ["1", "2"])


def test_what_was_waived_counts_as_undone(flow_of: FlowOf) -> None:
    """Its effect is gone, whoever took it back: the next one is another."""
    flow = works(flow_of(undoable("a"), step("b"), compensation={"retry": {"max_attempts": 1}}), "a")
    run = flow.script("a~", NO).script("b", NO, ok()).run()
    run.handle.waive("a", by="ada")

    assert retried(run) == ["a", "b"]
    assert keys(run, "a") == ["1", "2"]


def test_items_that_were_undone_run_again_after_the_undo_was_made_twice(flow_of: FlowOf) -> None:
    """What the first attempt at undoing had undone stays undone."""
    body = [undoable("a")]
    flow = flow_of(undoable("z"), mapped(*body, items="[0, 1]"), step("b"), compensation={"retry": {"max_attempts": 1}})
    works(flow, "z", "a", "a~").script("z~", NO, ok()).script("b", NO, ok())
    run = flow.run()
    run.handle.undo()
    run.finish()

    assert retried(run) == ["z", "all[0]/a", "all[1]/a", "b"]
    assert keys(run, "a") == ["1", "1", "3", "3"]


def test_a_tolerated_item_stays_as_it_ended_though_it_was_undone(flow_of: FlowOf) -> None:
    """It was undone because it had failed, not with the run."""
    flow = works(flow_of(mapped(undoable("a"), step("b"), items="[0, 1]", tolerate=1), step("c")), "a", "a~", "b")
    run = flow.script("all[0]/b", NO).script("c", NO, ok()).run()

    assert retried(run) == ["all[1]/a", "all[1]/b", "c"]
    assert keys(run, "all[0]/a") == ["1"]


def test_a_cancelled_run_goes_on_where_it_stood(flow_of: FlowOf) -> None:
    """A timer begins anew."""
    flow = works(flow_of(step("a"), {"id": "night", "wait": "8h"}, step("b")), "a", "b")
    run = flow.start().until("night").advance("1h").cancel().finish()
    assert run.status == "cancelled"

    assert retried(run) == ["b"]
    assert run.duration.total_seconds() == 9 * 3600


def test_a_run_that_took_too_long_has_its_time_again(flow_of: FlowOf) -> None:
    """Its limit counts from the retry."""
    flow = flow_of(step("a"), {"id": "night", "wait": "8s"}, step("b"), timeout="10s")
    run = works(flow, "a").script("b", delay("4s"), delay("1s")).run()
    assert run.error["code"] == "run_timeout"
    run.advance("1h")

    assert retried(run) == ["b"]
    assert run.status == "completed"


def test_an_output_that_could_not_be_made_is_made_again(flow_of: FlowOf) -> None:
    """Every step is kept; only the run's end is decided anew, from the changed input."""
    flow = works(flow_of(step("a"), output={"half": "${10 / input.by}"}), "a")
    run = flow.run({"by": 0})
    assert run.error["code"] == "expression_error"

    assert retried(run, input={"by": 2}) == []
    assert (run.status, run.output) == ("completed", {"half": 5})


def test_a_changed_input_is_seen_by_what_runs_again(flow_of: FlowOf) -> None:
    """The undo of a step that is kept is still told of the input that the step had."""
    given = {"inputs": {"to": "${input.to}"}}
    night = {"id": "night", "wait": "8h"}
    flow = flow_of(undoable("a", **given), night, step("b", **given), compensation={"on_cancel": False})
    works(flow, "a", "a~").script("b", NO)
    run = flow.start({"to": "Ada"}).until("night").cancel().finish()

    assert retried(run, input={"to": "Bob"}) == ["b", "a~"]
    assert [call.input for call in run.calls_of("b")] == [{"to": "Bob"}]
    assert [call.input["input"] for call in run.calls_of("a~")] == [{"to": "Ada"}]
    assert run.handle.describe().input == {"to": "Bob"}


def test_an_input_that_does_not_fit_is_refused(flow_of: FlowOf) -> None:
    """And the run stays as it was."""
    flow = flow_of(step("a"), input={"type": "object", "required": ["to"]}).script("a", NO)
    run = flow.run({"to": "Ada"})

    with pytest.raises(InvalidInput):
        run.handle.retry(input={})

    assert (run.status, run.handle.describe().incarnation) == ("failed", 1)


def test_a_late_result_of_an_earlier_life_moves_nothing(flow_of: FlowOf) -> None:
    """The attempt that the cancel did not wait for ends when the step runs again."""
    flow = flow_of(step("a"), step("b")).script("a", delay("10s", ok("old")), delay("20s", ok("new"))).script("b", ok())
    run = flow.start().until("a").cancel().advance("2s")

    assert retried(run) == ["a", "b"]
    assert (run.step("a").output, keys(run, "a")) == ("new", ["1", "1"])
    assert run.duration.total_seconds() == 22


def failed_undo(flow_of: FlowOf) -> Run:
    """A run whose undo has failed."""
    flow = flow_of(undoable("a"), step("b"), compensation={"retry": {"max_attempts": 1}})
    return flow.script("a", ok()).script("a~", NO).script("b", NO).run()


def pending_undo(flow_of: FlowOf) -> Run:
    """A run whose undo waits for an operator."""
    flow = flow_of(undoable("a"), step("b"), compensation={"trigger": "manual"})
    return flow.script("a", ok()).script("b", NO).run()


def going_on(flow_of: FlowOf) -> Run:
    """A run that has not ended."""
    return flow_of(step("a")).start()


def completed(flow_of: FlowOf) -> Run:
    """A run that has completed."""
    return works(flow_of(step("a")), "a").run()


@pytest.mark.parametrize(
    ("make", "refusal"),
    [(failed_undo, NotRetriable), (pending_undo, NotRetriable), (going_on, RunGoesOn), (completed, RunOver)],
)
def test_a_retry_is_refused(flow_of: FlowOf, make: Any, refusal: type[Exception]) -> None:
    """While an undo is to be made first, before the run's end, and after a success; nothing has changed then."""
    run = make(flow_of)
    before = run.handle.describe()

    with pytest.raises(refusal):
        run.handle.retry()

    assert run.handle.describe() == before


def test_who_retried_a_run_and_why_is_in_its_history(flow_of: FlowOf) -> None:
    """With the steps at which it went on."""
    run = works(flow_of(step("a"), step("b")), "a").script("b", NO, ok()).run()

    retried(run, by="ada", reason="bank is back")

    (told,) = [event for event in run.history if event["type"] == "run_retried"]
    assert told == {"type": "run_retried", "incarnation": 2, "steps": ["b"], "by": "ada", "reason": "bank is back"}


EVENT: dict[str, Any] = {"id": "come", "event": {"type": "came"}}
SIGNAL: dict[str, Any] = {"id": "go", "event": {"signal": "go"}}


def taken(run: Run, target: str) -> list[str]:
    """The ids of what the visits of a step took, in order."""
    steps = (one for one in run.handle.describe().steps if one.address.partition("#")[0] == target)
    return [one.output["id"] for one in steps if one.output is not None]


def test_a_signal_that_a_kept_step_took_stays_its_own(flow_of: FlowOf) -> None:
    """The next step that waits for one takes the next."""
    flow = flow_of(SIGNAL, step("a"), {**SIGNAL, "id": "again"}).script("a", NO, ok())
    run = flow.start()
    run.signal("go", id="s1").signal("go", id="s2").finish()

    assert retried(run) == ["a"]
    assert (taken(run, "go"), taken(run, "again")) == (["s1"], ["s2"])


def test_signals_that_discarded_steps_took_are_taken_again_oldest_first(flow_of: FlowOf) -> None:
    """Those that nobody had taken come behind them."""
    flow = works(flow_of(undoable("a"), SIGNAL, {**SIGNAL, "id": "again"}, step("b")), "a", "a~")
    run = flow.script("b", NO, ok()).start()
    run.signal("go", id="s1").signal("go", id="s2").signal("go", id="s3").finish()

    retried(run)

    assert (run.status, taken(run, "go"), taken(run, "again")) == ("completed", ["s1"], ["s2"])


def test_an_event_that_a_discarded_step_took_is_found_again(flow_of: FlowOf, harness: Harness) -> None:
    """It looks back to the run's start, as in its first life."""
    flow = works(flow_of(undoable("a"), EVENT, step("b")), "a", "a~").script("b", NO, ok())
    run = flow.start().until("come")
    harness.emit("came", id="e1")
    run.finish()

    retried(run)

    assert (run.status, taken(run, "come")) == ("completed", ["e1"])


def test_of_a_loop_only_the_events_of_visits_that_are_discarded_are_free_again(
    flow_of: FlowOf, harness: Harness
) -> None:
    """Before: all visits shared one set, and the second waited for an event that had come long ago."""
    leaves = [{"when": "steps.come.output.data == 2", "to": "b"}]
    loop = {**EVENT, "max_visits": 3, "on_success": "a"}
    flow = flow_of(loop, undoable("a", transitions=leaves, on_success="come"), step("b", on_success="$end"))
    run = works(flow, "a~").script("a", always(ok())).script("b", NO, ok()).start()
    for number in (1, 2):
        harness.emit("came", number, id=f"e{number}")
    run.finish()
    assert taken(run, "come") == ["e1", "e2"]

    retried(run)

    assert (run.status, taken(run, "come")) == ("completed", ["e1", "e2"])
