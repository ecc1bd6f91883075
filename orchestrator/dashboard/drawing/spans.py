"""What took its time in a run, from its history: attempts, waits and undos, by step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.engine.address import is_drain, is_lane, is_undo
from orchestrator.plan.graph import REST, SINK
from orchestrator.store.port import HistoryEntry

_ENDS: Final[Mapping[str, str]] = {
    "step_completed": "completed",
    "step_failed": "failed",
    "step_lost": "lost",
    "step_cancelled": "cancelled",
    "step_skipped": "skipped",
    "step_skipped_by_hand": "skipped",
    "attempt_failed": "failed",
    "attempt_lost": "lost",
}
"""What ends an attempt, or a wait, and how."""
_AGAIN: Final = frozenset({"attempt_failed", "attempt_lost", "step_limited"})
"""After these the step waits to be taken up again."""
_WAITS: Final = frozenset({"step_waiting", "child_started", "flows_started"})


@dataclass(frozen=True, slots=True)
class Span:
    """One stretch of a step's time; moments in ms, no end: it goes on."""

    kind: str
    """`attempt`, `queue` (ready, not taken up), `wait`, `undo`; `inside`: branches, items or a child are at work."""
    outcome: str
    """`running` or `waiting` while it goes on."""
    start_ms: int
    end_ms: int | None
    attempt: int = 1
    why: str = ""


@dataclass(slots=True)
class _Open:
    kind: str
    start_ms: int
    attempt: int


def spans_of(entries: Iterable[HistoryEntry]) -> dict[str, list[Span]]:
    """Address → its spans, in the order in which the steps began."""
    found: dict[str, list[Span]] = {}
    opened: dict[str, _Open] = {}
    for entry in entries:
        event = entry.event
        step, kind = str(event.get("step", "")), str(event["type"])
        if kind == "run_retried":
            _stop_all(opened, found, entry.at_ms)
        if not step or _is_own(step):
            continue
        spans = found.setdefault(step, [])
        if kind in _ENDS:
            _close(opened, spans, step, entry.at_ms, _ENDS[kind], event)
        if kind == "step_started":
            _close(opened, spans, step, entry.at_ms, "completed", event)
            what, ready_ms = "undo" if is_undo(step) else "attempt", event.get("ready_at")
            if isinstance(ready_ms, int) and ready_ms < entry.at_ms and (not spans or spans[-1].kind != "wait"):
                spans.append(Span("queue", "completed", ready_ms, entry.at_ms))
            opened[step] = _Open(what, entry.at_ms, int(event.get("attempt", 1)))
        elif kind in _AGAIN or kind in _WAITS:
            before = opened.get(step)
            if kind not in _AGAIN:
                _close(opened, spans, step, entry.at_ms, "completed", event)
            what = "inside" if kind in ("child_started", "flows_started") else "wait"
            opened[step] = _Open(what, entry.at_ms, before.attempt if before else int(event.get("attempt", 1)))
    for step, one in opened.items():
        outcome = "running" if one.kind in ("attempt", "undo") else "waiting"
        found[step].append(Span(one.kind, outcome, one.start_ms, None, one.attempt))
    return {step: spans for step, spans in found.items() if spans}


def _close(
    opened: dict[str, _Open], spans: list[Span], step: str, at_ms: int, outcome: str, event: Mapping[str, Any]
) -> None:
    one = opened.pop(step, None)
    if one is None:
        return
    error = event.get("error")
    why = f"{error['code']}: {error['message']}" if isinstance(error, Mapping) else ""
    spans.append(Span(one.kind, outcome, one.start_ms, at_ms, one.attempt, why))


def _stop_all(opened: dict[str, _Open], found: dict[str, list[Span]], at_ms: int) -> None:
    for step, one in opened.items():
        found[step].append(Span(one.kind, "cancelled", one.start_ms, at_ms, one.attempt))
    opened.clear()


def _is_own(step: str) -> bool:
    """Whether it is the engine's own, or a branch or item as a whole."""
    return is_lane(step) or is_drain(step) or step.endswith("]") or step.rpartition("/")[2] in (SINK, REST)
