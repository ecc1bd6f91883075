"""A queue: its last hour, what waits by priority, who takes from it and who sends to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from orchestrator.client.callers import Caller
from orchestrator.client.fleet_sight import visible_queues
from orchestrator.client.shown_fleet import QueueDescription, QueueSample
from orchestrator.clock import wall_ms
from orchestrator.dashboard.drawing.load import load_chart, rates_chart
from orchestrator.dashboard.look.amounts import rate
from orchestrator.dashboard.look.empty import empty_state
from orchestrator.dashboard.look.markup import NOTHING, Child, joined, tag
from orchestrator.dashboard.look.names import names_box, version_link
from orchestrator.dashboard.look.parts import heading, html, key_values
from orchestrator.dashboard.look.table import Column, static_table
from orchestrator.dashboard.look.times import lasted, moment
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.pages.queues import LOOK_S, PATH, nobody
from orchestrator.dashboard.paths import to, worker_path
from orchestrator.dashboard.visit import Visit

EVERY: Final = 6
"""Of the samples, those of each minute stand in the table."""
_SAMPLES: Final = (Column("At"), Column("Waiting", "number"), Column("In /s", "number"), Column("Out /s", "number"))


@dataclass(frozen=True, slots=True)
class Seen:
    """A queue as it was read; None if nobody knows it now."""

    queue: QueueDescription | None
    samples: Sequence[QueueSample]
    now_ms: int


async def show(visit: Visit) -> None:
    """The page."""
    page = _QueuePage(visit, str(visit.request.path_params["queue"]))
    page.build(await visit.ask(page.read, visit.first))
    visit.every(LOOK_S, page.refresh)


class _QueuePage:
    """A queue's page in one browser."""

    def __init__(self, visit: Visit, name: str) -> None:
        self.visit = visit
        self.name = name

    def read(self, caller: Caller) -> Seen:
        """Everything that the page shows, as that caller may see it."""
        found = visible_queues(caller.workflows, caller.client.fleet.queues())
        queue = next((one for one in found.queues if one.name == self.name), None)
        return Seen(queue, caller.client.fleet.samples(self.name), wall_ms())

    def build(self, seen: Seen) -> None:
        """Put the page there."""
        self.parts = [html(NOTHING) for _ in range(4)]
        self.table = html(NOTHING, name="section")
        self.put(seen)

    async def refresh(self, caller: Caller) -> None:
        """Read it again."""
        self.put(await self.visit.ask(self.read, caller))

    def put(self, seen: Seen) -> None:
        """Show what was read."""
        if seen.queue is None and not seen.samples:
            self.parts[0].set_content(
                empty_state(
                    f"No worker takes from {self.name}, and no version in use sends to it.", "All queues", to(PATH)
                )
            )
            return
        head, facts, charts, ends = self.parts
        mark = nobody(seen.queue) if seen.queue and not seen.queue.workers else None
        head.set_content(heading(tag("span", self.name, class_="mono"), *([mark] if mark else [])))
        facts.set_content(_facts(seen.queue) if seen.queue else tag("p", "Nobody uses it now.", class_="hint"))
        charts.set_content(
            tag(
                "div",
                load_chart("Messages that waited", seen.samples, seen.now_ms),
                rates_chart("Messages a second", seen.samples, seen.now_ms),
                class_="charts",
            )
        )
        ends.set_content(_ends(seen.queue) if seen.queue else NOTHING)
        self.table.set_content(_numbers(seen.samples))


def _facts(queue: QueueDescription) -> Markup:
    return key_values(
        {
            "Waiting": tag("b", f"{queue.waiting:,}"),
            "Oldest message": lasted(queue.oldest_ms),
            "In, out a second": f"{rate(queue.in_per_s)}, {rate(queue.out_per_s)}",
            "Unacknowledged": f"{queue.unacknowledged:,}",
            "By priority": _bands(queue),
        }
    )


def _bands(queue: QueueDescription) -> Markup:
    if queue.by_priority is None:
        return tag("span", "this broker does not tell", class_="hint")
    return joined(
        [joined([tag("span", band, class_="hint"), f" {n:,}"]) for band, n in queue.by_priority.items()], " · "
    )


def _ends(queue: QueueDescription) -> Markup:
    """Both ends of it: who sends to it, and who takes from it."""
    workers = [tag("a", one, href=worker_path(one)) for one in queue.workers]
    senders = [version_link(one) for one in queue.workflows]
    nobody_sends = "No version in use sends to it."
    return tag(
        "div",
        names_box("Workers that take from it", workers, "Nobody takes from it: start a worker with -Q."),
        names_box("Versions that send to it", senders, nobody_sends),
        class_="charts",
    )


def _numbers(samples: Sequence[QueueSample]) -> Markup:
    """The charts' numbers, a row a minute, the last first."""
    if not samples:
        return tag("p", "No samples yet: beat takes one every ten seconds.", class_="hint")
    rows: list[Sequence[Child]] = [
        (moment(one.at), f"{one.waiting:,}", rate(one.in_per_s), rate(one.out_per_s)) for one in samples[::-EVERY]
    ]
    table = static_table("Numbers of the last hour", _SAMPLES, rows)
    return tag("details", tag("summary", "Numbers of the last hour"), table, id="numbers", class_="fold")


PAGE = Page("/queues/{queue:path}", "Queue", show, parent=PATH)
