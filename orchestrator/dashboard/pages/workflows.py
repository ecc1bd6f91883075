"""The list of workflows: what new runs of each take, how many live, how they do, and when the next one is due."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup
from nicegui import ui

from orchestrator.client.access import may_see
from orchestrator.client.callers import Caller
from orchestrator.client.measures import Measures
from orchestrator.client.shown import VersionStatus
from orchestrator.dashboard.look.empty import empty_state
from orchestrator.dashboard.look.markup import NOTHING, Child, joined, tag
from orchestrator.dashboard.look.parts import field, heading, html, show_if
from orchestrator.dashboard.look.status import badge
from orchestrator.dashboard.look.table import Column, Table
from orchestrator.dashboard.look.times import in_words, moment
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.pages.run_filters import Filters
from orchestrator.dashboard.pages.spans import DAY, percent
from orchestrator.dashboard.paths import WORKFLOWS, to, workflow_path
from orchestrator.dashboard.visit import Visit

ROWS: Final = 25
AT_ONCE: Final = 5
"""Rows that are read beside each other: each takes several round trips."""
COLUMNS: Final = (
    Column("Workflow", "main"),
    Column("New runs take", "wide"),
    Column("Live runs", "number"),
    Column("Runs in 24 h", "number wide"),
    Column("Success", "number"),
    Column("p95", "number wide"),
    Column("Next schedule", "number wide"),
)
WELL: Final = 0.95
"""A lower share of runs that completed is marked."""
_NONE: Final = tag("span", "–", class_="none")
_ZERO: Final = tag("span", "0", class_="none")
PAUSE_S: Final = 5.0
"""Between two looks at the figures, however much happens."""


@dataclass(frozen=True, slots=True)
class Row:
    """A workflow as the list shows it."""

    key: str
    versions: Sequence[VersionStatus]
    description: str
    figures: Measures
    next_slot: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """One page of the list."""

    rows: Sequence[Row]
    matching: int
    there_are: int
    before: str | None
    """What the page before begins behind; None on the first page."""
    after: str | None


async def show(visit: Visit) -> None:
    """The page."""
    listed, news = _List(visit), await visit.news()
    await listed.build()
    visit.follow(listed.refresh, news)


class _List:
    """The list as it stands in one browser."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.text = visit.query.get("text", "").strip()
        self.after = visit.query.get("after", "")

    async def build(self) -> None:
        """Read the page and put it there."""
        found = await self.visit.ask(self._read, self.visit.first)
        html(heading("Workflows"))
        html(_form(self.text))
        self.empty = html(NOTHING)
        self.box = ui.element("div")
        with self.box:
            self.table = Table("Workflows", COLUMNS)
        self.pages = html(NOTHING)
        self._put(found)

    async def refresh(self, caller: Caller) -> None:
        """Read the same page again."""
        self._put(await self.visit.ask(self._read, caller))
        await asyncio.sleep(PAUSE_S)

    def _read(self, caller: Caller) -> Found:
        client = caller.client
        visible = [key for key in client.registry.workflows() if may_see(caller.workflows, key)]
        matching = [key for key in visible if self.text.lower() in key.lower()]
        behind = [key for key in matching if key > self.after]
        shown, first = behind[:ROWS], len(matching) - len(behind)
        slots, figures = _next_slots(caller, shown), client.measures_of(shown, DAY)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            rows = list(pool.map(lambda key: _row(caller, key, figures[key], slots.get(key)), shown))
        return Found(
            rows,
            len(matching),
            len(visible),
            None if not first else ("" if first <= ROWS else matching[first - ROWS - 1]),
            shown[-1] if len(behind) > ROWS else None,
        )

    def _put(self, found: Found) -> None:
        self.table.show({row.key: _cells(row) for row in found.rows})
        show_if(self.box, found.rows)
        self.empty.set_content(NOTHING if found.rows else _nothing(found))
        self.pages.set_content(self._pages(found))

    def _pages(self, found: Found) -> Markup:
        links = []
        if found.before is not None:
            links.append(tag("a", "Page before", href=self._address(found.before), class_="button", rel="prev"))
        if found.after is not None:
            links.append(tag("a", "Next page", href=self._address(found.after), class_="button", rel="next"))
        counted = f"{found.matching} workflow{'' if found.matching == 1 else 's'}"
        return tag("div", *links, tag("span", counted, class_="hint"), class_="bar") if found.rows else NOTHING

    def _address(self, after: str) -> str:
        return to(WORKFLOWS, {"text": self.text, "after": after})


def _next_slots(caller: Caller, keys: Sequence[str]) -> Mapping[str, str]:
    """When each has its next slot."""
    found: dict[str, str] = {}
    for one in caller.client.schedules.list():
        if one.workflow in keys and one.state == "active" and one.next:
            found[one.workflow] = min(one.next[0], found.get(one.workflow, one.next[0]))
    return found


def _row(caller: Caller, key: str, figures: Measures, next_slot: str | None) -> Row:
    client = caller.client
    versions = client.versions(key)
    definition = client.registry.get(key, leading(versions).version)
    return Row(key, versions, described(definition.canonical), figures, next_slot)


def _cells(row: Row) -> Sequence[Child]:
    live = sum(one.live_runs for one in row.versions)
    name = tag("a", row.key, href=workflow_path(row.key))
    under = tag("span", row.description, class_="under") if row.description else None
    runs = Filters(workflow=row.key, since="24h").address
    return (
        joined([name, under]),
        _taken(row.versions),
        tag("a", f"{live:,}", href=Filters(workflow=row.key).address) if live else _ZERO,
        tag("a", f"{row.figures.started:,}", href=runs) if row.figures.started else _ZERO,
        success(row.figures),
        in_words(row.figures.duration.p95_ms) if row.figures.duration else _NONE,
        moment(row.next_slot) if row.next_slot else _NONE,
    )


def success(figures: Measures) -> Child:
    """The share of runs that completed; a low one is marked, with a sign."""
    shown = percent(figures.success_rate)
    if figures.success_rate is None or figures.success_rate >= WELL:
        return shown
    return tag("span", shown, class_="low", title=f"{figures.failed:,} failed, {figures.completed:,} completed")


def leading(versions: Sequence[VersionStatus]) -> VersionStatus:
    """The version that most new runs take; if none does, the highest."""
    return max(versions, key=lambda one: one.takes_percent) if _takes(versions) else versions[0]


def _takes(versions: Sequence[VersionStatus]) -> bool:
    return any(one.takes_percent for one in versions)


def _taken(versions: Sequence[VersionStatus]) -> Markup:
    """The versions that new runs take, with their shares if there are several; and the newest, if it is another."""
    taking = [one for one in versions if one.takes_percent]
    newest = versions[0]
    if not taking:
        return joined([f"{newest.version} ", badge(stability_of(newest)), tag("span", "by name only", class_="under")])
    shown = [
        joined([one.version, tag("span", f" {one.takes_percent:.3g} %", class_="hint") if len(taking) > 1 else None])
        for one in sorted(taking, key=lambda one: -one.takes_percent)
    ]
    other = None
    if newest not in taking:
        other = tag("span", f"newest: {newest.version} ({stability_of(newest).replace('_', ' ')})", class_="under")
    return joined([joined(shown, ", "), " ", badge(stability_of(taking[0])), other])


def stability_of(version: VersionStatus) -> str:
    """As the definition says, or a mark on it."""
    return "deprecated" if version.deprecated_at else version.stability


def described(canonical: str) -> str:
    """The description in a definition."""
    return str(json.loads(canonical)["meta"].get("description", ""))


def _form(text: str) -> Markup:
    search = tag(
        "input",
        id="text",
        name="text",
        type="search",
        value=text,
        placeholder="Part of a key",
        data_search=True,
        autocomplete="off",
        spellcheck="false",
    )
    buttons = tag(
        "div",
        tag("button", "Search", type="submit"),
        tag("a", "Clear", href=to(WORKFLOWS), class_="button plain") if text else None,
        class_="actions",
    )
    inner = (field("Search", search, name="text"), buttons)
    return joined(
        [tag("form", *inner, method="get", action=to(WORKFLOWS), class_="filters", data_filters=True, role="search")]
    )


def _nothing(found: Found) -> Markup:
    if found.there_are:
        return empty_state("No workflow matches.", "Show all workflows", to(WORKFLOWS))
    return empty_state(
        "No workflow is published yet.",
        hint="Publish one; workers need not know it beforehand.",
        command="orchestrator publish specs/",
    )


PAGE = Page(WORKFLOWS, "Workflows", show, keys="g w")
