"""The list of runs: filters in the address, pages, what happens live, and what can be done to many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from markupsafe import Markup
from nicegui import ui
from nicegui.element import Element

from orchestrator.client.access import Role, may_see
from orchestrator.client.callers import Caller
from orchestrator.client.jobs import Job, Verb
from orchestrator.client.shown import Page as Found
from orchestrator.client.shown import RunSummary
from orchestrator.dashboard.look.dialog import confirm
from orchestrator.dashboard.look.empty import empty_state
from orchestrator.dashboard.look.markup import NOTHING, Child, joined, tag
from orchestrator.dashboard.look.parts import button, heading, html, show_if
from orchestrator.dashboard.look.status import badge
from orchestrator.dashboard.look.table import Column, Table
from orchestrator.dashboard.look.times import lasted, moment
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.pages.run_filters import PATH, Filters, pages, runs_form, status_chips
from orchestrator.dashboard.paths import WORKFLOWS, run_path, to
from orchestrator.dashboard.visit import Visit
from orchestrator.engine.state import OVER
from orchestrator.errors import OrchestratorError

ROWS: Final = 50
COLUMNS: Final = (
    Column("Status"),
    Column("Run", "main"),
    Column("Workflow", "wide"),
    Column("Started", "number"),
    Column("Duration", "number wide"),
    Column("By", "wide"),
    Column("What stopped it", "wide"),
)
_LOOK_S: Final = 0.5
_WORDS: Final[dict[Verb, str]] = {"cancel": "Cancel", "retry": "Retry"}


async def show(visit: Visit) -> None:
    """The page."""
    filters = Filters.read(visit.query)
    workflows, versions = await visit.ask(_known, visit.first, filters.workflow)
    html(heading("Runs", tag("a", "Start a run", href=to(WORKFLOWS), class_="button push")))
    html(runs_form(filters, workflows, versions))
    html(status_chips(filters))
    listed = _List(visit, filters)
    news = None if filters.cursor and not filters.sort else await visit.news()
    await listed.build()
    if news:
        visit.follow(listed.refresh, news)


@dataclass
class _List:
    """The list as it stands in one browser."""

    visit: Visit
    filters: Filters
    bulk: _Bulk = field(init=False)

    async def build(self) -> None:
        """Read the page and put it there."""
        found = await self.visit.ask(self._read, self.visit.first)
        self.bulk = _Bulk(self.visit, self.filters)
        self.empty = html(NOTHING)
        self.box = ui.element("div")
        with self.box:
            self.table = Table("Runs", COLUMNS, selectable=True, on_select=self.bulk.selected)
        self.pages = html(NOTHING)
        self._put(found)

    async def refresh(self, caller: Caller) -> None:
        """Read the same page again."""
        self._put(await self.visit.ask(self._read, caller))

    def _read(self, caller: Caller) -> Found:
        query = self.filters.query(caller.workflows)
        return caller.client.find(query, limit=ROWS, cursor=self.filters.cursor or None)

    def _put(self, found: Found) -> None:
        self.table.show({run.run_id: cells(run) for run in found.runs})
        shown = bool(found.runs)
        show_if(self.box, shown)
        self.empty.set_content(NOTHING if shown else _nothing(self.filters, more=found.cursor is not None))
        self.pages.set_content(pages(self.filters, found.cursor))


def cells(run: RunSummary) -> Sequence[Child]:
    """A run as a row."""
    over = run.status in OVER
    called = tag("span", run.workflow, tag("span", f" {run.version}", class_="hint"))
    name = tag("a", run.run_id, href=run_path(run.run_id), class_="mono clip", title=run.run_id)
    stopped = run.error and joined([tag("code", run.error.get("code")), " ", run.error.get("step") or ""])
    return (
        joined([badge(run.status), *marks(run)], " "),
        joined([name, tag("span", f"{run.workflow} {run.version}", class_="under narrow")]),
        called,
        moment(run.created_at),
        lasted(run.duration_ms, since=None if over else run.created_at),
        run.started_by,
        stopped or "",
    )


def marks(run: RunSummary) -> list[Markup]:
    """What there is to say beside its status."""
    undo = run.compensation not in ("none", "completed")
    said = [badge("undone", f"undo {run.compensation}")] if undo else []
    if run.sla in ("warned", "breached"):
        said.append(badge(run.sla, f"SLA {run.sla}"))
    if run.archived:
        said.append(badge("archived"))
    return [*said, badge("warning", "attention")] if run.attention else said


class _Bulk:
    """What can be done to the selected runs, or to all that the filters describe."""

    def __init__(self, visit: Visit, filters: Filters) -> None:
        self.visit = visit
        self.filters = filters
        self.chosen: frozenset[str] = frozenset()
        why_not = "" if visit.allows(Role.OPERATOR) else "This needs the role operator."
        with ui.element("div").classes("bar").props("role=group") as bar:
            bar.props["aria-label"] = "Actions on many runs"
            self.count = html(NOTHING, name="span", class_="hint")
            self.buttons: list[Element] = [
                button(f"{_WORDS[verb]} selected", _asking(self._ask_selected, verb), why_not=why_not)
                for verb in _WORDS
            ]
            for verb, word in _WORDS.items():
                button(f"{word} all that match…", _asking(self._ask_all, verb), kind="plain", why_not=why_not)
        self.progress = html(NOTHING)
        self.selected(frozenset())

    def selected(self, names: frozenset[str]) -> None:
        """Others are selected now."""
        self.chosen = names
        self.count.set_content(tag("span", f"{len(names)} selected" if names else "Select runs to act on them"))
        for one in self.buttons:
            show_if(one, names)

    async def _ask_selected(self, verb: Verb) -> None:
        count = len(self.chosen)
        says = f"{count} {'run' if count == 1 else 'runs'}. Those whose state does not allow it are passed over."

        async def decided(values: dict[str, str]) -> None:
            await self._do(verb, sorted(self.chosen), values.get("reason", ""))

        await confirm(
            f"{_WORDS[verb]} the selected runs?", _WORDS[verb], decided, says=says, dangerous=verb == "cancel"
        )

    async def _do(self, verb: Verb, run_ids: Sequence[str], reason: str) -> None:
        refused: list[OrchestratorError] = []

        def work(caller: Caller) -> int:
            done = 0
            for run_id in run_ids:
                try:
                    run = caller.run(run_id)
                    run.cancel(reason, caller.user) if verb == "cancel" else run.retry(reason, caller.user)
                    done += 1
                except OrchestratorError as error:
                    refused.append(error)
            return done

        def told(done: int) -> str:
            passed = f"; {len(refused)} passed over: {refused[0].message} [{refused[0].code}]" if refused else ""
            return f"{_WORDS[verb]}: {done} of {len(run_ids)} runs{passed}"

        await self.visit.act(Role.OPERATOR, f"{verb}_many", f"runs ({len(run_ids)})", work, told)

    async def _ask_all(self, verb: Verb) -> None:
        asked = ", ".join(f"{name} {value}" for name, value in self.filters.asked.items()) or "every run there is"
        says = f"All runs that match now, on every page ({asked}). Those whose state does not allow it are passed over."

        async def decided(values: dict[str, str]) -> None:
            await self._job(verb, values.get("reason", ""))

        await confirm(
            f"{_WORDS[verb]} all that match?", f"{_WORDS[verb]} all", decided, says=says, dangerous=verb == "cancel"
        )

    async def _job(self, verb: Verb, reason: str) -> None:
        jobs = self.visit.jobs

        def create(caller: Caller) -> Job:
            return jobs.create(verb, self.filters.query(caller.workflows), reason, client=caller.client)

        job = await self.visit.act(Role.OPERATOR, f"{verb}_many", "jobs", create, "Noted; it is worked off now.")
        while job is not None and not self.visit.client.is_deleted:
            self.progress.set_content(progress(job))
            if job.state != "running":
                return
            await asyncio.sleep(_LOOK_S)
            job = await self.visit.ask(jobs.get, job.id)


def progress(job: Job) -> Markup:
    """How far a job has come."""
    counts = f"{job.done} done, {job.skipped} passed over, {job.failed} failed"
    errors = [tag("li", f"{one['run_id']}: {one['message']} ", tag("code", one["code"])) for one in job.errors]
    return tag(
        "div",
        tag("div", badge(job.state), " ", tag("b", f"{_WORDS.get(job.verb, job.verb)} all"), f" · {counts}"),  # type: ignore[call-overload]
        tag("ul", *errors) if errors else None,
        class_="panel",
        role="status",
    )


def _asking(ask: Any, verb: Verb) -> Any:
    async def pressed() -> None:
        await ask(verb)

    return pressed


def _known(caller: Caller, workflow: str) -> tuple[list[str], list[str]]:
    registry = caller.client.registry
    workflows = [key for key in registry.workflows() if may_see(caller.workflows, key)]
    versions = [one.version for one in registry.versions(workflow)] if workflow in workflows else []
    return workflows, versions


def _nothing(filters: Filters, *, more: bool) -> Markup:
    if more:
        return empty_state("No match among the runs looked at so far.", hint="The next page goes on looking.")
    if filters.asked or filters.cursor:
        return empty_state(
            "No run matches.", "Show all runs", to(PATH), hint="Take a filter off, or look further back."
        )
    return empty_state(
        "No run was started yet.",
        hint="Start one; it will appear here by itself.",
        command="orchestrator start KEY --input '{…}'",
    )


PAGE = Page(PATH, "Runs", show, keys="g r")
