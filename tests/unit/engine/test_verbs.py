"""Pausing, resuming and skipping: what stands still, what goes on, and what follows."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.errors import RunOver, StepNotWaiting, UnknownStep
from orchestrator.testing import Run, delay, fail, ok, worker_lost
from tests.unit.engine.conftest import FlowOf, step, undoable, works

NO = fail("declined", retryable=False)


def called(run: Run) -> list[str]:
    """The addresses that were called, in order."""
    return [call.address for call in run.calls]


def happened(run: Run, kind: str) -> list[dict[str, Any]]:
    """The events of a kind."""
    return [dict(event) for event in run.history if event["type"] == kind]


def test_a_paused_run_begins_nothing(flow_of: FlowOf) -> None:
    """What runs ends, and what follows is ready: for as long as it takes."""
    flow = flow_of(step("a"), step("b")).script("a", delay("5s")).script("b", ok())
    run = flow.start().until("a").advance("1s")

    run.handle.pause()
    run.advance("7d")

    assert (called(run), run.step("a").state, run.step("b").state) == (["a"], "completed", "ready")
    assert run.handle.describe().status == "paused"
    run.handle.resume()
    assert (run.finish().status, called(run)) == ("completed", ["a", "b"])


def test_the_arrivals_of_a_paused_run_are_counted(flow_of: FlowOf) -> None:
    """Branches that run end and join; the join itself waits for the run to go on."""
    branches = {"x": [step("a")], "y": [step("b")]}
    flow = flow_of({"id": "both", "parallel": {"branches": branches}}, step("c"))
    run = flow.script("a", delay("5s")).script("b", delay("6s")).script("c", ok()).start()
    run.until(lambda run: len(run.calls) == 2).handle.pause()

    run.advance("1h")
    assert (run.step("both").state, called(run)) == ("ready", ["both[x]/a", "both[y]/b"])

    run.handle.resume()
    assert (run.finish().status, called(run)[-1]) == ("completed", "c")


def test_a_failure_in_a_paused_run_stops_it_and_its_undo_waits(flow_of: FlowOf) -> None:
    """The run is lost for good, but nothing begins before it goes on."""
    flow = works(flow_of(undoable("a"), step("b")), "a", "a~").script("b", delay("5s", NO))
    run = flow.start().until("b").advance("1s")
    run.handle.pause()

    run.advance("1h")
    assert (run.status, run.handle.describe().status, run.undos) == ("compensating", "paused", [])

    run.handle.resume()
    assert (run.finish().status, run.undos) == ("failed", ["a"])


@pytest.mark.parametrize(("pause", "fires_after_h"), [("3h", 3), ("30m", 1)])
def test_the_timer_of_a_paused_run_fires_when_it_goes_on(flow_of: FlowOf, pause: str, fires_after_h: int) -> None:
    """At once, if its moment has passed; else at its moment."""
    run = flow_of({"id": "nap", "wait": "1h"}, step("a")).script("a", ok()).start().until("nap")
    run.handle.pause()
    run.advance(pause)
    assert run.step("nap").state == "waiting"

    run.handle.resume()

    assert run.finish().duration.total_seconds() == fires_after_h * 3600


def test_the_retry_of_a_paused_runs_step_waits_too(flow_of: FlowOf) -> None:
    """The next attempt begins when the run goes on."""
    flow = flow_of(step("a", retry={"max_attempts": 2, "delay": "10s"})).script("a", fail("busy"), ok())
    run = flow.start().until(lambda run: run.step("a").state == "waiting")
    run.handle.pause()
    run.advance("1h")
    assert len(run.calls) == 1

    run.handle.resume()

    assert (run.finish().status, len(run.calls)) == ("completed", 2)


def test_a_run_s_own_limit_moves_by_the_pause(flow_of: FlowOf) -> None:
    """Ten minutes of running are ten minutes, whatever lies between; a pause is not cut short by the limit."""
    flow = flow_of(step("a"), {"id": "nap", "wait": "6h"}, timeout="10m").script("a", delay("4m"))
    run = flow.start().until("nap")
    run.handle.pause()
    run.advance("5h")
    assert run.status == "running"

    run.handle.resume()
    run.finish()

    assert (run.error["code"], run.duration.total_seconds()) == ("run_timeout", 5 * 3600 + 600)


def test_a_worker_that_is_lost_in_a_pause_is_got_over_after_it(flow_of: FlowOf) -> None:
    """The lease ends; the step is taken up again when the run goes on."""
    run = flow_of(step("a")).script("a", delay("2s", worker_lost()), ok()).start().until("a").advance("1s")
    run.handle.pause()
    run.advance("1h")
    assert len(run.calls) == 1

    run.handle.resume()

    assert (run.finish().status, len(run.calls)) == ("completed", 2)


def test_the_time_of_a_container_stands_still_in_a_pause(flow_of: FlowOf) -> None:
    """What lies inside of it has its whole time."""
    nap = {"id": "both", "parallel": {"branches": {"x": [step("a"), step("b")]}}, "timeout": "1m"}
    run = flow_of(nap).script("a", delay("20s")).script("b", delay("30s")).start().until("a")
    run.handle.pause()
    run.advance("1h")

    run.handle.resume()

    assert run.finish().status == "completed"


def test_a_cancel_ends_the_pause(flow_of: FlowOf) -> None:
    """The run is undone at once; nobody needs to let it go on first."""
    run = works(flow_of(undoable("a"), {"id": "nap", "wait": "1h"}), "a", "a~").start().until("nap")
    run.handle.pause()

    run.cancel().finish()

    assert (run.status, run.undos, run.handle.describe().paused_at) == ("cancelled", ["a"], None)


def test_pausing_and_resuming_twice_are_once(flow_of: FlowOf) -> None:
    """The first reason stands in the history."""
    run = flow_of(step("a")).script("a", ok()).start()
    run.handle.pause("bank is down", by="ada")
    run.handle.pause("again", by="bob")
    run.handle.resume(by="ada")
    run.handle.resume(by="bob")

    assert run.finish().status == "completed"
    assert happened(run, "run_paused") == [{"type": "run_paused", "by": "ada", "reason": "bank is down"}]
    assert happened(run, "run_resumed") == [{"type": "run_resumed", "by": "ada"}]


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
def test_a_run_that_is_over_is_not_changed(flow_of: FlowOf, verb: str) -> None:
    """Its result stands."""
    run = works(flow_of(step("a")), "a").run()

    with pytest.raises(RunOver):
        getattr(run.handle, verb)()


def skipped(run: Run, target: str, **options: Any) -> Run:
    """Skip a step, let the run end, and see that nothing is left to look at."""
    run.handle.skip(target, **options)
    run.finish()
    assert run.handle.store.entries(run.handle.run_id) == {}
    return run


def test_a_timer_that_is_skipped_is_over(flow_of: FlowOf) -> None:
    """The run goes on behind it at once, and its history says who wanted it and why."""
    run = flow_of({"id": "nap", "wait": "1h"}, step("a")).script("a", ok()).start().until("nap").advance("5m")

    skipped(run, "nap", reason="no time", by="ada")

    assert (run.status, run.duration.total_seconds()) == ("completed", 300)
    assert run.step("nap").state == "skipped"
    told = {"type": "step_skipped_by_hand", "step": "nap", "by": "ada", "reason": "no time"}
    assert happened(run, "step_skipped_by_hand") == [told]


def test_a_step_between_two_attempts_is_skipped_with_an_output(flow_of: FlowOf) -> None:
    """Later steps read it as if the operation had returned it."""
    flow = flow_of(step("a", retry={"max_attempts": 9, "delay": "1h"}), step("b", inputs={"n": "${steps.a.output.n}"}))
    run = flow.script("a", fail("busy")).script("b", ok()).start()
    run.until(lambda run: run.step("a").state == "waiting")

    skipped(run, "a", output={"n": 7})

    assert (run.status, run.calls_of("b")[0].input) == ("completed", {"n": 7})


def test_a_step_that_nobody_took_is_skipped(flow_of: FlowOf) -> None:
    """The message that comes for it later is dropped."""
    flow = flow_of(step("a"), step("b")).script("b", ok())
    run = flow.start()

    skipped(run, "a")

    assert (run.status, called(run)) == ("completed", ["b"])


def test_what_routes_a_skipped_step_has_are_judged_by_its_output(flow_of: FlowOf) -> None:
    """As after a success."""
    routes = [{"when": "steps.nap.output.late", "to": "b"}]
    flow = flow_of({"id": "nap", "wait": "1h", "transitions": routes, "on_success": "a"}, step("a"), step("b"))
    run = flow.script("b", ok()).start().until("nap")

    assert skipped(run, "nap", output={"late": True}).path[-1] == "b"


def test_in_a_needs_flow_those_that_need_it_are_judged_as_after_a_skip(flow_of: FlowOf) -> None:
    """`all_done` runs, `all_succeeded` does not."""
    needs = {"needs": ["nap"]}
    flow = flow_of({"id": "nap", "wait": "1h"}, step("a", **needs), step("b", run_if="all_done", **needs))
    run = flow.script("b", ok()).start().until("nap")

    skipped(run, "nap")

    assert (run.status, called(run), run.step("a").state) == ("completed", ["b"], "skipped")


def test_a_step_of_an_item_is_skipped_by_its_address(flow_of: FlowOf) -> None:
    """The other items go on as they were."""
    body = [{"id": "nap", "wait": "1h"}, step("a")]
    flow = works(flow_of({"id": "all", "map": {"items": "[0, 1]", "steps": body}}), "a")
    run = flow.start().until("all[1]/nap").advance("1s")

    run.handle.skip("all[1]/nap")
    run.advance("1s")

    assert (called(run), run.finish().duration.total_seconds()) == (["all[1]/a"], 3600)


def test_an_attempt_of_unknown_outcome_is_undone_though_its_step_was_skipped(flow_of: FlowOf) -> None:
    """Its effect may be there."""
    flow = flow_of(undoable("a", retry={"max_attempts": 2, "delay": "1h"}), step("b")).script("b", NO)
    run = flow.script("a", fail("maybe", outcome="unknown")).script("a~", ok()).start()
    run.until(lambda run: run.step("a").state == "waiting")

    assert skipped(run, "a").undos == ["a"]


def test_a_step_that_runs_is_not_skipped(flow_of: FlowOf) -> None:
    """Nor one that is done, or a container whose items run; they go on."""
    flow = works(flow_of(step("a"), {"id": "all", "map": {"items": "[0]", "steps": [step("b")]}}), "a")
    run = flow.script("b", delay("5s")).start().until("b").advance("1s")

    for target in ("a", "all", "all[0]/b"):
        with pytest.raises(StepNotWaiting):
            run.handle.skip(target)

    assert run.finish().status == "completed"


def test_a_step_that_the_run_has_not_reached_is_not_skipped(flow_of: FlowOf) -> None:
    """The refusal names those that it has."""
    run = flow_of({"id": "nap", "wait": "1h"}, step("a")).script("a", ok()).start().until("nap")

    with pytest.raises(UnknownStep, match="it has reached nap"):
        run.handle.skip("a")
    run.finish()


def test_a_skipped_wait_of_a_paused_run_begins_nothing(flow_of: FlowOf) -> None:
    """What follows is ready, and waits for the run to go on."""
    run = flow_of({"id": "nap", "wait": "1h"}, step("a")).script("a", ok()).start().until("nap")
    run.handle.pause()

    run.handle.skip("nap")
    run.advance("1h")
    assert (run.step("a").state, called(run)) == ("ready", [])

    run.handle.resume()
    assert run.finish().status == "completed"
