"""What can be done about a run and its steps: each asked for first, with a reason, and only as far as the role goes."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from markupsafe import Markup
from nicegui import ui

from orchestrator.client.access import Role
from orchestrator.client.callers import Caller
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.shown import RunDescription, StepDescription
from orchestrator.dashboard.forms.part import SchemaForm
from orchestrator.dashboard.forms.shape import MISSING, Schema
from orchestrator.dashboard.look.dialog import AUDITED, confirm
from orchestrator.dashboard.look.json_view import json_view
from orchestrator.dashboard.look.markup import NOTHING, joined, tag
from orchestrator.dashboard.look.parts import area_field, button, choice_field, text_field
from orchestrator.dashboard.look.words import ACTED, ACTIONS, DECISIONS
from orchestrator.dashboard.pages.run_steps import Offer
from orchestrator.dashboard.pages.workflow_start import unmasked
from orchestrator.dashboard.visit import Visit
from orchestrator.engine.address import undone_by
from orchestrator.engine.approvals import Choice, approval_at
from orchestrator.engine.state import OVER
from orchestrator.engine.undoing import UndoPreview
from orchestrator.errors import InvalidInput, InvalidRequest, OrchestratorError

Do = Callable[[RedisRunHandle, Caller, dict[str, str]], None]
DoWith = Callable[[RedisRunHandle, Caller, dict[str, str], Any], None]
Asked = Callable[[], Awaitable[None]]
T = TypeVar("T")

_STARTERS: Final = ("signal", "decide")
"""What starters may do; the rest is for operators."""
ARCHIVED: Final = "This run is in the archive: it can be read, not acted on."
_COMMENT: Final = ("Comment", "Kept with the decision.")


@dataclass(frozen=True, slots=True)
class Part:
    """A form of a dialog: of which schema, and what it is filled in with."""

    title: str
    schema: Schema | None
    name: str
    value: Any = MISSING


class RunActions:
    """The buttons of one run's page."""

    def __init__(self, visit: Visit, run_id: str) -> None:
        self.visit = visit
        self.run_id = run_id
        self._offered: tuple[bool, tuple[str, ...]] = (False, ())
        self._steps: tuple[StepDescription, ...] = ()

    def build(self) -> None:
        """Put the bar there; it is empty until it is known what can be done."""
        self.bar = ui.element("div").classes("bar").props("role=group aria-label=Actions")

    def put(self, run: RunDescription) -> None:
        """Offer what the run's state allows."""
        self._steps = run.steps
        offered = actions_of(run)
        if (run.archived, offered) == self._offered:
            return
        self._offered = run.archived, offered
        self.bar.clear()
        with self.bar:
            for verb in offered:
                button(ACTIONS[verb], self._asking(verb), why_not=self._why_not(verb, run))

    def offer_of(self, run: RunDescription) -> Offer:
        """Tells what can be done about a step of the run now: verb, word, and why not for whoever looks."""

        def offer(step: StepDescription) -> list[tuple[str, str, str]]:
            return [(verb, ACTIONS[verb], self._why_not(verb, run)) for verb in actions_of_step(step)]

        return offer

    async def act(self, verb: str, address: str) -> None:
        """Ask about a step, if what was pressed is still to be had."""
        step = next((one for one in self._steps if one.address == address), None)
        if step is not None and verb in actions_of_step(step):
            await self._asking(verb, step)()

    def _why_not(self, verb: str, run: RunDescription) -> str:
        if run.archived:
            return ARCHIVED
        needed = _needed(verb)
        return "" if self.visit.allows(needed) else f"This needs the role {needed}."

    def _asking(self, verb: str, step: StepDescription | None = None) -> Asked:
        async def ask() -> None:
            asks: dict[str, Callable[[StepDescription | None], Awaitable[None]]] = {
                "retry": self._retry,
                "undo": self._undo,
                "signal": self._signal,
                "skip": self._skip,
                "decide": self._decide,
                "waive": self._waive,
            }
            await (asks[verb](step) if verb in asks else self._plain(verb))

        return ask

    async def _plain(self, verb: str) -> None:
        says, do = _PLAIN[verb]
        await self._confirm(verb, f"{ACTIONS[verb]} this run?", do, says=says, dangerous=verb == "cancel")

    async def _retry(self, _: StepDescription | None) -> None:
        def read(caller: Caller) -> tuple[Schema | None, Any]:
            run = caller.run(self.run_id).describe()
            return caller.client.catalogue.plan(run.workflow, run.version).input_schema, unmasked(run.input)

        found = await self._read(read)
        if found is None:
            return
        schema, before = found
        says = (
            "It goes on where it failed. Steps that were undone run again first, with new idempotency keys."
            " Left as it is, the input is the same, with what is masked in it."
        )

        def do(run: RedisRunHandle, caller: Caller, values: dict[str, str], given: Any) -> None:
            same = given is MISSING or given == before
            run.retry(values.get("reason", ""), caller.user, input=None if same else given)

        await self._fill_in("retry", "Retry this run?", Part("Input", schema, "input", before), do, says=says)

    async def _undo(self, _: StepDescription | None) -> None:
        def read(caller: Caller) -> UndoPreview:
            return caller.run(self.run_id).undo_preview()

        preview = await self._read(read)
        if preview is None:
            return

        def do(run: RedisRunHandle, caller: Caller, values: dict[str, str]) -> None:
            run.undo(values.get("reason", ""), caller.user)

        await self._confirm("undo", "Undo what this run did?", do, says=_previewed(preview), dangerous=True)

    async def _signal(self, _: StepDescription | None) -> None:
        fields = joined(
            [
                text_field("Name", "name", required=True, autocomplete="off"),
                area_field("Data", "data", hint="JSON. Empty: null."),
            ]
        )

        def do(run: RedisRunHandle, caller: Caller, values: dict[str, str]) -> None:
            run.signal(
                values.get("name", ""),
                _json(values.get("data", ""), "data"),
                id=values.get("reason") or None,
                by=caller.user,
            )

        told = ("Id", "Two signals with the same id are one.")
        await self._confirm("signal", "Give this run a signal", do, fields=fields, reason=told)

    async def _skip(self, step: StepDescription | None) -> None:
        address = step.address if step else ""
        fields = area_field("Output", "output", hint="JSON that later steps read of it. Empty: null.")

        def do(run: RedisRunHandle, caller: Caller, values: dict[str, str]) -> None:
            run.skip(address, values.get("reason", ""), caller.user, output=_json(values.get("output", ""), "output"))

        says = "The run goes on behind it, as if it had succeeded."
        await self._confirm("skip", f"Skip {address}?", do, says=says, fields=fields)

    async def _waive(self, step: StepDescription | None) -> None:
        address = step.undoes if step and step.undoes else ""

        def do(run: RedisRunHandle, caller: Caller, values: dict[str, str]) -> None:
            run.waive(address, values.get("reason", ""), caller.user)

        says = "Say that it was undone by hand; it is not tried again."
        await self._confirm("waive", f"Waive the undo of {address}?", do, says=says, dangerous=True)

    async def _decide(self, step: StepDescription | None) -> None:
        address = step.address if step else ""

        def read(caller: Caller) -> tuple[Schema | None]:
            run = caller.run(self.run_id).describe()
            return (approval_at(caller.client.catalogue.plan(run.workflow, run.version), address).form,)

        def do(run: RedisRunHandle, caller: Caller, values: dict[str, str], given: Any) -> None:
            choice = cast("Choice", values.get("choice", "reject"))
            form, comment = None if given is MISSING else given, values.get("reason", "")
            approvals = caller.client.approvals
            approvals.decide(
                run.run_id, address, choice, by=caller.user, groups=caller.groups, comment=comment, form=form
            )

        found = await self._read(read)
        if found is None:
            return
        part = Part("Form", found[0], "form") if found[0] is not None else None
        fields = choice_field("Decision", "choice", DECISIONS)
        await self._fill_in("decide", f"Decide {address}", part, do, fields=fields, reason=_COMMENT)

    async def _read(self, read: Callable[[Caller], T]) -> T | None:
        """What a dialog needs to know first; None if it is not to be had, which has been said then."""
        try:
            return await self.visit.ask(read, await self.visit.caller())
        except OrchestratorError as error:
            self.visit.tell(error)
            return None

    async def _fill_in(
        self,
        verb: str,
        title: str,
        part: Part | None,
        do: DoWith,
        *,
        says: Markup | str = "",
        fields: Markup = NOTHING,
        reason: tuple[str, str] = AUDITED,
    ) -> None:
        """Ask with a form made from a schema; the dialog stays until it is filled in right."""
        forms: list[SchemaForm] = []

        def build() -> None:
            if part is not None:
                forms.append(SchemaForm(part.title, part.schema, part.name, part.value))

        async def decided(values: dict[str, str]) -> bool:
            given, problems = forms[0].read(values) if forms else (MISSING, [])
            refused: list[OrchestratorError] = []

            def work(caller: Caller) -> bool:
                try:
                    do(caller.run(self.run_id), caller, values, given)
                except InvalidInput as error:
                    refused.append(error)
                    raise
                return True

            done = None
            if not problems:
                done = await self.visit.act(_needed(verb), verb, f"runs/{self.run_id}", work, ACTED[verb])
                problems = [one for error in refused for one in error.details.get("problems", ())]
            if problems and forms:
                forms[0].put(problems)
                ui.run_javascript("orchestrator.toProblem()")
            return done is not None

        await confirm(title, ACTIONS[verb], decided, says=says, fields=fields, within=build, reason=reason)

    async def _confirm(
        self,
        verb: str,
        title: str,
        do: Do,
        *,
        says: Markup | str = "",
        fields: Markup = NOTHING,
        dangerous: bool = False,
        reason: tuple[str, str] = AUDITED,
    ) -> None:
        async def decided(values: dict[str, str]) -> None:
            def work(caller: Caller) -> bool:
                do(caller.run(self.run_id), caller, values)
                return True

            await self.visit.act(_needed(verb), verb, f"runs/{self.run_id}", work, ACTED[verb])

        await confirm(title, ACTIONS[verb], decided, says=says, fields=fields, dangerous=dangerous, reason=reason)


def _cancel(run: RedisRunHandle, caller: Caller, values: dict[str, str]) -> None:
    run.cancel(values.get("reason", ""), caller.user)


def _pause(run: RedisRunHandle, caller: Caller, values: dict[str, str]) -> None:
    run.pause(values.get("reason", ""), caller.user)


def _resume(run: RedisRunHandle, caller: Caller, values: dict[str, str]) -> None:
    run.resume(values.get("reason", ""), caller.user)


_PLAIN: Final[Mapping[str, tuple[str, Do]]] = {
    "cancel": ("Nothing new starts, what is in flight ends, what was done is undone.", _cancel),
    "pause": ("Nothing new begins until it is resumed; steps in flight end.", _pause),
    "resume": ("It goes on; its time limits move by as long as it was paused.", _resume),
}


def _needed(verb: str) -> Role:
    return Role.STARTER if verb in _STARTERS else Role.OPERATOR


def actions_of(run: RunDescription) -> tuple[str, ...]:
    """What the run's state allows; of an archived run, what it would allow if it could still be acted on."""
    if run.status not in OVER:
        return ("resume" if run.status == "paused" else "pause", "cancel", "signal")
    verbs: list[str] = []
    if run.status in ("failed", "cancelled") and run.compensation in ("none", "completed"):
        verbs.append("retry")
    if run.compensation in ("pending", "failed"):
        verbs.append("undo")
    return tuple(verbs)


def actions_of_step(step: StepDescription) -> list[str]:
    """What a step's state allows."""
    verbs: list[str] = []
    if step.state == "waiting" and step.kind == "approval":
        verbs.append("decide")
    if step.state == "waiting" and not step.undoes:
        verbs.append("skip")
    if step.undoes and step.state in ("failed", "lost") and step.waived_by is None:
        verbs.append("waive")
    return verbs


def _json(text: str, name: str) -> Any:
    """What was typed; nothing is null."""
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidRequest(f"{name}: this is not JSON: {error}") from error


def _previewed(preview: UndoPreview) -> Markup:
    undos = [
        tag(
            "li",
            tag("b", undone_by(one.address), class_="mono"),
            f" by {one.operation}",
            tag("div", json_view(one.inputs), class_="json"),
        )
        for one in preview.undos
    ]
    kept = [
        tag("li", tag("b", one.address, class_="mono"), f" stays: {one.why.replace('_', ' ')}") for one in preview.kept
    ]
    return joined(
        [
            tag("p", "Newest first:") if undos else tag("p", "Nothing is left to undo."),
            tag("ol", *undos) if undos else None,
            tag("ul", *kept) if kept else None,
        ]
    )
