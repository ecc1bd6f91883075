"""A run's steps, one below the other, each to be unfolded; what can be done about one stands with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup
from nicegui import ui
from nicegui.events import GenericEventArguments

from orchestrator.client.shown import RunDescription, StepDescription
from orchestrator.dashboard.look.json_view import json_box
from orchestrator.dashboard.look.markup import NOTHING, joined, tag
from orchestrator.dashboard.look.parts import html, key_values
from orchestrator.dashboard.look.status import badge
from orchestrator.dashboard.look.times import lasted, moment
from orchestrator.dashboard.pages.run_parts import error_box, sla_badge
from orchestrator.dashboard.paths import run_path
from orchestrator.engine.address import parse_address, undone_by

MOST: Final = 100
"""Steps that the page lists; of a larger run those that need somebody's eye come first."""
_URGENT: Final = ("failed", "lost", "waiting", "running", "ready")


Offer = Callable[[StepDescription], Sequence[tuple[str, str, str]]]
"""What can be done about a step: verb, word, and why not for whoever looks."""

_PRESSED: Final = """(e) => {
  const pressed = e.target.closest("[data-act]");
  if (pressed && pressed.getAttribute("aria-disabled") !== "true") emit(pressed.dataset.act, pressed.dataset.step);
}"""


@dataclass(frozen=True, slots=True)
class DrawnSteps:
    """The list as markup, by address; made beside the loop that serves requests."""

    rows: Mapping[str, Markup]
    hint: Markup

    @staticmethod
    def of(run: RunDescription, offer: Offer) -> DrawnSteps:
        """Of a run's steps, or of those that need somebody's eye."""
        chosen, named = _chosen(run), set[str]()
        left = len(run.steps) - len(chosen)
        said = f"{len(chosen)} of {len(run.steps):,} steps: first those that failed, wait or run." if left else ""
        rows = {address: _step(step, _anchor(step, named), offer(step)) for address, step in chosen.items()}
        return DrawnSteps(rows, tag("p", said, class_="hint") if said else NOTHING)


class Steps:
    """The list; a step that has not changed is not touched, so what was unfolded stays so."""

    def __init__(self, on_act: Callable[[str, str], Awaitable[None]]) -> None:
        self._rows: dict[str, ui.html] = {}
        self._on_act = on_act
        self.hint = html(NOTHING)
        self.box = ui.element("div").classes("steps").on("click", self._pressed, js_handler=_PRESSED)

    def put(self, drawn: DrawnSteps) -> None:
        """Show the steps as they are now."""
        self.hint.set_content(drawn.hint)
        for gone in [name for name in self._rows if name not in drawn.rows]:
            self._rows.pop(gone).delete()
        for place, (address, content) in enumerate(drawn.rows.items()):
            if address not in self._rows:
                with self.box:
                    self._rows[address] = html(content)
            row = self._rows[address]
            row.set_content(content)
            if self.box.default_slot.children[place] is not row:
                row.move(target_index=place)

    async def _pressed(self, event: GenericEventArguments) -> None:
        verb, address = event.args
        await self._on_act(str(verb), str(address))


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


def _step(step: StepDescription, anchor: str, offered: Sequence[tuple[str, str, str]]) -> Markup:
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
    unfolded = tag("details", summary, tag("div", *_inside(step), class_="inside"), id=anchor)
    acts = [
        tag(
            "button",
            f"{word}…",
            type="button",
            data_act=verb,
            data_step=step.address,
            aria_disabled="true" if why_not else None,
            title=why_not or None,
        )
        for verb, word, why_not in offered
    ]
    return joined([unfolded, tag("div", *acts, class_="acts") if acts else None])


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
