"""What of all that happens in runs a person should know of, and what ends that again. Pure: event → cause.

The texts hold codes, times and addresses. Messages of errors are left out: they quote what operations were given.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.engine import fields
from orchestrator.engine.address import is_undo, undone_by
from orchestrator.settings import AlertKind, AlertLevel
from orchestrator.spec.durations import format_duration

Event = Mapping[str, Any]
Values = Mapping[str, str | None]
"""Fields of the run that an event is of."""

READ: Final = (fields.WORKFLOW, fields.VERSION, fields.ERROR)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an alert is raised."""

    kind: AlertKind
    level: AlertLevel
    what: str
    """What the title says behind the workflow's name."""
    text: str
    step: str = ""
    apart: str = ""
    """Tells it from others of its kind, level and step."""
    to: str | None = None
    """The one channel that it is for; else the settings say."""


@dataclass(frozen=True, slots=True)
class Cure:
    """What makes alerts of a run pointless: those of a kind, of a step if one is named."""

    kind: AlertKind
    step: str | None = None


def cause_of(event: Event, values: Values) -> Cause | None:
    """The alert that an event raises, if it raises one."""
    teller = _CAUSES.get(event["type"])
    return None if teller is None else teller(event, values)


def may_raise(event: Event) -> bool:
    """Whether it is worth reading the run's fields."""
    return event["type"] in _CAUSES


def cures_of(event: Event) -> tuple[Cure, ...]:
    """What an event resolves of what happened before."""
    kind, step = event["type"], event.get("step")
    if kind in ("run_completed", "run_failed", "run_cancelled"):
        return (Cure("sla"),)
    if kind == "run_retried":
        return Cure("failed"), Cure("sla")
    if step is not None and is_undo(step) and kind in ("undo_waived", "step_completed"):
        return (Cure("compensation_failed", step),)
    return ()


def _warned(event: Event, _: Values) -> Cause:
    text = f"{_whose(event)} takes long: {format_duration(event['after_ms'])} by now"
    return Cause("sla", "warning", f"{_short(event)}takes long", text, event.get("step", ""))


def _breached(event: Event, _: Values) -> Cause | None:
    if event.get("alert") is False:
        return None
    text = f"{_whose(event)} has taken longer than its SLA of {format_duration(event['after_ms'])}"
    return Cause("sla", "error", f"{_short(event)}SLA breached", text, event.get("step", ""))


def _escalated(event: Event, _: Values) -> Cause | None:
    if event.get("alert") is False:
        return None
    level = str(event["level"])
    text = f"{_whose(event)} still goes on, {format_duration(event['after_ms'])} after it began (escalation {level})"
    to = event.get("to")
    what = f"{_short(event)}SLA breached, escalation {level}"
    return Cause("sla", "critical", what, text, event.get("step", ""), level, None if to is None else str(to))


def _failed(event: Event, values: Values) -> Cause:
    error = json.loads(values.get(fields.ERROR) or "{}")
    where = f" at {error['address']}" if error.get("address") else ""
    undone = _UNDONE.get(event.get("compensation", ""), "")
    return Cause("failed", "error", "run failed", f"The run failed{where} with {error.get('code', 'an error')}{undone}")


def _undo_failed(event: Event, _: Values) -> Cause | None:
    step = event.get("step", "")
    if not is_undo(step):
        return None
    code = (event.get("error") or {}).get("code", "an error")
    text = f"The undo of {undone_by(step)} failed with {code}: what it did stands, until it is undone again or waived"
    return Cause("compensation_failed", "critical", "undo failed", text, step)


def _attention(event: Event, _: Values) -> Cause:
    step = event.get("step", "")
    text = f"Something may have happened outside at {step} that nobody undoes ({event.get('reason', '')}); look there"
    return Cause("attention", "critical", "effect unknown", text, step, str(event.get("reason", "")))


def _missed(event: Event, _: Values) -> Cause:
    number = int(event.get("slots", 1))
    text = f"{number} slot{'' if number == 1 else 's'} passed without a run, the last at {event.get('last', '')}"
    return Cause("missed_schedule", "warning", "schedule missed", text)


_CAUSES: Final[Mapping[str, Callable[[Event, Values], Cause | None]]] = {
    "sla_warned": _warned,
    "sla_breached": _breached,
    "sla_escalated": _escalated,
    "run_failed": _failed,
    "step_failed": _undo_failed,
    "step_lost": _undo_failed,
    "attention": _attention,
    "slots_missed": _missed,
}
_UNDONE: Final = {
    "completed": "; what was done is undone",
    "failed": "; not all that was done could be undone",
    "pending": "; what was done waits for an operator to undo it",
}


def _whose(event: Event) -> str:
    return f"Step {event['step']}" if event.get("step") else "The run"


def _short(event: Event) -> str:
    return f"{event['step']}: " if event.get("step") else ""
