"""The list of workers: how each is, what it is at, and what it takes from its machine; beats and listeners below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from markupsafe import Markup
from nicegui import ui

from orchestrator.client.callers import Caller
from orchestrator.client.fleet import announced
from orchestrator.client.fleet_sight import visible_worker
from orchestrator.client.shown import WorkerStats
from orchestrator.client.shown_fleet import WorkerDescription, WorkerState
from orchestrator.clock import wall_ms
from orchestrator.dashboard.look.amounts import size
from orchestrator.dashboard.look.empty import empty_state
from orchestrator.dashboard.look.markup import NOTHING, Child, joined, tag
from orchestrator.dashboard.look.paging import of_page, page_links, page_number
from orchestrator.dashboard.look.parts import heading, html, show_if
from orchestrator.dashboard.look.search import chips, search_form
from orchestrator.dashboard.look.status import badge
from orchestrator.dashboard.look.table import Column, Table, static_table
from orchestrator.dashboard.look.times import in_words, moment
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.paths import queue_path, to, worker_path
from orchestrator.dashboard.visit import Visit

PATH: Final = "/workers"
ROWS: Final = 25
LOOK_S: Final = 2.0
COLUMNS: Final = (
    Column("Worker", "main"),
    Column("State"),
    Column("Pool", "wide"),
    Column("Active", "number"),
    Column("Prefetched", "number wide"),
    Column("Processed", "number wide"),
    Column("Processor", "number wide"),
    Column("Memory", "number wide"),
    Column("Load", "number wide"),
    Column("Up", "number wide"),
    Column("Queues", "wide"),
)
_OTHERS: Final = (Column("Name", "main"), Column("What"), Column("Process", "number wide"), Column("Seen", "number"))
STATES: Final[Mapping[str, str]] = {"": "all", **{one.value: one.value for one in WorkerState}}


@dataclass(frozen=True, slots=True)
class Found:
    """One page of the list, and everybody who is not a worker."""

    workers: Sequence[WorkerDescription]
    matching: int
    there_are: int
    beats: Sequence[WorkerStats]
    listeners: Sequence[WorkerStats]
    leader: str | None
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
        self.queue = visit.query.get("queue", "").strip()
        self.state = visit.query.get("state", "") if visit.query.get("state", "") in STATES else ""
        self.number = page_number(visit.query)

    async def build(self) -> None:
        """Read the page and put it there."""
        found = await self.visit.ask(self._read, self.visit.first)
        html(heading("Workers"))
        html(search_form(PATH, self.text, "Part of a worker's name", {"state": self.state, "queue": self.queue}))
        html(chips(STATES, self.state, lambda one: self._address(state=one), "Which workers"))
        if self.queue:
            html(self._of_queue())
        self.empty = html(NOTHING)
        self.box = ui.element("div")
        with self.box:
            self.table = Table("Workers", COLUMNS)
        self.pages = html(NOTHING)
        self.others = html(NOTHING, name="section")
        self._put(found)

    async def refresh(self, caller: Caller) -> None:
        """Read the same page again."""
        self._put(await self.visit.ask(self._read, caller))

    def _read(self, caller: Caller) -> Found:
        registry, leader = caller.client.registry, caller.client.registry.leadership.leader()
        workers = caller.client.fleet.workers()
        matching = [one for one in workers if self._matches(one)]
        shown = [visible_worker(caller.workflows, one) for one in of_page(matching, self.number, ROWS)]
        beats, listeners = [*map(announced, registry.beats())], [*map(announced, registry.listeners())]
        holder = None if leader is None else leader.holder
        return Found(shown, len(matching), len(workers), beats, listeners, holder, wall_ms())

    def _matches(self, one: WorkerDescription) -> bool:
        queues = (*one.queues, *one.paused_queues)
        return (
            self.text.lower() in one.name.lower()
            and self.state in ("", one.state)
            and (not self.queue or self.queue in queues)
        )

    def _put(self, found: Found) -> None:
        self.table.show({one.name: cells(one, found.now_ms) for one in found.workers})
        show_if(self.box, found.workers)
        self.empty.set_content(NOTHING if found.workers else self._nothing(found))
        links = page_links(found.matching, self.number, ROWS, "worker", lambda page: self._address(page=page))
        self.pages.set_content(links)
        self.others.set_content(_others(found))

    def _of_queue(self) -> Markup:
        every = tag("a", "all workers", href=self._address(queue=""))
        queue = tag("a", self.queue, href=queue_path(self.queue))
        return tag("p", "Those that take from ", queue, " · ", every, class_="hint")

    def _address(self, **changes: str) -> str:
        return to(PATH, {"text": self.text, "state": self.state, "queue": self.queue, **changes})

    def _nothing(self, found: Found) -> Markup:
        if found.there_are:
            return empty_state("No worker matches.", "Show all workers", to(PATH))
        return empty_state(
            "No worker has been seen today.",
            hint="Start one; it will appear here by itself.",
            command="celery -A workers worker",
        )


def cells(one: WorkerDescription, now_ms: int) -> Sequence[Child]:
    """A worker as a row; what a lost one was at is in the past."""
    lost = one.state is WorkerState.LOST
    under = joined(["not seen since ", moment(one.lost_since)]) if lost else f"{one.host} · process {one.pid}"
    queues = joined([tag("a", queue, href=queue_path(queue)) for queue in one.queues], ", ")
    paused = f"drained of {', '.join(one.paused_queues)}" if one.paused_queues else None
    return (
        joined([tag("a", one.name, href=worker_path(one.name), class_="mono"), tag("span", under, class_="under")]),
        badge(one.state),
        f"{one.pool or 'unknown'} × {one.concurrency}",
        busy(one),
        f"{one.prefetched:,}",
        f"{one.processed:,}",
        processor(one),
        size(one.rss_bytes),
        "–" if one.load is None else f"{one.load:.2f}",
        "–" if lost else uptime(one, now_ms),
        joined([queues, tag("span", paused, class_="under") if paused else None]),
    )


def busy(one: WorkerDescription) -> Child:
    """How many of its places are taken."""
    return joined([f"{len(one.active)}", tag("span", f" of {one.concurrency}", class_="hint")])


def processor(one: WorkerDescription) -> str:
    """What it takes of the machine's processors, where one is 100 %."""
    return "–" if one.cpu_percent is None else f"{one.cpu_percent:.0f} %"


def uptime(one: WorkerDescription, now_ms: int) -> str:
    """For how long it has been there."""
    if one.started_at is None:
        return "–"
    return in_words(max(0, now_ms - int(datetime.fromisoformat(one.started_at).timestamp() * 1000)))


def _others(found: Found) -> Markup:
    rows = [
        *((one, "beat, leads" if one.name == found.leader else "beat, stands by") for one in found.beats),
        *((one, "listener") for one in found.listeners),
    ]
    if not rows:
        text = "None is seen: without a beat nothing is due, is swept up, or is sent again. Start one: "
        shown = tag("p", text, tag("code", "celery -A workers beat"), class_="hint")
    else:
        shown = static_table(
            "Beats and listeners",
            _OTHERS,
            [(tag("span", one.name, class_="mono"), what, str(one.pid), moment(one.seen_at)) for one, what in rows],
        )
    return joined([tag("h2", "Beats and listeners"), shown])


PAGE = Page(PATH, "Workers", show, keys="g k")
