"""External events: what comes in, what was given up and why, and what triggers had no answer for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, TypeVar

from markupsafe import Markup
from nicegui import ui
from nicegui.element import Element

from orchestrator.client.access import Role
from orchestrator.client.callers import Caller
from orchestrator.client.composing import event_in
from orchestrator.client.shown import DeadEvent, TakenIn, TriggerMiss
from orchestrator.dashboard.look.empty import empty_state
from orchestrator.dashboard.look.json_view import json_view
from orchestrator.dashboard.look.markup import NOTHING, Child, joined, tag
from orchestrator.dashboard.look.paging import cursor_links
from orchestrator.dashboard.look.parts import heading, html, show_if, text_field
from orchestrator.dashboard.look.search import chips, filter_form, search_box
from orchestrator.dashboard.look.status import badge
from orchestrator.dashboard.look.table import Column, Table, static_table
from orchestrator.dashboard.look.times import moment
from orchestrator.dashboard.look.unfolding import fill, later, on_unfold
from orchestrator.dashboard.pages.event_actions import LetterActions
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.paths import to, workflow_path
from orchestrator.dashboard.visit import Visit
from orchestrator.spec.cloudevents import CloudEvent

E = TypeVar("E", TakenIn, DeadEvent)

PATH: Final = "/events"
ROWS: Final = 50
LOOKED_AT: Final = 2_000
"""Events that one page looks through for those that are asked for."""
LIVE_S: Final = 1.0
LOOK_S: Final = 5.0
VIEWS: Final[Mapping[str, str]] = {"": "Coming in", "dead": "Given up", "misses": "Near misses"}
COLUMNS: Final = (
    Column("Came in", "number"),
    Column("Type", "main"),
    Column("Source", "wide"),
    Column("Id", "wide"),
    Column("Event"),
)
DEAD_COLUMNS: Final = (
    Column("Given up", "number"),
    Column("Reason", "main"),
    Column("By", "wide"),
    Column("Tries", "number wide"),
    Column("Event"),
)


@dataclass(frozen=True, slots=True)
class Filters:
    """What stands in the address."""

    view: str = ""
    type: str = ""
    source: str = ""
    text: str = ""
    before: str = ""
    """In the tail: older than this entry."""
    after: str = ""
    """Of what was given up: from behind this one."""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Filters:
        """Those of an address."""
        found = cls(**{one.name: query.get(one.name, "").strip() for one in fields(cls)})
        return found if found.view in VIEWS else replace(found, view="")

    def address(self, **changes: str) -> str:
        """With some of them changed, from the first page."""
        found = replace(self, **({"before": "", "after": ""} | changes))
        return to(PATH, {one.name: getattr(found, one.name) for one in fields(found)})

    @property
    def asked(self) -> bool:
        """Whether some events are asked for, not all."""
        return bool(self.type or self.source or self.text)

    def take(self, entry: TakenIn) -> bool:
        """Whether an event is asked for; one that is none has neither type nor source."""
        event = entry.event
        kind, source = (event.type, event.source) if event else ("", "")
        fits = self.type in ("", kind) and self.source in ("", source)
        return fits and self.text.lower() in entry.body.lower()


@dataclass(frozen=True, slots=True)
class Tail:
    """A page of what came in, newest first; `before` is where the next one begins."""

    entries: Sequence[TakenIn]
    before: str | None


async def show(visit: Visit) -> None:
    """The page."""
    filters = Filters.read(visit.query)
    visit.first.check_role(Role.OPERATOR, "list_events", "events")
    visit.first.check_unrestricted()
    emit = tag("a", "Emit an event", href=to(f"{PATH}/emit", {"type": filters.type}), class_="button")
    html(heading("Events", emit))
    html(_views(filters))
    if filters.view == "dead":
        dead = _Dead(visit, filters)
        await dead.build()
        visit.every(LOOK_S, dead.refresh)
    elif filters.view == "misses":
        await _show_misses(visit)
    else:
        tail = _Tail(visit, filters)
        await tail.build()
        if not filters.before:
            visit.every(LIVE_S, tail.refresh)


def _views(filters: Filters) -> Markup:
    return chips(VIEWS, filters.view, lambda view: to(PATH, {"view": view}), "Views")


class _Rows:
    """The rows of a table of events: built once each, as an event does not change, and sent whole when unfolded."""

    def __init__(self, visit: Visit, table: Table, around: Element) -> None:
        self.visit = visit
        self.table = table
        self._cells: dict[str, Sequence[Child]] = {}
        self._bodies: dict[str, str] = {}
        on_unfold(around, self._unfold)

    def show(self, entries: Mapping[str, E], cells: Callable[[E], Sequence[Child]]) -> None:
        """These, by their ids."""
        self._cells = {name: self._cells.get(name) or cells(one) for name, one in entries.items()}
        self._bodies = {name_of(name): one.body for name, one in entries.items()}
        self.table.show(self._cells)

    async def _unfold(self, name: str) -> None:
        async def put(caller: Caller) -> None:
            caller.check_role(Role.OPERATOR, "list_events", "events")
            caller.check_unrestricted()
            if name in self._bodies:
                fill(name, unfolded(self._bodies[name]))

        await self.visit.again(put)


class _Tail:
    """What comes in, in one browser."""

    def __init__(self, visit: Visit, filters: Filters) -> None:
        self.visit = visit
        self.filters = filters

    async def build(self) -> None:
        """Read the page and put it there."""
        found = await self.visit.ask(self._read, self.visit.first)
        html(_tail_form(self.filters))
        self.empty = html(NOTHING)
        self.box = ui.element("div")
        with self.box:
            self.rows = _Rows(self.visit, Table("Events", COLUMNS), self.box)
        self.pages = html(NOTHING)
        self._put(found)

    async def refresh(self, caller: Caller) -> None:
        """Read the same page again."""
        self._put(await self.visit.ask(self._read, caller))

    def _read(self, caller: Caller) -> Tail:
        caller.check_role(Role.OPERATOR, "list_events", "events")
        caller.check_unrestricted()
        found: list[TakenIn] = []
        before, looked_at = self.filters.before, 0
        while len(found) < ROWS:
            page = caller.client.events.before(before, LOOKED_AT // 4 if self.filters.asked else ROWS + 1)
            for entry in page:
                if len(found) == ROWS:
                    return Tail(found, before)
                before = entry.entry_id
                if self.filters.take(entry):
                    found.append(entry)
            looked_at += len(page)
            if not page:
                return Tail(found, None)
            if looked_at >= LOOKED_AT:
                break
        return Tail(found, before)

    def _put(self, found: Tail) -> None:
        self.rows.show({entry.entry_id: entry for entry in found.entries}, tail_cells)
        shown = bool(found.entries)
        show_if(self.box, shown)
        self.empty.set_content(NOTHING if shown else _none_came(self.filters, more=found.before is not None))
        first = self.filters.address() if self.filters.before else None
        older = self.filters.address(before=found.before) if found.before else None
        self.pages.set_content(cursor_links(first, older, ("Newest", "Older")))


def tail_cells(entry: TakenIn) -> Sequence[Child]:
    """An event that came in, as a row."""
    event = entry.event
    replayed = tag("span", f"replayed for {entry.only}", class_="under") if entry.only else None
    if event is None:
        kind: Child = badge("failed", "no CloudEvent")
        source = name = ""
    else:
        kind = tag("a", event.type, href=to(PATH, {"type": event.type}))
        source, name = event.source, event.id
    beside = tag("span", source, class_="under narrow") if source else None
    return (
        moment(entry.received_at),
        joined([kind, replayed, beside]),
        source,
        tag("span", name, class_="mono clip", title=name) if name else "",
        folded(entry.entry_id, event),
    )


def name_of(entry_id: str) -> str:
    """What is to be unfolded of an entry, by its id in the page."""
    return f"event-{entry_id}"


def folded(entry_id: str, event: CloudEvent | None) -> Markup:
    """An event to be unfolded: its data first, as that is what one looks for. The whole comes when it is asked for."""
    return later(name_of(entry_id), _glance(event) if event else "As it came", class_="event")


def unfolded(body: str) -> Markup:
    """The whole of it."""
    event = event_in(body)
    return tag("pre", body, tabindex=0) if event is None else tag("div", json_view(event.to_json()), class_="json")


_GLANCE: Final = 60


def _glance(event: CloudEvent) -> Markup:
    """The data, as much of it as fits on a line."""
    if event.data is None or event.is_base64:
        return tag("span", "bytes" if event.is_base64 else "no data", class_="none")
    text = json.dumps(event.data, ensure_ascii=False)
    return tag("code", text if len(text) <= _GLANCE else f"{text[:_GLANCE]}…")


class _Dead:
    """What was given up, in one browser."""

    def __init__(self, visit: Visit, filters: Filters) -> None:
        self.visit = visit
        self.filters = filters

    async def build(self) -> None:
        """Read the page and put it there."""
        found = await self.visit.ask(self._read, self.visit.first)
        self.empty = html(NOTHING)
        self.box = ui.element("div").classes("stack")
        with self.box:
            actions = LetterActions(self.visit, self.refresh)
            table = Table("Given up", DEAD_COLUMNS, selectable=True, on_select=actions.selected)
            self.rows = _Rows(self.visit, table, self.box)
        self.pages = html(NOTHING)
        self._put(found)

    async def refresh(self, caller: Caller) -> None:
        """Read the same page again."""
        self._put(await self.visit.ask(self._read, caller))

    def _read(self, caller: Caller) -> list[DeadEvent]:
        caller.check_role(Role.OPERATOR, "list_dead_events", "events/dead")
        caller.check_unrestricted()
        return caller.client.events.dead_after(self.filters.after or "0-0", ROWS + 1)

    def _put(self, found: Sequence[DeadEvent]) -> None:
        shown, more = found[:ROWS], len(found) > ROWS
        self.rows.show({one.id: one for one in shown}, dead_cells)
        show_if(self.box, shown)
        self.empty.set_content(NOTHING if shown else _none_dead(self.filters))
        first = self.filters.address() if self.filters.after else None
        behind = self.filters.address(after=shown[-1].id) if more else None
        self.pages.set_content(cursor_links(first, behind))


def dead_cells(one: DeadEvent) -> Sequence[Child]:
    """An event that was given up, as a row."""
    event = event_in(one.body)
    kind = tag("span", event.type if event else "no CloudEvent", class_="under")
    return (
        moment(one.at),
        joined([one.reason, kind]),
        _trigger(one.trigger) if one.trigger else tag("span", "every trigger", class_="none"),
        f"{one.attempts:,}",
        folded(one.id, event),
    )


def _trigger(target: str) -> Markup:
    """`workflow/trigger`, with a link to the workflow."""
    workflow, _, name = target.partition("/")
    return joined([tag("a", workflow, href=workflow_path(workflow)), tag("span", f" {name}", class_="hint")])


async def _show_misses(visit: Visit) -> None:
    content = html(NOTHING)

    def read(caller: Caller) -> list[TriggerMiss]:
        caller.check_role(Role.OPERATOR, "list_misses", "events/misses")
        caller.check_unrestricted()
        return caller.client.events.misses()

    async def refresh(caller: Caller) -> None:
        content.set_content(_misses(await visit.ask(read, caller)))

    await refresh(visit.first)
    visit.every(LOOK_S, refresh)


def _misses(found: Sequence[TriggerMiss]) -> Markup:
    if not found:
        return empty_state(
            "Every trigger's filter had an answer for every event.",
            "What comes in",
            to(PATH),
            hint="A filter that fails starts nothing; the last event that it failed for would stand here.",
        )
    columns = (
        Column("Trigger", "main"),
        Column("Came in", "number"),
        Column("Entry", "wide"),
        Column("What its filter said"),
    )
    rows = [
        (
            _trigger(one.trigger),
            moment(one.at),
            tag("a", one.entry_id, href=_from(one.entry_id), class_="mono"),
            tag("code", one.error),
        )
        for one in found
    ]
    hint = "The last event of each trigger that its filter had no answer for: it started nothing. Let it ask "
    said = tag("p", hint, "with ", tag("code", "has(…)"), " for what may be missing.", class_="hint")
    return tag("div", said, static_table("Near misses", columns, rows), class_="stack")


def _from(entry_id: str) -> str:
    """The address of the tail that begins with an entry."""
    moment_ms, _, place = entry_id.partition("-")
    return to(PATH, {"before": f"{moment_ms}-{int(place or 0) + 1}"})


def _tail_form(filters: Filters) -> Markup:
    inputs = (
        search_box(filters.text, "Anything in the event"),
        text_field("Type", "type", filters.type, placeholder="order.created", autocomplete="off"),
        text_field("Source", "source", filters.source, placeholder="/shop", autocomplete="off"),
    )
    return filter_form(PATH, inputs, clear=to(PATH) if filters.asked else None)


def _none_came(filters: Filters, *, more: bool) -> Markup:
    if filters.asked and more:
        return empty_state(f"None among the {LOOKED_AT:,} looked through so far.", hint="Older ones are a page away.")
    if filters.asked or filters.before:
        return empty_state("No event matches.", "Show all events", to(PATH), hint="They are kept for some days only.")
    return empty_state(
        "No event has come in yet.",
        "Emit one",
        to(f"{PATH}/emit"),
        hint="Producers send CloudEvents to the API, to a webhook, or by the client; they appear here by themselves.",
        command="orchestrator events emit order.created --data '{\"id\": 17}'",
    )


def _none_dead(filters: Filters) -> Markup:
    if filters.after:
        return empty_state("No more were given up.", "First page", to(PATH, {"view": "dead"}))
    return empty_state(
        "No event was given up.",
        "What comes in",
        to(PATH),
        hint="One that a trigger cannot use, or that is no CloudEvent, is kept here with the reason for 30 days.",
    )


PAGE = Page(PATH, "Events", show, keys="g e", needed=Role.OPERATOR)
