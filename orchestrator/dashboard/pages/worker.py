"""A worker: how it is, what it is at and until when it has it, what it can do, and what it can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from markupsafe import Markup
from nicegui import ui

from orchestrator.client.callers import Caller
from orchestrator.client.fleet_sight import visible_worker
from orchestrator.client.shown_fleet import ActiveMessage, HeldLease, WorkerDescription, WorkerState
from orchestrator.clock import wall_ms
from orchestrator.dashboard.look.amounts import size
from orchestrator.dashboard.look.json_view import json_box
from orchestrator.dashboard.look.markup import NOTHING, Child, joined, tag
from orchestrator.dashboard.look.names import names_box, version_link
from orchestrator.dashboard.look.parts import heading, html, key_values
from orchestrator.dashboard.look.status import badge
from orchestrator.dashboard.look.table import Column, Table
from orchestrator.dashboard.look.times import lasted, moment
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.pages.worker_actions import WorkerActions
from orchestrator.dashboard.pages.workers import LOOK_S, PATH, busy, processor, uptime
from orchestrator.dashboard.paths import queue_path, run_path
from orchestrator.dashboard.visit import Visit

_ACTIVE: Final = (
    Column("Began with", "main"),
    Column("Run"),
    Column("Since", "number wide"),
    Column("For", "number"),
    Column("Process", "number wide"),
)
_LEASES: Final = (
    Column("Step", "main"),
    Column("Run"),
    Column("Since", "number wide"),
    Column("Held until", "number"),
    Column("Process", "number wide"),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A worker as it was read."""

    worker: WorkerDescription
    now_ms: int


async def show(visit: Visit) -> None:
    """The page."""
    page = _WorkerPage(visit, str(visit.request.path_params["name"]))
    page.build(await visit.ask(page.read, visit.first))
    visit.every(LOOK_S, page.refresh)


class _WorkerPage:
    """A worker's page in one browser."""

    def __init__(self, visit: Visit, name: str) -> None:
        self.visit = visit
        self.name = name

    def read(self, caller: Caller) -> Seen:
        """Everything that the page shows, as that caller may see it."""
        return Seen(visible_worker(caller.workflows, caller.client.fleet.worker(self.name)), wall_ms())

    def build(self, seen: Seen) -> None:
        """Put the page there."""
        self.head = html(NOTHING)
        self.actions = WorkerActions(self.visit, self.name, self.refresh, self._inspected)
        self.facts = html(NOTHING)
        self.active, self.idle = _section("Messages it works off", _ACTIVE)
        self.leases, self.free = _section("Steps it holds", _LEASES)
        self.able = html(NOTHING, name="section")
        self.inspection = html(NOTHING, name="section")
        self.put(seen)

    async def refresh(self, caller: Caller) -> None:
        """Read it again."""
        self.put(await self.visit.ask(self.read, caller))

    def put(self, seen: Seen) -> None:
        """Show what was read; what is as it was stays untouched."""
        worker = seen.worker
        self.head.set_content(heading(tag("span", self.name, class_="mono"), badge(worker.state)))
        self.actions.put(worker)
        self.facts.set_content(_facts(seen))
        self.active.show({f"{n} {one.run_id}": _message(one, seen.now_ms) for n, one in enumerate(worker.active)})
        self.leases.show({f"{one.run_id} {one.step}": _lease(one) for one in worker.leases})
        lost = worker.state is WorkerState.LOST
        was = "It is lost. Others take up what it was at when its leases run out, 15 s after their last renewal."
        idle = "Nothing now." if not lost else was
        self.idle.set_content(NOTHING if worker.active else tag("p", idle, class_="hint"))
        held = "None has lasted for a heartbeat (5 s)."
        self.free.set_content(NOTHING if worker.leases or lost else tag("p", held, class_="hint"))
        self.able.set_content(_able(worker))

    def _inspected(self, found: object) -> None:
        """Show what Celery says of it."""
        self.inspection.set_content(json_box("What Celery's inspect has of it", found))


def _section(title: str, columns: Sequence[Column]) -> tuple[Table, ui.html]:
    with ui.element("section").classes("stack tight"):
        html(tag("h2", title))
        nothing = html(NOTHING)
        return Table(title, columns), nothing


def _facts(seen: Seen) -> Markup:
    worker = seen.worker
    lost = worker.state is WorkerState.LOST
    return key_values(
        {
            "Lost": joined(["not seen since ", moment(worker.lost_since)]) if lost else None,
            "Pool": f"{worker.pool or 'unknown'} × {worker.concurrency}",
            "Active": joined([busy(worker)]),
            "Prefetched": f"{worker.prefetched:,}",
            "Processed": f"{worker.processed:,}",
            "Up": None if lost else uptime(worker, seen.now_ms),
            "Started": moment(worker.started_at),
            "Processor": processor(worker),
            "Memory": size(worker.rss_bytes),
            "Load of its machine": "–" if worker.load is None else f"{worker.load:.2f}",
            "Where": f"{worker.host}, process {worker.pid}",
            "Software": worker.software or None,
            "Takes from": _queues(worker.queues) if worker.queues else tag("span", "no queue", class_="hint"),
            "Drained of": _queues(worker.paused_queues) if worker.paused_queues else None,
        }
    )


def _queues(names: Sequence[str]) -> Markup:
    return joined([tag("a", one, href=queue_path(one)) for one in names], ", ")


def _message(one: ActiveMessage, now_ms: int) -> Sequence[Child]:
    since = None if one.since is None else int(datetime.fromisoformat(one.since).timestamp() * 1000)
    return (
        tag("span", one.name, class_="mono"),
        tag("a", one.run_id, href=run_path(one.run_id), class_="mono clip") if one.run_id else "–",
        moment(one.since),
        lasted(None if since is None else max(0, now_ms - since), since=one.since),
        "–" if one.pid is None else str(one.pid),
    )


def _lease(one: HeldLease) -> Sequence[Child]:
    step = joined([tag("span", one.step, class_="mono"), tag("span", one.workflow, class_="under")])
    run = tag("a", one.run_id, href=run_path(one.run_id), class_="mono clip", title=one.run_id)
    return (step, run, moment(one.since), moment(one.until), str(one.pid))


def _able(worker: WorkerDescription) -> Markup:
    operations = names_box("Operations", [tag("code", one) for one in worker.operations], "It has none.")
    serves = names_box(
        "Versions that it can work off alone",
        [version_link(one) for one in worker.serves or ()],
        "No version in use has all its operations here.",
    )
    return tag("div", operations, None if worker.state is WorkerState.LOST else serves, class_="charts")


PAGE = Page("/workers/{name:path}", "Worker", show, parent=PATH)
