"""One approval: what is asked, of whom, until when, and deciding it with the form that it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

from markupsafe import Markup
from nicegui import ui

from orchestrator.client.access import Role
from orchestrator.client.awaited import people
from orchestrator.client.callers import Caller
from orchestrator.client.shown import OpenApproval
from orchestrator.dashboard.forms.part import SchemaForm
from orchestrator.dashboard.forms.shape import MISSING
from orchestrator.dashboard.look.dialog import confirm
from orchestrator.dashboard.look.empty import empty_state
from orchestrator.dashboard.look.json_view import json_box
from orchestrator.dashboard.look.markup import NOTHING, joined, tag
from orchestrator.dashboard.look.parts import area_field, button, form, heading, html, key_values
from orchestrator.dashboard.look.status import badge
from orchestrator.dashboard.look.table import Column, static_table
from orchestrator.dashboard.look.times import moment
from orchestrator.dashboard.look.words import DECIDED, DECISIONS
from orchestrator.dashboard.pages.approvals import MODES, PATH, asked_of
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.paths import run_path, to, workflow_path
from orchestrator.dashboard.visit import Visit
from orchestrator.engine.approvals import Choice
from orchestrator.errors import InvalidInput, OrchestratorError, StepNotWaiting

_KINDS: Final = {"approve": "primary", "reject": "danger"}
_NEEDS: Final = "This needs the role starter."


@dataclass(frozen=True, slots=True)
class Seen:
    """An approval as it was read; None if it waits no more."""

    approval: OpenApproval | None
    input: Any


async def show(visit: Visit) -> None:
    """The page."""
    run_id, step = (str(visit.request.path_params[name]) for name in ("run_id", "step"))
    page, news = _ApprovalPage(visit, run_id, step), await visit.news(run_id)
    page.build(await visit.ask(page.read, visit.first))
    visit.follow(page.refresh, news)


class _ApprovalPage:
    """The page in one browser."""

    def __init__(self, visit: Visit, run_id: str, step: str) -> None:
        self.visit = visit
        self.run_id = run_id
        self.step = step
        self.busy = False
        self.refused: str | None = None

    def read(self, caller: Caller) -> Seen:
        """What is asked, as that caller may see it."""
        caller.check_role(Role.STARTER, "list_approvals", "approvals")
        run = caller.run(self.run_id)
        given = run.describe().input
        try:
            return Seen(caller.client.approvals.asked(self.run_id, self.step, caller.groups), given)
        except StepNotWaiting:
            return Seen(None, given)

    def build(self, seen: Seen) -> None:
        """Put the page there."""
        self.visit.entitle((seen.approval and seen.approval.title) or self.step)
        self.head = html(NOTHING)
        self.facts = html(NOTHING)
        self.over = html(NOTHING)
        with ui.element("div").classes("columns") as self.columns:
            self.values = html(NOTHING, name="section", class_="stack")
            self.deciding = ui.element("section").classes("stack panel")
        self.put(seen, fresh=True)

    async def refresh(self, caller: Caller) -> None:
        """Read it again."""
        self.put(await self.visit.ask(self.read, caller))

    def put(self, seen: Seen, *, fresh: bool = False) -> None:
        """Show what was read; the form is left alone while it is being filled in."""
        one = seen.approval
        if one is None:
            self._put_over()
            return
        self.head.set_content(heading(one.title or one.step, badge("waiting", "waits for a decision")))
        self.facts.set_content(tag("div", _facts(one), class_="panel"))
        self.values.set_content(
            joined([json_box("What the run was given", seen.input, nothing="Nothing."), _made(one)])
        )
        if fresh or one.refused != self.refused:
            self.refused = one.refused
            self.deciding.clear()
            with self.deciding:
                self._form(one)

    def _put_over(self) -> None:
        self.head.set_content(heading(self.step, badge("done", "waits no more")))
        self.facts.set_content(NOTHING)
        self.columns.classes("gone")
        said = joined(["What became of it is told by run ", tag("a", self.run_id, href=run_path(self.run_id)), "."])
        self.over.set_content(
            empty_state("This waits for no decision any more.", "Back to the inbox", to(PATH), hint=said)
        )

    def _form(self, one: OpenApproval) -> None:
        html(joined(["Decide"]), name="h2")
        why_not = one.refused or ("" if self.visit.allows(Role.STARTER) else _NEEDS)
        if one.refused:
            html(tag("p", badge("warning", "You may not decide this"), " ", f"{one.refused}.", class_="refused"))
        with form(NOTHING, self._sent, class_="start-form") as element:
            element.props("novalidate aria-label=Decide")
            self.schema = None if one.form is None or why_not else SchemaForm("Form", one.form, "form")
            if not why_not:
                html(area_field("Comment", "comment", hint="Kept with the decision.", maxlength=2000, rows=3))
            html(_buttons(why_not))
        with ui.element("div").classes("bar"):
            button("Have another decide…", self._delegate, kind="plain", why_not=why_not)

    async def _sent(self, values: dict[str, str]) -> None:
        if self.busy:
            return
        self.busy = True
        try:
            await self._decide(cast("Choice", values.get("choice", "approve")), values)
        finally:
            self.busy = False

    async def _decide(self, choice: Choice, values: dict[str, str]) -> None:
        filled: Any = None
        if self.schema is not None:
            value, problems = self.schema.read(values)
            if problems and choice == "approve":
                self._show(problems)
                return
            filled = None if value is MISSING or problems else value
        refused: list[OrchestratorError] = []

        def work(caller: Caller) -> bool:
            caller.run(self.run_id)
            try:
                caller.client.approvals.decide(
                    self.run_id,
                    self.step,
                    choice,
                    by=caller.user,
                    groups=caller.groups,
                    comment=values.get("comment", ""),
                    form=filled,
                )
            except OrchestratorError as error:
                refused.append(error)
                raise
            return True

        if await self.visit.act(Role.STARTER, choice, self._target, work, DECIDED[choice]):
            await self.visit.again(self.refresh)
            return
        self._show([] if not refused else refused[0].details.get("problems", []))

    def _show(self, problems: list[dict[str, str]]) -> None:
        if self.schema is not None:
            self.schema.put(problems)
            ui.run_javascript("orchestrator.toProblem && orchestrator.toProblem()")

    async def _delegate(self) -> None:
        async def decided(values: dict[str, str]) -> None:
            to_whom = values.get("reason", "").strip()

            def work(caller: Caller) -> bool:
                caller.run(self.run_id)
                if not to_whom:
                    raise InvalidInput("name somebody to decide it")
                caller.client.approvals.delegate(self.run_id, self.step, to_whom, by=caller.user, groups=caller.groups)
                return True

            if await self.visit.act(Role.STARTER, "delegate", self._target, work, f"{to_whom} is asked now."):
                await self.visit.again(self.refresh)

        says = "A user who delegates is asked no more; a group still is, besides whom you name."
        told = ("Who is to decide", "The name of a user, as their key has it. Noted in the audit log.")
        await confirm("Have another decide", "Delegate", decided, says=says, reason=told)

    @property
    def _target(self) -> str:
        return f"runs/{self.run_id}/steps/{self.step}"


def _buttons(why_not: str) -> Markup:
    made = []
    for choice, word in DECISIONS.items():
        kind = _KINDS.get(choice)
        if why_not:
            made.append(tag("button", word, type="button", aria_disabled="true", title=why_not, class_=kind))
        else:
            made.append(tag("button", word, type="submit", name="choice", value=choice, class_=kind))
    return tag("div", *made, class_="bar")


def _facts(one: OpenApproval) -> Markup:
    further = None
    if one.escalate_at and one.escalate_to:
        further = joined([people(one.escalate_to), ", from ", moment(one.escalate_at)])
    barred = tag("span", " · may not decide", class_="hint") if one.barred else None
    return key_values(
        {
            "Run": tag("a", one.run_id, href=run_path(one.run_id), class_="mono"),
            "Workflow": joined(
                [tag("a", one.workflow, href=workflow_path(one.workflow, one.version)), " ", one.version]
            ),
            "Step": tag("code", one.step),
            "Asked": joined([asked_of(one), tag("span", f" · {MODES[one.mode]}", class_="hint")]),
            "Started by": joined([one.started_by or "–", barred]),
            "Waits since": moment(one.asked_at),
            "Due": moment(one.due_at, empty="no limit"),
            "Next reminder": moment(one.remind_at) if one.remind_at else None,
            "Asked next": further,
        }
    )


def _made(one: OpenApproval) -> Markup | None:
    if not one.decisions:
        return None
    columns = (Column("By"), Column("Decision"), Column("When", "number"), Column("Comment", "wide"))
    states = {"approved": "ok", "rejected": "failed", "changes_requested": "changed"}
    rows = [
        (
            str(made.get("by")),
            badge(states.get(str(made.get("decision")), ""), str(made.get("decision")).replace("_", " ")),
            moment(made.get("at")),
            str(made.get("comment") or ""),
        )
        for made in one.decisions
    ]
    return tag("section", tag("h2", "Decided so far"), static_table("Decisions so far", columns, rows))


PAGE = Page("/approvals/{run_id}/{step:path}", "Approval", show, parent=PATH, needed=Role.STARTER)
