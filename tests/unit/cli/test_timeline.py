"""A run's history in a terminal."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from orchestrator.cli.timeline import line, timeline
from orchestrator.client.telling import Told, Tone
from orchestrator.store.port import HistoryEntry


def entry(at_ms: int, **event: Any) -> HistoryEntry:
    """An event at a moment."""
    return HistoryEntry(f"{at_ms}-0", at_ms, event)


def test_a_timeline_counts_from_the_first_event() -> None:
    """Seconds since the run began, in a column of their own."""
    told = timeline(
        [entry(5_000, type="step_completed", step="a"), entry(6_250, type="run_completed")]
    ).plain.splitlines()

    assert told == ["  +0.000 s  a completed", "  +1.250 s  run completed"]


def test_a_run_without_history_has_an_empty_timeline() -> None:
    """Nothing is told, and nothing fails."""
    assert timeline([]).plain == ""


@pytest.mark.parametrize("tone", get_args(Tone))
def test_every_tone_has_a_style(tone: Tone) -> None:
    """A new one must not break the command line."""
    assert "paid" in line(entry(0, type="step_completed"), Told("paid", tone)).plain
