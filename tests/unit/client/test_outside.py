"""Signals and external events, as clients and listeners give them to runs."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator import define_workflow
from orchestrator.client.handle import RedisRunHandle
from orchestrator.engine.indexes import event_index
from orchestrator.errors import InvalidRequest, RunOver, SignalNotExpected
from orchestrator.settings import Settings
from orchestrator.testing import Flow, Harness, Run

EVENT: dict[str, Any] = {"id": "come", "event": {"type": "came"}}
SIGNAL: dict[str, Any] = {"id": "go", "event": {"signal": "go", "data_schema": {"required": ["by"]}}}


def flow(harness: Harness, *steps: dict[str, Any]) -> Flow:
    """A workflow of these steps."""
    return harness(define_workflow(meta={"key": "test.flow", "version": "1.0.0"}, steps=steps))


def events(run: Run, kind: str) -> list[dict[str, Any]]:
    """The events of a kind in a run's history."""
    return [dict(event) for event in run.history if event["type"] == kind]


def test_a_signal_that_no_step_has_a_name_for_is_refused_and_the_names_are_told(harness: Harness) -> None:
    """Before anything is kept."""
    run = flow(harness, SIGNAL).start()

    with pytest.raises(SignalNotExpected, match="those that steps wait for: go"):
        run.signal("stop")

    assert events(run, "signal_received") == []


def test_a_signal_whose_step_is_over_is_refused(harness: Harness) -> None:
    """Nobody will ever take it."""
    run = flow(harness, SIGNAL, EVENT).start().signal("go", {"by": "ada"}).advance("1m")

    with pytest.raises(SignalNotExpected, match="no step waits for it any more: go is over"):
        run.signal("go", {"by": "bob"})


def test_a_signal_whose_data_no_step_accepts_is_refused(harness: Harness) -> None:
    """With what is wrong with them."""
    run = flow(harness, SIGNAL).start()

    with pytest.raises(SignalNotExpected, match="'by' is a required property"):
        run.signal("go", {"name": "ada"})


def test_a_signal_after_the_end_is_told_so_but_one_that_came_before_is_still_itself(harness: Harness) -> None:
    """Before: whoever sent it again, because the answer had been lost, was told that it was too late."""
    run = flow(harness, SIGNAL).start().signal("go", {"by": "ada"}, id="s1").finish()

    run.signal("go", {"by": "ada"}, id="s1")

    with pytest.raises(RunOver):
        run.signal("go", {"by": "ada"}, id="s2")
    assert len(events(run, "signal_received")) == 1


def test_a_signal_that_is_too_large_is_refused() -> None:
    """As any output would be."""
    harness = Harness(Settings(max_payload_bytes=1_024))
    run = flow(harness, SIGNAL).start()

    with pytest.raises(InvalidRequest):
        run.signal("go", {"by": "x" * 1_024})


def test_an_event_whose_output_would_be_too_large_fails_the_step() -> None:
    """So that somebody sees it; it is not passed over in silence."""
    harness = Harness(Settings(max_payload_bytes=1_024))
    run = flow(harness, EVENT).start().advance("1m")

    harness.emit("came", "x" * 1_000)

    assert (run.finish().status, run.error["code"]) == ("failed", "payload_too_large")


def test_a_step_that_is_left_out_by_hand_is_not_found_any_more(harness: Harness) -> None:
    """The event goes to others."""
    run = flow(harness, EVENT, {**EVENT, "id": "then"}).start().advance("1m")
    run.handle.skip("come")
    run.advance("1m")

    taken = harness.emit("came")

    assert (taken, run.finish().step("then").state, run.step("come").state) == (1, "completed", "skipped")
    assert store_index(run.handle) == []


def store_index(handle: RedisRunHandle) -> list[Any]:
    """The runs that wait for an event of the type."""
    return handle.store.newest(event_index("came"), None, 9)


def test_an_event_is_for_every_run_and_step_that_it_fits(harness: Harness) -> None:
    """Each takes it once, however often it is delivered."""
    both = {"id": "both", "parallel": {"branches": {"x": [EVENT], "y": [{**EVENT, "id": "too"}]}}}
    runs = [flow(harness, both).start().advance("1m") for _ in range(2)]

    taken = [harness.emit("came", id="e1"), harness.emit("came", id="e1")]

    assert taken == [4, 0]
    assert [len(events(run.finish(), "event_received")) for run in runs] == [2, 2]


@pytest.mark.parametrize("sent", [5, 5.0, "5"])
def test_a_correlation_compares_as_text(harness: Harness, sent: Any) -> None:
    """5, 5.0 and "5" are one; 50 is another, and told as a near miss."""
    correlated = {"type": "came", "correlation": {"event": "event.data", "value": "input.n"}}
    run = flow(harness, {"id": "come", "event": correlated}).start({"n": 5}).advance("1m")
    harness.emit("came", 50)
    assert run.step("come").near_miss == {"event": "event-1", "part": "correlation", "wanted": 5, "found": 50}

    harness.emit("came", sent)

    assert run.finish().output["data"] == sent


def test_a_correlation_to_what_is_no_scalar_fails_the_step(harness: Harness) -> None:
    """Nothing could ever be looked for by it."""
    correlated = {"type": "came", "correlation": {"event": "event.data", "value": "input.list"}}

    run = flow(harness, {"id": "come", "event": correlated}).run({"list": [1]})

    assert run.error["code"] == "expression_error"


def test_a_filter_that_raises_passes_the_event_over(harness: Harness) -> None:
    """What others send does not fail a run; the near miss says what was wrong."""
    run = flow(harness, {"id": "come", "event": {"type": "came", "filter": "event.data.n > 1"}}).start().advance("1m")

    harness.emit("came", {"other": "x" * 1_000})

    assert run.step("come").state == "waiting"
    assert "n" in (run.step("come").near_miss or {})["found"]


def test_a_wait_is_described_from_its_beginning(harness: Harness) -> None:
    """When it began, for what it waits; nothing of that once it is over."""
    run = flow(harness, {**SIGNAL, "event": {"signal": ["go", "halt"]}}).start().advance("5m")
    waiting = run.step("go")

    run.signal("halt").finish()

    assert (waiting.state, waiting.waits_for, waiting.duration_ms) == ("waiting", {"signals": ["go", "halt"]}, 300_000)
    assert (run.step("go").waits_for, run.step("go").started_at) == (None, waiting.started_at)
