"""The parts of a run's page that only show something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from markupsafe import Markup

from orchestrator.client.reasons import Why
from orchestrator.client.redaction import MASK
from orchestrator.client.shown import RunDescription, SlaDescription
from orchestrator.client.telling import Told, narrated
from orchestrator.dashboard.look.json_view import json_view
from orchestrator.dashboard.look.markup import Child, joined, tag
from orchestrator.dashboard.look.parts import key_values
from orchestrator.dashboard.look.status import badge, tone
from orchestrator.dashboard.look.table import Column, static_table
from orchestrator.dashboard.look.times import in_words, lasted, moment
from orchestrator.dashboard.pages.run_filters import Filters
from orchestrator.dashboard.paths import run_path, start_path, workflow_path
from orchestrator.engine.state import OVER
from orchestrator.store.port import HistoryEntry

NEWEST: Final = 100
"""Events in the table; the timeline has them all."""
SHORT: Final = 30
"""A longer history is folded up."""
LONGEST_WORD: Final = 40
"""What is longer is folded away."""
_TONES: Final[Mapping[str, str]] = {"": "plain", "note": "note", "held": "held", "bad": "bad", "quiet": "quiet"}
"""Of what is no state."""


def badges(run: RunDescription) -> Markup:
    """Status, undo, attention, archive."""
    shown = [
        badge(run.status),
        None if run.compensation == "none" else badge("undone", f"undo {run.compensation}"),
        badge("warning", f"attention: {run.attention}") if run.attention else None,
        badge("archived", title="It can be read, not acted on.") if run.archived else None,
    ]
    return joined(shown, " ")


def facts(run: RunDescription) -> Markup:
    """What is known of the run as a whole."""
    over = run.status in OVER
    same = Filters(workflow=run.workflow, version=run.version).address
    ways = [
        tag("a", f"{run.workflow} {run.version}", href=workflow_path(run.workflow, run.version)),
        tag("a", "its other runs", href=same, class_="under"),
        tag("a", "start one like it", href=start_path(run.workflow, run.version, like=run.run_id), class_="under"),
    ]
    return key_values(
        {
            "Workflow": joined(ways),
            "Started": moment(run.created_at),
            "Ended": moment(run.ended_at) if run.ended_at else None,
            "Paused": moment(run.paused_at) if run.paused_at else None,
            "Duration": lasted(run.duration_ms, since=None if over else run.created_at),
            "SLA": sla_badge(run.sla) if run.sla else None,
            "Started by": run.started_by or None,
            "Incarnation": str(run.incarnation) if run.incarnation > 1 else None,
            "Parent": tag("a", run.parent, href=run_path(run.parent), class_="mono") if run.parent else None,
            "Step of the parent": tag("span", run.parent_step, class_="mono") if run.parent_step else None,
        }
    )


def sla_badge(sla: SlaDescription) -> Markup:
    """How it does by its SLA, and until when it has time, or had."""
    word = f"{sla.state}, {len(sla.escalations)} escalated" if sla.escalations else sla.state
    return joined([badge(sla.state, word), " due ", moment(sla.due_at)])


def why_box(why: Why) -> Markup:
    """Why it does not move, and when it is looked at next."""
    hints = [tag("p", _advice(hint), class_="hint") for hint in (why.advice, *why.hints) if hint]
    look = why.next_look_at and tag("p", "Looked at next: ", moment(why.next_look_at), class_="hint")
    return tag("div", tag("h2", "What it waits for"), tag("p", why.sentence), *hints, look or None, class_="panel why")


def _advice(text: str) -> Markup:
    return tag("code", text) if text.startswith("orchestrator ") else joined([text])


def error_box(error: Mapping[str, Any]) -> Markup:
    """An error with its code, where it arose, and whatever belongs to it."""
    place = error.get("address") or error.get("step")
    details = dict(error.get("details") or {})
    trace = details.pop("traceback", None)
    known = ("code", "message", "step", "address", "details")
    rest = {name: value for name, value in (*error.items(), *details.items()) if name not in known}
    said = error.get("message") if error.get("message") != error.get("code") else ""
    return tag(
        "div",
        tag(
            "p",
            tag("code", error.get("code")),
            place and joined([" at ", tag("b", place, class_="mono")]),
            said and f": {said}",
        ),
        tag("pre", trace, tabindex=0) if trace else None,
        tag("details", tag("summary", "Details"), tag("div", json_view(rest), class_="json")) if rest else None,
        class_="error-box",
    )


def history_table(entries: Sequence[HistoryEntry], *, more: bool) -> Markup:
    """The newest events in words, newest first; what happens to many items is soon only counted."""
    told = [*narrated(entries)]
    shown = told[: -NEWEST - 1 : -1]
    columns = (Column("At", "number"), Column("After", "number wide"), Column("What happened"), Column("Details"))
    rows = [_event(entry, words) for entry, words in shown]
    said = []
    if more:
        said.append(f"The first {len(entries):,} events of a longer history.")
    if len(told) > len(shown):
        said.append(f"The newest {len(shown)} of {len(told):,} lines are listed.")
    hint = tag("p", " ".join(said), class_="hint") if said else None
    count = tag("span", f"{len(entries):,} events", class_="count")
    summary = tag("summary", tag("h2", "History"), count)
    table = tag("div", static_table("History", columns, rows), class_="history")
    return tag("details", summary, hint, table, id="history", open=len(entries) <= SHORT, class_="fold")


def _event(entry: HistoryEntry, told: Told) -> Sequence[Child]:
    event = entry.event
    rest = {name: value for name, value in event.items() if name not in ("type", "step", "ready_at")}
    if isinstance(ready_ms := event.get("ready_at"), int):
        rest["queued"] = in_words(max(0, entry.at_ms - ready_ms))
    words = tag("span", told.words, class_=f"told {_TONES.get(told.tone) or tone(told.tone)}", title=event["type"])
    return (
        moment(_rfc3339(entry.at_ms)),
        tag("span", f"+{in_words(told.after_ms)}", title=f"{told.after_ms:,} ms after the run began"),
        joined([words, told.aside and tag("span", f", {told.aside}", class_="hint")]),
        _details(rest),
    )


def _details(rest: Mapping[str, Any]) -> Child:
    """What else an event holds: short values as they are, others folded away."""
    short = {name: value for name, value in rest.items() if _is_short(value)}
    folded = {name: value for name, value in rest.items() if name not in short}
    said = ", ".join(_short(name, value) for name, value in short.items())
    if not folded:
        return tag("span", said, class_="hint")
    named = ", ".join(name.replace("_", " ") for name in folded)
    shown = tag("div", json_view(folded, unfolded=1), class_="json")
    return joined([said and tag("div", said, class_="hint"), tag("details", tag("summary", named), shown)])


def _is_short(value: Any) -> bool:
    if isinstance(value, str):
        return value != MASK and len(value) <= LONGEST_WORD
    return isinstance(value, int | float)


def _short(name: str, value: Any) -> str:
    """`attempt 2`, `took 98 ms`."""
    if name.endswith("_ms") and not isinstance(value, str):
        return f"{name.removesuffix('_ms').replace('_', ' ')} {in_words(value)}"
    return f"{name.replace('_', ' ')} {str(value).lower() if isinstance(value, bool) else value}"


def _rfc3339(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
