"""What happened in a run, as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from orchestrator.client.shown import RunDescription
from orchestrator.engine.state import StepState
from orchestrator.store.port import HistoryEntry

_MARKS: Mapping[str, str] = {
    StepState.COMPLETED: "✓",
    StepState.FAILED: "✗",
    StepState.LOST: "✗",
    StepState.CANCELLED: "cancelled",
    StepState.SKIPPED: "skipped",
}


_UNTOLD = frozenset({"type", "step", "took_ms", "ready_at", "in_hand"})
"""What stands elsewhere in the line; and what is measured, which is nothing where the clock is virtual."""


def outline(run: RunDescription) -> str:
    """Status and steps of a run, on one line."""
    steps = ", ".join(
        f"{step.address} {_MARKS.get(step.state, step.state)}" for step in run.steps if step.state != StepState.PENDING
    )
    error = f" ({run.error['code']})" if run.error else ""
    return f"{run.workflow}@{run.version} {run.run_id} {run.status}{error} after {_span(run.duration_ms)}: {steps}"


def tell(run: RunDescription, history: Iterable[HistoryEntry]) -> str:
    """The outline, and every event with the virtual time since the first."""
    lines = [outline(run)]
    first_ms: int | None = None
    for entry in history:
        first_ms = entry.at_ms if first_ms is None else first_ms
        lines.append(f"  {_span(entry.at_ms - first_ms):>12}  {_event(entry.event)}")
    return "\n".join(lines)


def _event(event: Mapping[str, Any]) -> str:
    details = (f"{name}={_value(value)}" for name, value in event.items() if name not in _UNTOLD)
    return " ".join(filter(None, (f"{event['type']:<16}", event.get("step"), *details))).rstrip()


def _value(value: Any) -> str:
    if isinstance(value, Mapping) and "code" in value:
        message = f": {value['message']}" if value.get("message") not in (None, "", value["code"]) else ""
        return f"{value['code']}{message}"
    return value if isinstance(value, str) else json.dumps(value)


def _span(ms: int) -> str:
    return str(timedelta(milliseconds=ms)).removesuffix("000")
