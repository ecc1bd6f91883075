"""A run's steps, one below the other, each to be unfolded; what can be done about one stands with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup
from nicegui import ui
from nicegui.element import Element

from orchestrator.client.shown import RunDescription, StepDescription
from orchestrator.dashboard.look.json_view import json_box
from orchestrator.dashboard.look.markup import NOTHING, tag
from orchestrator.dashboard.look.parts import html, key_values
from orchestrator.dashboard.look.status import badge
from orchestrator.dashboard.look.times import lasted, moment
from orchestrator.dashboard.pages.run_actions import RunActions
from orchestrator.dashboard.pages.run_parts import error_box, sla_badge
from orchestrator.dashboard.paths import run_path
from orchestrator.dashboard.visit import Visit
from orchestrator.engine.address import parse_address, undone_by

MOST: Final = 200
"""Steps that the page lists; of a larger run those that need somebody's eye come first."""
_URGENT: Final = ("failed", "lost", "waiting", "running", "ready")


class Steps:
    """The list; a step that has not changed is not touched, so what was unfolded stays so."""

    def __init__(self, visit: Visit, run_id: str, actions: RunActions) -> None:
        self.visit = visit
        self.run_id = run_id
        self.actions = actions
        self._rows: dict[str, _Row] = {}
        self.more = html(NOTHING)
        self.box = ui.element("div").classes("steps")

    def put(self, run: RunDescription) -> None:
        """Show the steps as they are now."""
        shown = _chosen(run)
        left = len(run.steps) - len(shown)
        said = f"{len(shown)} of {len(run.steps):,} steps: first those that failed, wait or run." if left else ""
        self.more.set_content(tag("p", said, class_="hint") if said else NOTHING)
        for gone in [name for name in self._rows if name not in shown]:
            self._rows.pop(gone).element.delete()
        named = set[str]()
        for place, (address, step) in enumerate(shown.items()):
            anchor = _anchor(step, named)
            if address not in self._rows:
                with self.box:
                    self._rows[address] = _Row(self.actions)
            row = self._rows[address]
            row.put(step, anchor)
            if self.box.default_slot.children[place] is not row.element:
                row.element.move(target_index=place)


class _Row:
    """One step."""

    def __init__(self, actions: RunActions) -> None:
        self.actions = actions
        with ui.element("div") as self.element:
            self.content = html(NOTHING)
            self.acts: Element = ui.element("div").classes("acts gone")
        self.offered: tuple[str, ...] = ()

    def put(self, step: StepDescription, anchor: str) -> None:
        """Show it as it is now."""
        self.content.set_content(_step(step, anchor))
        offered = self.actions.offered(step)
        if offered == self.offered:
            return
        self.offered = offered
        self.acts.clear()
        with self.acts:
            self.actions.buttons(step, offered)
        self.acts.classes(remove="gone") if offered else self.acts.classes("gone")


def _chosen(run: RunDescription) -> dict[str, StepDescription]:
    if len(run.steps) <= MOST:
        return {step.address: step for step in run.steps}
    ranks = {state: rank for rank, state in enumerate(_URGENT)}
    ordered = sorted(run.steps, key=lambda step: ranks.get(step.state, len(_URGENT)))
    return {step.address: step for step in ordered[:MOST]}


def _anchor(step: StepDescription, named: set[str]) -> str:
    """The id that the graph's box leads to: of the first address of each step."""
    name = parse_address(undone_by(step.address) if step.undoes else step.address).step
    if step.undoes or name in named:
        return f"at-{step.address}"
    named.add(name)
    return f"step-{name}"


def _step(step: StepDescription, anchor: str) -> Markup:
    word = "undo of " if step.undoes else ""
    late = step.sla.state if step.sla and step.sla.state in ("warned", "breached") else ""
    summary = tag(
        "summary",
        badge(step.state),
        tag("span", word, tag("span", step.undoes or step.address, class_="mono")),
        tag("span", step.operation or step.kind, class_="hint"),
        tag("span", f"attempt {step.attempt}", class_="hint") if step.attempt > 1 else None,
        badge(late, f"SLA {late}") if late else None,
        tag("span", lasted(step.duration_ms, empty=""), class_="push"),
    )
    return tag("details", summary, tag("div", *_inside(step), class_="inside"), id=anchor)


def _inside(step: StepDescription) -> list[Markup | None]:
    child = tag("a", step.child_run, href=run_path(step.child_run), class_="mono") if step.child_run else None
    facts: Mapping[str, Markup | str | None] = {
        "Started": moment(step.started_at) if step.started_at else None,
        "Ended": moment(step.ended_at) if step.ended_at else None,
        "SLA": sla_badge(step.sla) if step.sla else None,
        "Waits until": moment(step.waits_until) if step.waits_until else None,
        "Child run": child,
        "Waived by": step.waived_by,
    }
    known = any(value is not None for value in facts.values())
    return [
        key_values(facts) if known else None,
        error_box(step.error) if step.error else None,
        _box("Waits for", step.waits_for),
        _box("What nearly fitted", step.near_miss),
        _box("Output", step.output),
        tag("p", "Not reached.", class_="hint") if step.state == "pending" else None,
    ]


def _box(title: str, value: Any) -> Markup | None:
    return None if value is None else json_box(title, value)
