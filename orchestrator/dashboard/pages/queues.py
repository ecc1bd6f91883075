"""The list of queues: what waits where and since when, what comes and goes, and where nobody works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup
from nicegui import ui

from orchestrator.client.callers import Caller
from orchestrator.client.fleet_sight import visible_queues
from orchestrator.client.shown_fleet import QueueDescription, QueueSample
from orchestrator.clock import wall_ms
from orchestrator.dashboard.drawing.load import spark
from orchestrator.dashboard.look.amounts import rate
from orchestrator.dashboard.look.empty import empty_state
from orchestrator.dashboard.look.markup import NOTHING, Child, joined, tag
from orchestrator.dashboard.look.paging import of_page, page_links, page_number
from orchestrator.dashboard.look.parts import heading, html, show_if
from orchestrator.dashboard.look.search import chips, search_form
from orchestrator.dashboard.look.status import badge
from orchestrator.dashboard.look.table import Column, Table
from orchestrator.dashboard.look.times import lasted
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.paths import queue_path, to
from orchestrator.dashboard.visit import Visit

PATH: Final = "/queues"
ROWS: Final = 25
LOOK_S: Final = 2.0
"""The broker is asked once a second a process, however many pages are open."""
COLUMNS: Final = (
    Column("Queue", "main"),
    Column("Waiting", "number"),
    Column("By priority", "wide"),
    Column("Oldest", "number"),
    Column("In /s", "number wide"),
    Column("Out /s", "number wide"),
    Column("Unacknowledged", "number wide"),
    Column("Workers"),
    Column("Last hour", "wide chart"),
)
SHOWN: Final[Mapping[str, str]] = {"": "all", "waiting": "with messages", "nobody": "without workers"}


@dataclass(frozen=True, slots=True)
class Found:
    """One page of the list."""

    queues: Sequence[QueueDescription]
    samples: Mapping[str, Sequence[QueueSample]]
    matching: int
    there_are: int
    dead: Mapping[str, int]
    now_ms: int


async def show(visit: Visit) -> None:
    """The page."""
    listed = _List(visit)
    await listed.build()
    visit.every(LOOK_S, listed.refresh)


class _List:
    """The list as it stands in one browser."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.text = visit.query.get("text", "").strip()
        self.shown = visit.query.get("show", "") if visit.query.get("show", "") in SHOWN else ""
        self.number = page_number(visit.query)

    async def build(self) -> None:
        """Read the page and put it there."""
        found = await self.visit.ask(self._read, self.visit.first)
        html(heading("Queues"))
        self.dead = html(NOTHING)
        html(search_form(PATH, self.text, "Part of a queue's name", {"show": self.shown}))
        html(chips(SHOWN, self.shown, lambda one: self._address(show=one), "Which queues"))
        self.empty = html(NOTHING)
        self.box = ui.element("div")
        with self.box:
            self.table = Table("Queues", COLUMNS)
        self.pages = html(NOTHING)
        self._put(found)

    async def refresh(self, caller: Caller) -> None:
        """Read the same page again."""
        self._put(await self.visit.ask(self._read, caller))

    def _read(self, caller: Caller) -> Found:
        fleet = caller.client.fleet
        found = visible_queues(caller.workflows, fleet.queues())
        matching = [one for one in found.queues if self._matches(one)]
        rows = of_page(matching, self.number, ROWS)
        samples = fleet.samples_of([one.name for one in rows])
        return Found(rows, samples, len(matching), len(found.queues), found.dead, wall_ms())

    def _matches(self, one: QueueDescription) -> bool:
        if self.text.lower() not in one.name.lower():
            return False
        return {"waiting": one.waiting > 0, "nobody": not one.workers}.get(self.shown, True)

    def _put(self, found: Found) -> None:
        self.dead.set_content(dead_letters(found.dead))
        self.table.show({one.name: cells(one, found.samples[one.name], found.now_ms) for one in found.queues})
        show_if(self.box, found.queues)
        self.empty.set_content(NOTHING if found.queues else self._nothing(found))
        links = page_links(found.matching, self.number, ROWS, "queue", lambda page: self._address(page=page))
        self.pages.set_content(links)

    def _address(self, **changes: str) -> str:
        return to(PATH, {"text": self.text, "show": self.shown, **changes})

    def _nothing(self, found: Found) -> Markup:
        if found.there_are:
            return empty_state("No queue matches.", "Show all queues", to(PATH))
        return empty_state(
            "No worker takes from a queue, and no version in use sends to one.",
            hint="Publish a workflow, and start a worker.",
            command="celery -A workers worker",
        )


def cells(one: QueueDescription, samples: Sequence[QueueSample], now_ms: int) -> Sequence[Child]:
    """A queue as a row."""
    return (
        joined(
            [tag("a", one.name, href=queue_path(one.name)), joined([" ", nobody(one)]) if not one.workers else None]
        ),
        tag("b", f"{one.waiting:,}") if one.waiting else "0",
        priorities(one),
        lasted(one.oldest_ms) if one.waiting else tag("span", "–", class_="none"),
        rate(one.in_per_s),
        rate(one.out_per_s),
        f"{one.unacknowledged:,}",
        tag("a", str(len(one.workers)), href=to("/workers", {"queue": one.name})) if one.workers else "0",
        spark(samples, now_ms),
    )


def nobody(one: QueueDescription) -> Markup:
    """That nobody takes from a queue: worse where versions in use send to it."""
    title = f"{', '.join(one.workflows)} send to it" if one.workflows else "No version in use sends to it"
    return badge("breached" if one.workflows or one.waiting else "warning", "no worker", title=title)


def priorities(one: QueueDescription) -> Child:
    """What waits by bands of priority, those in which something does."""
    if one.by_priority is None:
        return tag("span", "–", class_="none", title="This broker does not tell")
    bands = [
        joined([tag("span", band, class_="hint"), f" {count:,}"]) for band, count in one.by_priority.items() if count
    ]
    return joined(bands, " · ") if bands else tag("span", "–", class_="none")


def dead_letters(dead: Mapping[str, int]) -> Markup:
    """What was given up and waits for somebody; nothing, if nothing did."""
    count = dead.get("events", 0)
    if not count:
        return NOTHING
    word = "An external event was" if count == 1 else f"{count:,} external events were"
    return tag(
        "div",
        badge("warning", f"{count:,} dead"),
        tag("span", f" {word} given up. Look at what stands in the way, then replay: "),
        tag("code", "orchestrator events dead"),
        class_="panel",
        role="status",
    )


PAGE = Page(PATH, "Queues", show, keys="g q")
