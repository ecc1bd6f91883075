"""Late reports: an attempt tells its outcome when it is no longer its turn. Nothing moves, nothing is lost."""

from __future__ import annotations

from orchestrator.engine import fields
from orchestrator.engine.address import is_undo, undo_of
from orchestrator.engine.commit import Changes, Commit, Stage
from orchestrator.engine.outcome import Outcome, Success
from orchestrator.engine.places import node_at
from orchestrator.engine.stages import attention, event
from orchestrator.engine.state import StepState
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Plan


def record_late(plan: Plan, view: RunView, address: str, token: str, outcome: Outcome) -> Commit:
    """Keep a late success beside its step; strike the token of a late reported failure off."""
    if not isinstance(outcome, Success):
        removed = ((fields.open_set(address), token),) if outcome.reported and not outcome.returned else ()
        error = outcome.to_json(address)
        changes = Changes(
            remove=removed,
            number=(fields.TOUCHED,),
            events=(event("late_result", address, outcome="failed", error=error, took_ms=outcome.took_ms),),
        )
        return Commit(view.run_id, view.incarnation, (Stage(guards={}, changes=changes),))
    told = event("late_result", address, outcome="completed", took_ms=outcome.took_ms)
    changes = Changes(set={fields.late_output(address): outcome.output}, number=(fields.TOUCHED,), events=(told,))
    if _too_late(plan, view, address):
        changes |= attention(address)
    return Commit(view.run_id, view.incarnation, (Stage(guards=_seen(view, address), changes=changes),))


def _too_late(plan: Plan, view: RunView, address: str) -> bool:
    """Whether the undo has begun without this result, or will not come any more."""
    if is_undo(address) or not node_at(plan, address).can_be_undone or view.state(address) is StepState.COMPLETED:
        return False
    undo = view.state(undo_of(address))
    return view.over or undo not in (StepState.PENDING, StepState.READY)


def _seen(view: RunView, address: str) -> dict[str, str | None]:
    undo = fields.state(undo_of(address))
    return {fields.STATUS: view.status.value, fields.state(address): view[fields.state(address)], undo: view[undo]}
