"""A schedule: how it stands, its next fires and last slots, holding it, starting it now, and filling up a range."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup
from nicegui import ui

from orchestrator.client.access import Role
from orchestrator.client.callers import Caller
from orchestrator.client.shown import ScheduleDescription, Slots
from orchestrator.dashboard.look.dialog import confirm
from orchestrator.dashboard.look.markup import NOTHING, Child, joined, tag
from orchestrator.dashboard.look.parts import button, choice_field, heading, html, key_values, show_if, text_field
from orchestrator.dashboard.look.status import badge
from orchestrator.dashboard.look.table import Column, Table, static_table
from orchestrator.dashboard.look.times import moment
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.pages.schedules import LOOK_S, PATH, when
from orchestrator.dashboard.paths import run_path, schedule_path, workflow_path
from orchestrator.dashboard.visit import Visit
from orchestrator.errors import OrchestratorError
from orchestrator.spec.durations import format_duration

FIRES: Final = 10
MANY: Final = 1_000
"""Slots of a range that are not counted again while the page is open."""
PREVIEWED: Final = 100
"""Slots of a range that are listed before it is filled up."""
COLUMNS: Final = (
    Column("Slot", "number"),
    Column("Came to"),
    Column("Why", "wide"),
    Column("Run", "main"),
    Column("Error", "wide"),
)
_WHY: Final[Mapping[str, str]] = {"slot": "its time", "trigger": "by hand", "backfill": "backfill"}
_OVERLAP: Final[Mapping[str, str]] = {
    "skip": "a slot is skipped",
    "buffer_one": "one slot waits",
    "allow_all": "the next starts beside it",
    "cancel_other": "it is cancelled",
}
_NEEDS: Final = "This needs the role operator."
_GONE: Final = "No version that new runs take has it any more."

Do = Callable[[Caller, dict[str, str]], Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """A schedule as it was read, and the slots of the range that is asked for."""

    one: ScheduleDescription
    slots: Slots | None = None
    error: OrchestratorError | None = None


async def show(visit: Visit) -> None:
    """The page."""
    key, name = (str(visit.request.path_params[part]) for part in ("key", "name"))
    page = _SchedulePage(visit, key, name)
    page.build(await visit.ask(page.read, visit.first))
    visit.every(LOOK_S, page.refresh)


class _SchedulePage:
    """A schedule's page in one browser."""

    def __init__(self, visit: Visit, key: str, name: str) -> None:
        self.visit = visit
        self.key = key
        self.name = name
        self.since = visit.query.get("since", "").strip()
        self.until = visit.query.get("until", "").strip()
        self.offered: tuple[str, int] = "", 0
        self.many: Slots | None = None

    def read(self, caller: Caller) -> Seen:
        """How it stands, as that caller may see it."""
        caller.check_workflow(self.key)
        schedules = caller.client.schedules
        one = schedules.describe(self.key, self.name, fires=FIRES)
        if not self.since:
            return Seen(one)
        if self.many is not None:
            return Seen(one, self.many)
        try:
            slots = schedules.slots(self.key, self.name, self.since, self.until or None, limit=PREVIEWED)
        except OrchestratorError as error:
            return Seen(one, error=error)
        self.many = slots if slots.count > MANY else None
        return Seen(one, slots)

    def build(self, seen: Seen) -> None:
        """Put the page there."""
        self.visit.entitle(f"{self.name} of {self.key}")
        self.head = html(NOTHING)
        self.actions = ui.element("div").classes("bar").props('role=group aria-label="Actions"')
        self.held = html(NOTHING)
        self.facts = html(NOTHING)
        with ui.element("div").classes("columns"):
            with ui.element("section").classes("stack"):
                html(joined(["Last slots"]), name="h2")
                self.none = html(NOTHING)
                self.box = ui.element("div")
                with self.box:
                    self.recent = Table("Last slots", COLUMNS)
            self.fires = html(NOTHING, name="section", class_="stack")
        with ui.element("section").classes("stack").props("id=backfill"):
            html(_range_form(self))
            self.preview = html(NOTHING)
            self.fill = ui.element("div").classes("bar")
        self.put(seen)

    async def refresh(self, caller: Caller) -> None:
        """Read it again."""
        self.put(await self.visit.ask(self.read, caller))

    def put(self, seen: Seen) -> None:
        """Show what was read."""
        one = seen.one
        workflow = tag("a", one.workflow, href=workflow_path(one.workflow), class_="hint")
        self.head.set_content(heading(one.name, badge(one.state), workflow))
        self.held.set_content(_held(one))
        self.facts.set_content(tag("div", _facts(one), class_="panel"))
        self.recent.show({f"{slot['slot']} {slot['kind']} {slot['result']}": _slot(slot) for slot in one.recent})
        show_if(self.box, one.recent)
        self.none.set_content(NOTHING if one.recent else tag("p", "None has come yet.", class_="hint"))
        self.fires.set_content(_fires(one))
        self.preview.set_content(_previewed(seen))
        offered = one.state, _left(seen.slots)
        if offered != self.offered:
            self.offered = offered
            self._buttons(seen)

    def _buttons(self, seen: Seen) -> None:
        why_not = "" if self.visit.allows(Role.OPERATOR) else _NEEDS
        gone = why_not or (_GONE if seen.one.state == "retired" else "")
        self.actions.clear()
        with self.actions:
            if seen.one.paused is None:
                button("Pause…", self._pause, why_not=gone)
            else:
                button("Resume…", self._resume, kind="primary", why_not=gone)
            button("Start a run now…", self._trigger, why_not=gone)
        self.fill.clear()
        left = _left(seen.slots)
        if left:
            with self.fill:
                word = f"Start {left:,} {'run' if left == 1 else 'runs'}…"
                button(word, self._backfill, kind="primary", why_not=gone)

    async def _pause(self) -> None:
        says = "No slot starts a run until it is resumed; the slots until then are neither fired nor missed."

        def do(caller: Caller, values: dict[str, str]) -> None:
            caller.client.schedules.pause(self.key, self.name, values.get("reason", ""), by=caller.user)

        await self._confirm("pause", "Pause this schedule?", "Pause", do, "The schedule is paused.", says=says)

    async def _resume(self) -> None:
        says = "It goes on from its next slot; those that came meanwhile can be backfilled below."

        def do(caller: Caller, values: dict[str, str]) -> None:
            caller.client.schedules.resume(self.key, self.name, values.get("reason", ""), by=caller.user)

        await self._confirm("resume", "Resume this schedule?", "Resume", do, "The schedule goes on.", says=says)

    async def _trigger(self) -> None:
        says = "Outside of its slots, and whatever is under way."

        def do(caller: Caller, values: dict[str, str]) -> str:
            return caller.client.schedules.trigger(self.key, self.name, values.get("reason", ""), by=caller.user)

        told = "Started: run {}".format
        await self._confirm("trigger", "Start a run now?", "Start", do, told, says=says)

    async def _backfill(self) -> None:
        fields = choice_field(
            "How", "how", {"one": "one after the other, beside no other run of it", "all": "all at once"}
        )

        def do(caller: Caller, values: dict[str, str]) -> int:
            return caller.client.schedules.backfill(
                self.key,
                self.name,
                self.since,
                self.until or None,
                values.get("reason", ""),
                by=caller.user,
                one_by_one=values.get("how") != "all",
            )

        told = "Noted: {} slots are worked off now.".format
        says = "Slots that have their runs, or had runs that are remembered, are passed over."
        await self._confirm("backfill", "Backfill this range?", "Backfill", do, told, says=says, fields=fields)

    async def _confirm(
        self,
        verb: str,
        title: str,
        word: str,
        do: Do,
        told: str | Callable[[Any], str],
        *,
        says: str,
        fields: Markup = NOTHING,
    ) -> None:
        async def decided(values: dict[str, str]) -> None:
            def work(caller: Caller) -> Any:
                caller.check_workflow(self.key)
                found = do(caller, values)
                return True if found is None else found

            target = f"schedules/{self.key}/{self.name}"
            if await self.visit.act(Role.OPERATOR, f"{verb}_schedule", target, work, told) is not None:
                await self.visit.again(self.refresh)

        await confirm(title, word, decided, says=says, fields=fields)


def _held(one: ScheduleDescription) -> Markup:
    if one.paused is None:
        return NOTHING
    by, reason = one.paused.get("by"), one.paused.get("reason")
    said = (
        tag("b", "Paused"),
        by and f" by {by}",
        " since ",
        moment(one.paused.get("since")),
        reason and f": {reason}",
    )
    return tag("p", joined([part for part in said if part]), class_="panel held note")


def _facts(one: ScheduleDescription) -> Markup:
    definition = one.definition
    overlap = str(definition.get("overlap", "skip"))
    return key_values(
        {
            "When": joined([when(definition)]),
            "While a run goes on": joined(
                [tag("code", overlap), tag("span", f" · {_OVERLAP[overlap]}", class_="hint")]
            ),
            "Catches up": format_duration(definition["catch_up"]) if "catch_up" in definition else "10m",
            "Jitter": format_duration(definition["jitter"]) if definition.get("jitter") else None,
            "Version": str(definition.get("version", "latest")),
            "Last slot decided": moment(one.last),
            "A slot waits": moment(one.waiting) if one.waiting else None,
            "Backfills under way": f"{one.backfills:,}" if one.backfills else None,
            **{name: f"{one.counts.get(key, 0):,}" for key, name in _COUNTED.items()},
            **{_named(key): f"{number:,}" for key, number in one.counts.items() if key not in _COUNTED and number},
        }
    )


_COUNTED: Final[Mapping[str, str]] = {
    "started": "Started",
    "skipped": "Skipped",
    "missed": "Missed",
    "failed": "Failed to start",
}


def _named(key: str) -> str:
    return key.replace("_", ": ", 1).capitalize()


def _fires(one: ScheduleDescription) -> Markup:
    if one.next:
        shown = tag("ol", *(tag("li", moment(at)) for at in one.next), class_="fires")
        hint = tag("p", "Jitter included.", class_="hint") if one.definition.get("jitter") else None
        return joined([tag("h2", "Next fires"), shown, hint])
    why = {"paused": "None, as long as it is held.", "retired": f"None: {_GONE[0].lower()}{_GONE[1:]}"}
    return joined(
        [tag("h2", "Next fires"), tag("p", why.get(one.state, "None: its calendar is at its end."), class_="hint")]
    )


def _slot(slot: Mapping[str, Any]) -> Sequence[Child]:
    run_id, error = slot["run_id"], slot["error"]
    run = tag("a", run_id, href=run_path(run_id), class_="mono clip") if run_id and not error else "–"
    said = joined([tag("code", error["code"]), " ", error["message"]]) if error else ""
    return moment(slot["slot"]), badge(str(slot["result"])), _WHY.get(str(slot["kind"]), ""), run, said


def _range_form(page: _SchedulePage) -> Markup:
    fields = (
        text_field(
            "Since", "since", page.since, placeholder="24h", autocomplete="off", hint="A moment, or how long ago"
        ),
        text_field("Until", "until", page.until, placeholder="now", autocomplete="off", hint="Without an offset: UTC"),
        tag("div", tag("button", "Show the slots", type="submit"), class_="actions"),
    )
    action = f"{schedule_path(page.key, page.name)}"
    return joined(
        [
            tag("h2", "Backfill a range"),
            tag(
                "p",
                "Let slots have their runs that are past: missed, skipped, or from before it was there.",
                class_="hint",
            ),
            tag("form", *fields, method="get", action=action, class_="filters range", data_filters=True),
        ]
    )


def _left(slots: Slots | None) -> int:
    if slots is None:
        return 0
    return slots.count - sum(one.run_id is not None for one in slots.slots)


def _previewed(seen: Seen) -> Markup:
    if seen.error is not None:
        return tag(
            "p", badge("failed", "cannot be backfilled"), " ", seen.error.message, " ", tag("code", seen.error.code)
        )
    if seen.slots is None:
        return NOTHING
    if not seen.slots.count:
        return tag("p", "There is no slot in that range.", class_="hint", role="status")
    rows = [
        (
            moment(one.slot),
            badge("existed", "has its run") if one.run_id else badge("ready", "to be started"),
            tag("a", one.run_id, href=run_path(one.run_id), class_="mono clip") if one.run_id else "",
        )
        for one in seen.slots.slots
    ]
    more = seen.slots.count - len(rows)
    said = (
        f"{seen.slots.count:,} slot{'' if seen.slots.count == 1 else 's'}, of which {_left(seen.slots):,} have no run."
    )
    columns = (Column("Slot", "number"), Column("What becomes of it"), Column("Run", "main"))
    left = tag("p", f"… and {more:,} more.", class_="hint") if more else None
    table = tag("div", static_table("Slots of the range", columns, rows), class_="history")
    return joined([tag("p", said, role="status"), table, left])


PAGE = Page("/schedules/{key}/{name:path}", "Schedule", show, parent=PATH)
