"""Where a run's time went."""

from __future__ import annotations

from typing import Any

from orchestrator.dashboard.drawing.spans import Span, spans_of
from orchestrator.store.port import HistoryEntry

ERROR = {"code": "unavailable", "message": "no answer"}


def entry(at_ms: int, event: dict[str, Any]) -> HistoryEntry:
    """An event at a moment."""
    return HistoryEntry(f"{at_ms}-0", at_ms, event)


def history(*events: tuple[int, str, dict[str, Any]]) -> list[HistoryEntry]:
    """Events of one step, by their moment."""
    return [entry(at, {"type": kind, "step": "charge", **rest}) for at, kind, rest in events]


def test_attempts_and_the_waits_between_them() -> None:
    """A retry is an attempt that failed, a wait, and another attempt."""
    entries = history(
        (100, "step_started", {"attempt": 1}),
        (150, "attempt_failed", {"attempt": 1, "error": ERROR, "retry_in_ms": 50}),
        (200, "step_started", {"attempt": 2}),
        (230, "step_completed", {}),
    )

    assert spans_of(entries) == {
        "charge": [
            Span("attempt", "failed", 100, 150, 1, "unavailable: no answer"),
            Span("wait", "completed", 150, 200, 1),
            Span("attempt", "completed", 200, 230, 2),
        ]
    }


def test_what_is_ready_waits_for_a_worker() -> None:
    """From the moment that the claim tells; not where another wait was until then."""
    entries = history((150, "step_started", {"attempt": 1, "ready_at": 100}), (160, "step_completed", {}))

    assert spans_of(entries)["charge"] == [
        Span("queue", "completed", 100, 150),
        Span("attempt", "completed", 150, 160),
    ]


def test_what_goes_on_has_no_end() -> None:
    """An attempt runs, a wait waits."""
    running = spans_of(history((100, "step_started", {"attempt": 1})))
    waiting = spans_of(history((100, "step_waiting", {"for_ms": 5})))

    assert running == {"charge": [Span("attempt", "running", 100, None, 1)]}
    assert waiting == {"charge": [Span("wait", "waiting", 100, None, 1)]}


def test_an_undo_is_told_from_an_attempt() -> None:
    """It has the address of what it undoes, with a mark."""
    entries = [
        entry(100, {"type": "step_started", "step": "charge~", "attempt": 1}),
        entry(120, {"type": "step_completed", "step": "charge~"}),
    ]

    assert spans_of(entries) == {"charge~": [Span("undo", "completed", 100, 120, 1)]}


def test_what_is_the_engines_own_has_no_row() -> None:
    """Lanes, the undo of a whole flow, items as such, and what ends a flow."""
    own = ("read~~2", "~", "ship[3]/~", "ship[3]", "$end", "$rest")
    entries = [entry(1, {"type": "step_started", "step": step, "attempt": 1}) for step in own]

    assert spans_of(entries) == {}


def test_a_retried_run_ends_what_was_open() -> None:
    """What no event has ended is over when the run begins again."""
    entries = [
        *history((100, "step_started", {"attempt": 1})),
        entry(300, {"type": "run_retried", "steps": ["charge"]}),
        *history((310, "step_started", {"attempt": 1})),
    ]

    first, second = spans_of(entries)["charge"]

    assert (first.outcome, first.end_ms, second.outcome) == ("cancelled", 300, "running")
