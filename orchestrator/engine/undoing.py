"""Undos by hand: what would be undone, undoing what is left, and waiving what was undone by other means."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN, RUN, is_drain, is_undo, undo_of, undone_by
from orchestrator.engine.children import child_of
from orchestrator.engine.commit import NEVER, Changes, Commit, Stage
from orchestrator.engine.drain import last_pivot, place_of, to_undo
from orchestrator.engine.indexes import moved
from orchestrator.engine.look import evaluate_inputs
from orchestrator.engine.onward import Move, Terms, begin
from orchestrator.engine.places import node_at
from orchestrator.engine.stages import event
from orchestrator.engine.state import LIVE, UNSUCCESSFUL, RunHappening, StepHappening, StepState, move_run, move_step
from orchestrator.engine.verbs import Wish
from orchestrator.engine.view import RunView
from orchestrator.errors import ExpressionError
from orchestrator.plan.graph import Plan
from orchestrator.spec.operations import Effect


@dataclass(frozen=True, slots=True)
class PlannedUndo:
    """An undo as it would be made now."""

    address: str
    operation: str
    inputs: Any
    outcome: str
    """Of the step that it undoes: `done` or `unknown`."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A step whose effect is not on the list, and why.

    `no_compensation`; `behind_pivot`; `in_flight`: its end is waited for first; `undone`: already; `run_ended`: the run
    has ended in a way that leaves it.
    """

    address: str
    why: str


@dataclass(frozen=True, slots=True)
class UndoPreview:
    """What the undo of a run would do if it began now, newest first, and what it cannot undo."""

    undos: tuple[PlannedUndo, ...]
    kept: tuple[Kept, ...]


def preview(plan: Plan, view: RunView) -> UndoPreview:
    """What would be undone now; needs the whole run."""
    if view.over:
        owed = [undone_by(undo) for undo in left_to_undo(view)]
    else:
        owed = [address for address in to_undo(plan, view, "") if view.state(address) is not StepState.RUNNING]
    undos = tuple(_planned(plan, view, address) for address in owed)
    steps = [address for address in view.addresses() if not is_undo(address) and not is_drain(address)]
    known, sealed = frozenset(owed), last_pivot(plan, view)
    effects = [address for address in steps if address not in known and _has_effect(plan, view, address)]
    return UndoPreview(undos, tuple(Kept(address, _why(plan, view, address, sealed)) for address in effects))


def left_to_undo(view: RunView) -> list[str]:
    """The undos of a run that is over which were not made, newest first: those that failed or wait for an operator."""
    listed: list[str] = view.json(fields.UNDO_LIST) or [] if view[fields.COMPENSATION] == "pending" else []
    waiting = [undo for undo in listed if view.state(undo) is StepState.PENDING]
    failed = [address for address in view.addresses() if is_undo(address) and view.state(address) in UNSUCCESSFUL]
    return sorted((*waiting, *failed), key=lambda undo: place_of(view, undone_by(undo)), reverse=True)


def all_to_undo(plan: Plan, view: RunView) -> list[str]:
    """Every undo that a run which is over still owes if nothing of it is to stand, newest first."""
    owed = {*map(undo_of, to_undo(plan, view, "")), *left_to_undo(view)}
    return sorted(owed, key=lambda undo: place_of(view, undone_by(undo)), reverse=True)


def undo_again(plan: Plan, view: RunView, terms: Terms, wish: Wish) -> Move:
    """Begin the undos that were not made, as a new incarnation of a run that is over (RULES 21)."""
    return undo_anew(plan, view, left_to_undo(view), terms, wish)


def undo_anew(plan: Plan, view: RunView, undos: list[str], terms: Terms, wish: Wish) -> Move:
    """Begin these undos as a new incarnation of a run that is over."""
    status = move_run(view.status, RunHappening.UNDO)
    old = {name for undo in undos for name in fields_of(view, undo)}
    cleared = RunView(view.run_id, {name: text for name, text in view.items() if name not in old}, view.now_ms)
    onward = begin(plan, cleared, undos[0], replace(terms, fuses=lambda _: False))
    changes = Changes(
        set={
            fields.INCARNATION: str(int(view.incarnation) + 1),
            fields.CHANGED_BY: terms.token,
            fields.STATUS: status,
            fields.STOPPING: "1",
            fields.PAUSED: "0",
            fields.REASON: view.status,
            fields.COMPENSATION: "running",
            fields.UNDO_LIST: json.dumps(undos),
            fields.state(DRAIN): StepState.COMPLETED,
        },
        delete=(fields.UNDO_FAILED, fields.ENDED_AT, *(old - onward.changes.set.keys() - onward.changes.stamp.keys())),
        entries={RUN: NEVER},
        index=moved(view.status, status, plan.pinned),
        events=(event("compensation_started", undo=undos, **wish.told()),),
    )
    guards = {fields.STATUS: view.status.value, fields.COMPENSATION: view[fields.COMPENSATION]}
    return onward.move(view, Stage(guards, changes))


def waive(view: RunView, undo: str, wish: Wish) -> Move:
    """Record that an undo which was not made was done by hand."""
    left = [other for other in left_to_undo(view) if other != undo]
    state = move_step(view.state(undo), StepHappening.WAIVE)
    changes = Changes(
        set={
            fields.state(undo): state,
            fields.waived(undo): wish.by or "unknown",
            **({} if left else {fields.COMPENSATION: "completed"}),
        },
        delete=() if left else (fields.UNDO_FAILED,),
        number=(fields.TOUCHED,),
        events=(event("undo_waived", undo, **wish.told()),),
    )
    guards = {
        fields.STATUS: view.status.value,
        fields.COMPENSATION: view[fields.COMPENSATION],
        **{fields.state(other): view[fields.state(other)] for other in (undo, *left)},
    }
    return Move(Commit(view.run_id, view.incarnation, (Stage(guards, changes),)))


def fields_of(view: RunView, address: str) -> list[str]:
    """Every field of a step that its next life begins without."""
    own = f"{address}:"
    kept = (fields.epoch(address), fields.children(address))
    tokens = (f"m:open:{own}", f"n:open:{address}")
    return [name for name in view.names() if name.startswith((own, *tokens)) and name not in kept]


def _planned(plan: Plan, view: RunView, address: str) -> PlannedUndo:
    node = node_at(plan, address)
    outcome = "done" if view.returned(address) else "unknown"
    child = child_of(view, address)
    if node.undoes_child and child is not None:
        named = f"workflow {child.workflow}@{child.version}"
        return PlannedUndo(undo_of(address), named, {"run_id": child.run_id}, outcome)
    if node.undo is None:
        raise ValueError(f"{address} has no compensation")
    try:
        inputs = evaluate_inputs(plan, view, undo_of(address))
    except ExpressionError as error:
        inputs = {"error": error.message}
    return PlannedUndo(undo_of(address), node.undo.operation, inputs, outcome)


def _has_effect(plan: Plan, view: RunView, address: str) -> bool:
    node = node_at(plan, address)
    happened = view.returned(address) or view.unreported(address) > 0
    return happened and (node.child is not None or (node.work is not None and node.work.effect is not Effect.NONE))


def _why(plan: Plan, view: RunView, address: str, sealed: int) -> str:
    if view.state(address) in LIVE:
        return "in_flight"
    if view.state(undo_of(address)) is StepState.COMPLETED:
        return "undone"
    if not node_at(plan, address).can_be_undone:
        return "no_compensation"
    return "behind_pivot" if place_of(view, address) <= sealed else "run_ended"
