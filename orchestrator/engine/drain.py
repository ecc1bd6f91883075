"""The undo of a flow that has stopped and drained: freeze the list, newest first, and start with the first."""

from __future__ import annotations

import json

from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN, is_undo, undo_of
from orchestrator.engine.commit import Changes, Commit, Stage
from orchestrator.engine.onward import Move, Terms, begin, node_at
from orchestrator.engine.stages import end, event
from orchestrator.engine.state import RunStatus, StepHappening, StepState, move_step
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Plan


def drain(plan: Plan, view: RunView, terms: Terms) -> Move | None:
    """The move that starts the undo of the run, or ends it if there is nothing to undo; needs the whole run."""
    if view.over or view.state(DRAIN) is not StepState.READY or view.paused:
        return None
    undos = [undo_of(address) for address in to_undo(plan, view)]
    reason = RunStatus(view[fields.REASON] or RunStatus.FAILED)
    left = Changes(
        set={
            fields.state(DRAIN): move_step(StepState.READY, StepHappening.COMPLETE),
            fields.UNDO_LIST: json.dumps(undos),
            fields.settled_by(DRAIN): terms.token,
        },
        remove=((fields.LIVE_SET, DRAIN),),
        entries={DRAIN: None},
    )
    guards = {fields.state(DRAIN): StepState.READY, fields.LIVE_COUNT: "1", fields.PAUSED: "0"}
    already = {fields.settled_by(DRAIN): terms.token}
    if not undos:
        stage = Stage(guards=guards, already=already, changes=left | end(reason, _undone_before(view)))
        return Move(Commit(view.run_id, view.incarnation, (stage,)))
    started = Changes(set={fields.COMPENSATION: "running"}, events=(event("compensation_started", undo=undos),))
    first = Stage(guards=guards, already=already, changes=left | started)
    view.learn(first.changes.set, view.now_ms)
    return begin(plan, view, undos[0], terms).move(view, first)


def _undone_before(view: RunView) -> str:
    """How the undos went that handled failures had led to before the run stopped."""
    if view[fields.UNDO_FAILED] == "1":
        return "failed"
    made = any(is_undo(address) and view.state(address) is StepState.COMPLETED for address in view.addresses())
    return "completed" if made else "none"


def to_undo(plan: Plan, view: RunView) -> list[str]:
    """What is to be undone, newest first: steps that are done, and those of unknown outcome (RULES 7).

    Not what a completed pivot has sealed, not what has been undone already, and nothing after a cancel if the
    workflow says so.
    """
    if view[fields.REASON] == RunStatus.CANCELLED and not plan.undo_on_cancel:
        return []
    settled = [address for address in view.addresses() if address != DRAIN and not is_undo(address)]
    sealed = max(
        (
            view.number(fields.sequence(address))
            for address in settled
            if node_at(plan, address).pivot and view.state(address) is StepState.COMPLETED
        ),
        default=-1,
    )
    owed = [
        address
        for address in settled
        if node_at(plan, address).undo is not None
        and (view.returned(address) or view.unreported(address) > 0)
        and view.state(undo_of(address)) is StepState.PENDING
        and view.number(fields.sequence(address)) > sealed
    ]
    return sorted(owed, key=lambda address: view.number(fields.sequence(address)), reverse=True)
