"""The schedules of all workflows: when they fire next, what became of their last slots, and which are held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from markupsafe import Markup
from nicegui import ui

from orchestrator.client.access import may_see
from orchestrator.client.callers import Caller
from orchestrator.client.shown import ScheduleDescription
from orchestrator.dashboard.look.empty import empty_state
from orchestrator.dashboard.look.markup import NOTHING, Child, joined, tag
from orchestrator.dashboard.look.paging import page_links
from orchestrator.dashboard.look.parts import choice_field, heading, html, show_if
from orchestrator.dashboard.look.search import chips, choices, filter_form, search_box
from orchestrator.dashboard.look.status import badge, sign_in, tone
from orchestrator.dashboard.look.table import Column, Table
from orchestrator.dashboard.look.times import moment
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.paths import run_path, schedule_path, to, workflow_path
from orchestrator.dashboard.visit import Visit
from orchestrator.spec.durations import format_duration

PATH: Final = "/schedules"
ROWS: Final = 25
LOOK_S: Final = 5.0
STATES: Final = ("", "active", "paused", "retired")
COLUMNS: Final = (
    Column("Schedule", "main"),
    Column("State"),
    Column("When", "wide"),
    Column("Next", "number"),
    Column("Last slots", "wide"),
    Column("Started", "number wide"),
    Column("Skipped", "number wide"),
    Column("Missed", "number wide"),
    Column("Failed", "number wide"),
)
_LAST: Final = 10
_SIGN: Final = 15


@dataclass(frozen=True, slots=True)
class _Filters:
    """What stands in the address; `page` counts from 1."""

    text: str = ""
    workflow: str = ""
    state: str = ""
    page: str = ""

    @property
    def number(self) -> int:
        return int(self.page) if self.page.isdecimal() and self.page != "0" else 1

    def address(self, **changes: str) -> str:
        """With some of them changed."""
        found = replace(self, **({"page": ""} | changes))
        return to(PATH, {one.name: getattr(found, one.name) for one in fields(found)})

    def take(self, one: ScheduleDescription) -> bool:
        """Whether a schedule is asked for."""
        there = self.text.lower() in f"{one.workflow} {one.name}".lower()
        return there and self.workflow in ("", one.workflow) and self.state in ("", one.state)


@dataclass(frozen=True, slots=True)
class _Found:
    """A page of the list."""

    rows: Sequence[ScheduleDescription]
    matching: int
    workflows: Sequence[str]
    """Those that have schedules."""


async def show(visit: Visit) -> None:
    """The page."""
    listed = _List(visit)
    await listed.build()
    visit.every(LOOK_S, listed.refresh)


class _List:
    """The list as it stands in one browser."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        known = {one.name for one in fields(_Filters)}
        self.filters = _Filters(**{name: value.strip() for name, value in visit.query.items() if name in known})

    async def build(self) -> None:
        """Read the page and put it there."""
        found = await self.visit.ask(self._read, self.visit.first)
        html(heading("Schedules"))
        html(_form(self.filters, found.workflows))
        html(_chips(self.filters))
        self.empty = html(NOTHING)
        self.box = ui.element("div")
        with self.box:
            self.table = Table("Schedules", COLUMNS)
        self.pages = html(NOTHING)
        self._put(found)

    async def refresh(self, caller: Caller) -> None:
        """Read the same page again."""
        self._put(await self.visit.ask(self._read, caller))

    def _read(self, caller: Caller) -> _Found:
        visible = [one for one in caller.client.schedules.list() if may_see(caller.workflows, one.workflow)]
        matching = [one for one in visible if self.filters.take(one)]
        first = (self.filters.number - 1) * ROWS
        return _Found(matching[first : first + ROWS], len(matching), [*dict.fromkeys(one.workflow for one in visible)])

    def _put(self, found: _Found) -> None:
        self.table.show({f"{one.workflow} {one.name}": cells(one) for one in found.rows})
        shown = bool(found.rows)
        show_if(self.box, shown)
        self.empty.set_content(NOTHING if shown else _nothing(found))
        self.pages.set_content(self._pages(found))

    def _pages(self, found: _Found) -> Markup:
        number = self.filters.number
        return page_links(found.matching, number, ROWS, "schedule", lambda page: self.filters.address(page=page))


def cells(one: ScheduleDescription) -> Sequence[Child]:
    """A schedule as a row."""
    name = tag("a", one.name, href=schedule_path(one.workflow, one.name))
    workflow = tag("a", one.workflow, href=workflow_path(one.workflow))
    held = None if one.paused is None else tag("span", _why_held(one.paused), class_="under")
    return (
        joined([name, tag("span", workflow, class_="under")]),
        joined([badge(one.state), held]),
        when(one.definition),
        moment(one.next[0] if one.next else None),
        last_slots(one.recent),
        counted(one, "started"),
        counted(one, "skipped"),
        counted(one, "missed"),
        counted(one, "failed"),
    )


def _why_held(paused: Mapping[str, str]) -> str:
    return paused.get("reason") or "no reason given"


def when(definition: Mapping[str, Any]) -> Child:
    """When it fires, as its author wrote it."""
    if "every" in definition:
        return f"every {format_duration(definition['every'])}"
    if "at" in definition:
        return joined(["once, ", moment(str(definition["at"]))])
    zone = tag("span", f" {definition.get('zone', 'UTC')}", class_="hint")
    return joined([tag("code", str(definition["cron"])), zone])


def counted(one: ScheduleDescription, result: str) -> Child:
    """How many slots came to this."""
    number = one.counts.get(result, 0)
    return f"{number:,}" if number else tag("span", "–", class_="none")


def last_slots(recent: Sequence[Mapping[str, Any]]) -> Markup:
    """What became of the last slots as a row of signs, the newest last; each leads to its run."""
    if not recent:
        return tag("span", "none yet", class_="none")
    return tag("span", *(_one_slot(one) for one in [*recent[:_LAST]][::-1]), class_="slots")


def _one_slot(one: Mapping[str, Any]) -> Markup:
    result = str(one["result"])
    said = f"{result} {one['slot']}"
    drawn = sign_in(result, _SIGN)
    if one["run_id"] and result in ("started", "existed"):
        return tag("a", drawn, href=run_path(one["run_id"]), class_=tone(result), title=said, aria_label=said)
    return tag("span", drawn, class_=tone(result), title=said, role="img", aria_label=said)


def _form(filters: _Filters, workflows: Sequence[str]) -> Markup:
    inputs = (
        search_box(filters.text, "Part of a schedule's or workflow's name"),
        choice_field("Workflow", "workflow", choices("all", workflows, filters.workflow), filters.workflow),
    )
    clear = to(PATH) if filters != _Filters() else None
    return filter_form(PATH, inputs, kept={"state": filters.state}, clear=clear)


def _chips(filters: _Filters) -> Markup:
    words = {state: state or "all" for state in STATES}
    return chips(words, filters.state, lambda state: filters.address(state=state), "States")


def _nothing(found: _Found) -> Markup:
    if found.workflows:
        return empty_state("No schedule matches.", "Show all schedules", to(PATH), hint="Take a filter off.")
    return empty_state(
        "No workflow has a schedule.",
        "All workflows",
        to("/workflows"),
        hint="A version that new runs take brings its schedules: give it one, and publish it.",
        command='triggers: [{schedule: {name: nightly, cron: "0 2 * * *", zone: Europe/Berlin}}]',
    )


PAGE = Page(PATH, "Schedules", show, keys="g s")
