"""The first page: what needs a person, how runs did in a span of time, and what is under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup
from nicegui import ui

from orchestrator.client.callers import Caller
from orchestrator.client.measures import OverallStats
from orchestrator.client.shown_fleet import Queues
from orchestrator.dashboard.look.markup import NOTHING, joined, tag
from orchestrator.dashboard.look.parts import heading, html
from orchestrator.dashboard.pages.needs import Need, needs_list, no_workflows, read_needs
from orchestrator.dashboard.pages.overview_figures import figures, live_runs, queues_table, workflows_table
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.pages.spans import SPANS, span_chips, span_of
from orchestrator.dashboard.paths import to
from orchestrator.dashboard.visit import Visit

PATH: Final = "/overview"
OFTEN_S: Final = 5.0
"""How often it looks for what is under way and what needs a person."""
SELDOM: Final[Mapping[str, int]] = {"24h": 3, "7d": 12, "30d": 60}
"""Span → every how many of these looks its figures are summed up again."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one look found."""

    needs: list[Need]
    queues: Queues
    stats: OverallStats
    published: bool


async def show(visit: Visit) -> None:
    """The page."""
    page = _Overview(visit, span_of(visit.query))
    page.build(await visit.ask(page.read, visit.first))
    visit.every(OFTEN_S, page.refresh)


class _Overview:
    """The overview as it stands in one browser."""

    def __init__(self, visit: Visit, span: str) -> None:
        self.visit = visit
        self.span = span
        self.looks = 0
        self.stats: OverallStats | None = None

    def read(self, caller: Caller) -> Found:
        """All of it, of what the caller may see; figures of long spans are summed up more seldom."""
        if self.stats is None or self.looks % SELDOM[self.span] == 0:
            self.stats = caller.client.overall_seen(caller.workflows, self.span)
        self.looks += 1
        needs = read_needs(caller, self.visit.pages)
        published = bool(caller.client.registry.workflows())
        return Found(needs, caller.client.fleet.queues(), self.stats, published)

    def build(self, found: Found) -> None:
        """Put everything there."""
        chips = span_chips(self.span, {one: to(PATH, {"span": one}) for one in SPANS})
        html(heading("Overview"))
        self.first = html(NOTHING)
        with ui.element("section").classes("part").props("aria-labelledby=needs"):
            html(tag("h2", "What needs a person", id="needs"))
            self.needs = html(NOTHING)
        with ui.element("section").classes("part").props("aria-labelledby=did"):
            html(joined([tag("h2", "How runs did", id="did"), chips]), class_="heading")
            self.figures = html(NOTHING, class_="tiles")
        with ui.element("div").classes("columns even"):
            with ui.element("section").classes("part").props("aria-labelledby=live"):
                html(tag("h2", "Under way", id="live"))
                self.live = html(NOTHING)
            with ui.element("section").classes("part").props("aria-labelledby=queues"):
                html(tag("h2", "Queues", id="queues"))
                self.queues = html(NOTHING)
        with ui.element("section").classes("part").props("aria-labelledby=workflows"):
            html(tag("h2", "By workflow", id="workflows"))
            self.workflows = html(NOTHING)
        self._put(found)

    async def refresh(self, caller: Caller) -> None:
        """Look again."""
        self._put(await self.visit.ask(self.read, caller))

    def _put(self, found: Found) -> None:
        pages = self.visit.pages
        _set(self.first, NOTHING if found.published else no_workflows())
        _set(self.needs, needs_list(found.needs))
        _set(self.figures, figures(found.stats))
        _set(self.live, live_runs(found.stats.live))
        _set(self.queues, queues_table(found.queues, pages))
        _set(self.workflows, workflows_table(found.stats, pages, self.span))


def _set(where: ui.html, content: Markup) -> None:
    """Change what stands there, unless it is the same: whoever points at it does not lose it."""
    if where.content != content:
        where.set_content(content)


PAGE = Page(PATH, "Overview", show, keys="g o")
