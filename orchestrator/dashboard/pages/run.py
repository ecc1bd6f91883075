"""A run: where it stands and why, its graph and time, what went in and came out, and what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup
from nicegui import ui

from orchestrator.client.callers import Caller
from orchestrator.client.reasons import Why
from orchestrator.client.shown import RunDescription
from orchestrator.dashboard.drawing.gantt import draw_gantt
from orchestrator.dashboard.drawing.graph import draw_graph
from orchestrator.dashboard.drawing.progress import progress_of
from orchestrator.dashboard.drawing.spans import spans_of
from orchestrator.dashboard.look.json_view import json_box
from orchestrator.dashboard.look.markup import NOTHING, joined, tag
from orchestrator.dashboard.look.parts import heading, html
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.pages.run_actions import RunActions
from orchestrator.dashboard.pages.run_parts import badges, error_box, facts, history_table, why_box
from orchestrator.dashboard.pages.run_steps import DrawnSteps, Steps
from orchestrator.dashboard.visit import Visit
from orchestrator.engine.state import OVER
from orchestrator.plan.graph import Plan
from orchestrator.store.port import HistoryEntry

EVENTS: Final = 2_000
"""Of a longer history the page shows the beginning; the rest is asked for."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A run as it was read, and as it is shown: made in a thread, as it may take longer than others should wait."""

    run: RunDescription
    entries: tuple[HistoryEntry, ...]
    parts: Mapping[str, Markup]
    steps: DrawnSteps


async def show(visit: Visit) -> None:
    """The page."""
    run_id = str(visit.request.path_params["run_id"])
    page, news = _RunPage(visit, run_id), await visit.news(run_id)
    page.build(await visit.ask(page.read, visit.first))
    visit.follow(page.refresh, news)


class _RunPage:
    """A run's page in one browser."""

    def __init__(self, visit: Visit, run_id: str) -> None:
        self.visit = visit
        self.run_id = run_id
        self.actions = RunActions(visit, run_id)
        self.entries: tuple[HistoryEntry, ...] = ()

    def read(self, caller: Caller) -> Seen:
        """Everything that the page shows, as that caller may see it; of the history only what is new."""
        handle = caller.run(self.run_id)
        run = handle.describe()
        why = None if run.status in OVER and run.compensation in ("none", "completed") else handle.why()
        after = self.entries[-1].id if self.entries else "0"
        new = handle.history(after, EVENTS - len(self.entries)) if len(self.entries) < EVENTS else []
        plan = caller.client.catalogue.plan(run.workflow, run.version)
        entries = (*self.entries, *new)
        return Seen(run, entries, _parts(run, plan, why, entries), DrawnSteps.of(run, self.actions.offer_of(run)))

    def build(self, seen: Seen) -> None:
        """Put the page there."""
        self.shown = {"head": html(NOTHING)}
        self.actions.build()
        self.shown |= {name: html(NOTHING) for name in ("facts", "why", "error")}
        with ui.element("div").classes("columns"):
            self.shown["graph"] = html(NOTHING, name="section")
            self.shown["values"] = html(NOTHING, name="section", class_="stack")
        self.shown["timeline"] = html(NOTHING, name="section")
        html(tag("h2", "Steps"))
        self.steps = Steps(self.actions.act)
        self.shown["history"] = html(NOTHING, name="section")
        self.put(seen)

    async def refresh(self, caller: Caller) -> None:
        """Read it again."""
        self.put(await self.visit.ask(self.read, caller))

    def put(self, seen: Seen) -> None:
        """Show what was read; what is as it was stays untouched."""
        self.entries = seen.entries
        for name, content in seen.parts.items():
            self.shown[name].set_content(content)
        self.actions.put(seen.run)
        self.steps.put(seen.steps)


def _parts(run: RunDescription, plan: Plan, why: Why | None, entries: tuple[HistoryEntry, ...]) -> dict[str, Markup]:
    return {
        "head": heading(tag("span", run.run_id, class_="mono"), badges(run)),
        "facts": facts(run),
        "why": why_box(why) if why else NOTHING,
        "error": error_box(run.error) if run.error else NOTHING,
        "graph": _graph(run, plan),
        "values": _values(run),
        "timeline": _timeline(run, entries),
        "history": history_table(entries, more=len(entries) >= EVENTS),
    }


def _graph(run: RunDescription, plan: Plan) -> Markup:
    drawn = draw_graph(plan, progress_of(run), label=f"Graph of run {run.run_id}")
    frame = tag("div", drawn, class_="picture", role="region", tabindex=0, aria_label="Graph")
    return joined([tag("h2", "Graph"), frame])


def _values(run: RunDescription) -> Markup:
    waits = "It has none yet." if run.status not in OVER else "It ended without one."
    return joined(
        [
            json_box("Input", run.input, nothing="None."),
            json_box("Output", run.output, nothing=waits),
            json_box("Context", run.ctx) if run.ctx else None,
        ]
    )


def _timeline(run: RunDescription, entries: tuple[HistoryEntry, ...]) -> Markup:
    if not entries:
        return NOTHING
    spans, start = spans_of(entries), entries[0].at_ms
    last = max([entries[-1].at_ms, *_ends(spans)])
    now = last if run.status in OVER else max(last, start + run.duration_ms)
    return joined([tag("h2", "Timeline"), draw_gantt(spans, start, now)])


def _ends(spans: dict[str, Any]) -> list[int]:
    return [one.end_ms for found in spans.values() for one in found if one.end_ms is not None]


PAGE = Page("/runs/{run_id:path}", "Run", show, parent="/runs")
