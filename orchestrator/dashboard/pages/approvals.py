"""The inbox: what waits for people to decide, for whoever looks or for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from markupsafe import Markup
from nicegui import ui

from orchestrator.client.access import Role, may_see
from orchestrator.client.awaited import people
from orchestrator.client.callers import Caller
from orchestrator.client.shown import ApprovalPage, OpenApproval
from orchestrator.dashboard.look.empty import empty_state
from orchestrator.dashboard.look.markup import NOTHING, Child, joined, tag
from orchestrator.dashboard.look.paging import cursor_links
from orchestrator.dashboard.look.parts import choice_field, heading, html, show_if
from orchestrator.dashboard.look.search import choices
from orchestrator.dashboard.look.status import badge
from orchestrator.dashboard.look.table import Column, Table
from orchestrator.dashboard.look.times import moment
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.paths import approval_path, run_path, to, workflow_path
from orchestrator.dashboard.visit import Visit

PATH: Final = "/approvals"
ROWS: Final = 25
COLUMNS: Final = (
    Column("What is asked", "main"),
    Column("Workflow", "wide"),
    Column("Asked", "wide"),
    Column("Started by", "wide"),
    Column("Waits since", "number wide"),
    Column("Due", "number"),
    Column("You"),
)
MODES: Final = {
    "any": "the first decision stands",
    "all": "all must approve",
    "majority": "most must approve",
    "sequential": "one after the other",
}


async def show(visit: Visit) -> None:
    """The page."""
    listed = _Inbox(visit)
    news = None if listed.asked.cursor else await visit.news()
    await listed.build()
    if news:
        visit.follow(listed.refresh, news)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What stands in the address."""

    everybody: bool
    workflow: str
    cursor: str

    def address(self, cursor: str = "", *, everybody: bool | None = None) -> str:
        """Another list, or another page of this one."""
        every = self.everybody if everybody is None else everybody
        return to(PATH, {"of": "all" if every else "", "workflow": self.workflow, "cursor": cursor})


class _Inbox:
    """The list as it stands in one browser."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.asked = _Asked(
            visit.query.get("of") == "all", visit.query.get("workflow", ""), visit.query.get("cursor", "")
        )

    async def build(self) -> None:
        """Read the page and put it there."""
        found = await self.visit.ask(self._read, self.visit.first)
        workflows = await self.visit.ask(_workflows, self.visit.first)
        html(heading("Approvals"))
        html(self._whose())
        html(self._form(workflows))
        self.empty = html(NOTHING)
        self.box = ui.element("div")
        with self.box:
            self.table = Table("Open approvals", COLUMNS)
        self.pages = html(NOTHING)
        self._put(found)

    async def refresh(self, caller: Caller) -> None:
        """Read the same page again."""
        self._put(await self.visit.ask(self._read, caller))

    def _read(self, caller: Caller) -> ApprovalPage:
        if self.asked.everybody:
            caller.check_role(Role.OPERATOR, "list_approvals", "approvals")
        else:
            caller.check_role(Role.STARTER, "list_approvals", "approvals")
        return caller.client.approvals.page_seen(
            None if self.asked.everybody else caller.user,
            caller.groups,
            limit=ROWS,
            cursor=self.asked.cursor or None,
            workflow=self.asked.workflow or None,
            patterns=caller.workflows,
        )

    def _put(self, found: ApprovalPage) -> None:
        self.table.show({f"{one.run_id} {one.step}": cells(one) for one in found.approvals})
        shown = bool(found.approvals)
        show_if(self.box, shown)
        self.empty.set_content(NOTHING if shown else self._nothing(more=found.cursor is not None))
        first = self.asked.address() if self.asked.cursor else None
        more = self.asked.address(found.cursor) if found.cursor else None
        self.pages.set_content(cursor_links(first, more))

    def _whose(self) -> Markup:
        everybodys: Markup
        if self.visit.allows(Role.OPERATOR):
            everybodys = self._chip("Everybody's", everybody=True)
        else:
            why_not = "Only operators see what others are asked."
            everybodys = tag("span", "Everybody's", aria_disabled="true", title=why_not, class_="off", role="link")
        chips = tag("ul", tag("li", self._chip("Mine", everybody=False)), tag("li", everybodys), class_="chips")
        return tag("nav", chips, aria_label="Whose")

    def _chip(self, word: str, *, everybody: bool) -> Markup:
        chosen = "true" if everybody == self.asked.everybody else None
        return tag("a", word, href=self.asked.address(everybody=everybody), aria_current=chosen)

    def _form(self, workflows: list[str]) -> Markup:
        chosen = self.asked.workflow
        fields = (
            choice_field("Workflow", "workflow", choices("all", workflows, chosen), chosen),
            tag("input", type="hidden", name="of", value="all") if self.asked.everybody else None,
            tag("noscript", tag("button", "Show")),
        )
        return tag("form", *fields, method="get", action=to(PATH), class_="filters one", data_filters=True)

    def _nothing(self, *, more: bool) -> Markup:
        if more:
            return empty_state("No match among the approvals looked at so far.", hint="The next page goes on looking.")
        if self.asked.workflow or self.asked.cursor:
            return empty_state(
                "Nothing of this workflow waits for a decision.", "Show all workflows", to(PATH, self._of)
            )
        if self.asked.everybody:
            return empty_state(
                "No approval waits for a decision.",
                "All runs",
                to("/runs"),
                hint="One that does appears here by itself.",
            )
        hint = f"{self.visit.first.user or 'This machine'} is asked nothing now. New ones appear here by themselves."
        if self.visit.allows(Role.OPERATOR):
            return empty_state("No approval waits for you.", "Look at everybody's", to(PATH, {"of": "all"}), hint=hint)
        return empty_state("No approval waits for you.", "All runs", to("/runs"), hint=hint)

    @property
    def _of(self) -> dict[str, str]:
        return {"of": "all" if self.asked.everybody else ""}


def cells(one: OpenApproval) -> tuple[Child, ...]:
    """An approval as a row."""
    title = tag("a", one.title or one.step, href=approval_path(one.run_id, one.step))
    run = tag("a", one.run_id, href=run_path(one.run_id), class_="mono clip")
    version = tag("span", f" {one.version}", class_="hint")
    made = len(one.decisions)
    return (
        joined([title, tag("span", joined([one.step, " of ", run]), class_="under")]),
        joined([tag("a", one.workflow, href=workflow_path(one.workflow, one.version)), version]),
        joined([asked_of(one), tag("span", f"{made} decided", class_="under") if made else None]),
        starter(one),
        moment(one.asked_at),
        joined([moment(one.due_at, empty="no limit"), _further(one)]),
        _may(one),
    )


def _may(one: OpenApproval) -> Child:
    """Whether whoever looks may decide it, and why not."""
    if one.refused is None:
        return badge("ok", "may decide")
    return joined([badge("cancelled", "may not"), tag("span", one.refused, class_="under")])


def asked_of(one: OpenApproval) -> str:
    """Who is asked."""
    return people({"users": one.users, "groups": one.groups})


def starter(one: OpenApproval) -> Child:
    """Who started the run, and whether they may not decide."""
    barred = tag("span", "may not decide", class_="under", title="Whoever starts it does not approve it")
    return joined([one.started_by or "–", barred if one.barred else None])


def _further(one: OpenApproval) -> Child:
    """When further people are asked."""
    if not one.escalate_at or not one.escalate_to:
        return None
    return tag("span", people(one.escalate_to), " from ", moment(one.escalate_at), class_="under wide")


def _workflows(caller: Caller) -> list[str]:
    return [key for key in caller.client.registry.workflows() if may_see(caller.workflows, key)]


PAGE = Page(PATH, "Approvals", show, keys="g a", needed=Role.STARTER)
