"""A run's history in a terminal, one line an event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from rich.text import Text

from orchestrator.cli.views import style_of
from orchestrator.client.telling import Told, narrated
from orchestrator.store.port import HistoryEntry

_STYLES: Final[Mapping[str, str]] = {
    "": "",
    "note": "bold",
    "held": "yellow",
    "bad": "bold red",
    "quiet": "dim",
    "run_completed": "bold green",
    "run_failed": "bold red",
    "run_cancelled": "bold magenta",
}


def line(entry: HistoryEntry, told: Told) -> Text:
    """An event, behind the time since the run began."""
    tone = entry.event["type"] if entry.event["type"] in _STYLES else told.tone
    style = _STYLES[tone] if tone in _STYLES else style_of(tone)
    since = f"+{told.after_ms / 1000:.3f} s"
    aside = (f", {told.aside}" if told.aside else "", "dim")
    return Text.assemble((f"{since:>10}  ", "dim"), (told.words, style), aside)


def timeline(entries: Iterable[HistoryEntry], *, whole: bool = False) -> Text:
    """A history from its beginning."""
    return Text("\n").join(line(entry, told) for entry, told in narrated(entries, whole=whole))
