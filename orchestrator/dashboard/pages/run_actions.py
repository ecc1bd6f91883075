"""What can be done about a run and its steps: each asked for first, with a reason, and only as far as the role goes."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

from markupsafe import Markup
from nicegui import ui

from orchestrator.client.access import Role
from orchestrator.client.callers import Caller
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.shown import RunDescription, StepDescription
from orchestrator.dashboard.look.dialog import confirm
from orchestrator.dashboard.look.json_view import json_view
from orchestrator.dashboard.look.markup import NOTHING, joined, tag
from orchestrator.dashboard.look.parts import area_field, button, choice_field, text_field
from orchestrator.dashboard.visit import Visit
from orchestrator.engine.approvals import Choice
from orchestrator.engine.state import OVER
from orchestrator.engine.undoing import UndoPreview
from orchestrator.errors import InvalidRequest, OrchestratorError

Do = Callable[[RedisRunHandle, Caller, dict[str, str]], None]
Asked = Callable[[], Awaitable[None]]

_WORDS: Final[Mapping[str, str]] = {
    "pause": "Pause",
    "resume": "Resume",
    "cancel": "Cancel",
    "retry": "Retry",
    "undo": "Undo",
    "signal": "Signal",
    "skip": "Skip",
    "decide": "Decide",
    "waive": "Waive",
}
_STARTERS: Final = ("signal", "decide")
"""What starters may do; the rest is for operators."""
_CHOICES: Final[Mapping[str, str]] = {
    "approve": "Approve",
    "reject": "Reject",
    "request_changes": "Ask for changes",
}
_COMMENT: Final = ("Comment", "Kept with the decision.")


class RunActions:
    """The buttons of one run's page."""

    def __init__(self, visit: Visit, run_id: str) -> None:
        self.visit = visit
        self.run_id = run_id
        self._offered: tuple[str, ...] = ()
        self._steps: tuple[StepDescription, ...] = ()

    def build(self) -> None:
        """Put the bar there; it is empty until it is known what can be done."""
        self.bar = ui.element("div").classes("bar").props("role=group aria-label=Actions")

    def put(self, run: RunDescription) -> None:
        """Offer what the run's state allows."""
        self._steps = run.steps
        offered = actions_of(run)
        if offered == self._offered:
            return
        self._offered = offered
        self.bar.clear()
        with self.bar:
            for verb in offered:
                button(_WORDS[verb], self._asking(verb), why_not=self._why_not(verb))

    def offer(self, step: StepDescription) -> list[tuple[str, str, str]]:
        """What can be done about a step now: verb, word, and why not for whoever looks."""
        return [(verb, _WORDS[verb], self._why_not(verb)) for verb in actions_of_step(step)]

    async def act(self, verb: str, address: str) -> None:
        """Ask about a step, if what was pressed is still to be had."""
        step = next((one for one in self._steps if one.address == address), None)
        if step is not None and verb in actions_of_step(step):
            await self._asking(verb, step)()

    def _why_not(self, verb: str) -> str:
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
        await self._confirm(verb, f"{_WORDS[verb]} this run?", do, says=says, dangerous=verb == "cancel")

    async def _retry(self, _: StepDescription | None) -> None:
        says = "It goes on where it failed. Steps that were undone run again first, with new idempotency keys."
        fields = area_field("Input", "input", hint="JSON. Empty: as it is.", placeholder="{…}")

        def do(run: RedisRunHandle, caller: Caller, values: dict[str, str]) -> None:
            given = _json(values.get("input", ""), "input")
            run.retry(values.get("reason", ""), caller.user, input=given)

        await self._confirm("retry", "Retry this run?", do, says=says, fields=fields)

    async def _undo(self, _: StepDescription | None) -> None:
        def read(caller: Caller) -> UndoPreview:
            return caller.run(self.run_id).undo_preview()

        try:
            preview = await self.visit.ask(read, await self.visit.caller())
        except OrchestratorError as error:
            self.visit.tell(error)
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
        fields = joined(
            [
                choice_field("Decision", "choice", _CHOICES),
                area_field("Form", "form", hint="JSON, if the approval asks for one."),
            ]
        )

        def do(run: RedisRunHandle, caller: Caller, values: dict[str, str]) -> None:
            choice = cast("Choice", values.get("choice", "reject"))
            form, comment = _json(values.get("form", ""), "form"), values.get("reason", "")
            approvals = caller.client.approvals
            approvals.decide(
                run.run_id, address, choice, by=caller.user, groups=caller.groups, comment=comment, form=form
            )

        await self._confirm("decide", f"Decide {address}", do, fields=fields, reason=_COMMENT)

    async def _confirm(
        self,
        verb: str,
        title: str,
        do: Do,
        *,
        says: Markup | str = "",
        fields: Markup = NOTHING,
        dangerous: bool = False,
        reason: tuple[str, str] | None = None,
    ) -> None:
        async def decided(values: dict[str, str]) -> None:
            def work(caller: Caller) -> bool:
                do(caller.run(self.run_id), caller, values)
                return True

            await self.visit.act(_needed(verb), verb, f"runs/{self.run_id}", work, f"{_WORDS[verb]}: done")

        told = {"reason": reason} if reason else {}
        await confirm(title, _WORDS[verb], decided, says=says, fields=fields, dangerous=dangerous, **told)


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
    """What the run's state allows."""
    if run.archived:
        return ()
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
            tag("b", one.address, class_="mono"),
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
