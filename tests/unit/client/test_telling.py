"""A run's history in words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import orchestrator.engine
from orchestrator.client.telling import TELLERS, narrated, tell
from orchestrator.engine.state import OVER, StepState
from orchestrator.store.port import HistoryEntry

ERROR = {"code": "declined", "message": "No money.", "step": "charge"}


def entry(at_ms: int, **event: Any) -> HistoryEntry:
    """An event at a moment."""
    return HistoryEntry(f"{at_ms}-0", at_ms, event)


def words(entries: list[HistoryEntry], *, whole: bool = False) -> list[str]:
    """What is told of a history."""
    return [f"{told.words}, {told.aside}" if told.aside else told.words for _, told in narrated(entries, whole=whole)]


def test_every_event_that_the_engine_writes_has_words() -> None:
    """The types are read from the engine's source, so that a new one is missed here first."""
    folder = Path(orchestrator.engine.__file__ or "").parent
    written = {kind for file in folder.glob("*.py") for kind in re.findall(r'event\(\s*f?"(.+?)"', file.read_text())}
    ends = {f"run_{status.value}" for status in OVER}
    settled = {f"step_{state.value}" for state in (StepState.FAILED, StepState.LOST, StepState.CANCELLED)}

    assert {kind for kind in written if "{" not in kind} | ends | settled <= set(TELLERS)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"type": "step_started", "step": "charge", "attempt": 1}, "charge started"),
        ({"type": "step_started", "step": "charge", "attempt": 2}, "charge started, attempt 2"),
        ({"type": "step_completed", "step": "charge~"}, "undo of charge completed"),
        ({"type": "step_failed", "step": "charge", "error": ERROR}, "charge failed: declined: No money."),
        (
            {"type": "attempt_failed", "step": "charge", "attempt": 1, "error": ERROR, "retry_in_ms": 1_000},
            "charge failed at attempt 1: declined: No money.; again in 1.0 s",
        ),
        ({"type": "run_stopping", "reason": "failed", "error": ERROR}, "run stops: declined"),
        (
            {"type": "run_stopping", "reason": "cancelled", "error": {"code": "cancelled", "message": "by Ada"}},
            "run stops: cancelled: by Ada",
        ),
        ({"type": "compensation_started", "undo": ["hotel~", "flight~"]}, "undo begins: hotel, flight"),
        ({"type": "run_failed", "compensation": "none"}, "run failed"),
        ({"type": "run_failed", "compensation": "completed"}, "run failed; what was done is undone"),
        ({"type": "run_cancelled", "compensation": "failed"}, "run cancelled; not all that was done could be undone"),
        ({"type": "from_the_future", "step": "charge"}, "from_the_future charge"),
        ({"type": "run_paused", "by": "ada", "reason": "bank is down"}, "run paused by ada: bank is down"),
        ({"type": "run_paused"}, "run paused"),
        ({"type": "step_waiting", "step": "night", "for_ms": 30_000}, "night waits 30.0 s"),
        ({"type": "step_waiting", "step": "come", "event": "order.shipped"}, "come waits for event order.shipped"),
        ({"type": "step_waiting", "step": "go", "signals": ["go", "halt"]}, "go waits for signal go or halt"),
        (
            {"type": "step_waiting", "step": "ask", "users": ["ann"], "groups": ["board"]},
            "ask waits for a decision by ann or group board",
        ),
        (
            {"type": "approval_decision", "step": "ask", "by": "ann", "decision": "rejected", "comment": "too dear"},
            "ask: ann has rejected: too dear",
        ),
        (
            {"type": "approval_decision", "step": "ask", "by": "ann", "decision": "changes_requested"},
            "ask: ann has asked for changes",
        ),
        ({"type": "approval_delegated", "step": "ask", "by": "ann", "to": "bob"}, "ask: ann has bob decide"),
        ({"type": "approval_reminder", "step": "ask", "users": ["ann", "bob"]}, "ask still waits for ann or bob"),
        (
            {"type": "approval_escalated", "step": "ask", "users": [], "groups": ["board"]},
            "ask asks group board as well",
        ),
        ({"type": "event_received", "step": "come", "id": "e1", "source": "/x"}, "come takes event e1 from /x"),
        ({"type": "signal_received", "signal": "go", "id": "s1", "by": "ada"}, "signal go has come by ada"),
        ({"type": "run_resumed", "by": "ada"}, "run goes on by ada"),
        (
            {"type": "run_retried", "incarnation": 2, "steps": ["ship[3]/pack", "bill"], "by": "ada"},
            "run begun again at ship[3]/pack, bill by ada",
        ),
        ({"type": "step_skipped_by_hand", "step": "nap", "reason": "no time"}, "nap is left out: no time"),
        (
            {"type": "undo_waived", "step": "charge~", "by": "ada", "reason": "paid in cash"},
            "undo of charge waived: it was done by hand by ada: paid in cash",
        ),
        ({"type": "flows_started", "step": "ship", "number": 2_000}, "ship begins 2,000 flows"),
        ({"type": "flows_started", "step": "ship", "number": 1}, "ship begins 1 flow"),
        ({"type": "items_completed", "step": "ship", "items": [4, 5]}, "2 items of ship completed"),
        ({"type": "scope_stopping", "step": "ship[3]"}, "nothing new starts in ship[3]"),
        ({"type": "step_limited", "step": "charge"}, "charge waits for its turn at a limit"),
        (
            {"type": "compensation_started", "step": "ship[3]", "undo": ["ship[3]/pack~"]},
            "undo of ship[3] begins: ship[3]/pack",
        ),
        (
            {"type": "compensation_started", "undo": [f"s[{n}]/a~" for n in range(3_000)]},
            "undo begins: s[0]/a, s[1]/a, s[2]/a, s[3]/a, s[4]/a and 2,995 steps more",
        ),
    ],
)
def test_an_event_is_told_in_words(event: dict[str, Any], words: str) -> None:
    """Undos by what they undo, errors by code and message, what is unknown by its type."""
    assert tell(event).words == words


def of_items(number: int) -> list[HistoryEntry]:
    """The history of a step of so many items."""
    return [entry(n, type="step_completed", step=f"ship[{n}]/pack") for n in range(number)]


def test_what_happens_to_thousands_of_items_is_counted() -> None:
    """A few are told, then only how many it were by now."""
    told = words(of_items(10_000))

    assert len(told) < 25
    assert told[1].endswith("ship[1]/pack completed")
    assert told[-1].endswith("ship[*]/pack completed, 10,000 times by now")


def test_the_whole_history_is_told_to_whoever_wants_it() -> None:
    """A line an event."""
    assert len(words(of_items(1_000), whole=True)) == 1_000


def test_the_engines_own_steps_are_not_told() -> None:
    """What ends a flow and what works off a batch are nobody's steps."""
    own = [entry(0, type="step_completed", step=step) for step in ("$end", "ship[3]/$end", "$rest", "read~~2")]

    assert words(own) == []


def test_each_retry_of_a_run_is_told() -> None:
    """What happens to the run itself is never only counted."""
    told = words([entry(n, type="run_resumed") for n in range(30)])

    assert len(told) == 30
