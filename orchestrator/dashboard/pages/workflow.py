"""A workflow: its versions, the graph of one, what it asks for, and how its steps and versions do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from markupsafe import Markup
from nicegui import ui

from orchestrator.client.access import Role
from orchestrator.client.callers import Caller
from orchestrator.client.shown import VersionStatus
from orchestrator.dashboard.drawing.graph import draw_graph
from orchestrator.dashboard.forms.outline import outline
from orchestrator.dashboard.look.markup import NOTHING, joined, tag
from orchestrator.dashboard.look.parts import heading, html
from orchestrator.dashboard.look.status import badge
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.pages.run_filters import Filters
from orchestrator.dashboard.pages.spans import SPANS, span_chips, span_of
from orchestrator.dashboard.pages.workflow_actions import Versions
from orchestrator.dashboard.pages.workflow_definition import as_written, facts
from orchestrator.dashboard.pages.workflow_figures import hours_chart, side_by_side, steps_table
from orchestrator.dashboard.pages.workflows import leading, stability_of
from orchestrator.dashboard.paths import WORKFLOWS, start_path, to
from orchestrator.dashboard.visit import Visit
from orchestrator.errors import UnknownWorkflow
from orchestrator.plan.graph import Plan
from orchestrator.spec.canonical import from_canonical
from orchestrator.spec.traffic import Traffic
from orchestrator.spec.workflow import WorkflowSpec

PAUSE_S: Final = 5.0
"""Between two looks at the figures, however much happens."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A workflow as it was read, and drawn; `chosen` is the version that the page is about."""

    versions: Sequence[VersionStatus]
    traffic: Traffic | None
    chosen: VersionStatus
    head: Markup
    facts: Markup
    hours: Markup
    steps: Markup
    beside: Markup
    graph: Markup = NOTHING
    asked: Markup = NOTHING
    definition: Markup = NOTHING
    """The last three never change; they are drawn once."""


async def show(visit: Visit) -> None:
    """The page."""
    page, news = _WorkflowPage(visit, str(visit.request.path_params["key"])), await visit.news()
    page.build(await visit.ask(page.read, visit.first, whole=True))
    visit.follow(page.refresh, news)


class _WorkflowPage:
    """A workflow's page in one browser."""

    def __init__(self, visit: Visit, key: str) -> None:
        self.visit = visit
        self.key = key
        self.version = visit.query.get("version", "")
        self.span = span_of(visit.query)

    def read(self, caller: Caller, *, whole: bool = False) -> Seen:
        """What the page shows, drawn where nobody waits for the loop; the whole of it, or what may have changed."""
        caller.check_workflow(self.key)
        client = caller.client
        versions = client.versions(self.key)
        chosen = chosen_version(self.key, versions, self.version)
        definition, plan = client.catalogue.published(self.key, chosen.version)
        spec, figures = from_canonical(definition.canonical), client.metrics(self.key, since=self.span)
        seen = Seen(
            versions,
            client.traffic(self.key),
            chosen,
            _head(self.key, chosen),
            facts(spec, chosen, client.schedules.list(self.key)),
            hours_chart(figures),
            steps_table(plan, figures),
            side_by_side(figures),
        )
        if not whole:
            return seen
        asked = _asked(spec, definition.input_schema)
        return replace(seen, graph=_graph(plan), asked=asked, definition=_definition(spec))

    def build(self, seen: Seen) -> None:
        """Put the page there."""
        self.visit.entitle(self.key)
        self.head = html(NOTHING)
        with ui.element("div").classes("bar").props("role=group aria-label=Actions"):
            html(self._ways())
            self.versions = Versions(self.visit, self.key, self.again)
            self.versions.traffic_button()
        self.facts = html(NOTHING)
        html(tag("h2", "Versions"))
        self.versions.build(seen.chosen.version)
        with ui.element("div").classes("columns"):
            html(seen.graph, name="section")
            html(seen.asked, name="section", class_="stack")
        html(self._chips())
        self.hours = html(NOTHING, name="section")
        self.steps = html(NOTHING, name="section")
        self.beside = html(NOTHING, name="section")
        html(seen.definition, name="section")
        self.put(seen)

    async def again(self) -> None:
        """Read it again, as something was changed here."""
        self.put(await self.visit.ask(self.read, await self.visit.caller()))

    async def refresh(self, caller: Caller) -> None:
        """Read it again, as something happened."""
        self.put(await self.visit.ask(self.read, caller))
        await asyncio.sleep(PAUSE_S)

    def put(self, seen: Seen) -> None:
        """Show what was read; what is as it was stays untouched."""
        self.head.set_content(seen.head)
        self.facts.set_content(seen.facts)
        self.versions.put(seen.versions, seen.traffic)
        self.hours.set_content(seen.hours)
        self.steps.set_content(seen.steps)
        self.beside.set_content(seen.beside)

    def _ways(self) -> Markup:
        if self.visit.allows(Role.STARTER):
            start = tag("a", "Start a run", href=start_path(self.key, self.version), class_="button primary")
        else:
            why = "This needs the role starter."
            start = tag("button", "Start a run", type="button", aria_disabled="true", title=why)
        runs = tag("a", "Its runs", href=Filters(workflow=self.key).address, class_="button")
        return joined([tag("div", start, runs, class_="bar")])

    def _chips(self) -> Markup:
        path = f"{WORKFLOWS}/{self.key}"
        address = {span: f"{to(path, {'version': self.version, 'span': span})}#figures" for span in SPANS}
        return tag("div", tag("h2", "Figures", id="figures"), span_chips(self.span, address), class_="heading")


def chosen_version(key: str, versions: Sequence[VersionStatus], asked: str) -> VersionStatus:
    """The version that is asked for; else the one that most new runs take."""
    if not asked:
        return leading(versions)
    found = [one for one in versions if one.version == asked]
    if not found:
        raise UnknownWorkflow(f"workflow {key!r} has no version {asked!r}", key=key, version=asked)
    return found[0]


def _head(key: str, chosen: VersionStatus) -> Markup:
    version = tag("span", chosen.version, class_="mono")
    return heading(joined([key, " ", version]), badge(stability_of(chosen)))


def _graph(plan: Plan) -> Markup:
    frame = tag("div", draw_graph(plan), class_="picture", role="region", tabindex=0, aria_label="Graph")
    return joined([tag("h2", f"Graph of {plan.version}"), frame])


def _asked(spec: WorkflowSpec, input_schema: Mapping[str, Any] | None) -> Markup:
    return joined(
        [
            outline("Input", input_schema),
            outline("Context", spec.ctx) if spec.ctx else None,
            outline("Output", spec.output_schema) if spec.output_schema else None,
        ]
    )


def _definition(spec: WorkflowSpec) -> Markup:
    text = tag("pre", tag("code", as_written(spec)), tabindex=0, class_="source")
    return tag(
        "details", tag("summary", tag("h2", f"Definition of {spec.meta.version}")), text, id="definition", class_="fold"
    )


PAGE = Page("/workflows/{key}", "Workflow", show, parent=WORKFLOWS)
