"""What of a run may be shown: its plan's redaction and the settings', applied to everything that leaves the client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from orchestrator.client.redaction import MASK, Mask, Redaction
from orchestrator.client.shown import RunDescription, StepDescription
from orchestrator.engine import fields
from orchestrator.engine.address import parse_address, undone_by
from orchestrator.engine.undoing import UndoPreview
from orchestrator.engine.view import RunView
from orchestrator.errors import InvalidInput
from orchestrator.plan.graph import Plan
from orchestrator.settings import Settings
from orchestrator.store.port import HistoryEntry

_NAMES = frozenset({"type", "step", "steps", "undo", "workflow", "version", "compensation"})
"""Of a history event: what holds names of the workflow's own."""


def redaction_of(plan: Plan, settings: Settings) -> Redaction:
    """What is masked of the runs of a version."""
    return _redaction((*plan.redact, *settings.redact))


@lru_cache(maxsize=512)
def _redaction(paths: tuple[str, ...]) -> Redaction:
    return Redaction.of(*paths)


def mask_of(plan: Plan, settings: Settings, view: RunView) -> Mask:
    """The mask of one run; needs the whole run, unless nothing is masked."""
    redaction = redaction_of(plan, settings)
    if not redaction:
        return Mask()
    return Mask.of(redaction, (text for at, value in _values(view) for text in redaction.hidden(value, *at)))


def masked_description(run: RunDescription, mask: Mask) -> RunDescription:
    """A run, as it may be shown."""
    if not mask.redaction:
        return run
    return replace(
        run,
        input=mask.value(run.input, "input"),
        ctx=mask.value(run.ctx, "ctx"),
        output=mask.value(run.output, "output"),
        error=masked_error(run.error, mask),
        steps=tuple(masked_step(step, mask) for step in run.steps),
    )


def masked_error(error: Any, mask: Mask) -> Any:
    """The error that a run ended with: at its own path, and at that of the step that it came from."""
    if not isinstance(error, Mapping):
        return error
    step = error.get("address") or error.get("step")
    own = mask.value(error, *_at(step), "error") if step and step != "$" else error
    return mask.value(own, "error")


def masked_history(entries: Sequence[HistoryEntry], mask: Mask) -> list[HistoryEntry]:
    """Events, as they may be shown."""
    if not mask.redaction:
        return list(entries)
    return [replace(entry, event=_event(entry.event, mask)) for entry in entries]


def masked_preview(found: UndoPreview, mask: Mask) -> UndoPreview:
    """A preview, as it may be shown."""
    undos = (replace(one, inputs=mask.value(one.inputs, *_at(one.address), "inputs")) for one in found.undos)
    return replace(found, undos=tuple(undos))


def masked_refusal(error: InvalidInput, redaction: Redaction, roots: Mapping[str, Any]) -> InvalidInput:
    """Why an input was refused, without the values that are masked in it."""
    if not redaction:
        return error
    mask = Mask.of(redaction, (text for name, value in roots.items() for text in redaction.hidden(value, name)))
    problems = [_problem(one, mask) for one in error.details.get("problems", ())]
    if not problems:
        return InvalidInput(mask.text(error.message))
    return InvalidInput("; ".join(f"{one['path']}: {one['message']}" for one in problems), problems=problems)


def _problem(problem: Mapping[str, str], mask: Mask) -> dict[str, str]:
    path = problem["path"].replace("]", "").replace("[", ".").split(".")
    hidden = mask.redaction.hides(*path) or mask.redaction.hides(*(part for part in path if not part.isdecimal()))
    return {
        "path": problem["path"],
        "message": f"{MASK} does not fit the schema" if hidden else mask.text(problem["message"]),
    }


def _values(view: RunView) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What a run holds, each with its path."""
    yield from ((("input",), view.json(fields.INPUT)), (("ctx",), view.json(fields.CTX)))
    yield from ((("output",), view.json(fields.OUTPUT)), (("error",), view.json(fields.ERROR)))
    for address in view.addresses():
        at = _at(address)
        for field in (fields.output, fields.late_output, fields.progress):
            yield (*at, "output"), view.json(field(address))
        yield (*at, "error"), view.json(fields.error(address))
        yield (*at, "output", "decisions"), view.json(fields.decisions(address))


def masked_step(step: StepDescription, mask: Mask) -> StepDescription:
    """One step, as it may be shown."""
    at = _at(step.address)
    names = ("output", "error", "waits_for", "near_miss")
    return replace(step, **{name: mask.value(getattr(step, name), *at, name) for name in names})


def _event(event: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    at = _at(event["step"]) if isinstance(event.get("step"), str) else ()
    return {name: value if name in _NAMES else mask.value(value, *at, name) for name, value in event.items()}


def _at(address: str) -> tuple[str, ...]:
    """The path of a step: that of its id, wherever it stands; an undo's is that of the step which it undoes."""
    try:
        return "steps", parse_address(undone_by(address)).step
    except ValueError:
        return "steps", address
