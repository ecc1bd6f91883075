"""A run: where it stands and why, its graph and time, what went in and came out, and what can be done about it."""

from __future__ import annotations

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
from orchestrator.dashboard.pages.run_steps import Steps
from orchestrator.dashboard.visit import Visit
from orchestrator.engine.state import OVER
from orchestrator.plan.graph import Plan
from orchestrator.store.port import HistoryEntry

EVENTS: Final = 2_000
"""Of a longer history the page shows the beginning; the rest is asked for."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A run as it was read."""

    run: RunDescription
    plan: Plan
    why: Why | None
    """Of one that is over: None."""
    entries: tuple[HistoryEntry, ...]


async def show(visit: Visit) -> None:
    """The page."""
    run_id = str(visit.request.path_params["run_id"])
    page = _RunPage(visit, run_id)
    page.build(await visit.ask(page.read, visit.first))
    visit.follow(page.refresh, run_id)


class _RunPage:
    """A run's page in one browser."""

    def __init__(self, visit: Visit, run_id: str) -> None:
        self.visit = visit
        self.run_id = run_id
        self.entries: tuple[HistoryEntry, ...] = ()

    def read(self, caller: Caller) -> Seen:
        """Everything that the page shows, as that caller may see it; of the history only what is new."""
        handle = caller.run(self.run_id)
        run = handle.describe()
        why = None if run.status in OVER and run.compensation in ("none", "completed") else handle.why()
        after = self.entries[-1].id if self.entries else "0"
        new = handle.history(after, EVENTS - len(self.entries)) if len(self.entries) < EVENTS else []
        plan = caller.client.catalogue.plan(run.workflow, run.version)
        return Seen(run, plan, why, (*self.entries, *new))

    def build(self, seen: Seen) -> None:
        """Put the page there."""
        self.head = html(NOTHING)
        self.actions = RunActions(self.visit, self.run_id)
        self.facts = html(NOTHING)
        self.why = html(NOTHING)
        self.error = html(NOTHING)
        with ui.element("div").classes("columns"):
            self.graph = html(NOTHING, name="section")
            self.values = html(NOTHING, name="section", class_="stack")
        self.gantt = html(NOTHING, name="section")
        html(tag("h2", "Steps"))
        self.steps = Steps(self.visit, self.run_id, self.actions)
        self.history = html(NOTHING, name="section")
        self.put(seen)

    async def refresh(self, caller: Caller) -> None:
        """Read it again."""
        self.put(await self.visit.ask(self.read, caller))

    def put(self, seen: Seen) -> None:
        """Show what was read; what is as it was stays untouched."""
        run, self.entries = seen.run, seen.entries
        self.head.set_content(heading(tag("span", run.run_id, class_="mono"), badges(run)))
        self.facts.set_content(facts(run))
        self.why.set_content(why_box(seen.why) if seen.why else NOTHING)
        self.error.set_content(error_box(run.error) if run.error else NOTHING)
        self.graph.set_content(_graph(seen))
        self.values.set_content(_values(run))
        self.gantt.set_content(_gantt(seen))
        self.history.set_content(history_table(seen.entries, more=len(seen.entries) >= EVENTS))
        self.actions.put(run)
        self.steps.put(run)


def _graph(seen: Seen) -> Markup:
    drawn = draw_graph(seen.plan, progress_of(seen.run), label=f"Graph of run {seen.run.run_id}")
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


def _gantt(seen: Seen) -> Markup:
    if not seen.entries:
        return NOTHING
    spans = spans_of(seen.entries)
    start = seen.entries[0].at_ms
    over = seen.run.status in OVER
    last = max([seen.entries[-1].at_ms, *_ends(spans)])
    now = last if over else max(last, start + seen.run.duration_ms)
    return joined([tag("h2", "Timeline"), draw_gantt(spans, start, now)])


def _ends(spans: dict[str, Any]) -> list[int]:
    return [one.end_ms for found in spans.values() for one in found if one.end_ms is not None]


PAGE = Page("/runs/{run_id:path}", "Run", show, parent="/runs")
