"""A run's history in words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import orchestrator.engine
from orchestrator.cli.timeline import _TELLERS, tell, timeline
from orchestrator.engine.state import OVER, StepState
from orchestrator.store.port import HistoryEntry

ERROR = {"code": "declined", "message": "No money.", "step": "charge"}


def entry(at_ms: int, **event: Any) -> HistoryEntry:
    """An event at a moment."""
    return HistoryEntry(f"{at_ms}-0", at_ms, event)


def test_every_event_that_the_engine_writes_has_words() -> None:
    """The types are read from the engine's source, so that a new one is missed here first."""
    folder = Path(orchestrator.engine.__file__ or "").parent
    written = {kind for file in folder.glob("*.py") for kind in re.findall(r'event\(\s*f?"(.+?)"', file.read_text())}
    ends = {f"run_{status.value}" for status in OVER}
    settled = {f"step_{state.value}" for state in (StepState.FAILED, StepState.LOST, StepState.CANCELLED)}

    assert {kind for kind in written if "{" not in kind} | ends | settled <= set(_TELLERS)


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
    ],
)
def test_an_event_is_told_in_words(event: dict[str, Any], words: str) -> None:
    """Undos by what they undo, errors by code and message, what is unknown by its type."""
    assert tell(event).plain == words


def test_a_timeline_counts_from_the_first_event() -> None:
    """Seconds since the run began, in a column of their own."""
    told = timeline(
        [entry(5_000, type="step_completed", step="a"), entry(6_250, type="run_completed")]
    ).plain.splitlines()

    assert told == ["  +0.000 s  a completed", "  +1.250 s  run completed"]


def test_a_run_without_history_has_an_empty_timeline() -> None:
    """Nothing is told, and nothing fails."""
    assert timeline([]).plain == ""
