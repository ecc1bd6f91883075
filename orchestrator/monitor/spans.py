"""The spans of a run, out of its history: its own, and those of its waits and of the steps that run other workflows.

Attempts have theirs from the workers that make them. Ids follow from the run, so that told twice they are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.engine import fields
from orchestrator.engine.state import OVER, SETTLED
from orchestrator.store.port import HistoryEntry
from orchestrator.telemetry import child_span_id, run_span_id

ENDS: Final = frozenset(f"run_{status.value}" for status in OVER)
_BEGINS: Final = frozenset({"run_started", "run_retried", "compensation_started"})
"""A life of a run begins with the first of these."""
_WAITS: Final = frozenset({"step_waiting", "child_started", "child_undoing"})
_GOES_ON: Final = frozenset({"step_started", "attempt_failed", *(f"step_{state.value}" for state in SETTLED)})
"""What ends a step's wait; whatever else is told of it, it waits as before."""
MOST: Final = 1_000
"""So many waits of one life have spans."""


@dataclass(slots=True)
class Span:
    """A span, before it is anybody's format. Moments are ms."""

    name: str
    span_id: int
    parent_id: int | None
    began_ms: int
    ended_ms: int
    attributes: Mapping[str, str | int | bool]
    error: str | None = None


@dataclass(slots=True)
class Life:
    """What of one incarnation of a run its history has told: from its start, or the end of the one before."""

    number: int = 1
    began_ms: int | None = None
    waits: list[Span] = field(default_factory=list)
    error: str | None = None
    """The code of what stopped it."""
    open: dict[str, tuple[int, Mapping[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """What of a run its spans take besides its history."""

    namespace: str
    run_id: str
    values: Mapping[str, str | None]


READS: Final = (
    fields.WORKFLOW,
    fields.VERSION,
    fields.TRACE,
    fields.PARENT,
    fields.PARENT_STEP,
    fields.STARTED_BY,
)


def spans_until(end_id: str, told: Told, history: Iterable[HistoryEntry], above: int | None) -> Iterator[Span]:
    """The spans of the life that this event has ended, the run's own last; none if the history does not have it.

    `above`: the span of whoever started the run, if there is one.
    """
    life = Life()
    for entry in history:
        kind = str(entry.event["type"])
        if life.began_ms is None and kind in _BEGINS:
            life.began_ms = entry.at_ms
        _note(life, told, entry)
        if kind not in ENDS:
            continue
        if entry.id == end_id:
            yield from life.waits
            yield _own(life, told, entry, above)
            return
        life = Life(life.number + 1)


def _note(life: Life, told: Told, entry: HistoryEntry) -> None:
    kind, step = str(entry.event["type"]), entry.event.get("step")
    if kind == "run_stopping":
        life.error = _code(entry.event)
    if kind in ENDS:
        for left in list(life.open):
            _close(life, told, left, entry)
    if not isinstance(step, str):
        return
    if kind in _GOES_ON or kind in _WAITS:
        _close(life, told, step, entry)
    if kind in _WAITS:
        life.open[step] = entry.at_ms, entry.event


def _close(life: Life, told: Told, step: str, entry: HistoryEntry) -> None:
    """A step waits no more."""
    began_ms, event = life.open.pop(step, (None, {}))
    if began_ms is None or len(life.waits) >= MOST:
        return
    parent = run_span_id(told.namespace, told.run_id, life.number)
    child = event.get("child_run")
    span_id = child_span_id(told.namespace, str(child)) if event["type"] == "child_started" else None
    if span_id is None:
        span_id = run_span_id(told.namespace, f"{told.run_id}\0{step}\0{began_ms}", life.number)
    name = f"workflow {step}" if child else f"wait {step}"
    known = {"orchestrator.run_id": told.run_id, "orchestrator.step": step, "orchestrator.waits_for": _what(event)}
    if child:
        known["orchestrator.child_run"] = str(child)
    life.waits.append(Span(name, span_id, parent, began_ms, entry.at_ms, known, _code(entry.event)))


def _code(event: Mapping[str, Any]) -> str | None:
    error = event.get("error")
    return str(error.get("code", "")) if isinstance(error, Mapping) else None


def _what(event: Mapping[str, Any]) -> str:
    if event["type"] != "step_waiting":
        return "child"
    if event.get("event"):
        return "event"
    if event.get("signals"):
        return "signal"
    return "timer" if "for_ms" in event else "approval"


def _own(life: Life, told: Told, end: HistoryEntry, above: int | None) -> Span:
    values = told.values
    workflow, status = values[fields.WORKFLOW] or "", str(end.event["type"]).removeprefix("run_")
    attributes: dict[str, str | int | bool] = {
        "orchestrator.run_id": told.run_id,
        "orchestrator.incarnation": life.number,
        "orchestrator.workflow": workflow,
        "orchestrator.version": values[fields.VERSION] or "",
        "orchestrator.status": status,
        "orchestrator.compensation": str(end.event.get("compensation") or "none"),
    }
    if values[fields.PARENT]:
        attributes["orchestrator.parent_run"] = str(values[fields.PARENT])
    return Span(
        name=f"run {workflow}",
        span_id=run_span_id(told.namespace, told.run_id, life.number),
        parent_id=above,
        began_ms=end.at_ms if life.began_ms is None else life.began_ms,
        ended_ms=end.at_ms,
        attributes=attributes,
        error=None if status == "completed" else life.error or status,
    )
