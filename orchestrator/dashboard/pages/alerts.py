"""The list of alerts: what somebody should know of, and seeing to one or many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Literal

from markupsafe import Markup
from nicegui import ui
from nicegui.element import Element

from orchestrator.client.access import Role, may_see
from orchestrator.client.callers import Caller
from orchestrator.client.shown import AlertPage
from orchestrator.dashboard.look.dialog import confirm
from orchestrator.dashboard.look.empty import empty_state
from orchestrator.dashboard.look.markup import NOTHING, tag
from orchestrator.dashboard.look.parts import button, heading, html, show_if
from orchestrator.dashboard.look.table import Column, Table
from orchestrator.dashboard.pages.alert_parts import (
    EVERY,
    Filters,
    alerts_form,
    channels_link,
    note_of,
    pages,
    row,
    state_chips,
)
from orchestrator.dashboard.pages.needs import ALERTS
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.visit import Visit
from orchestrator.errors import OrchestratorError

ROWS: Final = 50
OFTEN_S: Final = 4.0
COLUMNS: Final = (
    Column("Level"),
    Column("What", "main"),
    Column("State"),
    Column("Run", "wide"),
    Column("Times", "number wide"),
    Column("Last", "number"),
    Column("Told", "wide"),
)
COMMENT: Final = ("Comment", "Kept with the alert, and in the audit log.")
WHY_NOT: Final = "This needs the role operator."

Verb = Literal["acknowledge", "resolve"]
WORDS: Final[dict[Verb, tuple[str, str]]] = {
    "acknowledge": ("Acknowledge", "You see to it: it is not told again while it is not resolved."),
    "resolve": ("Resolve", "It is over: what happens again is a new alert."),
}


async def show(visit: Visit) -> None:
    """The page."""
    filters = Filters.read(visit.query)
    html(heading("Alerts", channels_link()))
    html(alerts_form(filters, await visit.ask(_workflows, visit.first)))
    html(state_chips(filters))
    listed = _List(visit, filters)
    await listed.build()
    visit.every(OFTEN_S, listed.refresh)


def change(caller: Caller, verb: Verb, alert_id: str, comment: str) -> None:
    """Acknowledge or resolve an alert that they may see."""
    desk = caller.client.alerts
    desk.get_seen(alert_id, caller.workflows)
    (desk.acknowledge if verb == "acknowledge" else desk.resolve)(alert_id, comment)


class _List:
    """The list as it stands in one browser."""

    def __init__(self, visit: Visit, filters: Filters) -> None:
        self.visit = visit
        self.filters = filters

    async def build(self) -> None:
        """Read the page and put it there."""
        found = await self.visit.ask(self._read, self.visit.first)
        why_not = "" if self.visit.allows(Role.OPERATOR) else WHY_NOT
        with ui.element("div").classes("bar").props("role=group") as self.bar:
            self.bar.props["aria-label"] = "Actions on many alerts"
            self.count = html(NOTHING, name="span", class_="hint")
            self.buttons: list[Element] = [
                button(f"{word} selected", self._asking(verb), why_not=why_not) for verb, (word, _) in WORDS.items()
            ]
        self.empty = html(NOTHING)
        self.box = ui.element("div")
        with self.box:
            self.table = Table("Alerts", COLUMNS, selectable=True, on_select=self._selected)
        self.pages = html(NOTHING)
        self._put(found)

    async def refresh(self, caller: Caller) -> None:
        """Read the same page again."""
        self._put(await self.visit.ask(self._read, caller))

    def _read(self, caller: Caller) -> AlertPage:
        asked = self.filters
        desk, cursor = caller.client.alerts, asked.cursor or None
        return desk.list_seen(asked.wanted, asked.states, workflows=caller.workflows, limit=ROWS, cursor=cursor)

    def _put(self, found: AlertPage) -> None:
        self.table.show({one.id: row(one) for one in found.alerts})
        for part in (self.box, self.bar):
            show_if(part, found.alerts)
        self.empty.set_content(NOTHING if found.alerts else _nothing(self.filters, more=found.cursor is not None))
        self.pages.set_content(pages(self.filters, found.cursor))

    def _selected(self, names: frozenset[str]) -> None:
        said = f"{len(names)} selected" if names else "Select alerts to see to them"
        self.count.set_content(tag("span", said))
        for one in self.buttons:
            show_if(one, names)

    def _asking(self, verb: Verb) -> Callable[[], Awaitable[None]]:
        word, says = WORDS[verb]

        async def pressed() -> None:
            count = len(self.table.selected)
            title = f"{word} {count} {'alert' if count == 1 else 'alerts'}?"
            await confirm(title, word, decided, says=says, reason=COMMENT)

        async def decided(values: dict[str, str]) -> None:
            await self._do(verb, sorted(self.table.selected), note_of(values))

        return pressed

    async def _do(self, verb: Verb, ids: list[str], comment: str) -> None:
        refused: list[OrchestratorError] = []

        def work(caller: Caller) -> int:
            for alert_id in ids:
                try:
                    change(caller, verb, alert_id, comment)
                except OrchestratorError as error:
                    refused.append(error)
            return len(ids) - len(refused)

        def told(done: int) -> str:
            passed = f"; {len(refused)} passed over: {refused[0].message} [{refused[0].code}]" if refused else ""
            return f"{WORDS[verb][0]}: {done} of {len(ids)} alerts{passed}"

        await self.visit.act(Role.OPERATOR, f"{verb}_alert", f"alerts ({len(ids)})", work, told)
        await self.visit.again(self.refresh)


def _workflows(caller: Caller) -> list[str]:
    return [key for key in caller.client.registry.workflows() if may_see(caller.workflows, key)]


def _nothing(filters: Filters, *, more: bool) -> Markup:
    everything = filters.having(state=EVERY).address
    if more:
        return empty_state("No match among the alerts looked at so far.", hint="The next page goes on looking.")
    if filters.narrowed or filters.cursor:
        return empty_state("No alert matches.", "Show all alerts", Filters(state=EVERY).address)
    if filters.states is None:
        hint = "A listener raises them: when runs fail, are late, or cannot be undone, and when no worker is there."
        return empty_state("There has been no alert yet.", hint=hint, command="orchestrator listen")
    return empty_state(f"No alert is {filters.states}.", "Show all alerts", everything, hint="New ones appear here.")


PAGE = Page(ALERTS, "Alerts", show, keys="g l")
