"""SLAs on the virtual clock: what fires when, what is counted, and that what is over stays as it is."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.testing import Run, delay, fail, ok, worker_lost
from tests.unit.testing.conftest import FlowOf

A: dict[str, Any] = {"id": "a", "operation": "do.one"}
ASK: dict[str, Any] = {"id": "ask", "event": {"signal": "go"}}
HOUR = {
    "max_duration": "1h",
    "warn_at": "50%",
    "escalate": [{"after": "0s", "to": "ops"}, {"after": "1h", "to": "boss"}],
}
ALL_LEVELS = ["warn", "breach", "1 (ops)", "2 (boss)"]


def fired(run: Run, of: str = "run") -> list[str]:
    """What fired of one SLA."""
    return [told.removeprefix(f"{of}: ") for told in run.sla_events if told.startswith(f"{of}: ")]


def moments(run: Run) -> list[tuple[str, int]]:
    """Seconds from the start of each event of an SLA."""
    entries = run.handle.history()
    told = [entry for entry in entries if entry.event["type"].startswith("sla_")]
    return [(entry.event.get("level", "met"), (entry.at_ms - entries[0].at_ms) // 1000) for entry in told]


def test_each_level_fires_once_when_it_is_due(flow_of: FlowOf) -> None:
    """In the order of their moments, while the run waits and nothing works for it."""
    run = flow_of(ASK, sla=HOUR).start().advance("1d").signal("go").finish()

    assert moments(run) == [("warn", 1800), ("breach", 3600), ("1", 3600), ("2", 7200)]
    assert (run.status, run.sla and run.sla.state) == ("completed", "breached")


def test_what_ends_in_time_is_met_and_stays_so(flow_of: FlowOf) -> None:
    """A warning does not change that; nothing fires after the end."""
    run = flow_of({**ASK, "sla": HOUR}, sla=HOUR).start().advance("45m").signal("go").finish().advance("1d")

    assert run.sla_events == ["run: warn", "ask: warn", "ask: met", "run: met"]
    assert run.sla is not None
    assert (run.sla.state, run.sla.breached_at, run.step("ask").sla) == ("met", None, run.sla)


def test_a_step_that_works_on_is_told_of_and_keeps_its_lease(flow_of: FlowOf) -> None:
    """Its worker lives: the call is made once, however many levels fire meanwhile."""
    run = flow_of({**A, "timeout": "5h", "sla": HOUR}).script("a", delay("3h", ok())).run()

    assert (run.status, len(run.calls), fired(run, "a")) == ("completed", 1, ALL_LEVELS)


def test_a_level_does_not_end_a_lease_nor_keep_one(flow_of: FlowOf) -> None:
    """A worker that died is noticed when its lease runs out, as without an SLA, though a level fired before."""
    flow = flow_of({**A, "sla": {"max_duration": "1m", "warn_at": "5s"}}).script("a", worker_lost(), ok())

    run = flow.run()

    assert (run.status, len(run.calls), run.duration.total_seconds()) == ("completed", 2, 15)
    assert fired(run, "a") == ["warn", "met"]


def test_retries_and_their_delays_are_counted(flow_of: FlowOf) -> None:
    """From ready to settled."""
    step = {**A, "retry": {"max_attempts": 2, "delay": "2h", "max_delay": "2h"}, "sla": HOUR}

    run = flow_of(step).script("a", fail("busy"), ok()).run()

    assert (run.status, fired(run, "a")) == ("completed", ALL_LEVELS)


def test_a_breach_that_nobody_saw_is_told_by_the_end(flow_of: FlowOf) -> None:
    """It came too late, before the sweeper looked: the commit that ends it says so, by its own moment."""
    late = {"max_duration": "10s", "escalate": [{"after": "0s", "to": "ops"}]}

    run = flow_of({**A, "sla": late}, sla=late).script("a", delay("10s", ok())).run()

    assert run.sla_events == ["a: breach", "run: breach"]
    assert "due_at" not in next(event for event in run.history if event["type"] == "sla_breached")


def test_levels_that_came_due_together_fire_in_their_order(flow_of: FlowOf) -> None:
    """No sweeper was there for a day."""
    run = flow_of(ASK, sla=HOUR).start()
    run.advance("1m")
    run._world.clock.now_ms += 86_400_000  # a day in which nothing is done
    run.advance("1s")

    assert fired(run) == ALL_LEVELS


def test_a_pause_is_not_counted(flow_of: FlowOf) -> None:
    """What was left when it began is left when it is over, of the run as of its steps."""
    run = flow_of({**ASK, "sla": HOUR}, sla=HOUR).start().advance("20m")
    run.handle.pause()
    run.advance("3h")
    paused = run.sla_events
    run.handle.resume()
    run.advance("39m").signal("go").finish()

    assert paused == []
    assert run.sla_events == ["run: warn", "ask: warn", "ask: met", "run: met"]


@pytest.mark.parametrize(("worked", "verdict"), [("59m", "met"), ("61m", "breach")])
def test_what_ends_in_a_pause_is_judged_by_the_moment_that_it_began(flow_of: FlowOf, worked: str, verdict: str) -> None:
    """An attempt that is under way goes on in a pause; its time does not."""
    flow = flow_of({**A, "timeout": "9h", "sla": {"max_duration": "1h"}}, {"id": "b", "wait": "1s"})
    run = flow.script("a", delay("4h", ok())).start().advance(worked)
    run.handle.pause()
    run.advance("5h")
    ended = run.step("a").state
    run.handle.resume()
    run.finish()

    assert (ended, fired(run, "a")) == ("completed", [verdict])


def test_undoing_is_not_counted(flow_of: FlowOf) -> None:
    """The clock of a run stands from the moment that it stops."""
    undone = {**A, "compensation": "undo.one"}
    flow = flow_of(undone, {"id": "b", "operation": "do.two"}, sla=HOUR, compensation={"timeout": "9h"})

    run = flow.script("a", ok()).script("b", delay("9m", fail("no"))).script("undo.one", delay("5h", ok())).run()

    assert (run.status, run.undos, fired(run)) == ("failed", ["a"], ["met"])


def test_a_run_that_stops_late_is_breached(flow_of: FlowOf) -> None:
    """As one that completes late is."""
    run = flow_of(A, sla={"max_duration": "10s"}).script("a", delay("10s", fail("no"))).run()

    assert (run.status, fired(run), run.sla and run.sla.state) == ("failed", ["breach"], "breached")


def test_a_retried_run_is_measured_anew(flow_of: FlowOf) -> None:
    """So is what runs again; what is kept keeps its verdict."""
    short = {"max_duration": "1m"}
    flow = flow_of({**A, "sla": short}, {"id": "b", "operation": "do.two", "sla": short}, sla=HOUR)
    run = flow.script("a", delay("2m", ok())).script("b", delay("2m", fail("no")), ok()).run()
    first = run.sla_events
    run.advance("1d").handle.retry()
    run.finish()

    assert first == ["a: breach", "b: breach", "run: met"]
    assert run.sla_events[3:] == ["b: met", "run: met"]
    assert [one.sla and one.sla.state for one in (run.step("a"), run.step("b"))] == ["breached", "met"]


def test_each_item_and_each_visit_is_measured_by_itself(flow_of: FlowOf) -> None:
    """The container as a whole, too."""
    body = {**A, "sla": {"max_duration": "5s"}}
    ship = {
        "id": "ship",
        "map": {"items": "[1, 2]", "max_concurrency": 1, "steps": [body]},
        "sla": {"max_duration": "12s"},
    }

    run = flow_of(ship).script("a", delay("4s", ok()), delay("6s", ok())).run()

    assert run.sla_events == ["ship[0]/a: met", "ship[1]/a: breach", "ship: met"]


def test_a_breach_that_is_not_to_alert_is_recorded_all_the_same(flow_of: FlowOf) -> None:
    """Readers are told that it is to be quiet."""
    run = flow_of(ASK, sla={"max_duration": "1h", "alert_on_breach": False}).start().advance("2h")

    (told,) = [event for event in run.history if event["type"] == "sla_breached"]
    assert (told["alert"], told["after_ms"], run.sla and run.sla.state) == (False, 3_600_000, "breached")


def test_an_undo_is_not_measured(flow_of: FlowOf) -> None:
    """The SLA is of the step that it undoes."""
    first = {**A, "compensation": "undo.one", "sla": {"max_duration": "1m"}}
    flow = flow_of(first, {"id": "b", "operation": "do.two"}).script("undo.one", delay("5m", ok()))

    run = flow.script("a", ok()).script("b", fail("no")).run()

    assert (run.undos, run.sla_events) == (["a"], ["a: met"])


@pytest.mark.parametrize("limited", ["step", "run"])
def test_a_timeout_still_comes_when_it_is_due(flow_of: FlowOf, limited: str) -> None:
    """Levels before it and at it change nothing of it."""
    of_step = {"timeout": "1h"} if limited == "step" else {}
    of_run = {} if of_step else {"timeout": "1h"}

    run = flow_of({**ASK, **of_step, "sla": HOUR}, sla=HOUR, **of_run).run()

    assert run.error["code"] == ("wait_timeout" if of_step else "run_timeout")
    assert run.duration.total_seconds() == 3600
