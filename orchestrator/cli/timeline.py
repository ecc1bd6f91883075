"""A run's history in words, one line an event."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from rich.text import Text

from orchestrator.cli.views import error_text, style_of, took
from orchestrator.engine.address import is_undo, undone_by
from orchestrator.store.port import HistoryEntry

Event = Mapping[str, Any]

_TELLERS: Final[Mapping[str, Callable[[Event], tuple[str, str]]]] = {
    "run_started": lambda event: (f"run of {event['workflow']} {event['version']} started", "bold"),
    "run_stopping": lambda event: (f"run stops: {_reason(event)}", "yellow"),
    "run_repaired": lambda event: (f"run repaired: {', '.join(event['steps']) or 'the run'} had no entry", "yellow"),
    "compensation_started": lambda event: (f"undo begins: {', '.join(map(_name, event['undo']))}", "yellow"),
    "run_completed": lambda _: ("run completed", "bold green"),
    "run_failed": lambda event: (f"run failed{_undone(event)}", "bold red"),
    "run_cancelled": lambda event: (f"run cancelled{_undone(event)}", "bold magenta"),
    "step_started": lambda event: (f"{_step(event)} started{_attempt(event)}", style_of("running")),
    "step_waiting": lambda event: (f"{_step(event)} waits {took(event['for_ms'])}", style_of("waiting")),
    "flows_started": lambda event: (f"{_step(event)} begins {event['number']} flows", style_of("waiting")),
    "scope_stopping": lambda event: (f"nothing new starts in {_step(event)}", "yellow"),
    "step_completed": lambda event: (f"{_step(event)} completed", style_of("completed")),
    "step_failed": lambda event: (f"{_step(event)} failed: {_error(event)}", style_of("failed")),
    "step_lost": lambda event: (f"{_step(event)} lost: {_error(event)}", style_of("lost")),
    "step_skipped": lambda event: (f"{_step(event)} skipped", style_of("skipped")),
    "step_cancelled": lambda event: (f"{_step(event)} cancelled", style_of("cancelled")),
    "attempt_failed": lambda event: (
        f"{_step(event)} failed at attempt {event['attempt']}: {_error(event)}; again in {took(event['retry_in_ms'])}",
        style_of("waiting"),
    ),
    "attempt_lost": lambda event: (f"{_step(event)} lost its worker; it is taken up again", style_of("lost")),
    "late_result": lambda event: (f"{_step(event)} came late: {event['outcome']}", "dim"),
    "attention": lambda event: (f"attention: {_step(event)}: {event['reason']}", "bold red"),
}


def tell(event: Event) -> Text:
    """What happened, in words; an event that this release has no words for is shown by its type."""
    teller = _TELLERS.get(event["type"])
    if teller is None:
        return Text(f"{event['type']} {event.get('step', '')}".rstrip())
    return Text(*teller(event))


def line(entry: HistoryEntry, began_ms: int) -> Text:
    """An event, behind the time since the run began."""
    since = f"+{(entry.at_ms - began_ms) / 1000:.3f} s"
    return Text.assemble((f"{since:>10}  ", "dim"), tell(entry.event))


def timeline(entries: Iterable[HistoryEntry]) -> Text:
    """The whole history."""
    listed = list(entries)
    began_ms = listed[0].at_ms if listed else 0
    return Text("\n").join(line(entry, began_ms) for entry in listed)


def _name(address: str) -> str:
    return undone_by(address) if is_undo(address) else address


def _step(event: Event) -> str:
    address = event.get("step", "")
    return f"undo of {undone_by(address)}" if is_undo(address) else address


def _attempt(event: Event) -> str:
    return "" if event["attempt"] == 1 else f", attempt {event['attempt']}"


def _error(event: Event) -> str:
    return error_text(event["error"])


def _reason(event: Event) -> str:
    """What stopped the run; the message of a step's error stands in the step's own line."""
    error = event["error"]
    return str(error["code"]) if error.get("step") else error_text(error)


def _undone(event: Event) -> str:
    return {
        "completed": "; what was done is undone",
        "failed": "; not all that was done could be undone",
    }.get(event["compensation"], "")
