"""The undo of what has stopped and drained: freeze the list, newest first, and start with the first."""

from __future__ import annotations

import json
import sys

from orchestrator.engine import fields
from orchestrator.engine.address import drain_of, is_drain, is_lane, is_undo, scopes_around, undo_of
from orchestrator.engine.commit import Changes, Stage
from orchestrator.engine.onward import Move, Onward, Terms, begin
from orchestrator.engine.places import live_sets, node_at
from orchestrator.engine.settle import after_scope
from orchestrator.engine.sla import measured_move, stopped
from orchestrator.engine.stages import end, event
from orchestrator.engine.state import RunStatus, StepHappening, StepState, move_step
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Plan


def drain(plan: Plan, view: RunView, scope: str, terms: Terms) -> Move | None:
    """The move that starts the undo of what has drained, or ends it if there is none; needs the whole run."""
    address = drain_of(scope)
    if view.state(address) is not StepState.READY or view.paused:
        return None
    owed = [undo_of(step) for step in to_undo(plan, view, scope)]
    by_hand = bool(owed) and plan.undo_by_hand and not scope
    undos = [] if by_hand else owed
    changes = Changes(
        set={
            fields.state(address): move_step(StepState.READY, StepHappening.COMPLETE),
            fields.undo_list(scope): json.dumps(owed),
            fields.settled_by(address): terms.token,
            **({fields.listed_in(undo): scope for undo in undos} if scope else {}),
        },
        remove=tuple((live, address) for live in live_sets(plan, address)),
        entries={address: None},
    )
    if undos:
        told = event("compensation_started", scope or None, undo=undos)
        changes |= Changes(set={} if scope else {fields.COMPENSATION: "running"}, events=(told,))
    if not scope:
        changes |= stopped(plan, view)
    if not undos and not scope:
        changes |= _end(plan, view, by_hand=by_hand)
    view.learn(changes.set, view.now_ms)
    following = Onward()
    if undos:
        following = begin(plan, view, undos[0], terms)
    elif scope:
        following = after_scope(plan, view, scope, terms)
    guards = {fields.state(address): StepState.READY, fields.PAUSED: "0", **({} if scope else {fields.LIVE_COUNT: "1"})}
    stage = Stage(guards, changes, already={fields.settled_by(address): terms.token})
    return measured_move(plan, following.move(view, stage))


def _end(plan: Plan, view: RunView, *, by_hand: bool) -> Changes:
    reason = RunStatus(view[fields.REASON] or RunStatus.FAILED)
    return end(view, plan.pinned, reason, "pending" if by_hand else _undone_before(view))


def _undone_before(view: RunView) -> str:
    """How the undos went that handled failures had led to before the run stopped."""
    if view[fields.UNDO_FAILED] == "1":
        return "failed"
    made = any(is_undo(address) and view.state(address) is StepState.COMPLETED for address in view.addresses())
    return "completed" if made else "none"


def to_undo(plan: Plan, view: RunView, scope: str) -> list[str]:
    """What is to be undone, newest first: steps that are done, and those of unknown outcome (RULES 7).

    Not what a completed pivot has sealed, not what has been undone already, not what won a race that the scope ran,
    and nothing after a cancel if the workflow says so.
    """
    if not scope and view[fields.REASON] == RunStatus.CANCELLED and not plan.undo_on_cancel:
        return []
    steps = [one for one in view.addresses() if not is_drain(one) and not is_undo(one) and not is_lane(one)]
    sealed = last_pivot(plan, view)
    owed = [
        address
        for address in steps
        if is_inside(view, scope, address)
        and node_at(plan, address).can_be_undone
        and (view.returned(address) or view.unreported(address) > 0)
        and view.state(undo_of(address)) is StepState.PENDING
        and place_of(view, address) > sealed
    ]
    return sorted(owed, key=lambda address: place_of(view, address), reverse=True)


def last_pivot(plan: Plan, view: RunView) -> int:
    """The place of the pivot that was completed last: neither it nor what was settled before it is ever undone."""
    steps = (address for address in view.addresses() if not is_drain(address) and not is_undo(address))
    pivots = (one for one in steps if node_at(plan, one).pivot and view.state(one) is StepState.COMPLETED)
    return max((place_of(view, pivot) for pivot in pivots), default=-1)


def place_of(view: RunView, address: str) -> int:
    """The place of a step in the order in which steps were settled; those that are not come last."""
    return view.number(fields.sequence(address), sys.maxsize)


def is_inside(view: RunView, scope: str, address: str) -> bool:
    """Whether a step lies inside a scope; if that is a container which completed, inside one of those that lost."""
    around = scopes_around(address)
    if not scope:
        return True
    if scope not in around:
        return False
    if scope.endswith("]") or view.state(scope) is not StepState.COMPLETED:
        return True
    flow = around[around.index(scope) + 1]
    in_time = view.number(fields.sequence(flow)) < view.number(fields.sequence(scope))
    return view[fields.flow_state(flow)] != StepState.COMPLETED or not in_time
