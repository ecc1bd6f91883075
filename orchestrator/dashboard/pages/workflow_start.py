"""The form that starts a run: its fields are those of the version's input schema."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup
from nicegui import ui

from orchestrator.client.access import Role
from orchestrator.client.callers import Caller
from orchestrator.client.redaction import MASK
from orchestrator.client.shown import VersionStatus
from orchestrator.dashboard.forms.part import SchemaForm
from orchestrator.dashboard.forms.shape import MISSING
from orchestrator.dashboard.look.markup import NOTHING, joined, tag
from orchestrator.dashboard.look.parts import choice_field, form, heading, html, text_field
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.pages.workflow import chosen_version
from orchestrator.dashboard.pages.workflow_definition import as_written
from orchestrator.dashboard.pages.workflows import leading, stability_of
from orchestrator.dashboard.paths import WORKFLOWS, run_path, start_path, workflow_path
from orchestrator.dashboard.visit import Visit
from orchestrator.errors import InvalidInput
from orchestrator.spec.canonical import from_canonical
from orchestrator.spec.workflow import WorkflowSpec

_FORMS: Final = ("input", "ctx")
_READS_CTX: Final = re.compile(r"\bctx\b")


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to fill in."""

    versions: Sequence[VersionStatus]
    chosen: str
    spec: WorkflowSpec
    input_schema: Mapping[str, Any] | None
    """As its author wrote it: the definition has its keys sorted."""
    taken: Mapping[str, Any]
    """Input and context of the run that this one is to be like."""


async def show(visit: Visit) -> None:
    """The page."""
    key = str(visit.request.path_params["key"])
    asked, like = visit.query.get("version", ""), visit.query.get("like", "")
    seen = await visit.ask(_read, visit.first, key, asked, like)
    _StartPage(visit, key, asked).build(seen, like)


def _read(caller: Caller, key: str, asked: str, like: str) -> Seen:
    caller.check_workflow(key)
    versions = caller.client.versions(key)
    chosen = chosen_version(key, versions, asked)
    definition, _ = caller.client.catalogue.published(key, chosen.version)
    taken: dict[str, Any] = {}
    if like:
        run = caller.run(like).describe()
        taken = {"input": unmasked(run.input), "ctx": unmasked(run.ctx)}
    return Seen(versions, chosen.version, from_canonical(definition.canonical), definition.input_schema, taken)


def unmasked(value: Any) -> Any:
    """A value without what is masked in it: nobody is to start a run with a mask for a password."""
    if isinstance(value, Mapping):
        return {key: unmasked(one) for key, one in value.items() if one != MASK}
    return [unmasked(one) for one in value if one != MASK] if isinstance(value, list | tuple) else value


class _StartPage:
    """The form in one browser."""

    def __init__(self, visit: Visit, key: str, asked: str) -> None:
        self.visit = visit
        self.key = key
        self.asked = asked
        self.busy = False

    def build(self, seen: Seen, like: str) -> None:
        """Put the form there."""
        self.visit.entitle(f"Start {self.key}")
        html(heading(joined(["Start ", tag("a", self.key, href=workflow_path(self.key, self.asked))])))
        if seen.spec.meta.description:
            html(tag("p", seen.spec.meta.description, class_="lead"))
        html(self._choice(seen.versions))
        if like:
            said = joined(
                [
                    "Filled in with what run ",
                    tag("a", like, href=run_path(like), class_="mono"),
                    " was given, but for what is masked.",
                ]
            )
            html(tag("p", said, class_="hint"))
        with form(NOTHING, self.sent, class_="start-form") as element:
            element.props("novalidate aria-label='Start a run'")
            self.forms = {
                "input": self._input(seen),
                "ctx": self._context(seen),
            }
            html(_options())
            html(self._buttons())

    def _input(self, seen: Seen) -> SchemaForm:
        hint = "" if seen.input_schema else "The workflow takes any object."
        return SchemaForm("Input", seen.input_schema, "input", seen.taken.get("input", MISSING), hint=hint)

    def _context(self, seen: Seen) -> SchemaForm:
        """What comes with the input: who it is for, say. It is folded away where no expression reads it."""
        given = seen.taken.get("ctx") or MISSING
        reads = bool(seen.spec.ctx) or given is not MISSING or bool(_READS_CTX.search(as_written(seen.spec)))
        says = (
            "Its expressions read it as " if reads else "It reads none: leave it empty. Expressions would read it as "
        )
        hint = joined([says, tag("code", "ctx"), "."])
        with ui.element("details").classes("fold") as fold:
            if reads:
                fold.props("open")
            html(tag("h2", "Context"), name="summary")
            return SchemaForm("Context", seen.spec.ctx, "ctx", given, hint=hint)

    def _choice(self, versions: Sequence[VersionStatus]) -> Markup:
        leads = leading(versions)
        shared = sum(one.takes_percent > 0 for one in versions) > 1
        usual = "as they are shared out" if shared else leads.version if leads.takes_percent else "choose one"
        choices = {"": f"as new runs go ({usual})"} | {
            one.version: one.version + ("" if stability_of(one) == "stable" else f" ({stability_of(one)})")
            for one in versions
        }
        fields = (choice_field("Version", "version", choices, self.asked), tag("noscript", tag("button", "Show")))
        return tag(
            "form", *fields, method="get", action=start_path(self.key), class_="filters version", data_filters=True
        )

    def _buttons(self) -> Markup:
        if self.visit.allows(Role.STARTER):
            start = tag("button", "Start", type="submit", class_="primary")
        else:
            start = tag("button", "Start", type="button", aria_disabled="true", title="This needs the role starter.")
        return tag("div", start, tag("a", "Back", href=workflow_path(self.key), class_="button plain"), class_="bar")

    async def sent(self, values: dict[str, str]) -> None:
        """Start the run, or show what is wrong where it is wrong."""
        if self.busy:
            return
        self.busy = True
        started = False
        try:
            started = await self._start(values)
        finally:
            self.busy = started

    async def _start(self, values: Mapping[str, str]) -> bool:
        """Whether it was started; then the browser is on its way to the run, and a second click starts nothing."""
        read = {name: self.forms[name].read(values) for name in _FORMS}
        problems = [problem for _, found in read.values() for problem in found]
        if problems:
            self._show(problems)
            return False
        given = {name: None if value is MISSING else value for name, (value, _) in read.items()}
        refused: list[InvalidInput] = []

        def work(caller: Caller) -> str:
            caller.check_workflow(self.key)
            try:
                return caller.client.start(
                    self.key,
                    given["input"],
                    ctx=given["ctx"],
                    version=self.asked or None,
                    idempotency_key=values.get("idempotency_key") or None,
                    timeout=values.get("timeout", "").strip() or None,
                ).run_id
            except InvalidInput as error:
                refused.append(error)
                raise InvalidInput("some of this does not fit; it is said at each field") from error

        run_id = await self.visit.act(Role.STARTER, "start", f"workflows/{self.key}", work, "Accepted")
        if run_id is not None:
            self.visit.go(run_path(run_id))
            return True
        self._show([one for error in refused for one in error.details.get("problems", ())])
        return False

    def _show(self, problems: Sequence[Mapping[str, str]]) -> None:
        for one in self.forms.values():
            one.put(problems)
        ui.run_javascript("orchestrator.toProblem && orchestrator.toProblem()")


def _options() -> Markup:
    fields = (
        text_field(
            "Idempotency key",
            "idempotency_key",
            autocomplete="off",
            maxlength=300,
            hint="Starts with one key and one input are one run. Empty: this is a new run.",
        ),
        text_field(
            "Time limit", "timeout", placeholder="1h30m", autocomplete="off", hint="If shorter than the workflow's."
        ),
    )
    return tag("section", tag("h2", "How"), tag("div", *fields, class_="fields"), class_="schema-form")


PAGE = Page("/workflows/{key}/start", "Start a run", show, parent=WORKFLOWS)
