"""The spans of runs, out of their histories."""

from __future__ import annotations

from typing import Any

from orchestrator.engine import fields
from orchestrator.monitor.spans import READS, Span, Told, spans_until
from orchestrator.store.port import HistoryEntry
from orchestrator.telemetry import child_span_id, run_span_id


def history(*events: dict[str, Any]) -> list[HistoryEntry]:
    """One event a second."""
    return [HistoryEntry(f"{place}-0", place * 1_000, event) for place, event in enumerate(events)]


def spans(end_id: str, *events: dict[str, Any]) -> list[Span]:
    """Those of the life that ends there."""
    values = {**dict.fromkeys(READS), fields.WORKFLOW: "a.flow", fields.VERSION: "1.0.0"}
    return list(spans_until(end_id, Told("n", "run", values), history(*events), None))


STARTED = {"type": "run_started"}
DONE = {"type": "run_completed"}


def test_a_run_has_a_span_from_its_start_to_its_end() -> None:
    """With how it ended."""
    (own,) = spans("2-0", STARTED, {"type": "step_started", "step": "a"}, DONE)

    assert (own.name, own.began_ms, own.ended_ms, own.error) == ("run a.flow", 0, 2_000, None)
    assert own.span_id == run_span_id("n", "run", 1)
    assert own.attributes["orchestrator.status"] == "completed"


def test_a_failed_run_tells_its_error_s_code() -> None:
    """And not the message, which may hold values."""
    stopping = {"type": "run_stopping", "error": {"code": "declined", "message": "4111"}}
    (own,) = spans("2-0", STARTED, stopping, {"type": "run_failed"})

    assert own.error == "declined"
    assert "4111" not in str(own)


def test_each_life_of_a_run_has_a_span_of_its_own() -> None:
    """What an operator does between them belongs to neither; told again, an end has the same span."""
    failed = {"type": "run_failed"}
    events = STARTED, failed, {"type": "undo_waived", "step": "a~"}, {"type": "run_retried"}, DONE

    (first,), (second,) = spans("1-0", *events), spans("4-0", *events)

    assert (first.began_ms, first.ended_ms) == (0, 1_000)
    assert (second.began_ms, second.ended_ms) == (3_000, 4_000)
    assert [first.span_id, second.span_id] == [run_span_id("n", "run", life) for life in (1, 2)]
    assert spans("1-0", *events)[0].span_id == first.span_id


def test_a_wait_is_a_span_until_the_step_goes_on() -> None:
    """Whatever else is told of it meanwhile does not end it."""
    waiting = {"type": "step_waiting", "step": "ask", "users": ["ann"]}
    decided = {"type": "step_completed", "step": "ask"}
    wait, own = spans("4-0", STARTED, waiting, {"type": "sla_warned", "step": "ask"}, decided, DONE)

    assert (wait.name, wait.began_ms, wait.ended_ms) == ("wait ask", 1_000, 3_000)
    assert wait.parent_id == own.span_id
    assert wait.attributes["orchestrator.waits_for"] == "approval"


def test_a_child_hangs_below_the_step_that_has_started_it() -> None:
    """Each try of that step is a span, for each starts another."""
    first = {"type": "child_started", "step": "pay", "child_run": "run/pay/1"}
    failed = {"type": "attempt_failed", "step": "pay", "error": {"code": "declined"}}
    second = {**first, "child_run": "run/pay/2"}
    one, two, _ = spans("5-0", STARTED, first, failed, second, {"type": "step_completed", "step": "pay"}, DONE)

    assert [one.span_id, two.span_id] == [child_span_id("n", f"run/pay/{number}") for number in (1, 2)]
    assert [one.error, two.error] == ["declined", None]


def test_what_waits_when_its_run_ends_waits_no_longer() -> None:
    """Its span ends with the run."""
    wait, own = spans("2-0", STARTED, {"type": "step_waiting", "step": "w", "for_ms": 9}, {"type": "run_cancelled"})

    assert wait.ended_ms == own.ended_ms == 2_000
    assert own.error == "cancelled"


def test_an_end_that_the_history_does_not_have_has_no_spans() -> None:
    """Nothing is made up."""
    assert spans("9-0", STARTED, DONE) == []
