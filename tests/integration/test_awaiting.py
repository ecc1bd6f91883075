"""Steps that wait for events and signals, on real workers: what comes early, comes in a pause, or meets a death."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator import Step
from orchestrator.client.handle import RedisRunHandle
from tests.integration.conftest import MakeSystem
from tests.integration.system import Gate, System, ended, events, happened, states, until
from tests.integration.workflows import upper_step, workflow

pytestmark = pytest.mark.integration

SHIPPED = {"type": "tests.shipped", "correlation": {"event": "event.data.order", "value": "input.order"}}
FOLLOW = workflow(
    "follow",
    Step(id="come", event=SHIPPED),
    Step(id="go", event={"signal": "go"}),
    upper_step("after"),
)


def follow(system: System, order: str) -> RedisRunHandle:
    """A run that waits for the word on an order, then for a signal."""
    system.publish(FOLLOW)
    return system.client.start("tests.follow", {"order": order})


def state_of(run: RedisRunHandle, step: str) -> str | None:
    """Where a step is."""
    return states(run.describe()).get(step)


def looks_no_more(run: RedisRunHandle, step: str) -> bool:
    """Whether a step waits, and has looked back."""
    return run.store.read(run.run_id, (f"{step}:looked",))[1][f"{step}:looked"] is not None


def taken(run: RedisRunHandle) -> list[Any]:
    """The data of the events that steps of a run took."""
    return [step.output["data"] for step in run.describe().steps if step.kind == "event" and step.output]


def test_what_comes_early_and_what_comes_late_is_taken(system: System) -> None:
    """An event while its step waits; a signal before anybody waits for it."""
    run = follow(system, "early")
    run.signal("go", 1)
    until(lambda: looks_no_more(run, "come"), "the step waits")

    taken_by = [system.emit("tests.shipped", {"order": order}) for order in ("other", "early")]

    assert taken_by == [0, 1]
    assert ended(run).status == "completed"
    assert taken(run) == [{"order": "early"}, 1]


def test_an_event_before_its_step_and_a_signal_while_it_waits_are_taken(system: System) -> None:
    """The step looks back to the run's start; the signal, sent twice, comes once."""
    run = follow(system, "late")
    system.emit("tests.shipped", {"order": "late"})
    until(lambda: state_of(run, "go") == "waiting", "the signal is waited for")

    for _ in range(2):
        run.signal("go", 2, id="s1")

    assert ended(run).status == "completed"
    assert len(events(run, "signal_received")) == 1


def test_what_comes_in_a_pause_is_taken_and_what_follows_waits_for_its_end(system: System) -> None:
    """A pause holds up what begins, not what arrives."""
    run = follow(system, "paused")
    until(lambda: looks_no_more(run, "come"), "the step waits")
    run.pause()

    system.emit("tests.shipped", {"order": "paused"})
    run.signal("go")

    assert (state_of(run, "come"), state_of(run, "go")) == ("completed", "ready")
    run.resume()
    assert ended(run).status == "completed"


def test_events_for_many_runs_reach_each_of_them_once(system: System) -> None:
    """Delivered twice, to runs of which some have yet to look back."""
    runs = [follow(system, f"n{number % 5}") for number in range(20)]
    for run in runs:
        run.signal("go")

    for _ in range(2):
        for number in range(5):
            system.emit("tests.shipped", {"order": f"n{number}"}, id=f"e{number}")

    assert [ended(run).status for run in runs] == ["completed"] * 20
    assert [len(events(run, "event_received")) for run in runs] == [1] * 20


def test_a_worker_that_is_killed_while_it_looks_back_leaves_that_to_another(make_system: MakeSystem) -> None:
    """The event had come before; it is not lost with whoever was about to find it."""
    system = make_system()
    holder = system.start_worker("holder", app="tests.integration.held_workers", concurrency=1)
    system.start_beat()
    system.ready()
    run = follow(system, "held")
    run.signal("go")
    system.emit("tests.shipped", {"order": "held"})
    Gate(system.folder / "gates", "recall").reached()

    holder.kill()
    system.start_worker("heir", concurrency=1)

    assert ended(run).status == "completed"
    assert taken(run)[0] == {"order": "held"}
    assert not happened(run, "attempt_lost", "come")
