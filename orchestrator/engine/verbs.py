"""What operators do to a run that goes on: pause it, let it go on again, skip a step."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.engine import fields
from orchestrator.engine.address import RUN, is_drain, is_lane, is_undo
from orchestrator.engine.children import awaited
from orchestrator.engine.commit import Changes, Commit, Due, Stage
from orchestrator.engine.dependents import release
from orchestrator.engine.ends import go
from orchestrator.engine.indexes import PAUSED_RUNS
from orchestrator.engine.onward import Move, Terms, success_target
from orchestrator.engine.outcome import Failure
from orchestrator.engine.places import is_container, node_at
from orchestrator.engine.settle import Ground, fail_attempt
from orchestrator.engine.sla import delayed, measured_move
from orchestrator.engine.stages import event, leave
from orchestrator.engine.state import LIVE, StepHappening, StepState, move_step
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import REST, SINK, Plan


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants something of a run, and why."""

    by: str = ""
    reason: str = ""

    def told(self) -> dict[str, str | None]:
        """As history events tell it."""
        return {"by": self.by or None, "reason": self.reason or None}


def pause(view: RunView, wish: Wish) -> Move | None:
    """Nothing new is claimed from now on; None if it is paused already."""
    if view.paused:
        return None
    changes = Changes(
        set={fields.PAUSED: "1"},
        stamp={fields.PAUSED_AT: 0},
        index={PAUSED_RUNS: True},
        events=(event("run_paused", **wish.told()),),
    )
    guards = {fields.STATUS: view.status.value, fields.PAUSED: "0"}
    return Move(Commit(view.run_id, view.incarnation, (Stage(guards, changes),)))


def resume(view: RunView, wish: Wish) -> Move | None:
    """Let a paused run go on; None if it is not paused. Needs the whole run.

    Its own time limit, and those of all that waits or runs in it, move by as long as it was paused.
    """
    if not view.paused:
        return None
    since = view[fields.PAUSED_AT]
    paused_ms = view.now_ms - int(since or view.now_ms)
    live = [address for address in view.addresses() if view.state(address) in LIVE]
    limit = view.moment(fields.RUN_DEADLINE)
    moved = None if limit is None else limit + paused_ms
    changes = Changes(
        set={
            fields.PAUSED: "0",
            **({} if moved is None else {fields.RUN_DEADLINE: str(moved)}),
            **_moved_limits(view, live, paused_ms),
            **delayed(view, live, paused_ms),
        },
        delete=(fields.PAUSED_AT,),
        entries={} if moved is None or view.stopping else {RUN: Due(at_ms=moved, cap=fields.sla_next(RUN))},
        index={PAUSED_RUNS: False},
        events=(event("run_resumed", **wish.told()),),
    )
    guards = {fields.PAUSED: "1", fields.PAUSED_AT: since, fields.STOPPING: view[fields.STOPPING]}
    guards |= {name: view[name] for one in live for name in (fields.state(one), fields.token(one))}
    return Move(Commit(view.run_id, view.incarnation, (Stage(guards, changes),)))


def _moved_limits(view: RunView, live: list[str], by_ms: int) -> dict[str, str]:
    """The limits of live steps, later. An attempt whose time went by in the pause had lost its worker in it."""
    names = [limit(one) for one in live for limit in _LIMITS]
    return {name: str(view.number(name) + by_ms) for name in names if view[name] is not None}


_LIMITS = (fields.deadline, fields.queue_deadline, fields.silent_at, fields.remind_at, fields.escalate_at)


def may_skip(plan: Plan, view: RunView, address: str) -> bool:
    """Whether a step waits, for a worker, a moment or its next attempt, and nothing inside of it goes on."""
    if is_undo(address) or is_drain(address) or view.state(address) not in (StepState.READY, StepState.WAITING):
        return False
    if awaited(plan, view, address) is not None:
        return False
    return node_at(plan, address).id not in (SINK, REST) and not is_container(plan, address) and not is_lane(address)


def skip(plan: Plan, view: RunView, address: str, terms: Terms, wish: Wish, output: str | None = None) -> Move:
    """Settle a step that waits as skipped, and go on as if it had succeeded; `output` is what later steps read of it.

    Needs the whole run. An attempt whose outcome is unknown is still undone with the run.
    """
    state = view.state(address)
    ground = Ground.of_waiting(view, address, terms)
    values = {} if output is None else {fields.output(address): output}
    skipped = move_step(state, StepHappening.SKIP)
    told = Changes(events=(event("step_skipped_by_hand", address, **wish.told()),))
    if node_at(plan, address).needs is not None:
        view.learn({fields.state(address): skipped, **values}, view.now_ms)
        onward = release(plan, view, address, terms, state=skipped)
    else:
        target = success_target(plan, view, address, output or "null")
        if isinstance(target, Failure):
            return measured_move(plan, fail_attempt(plan, view, address, target, ground, terms))
        onward = go(plan, view, target, terms, origin=address, cause=view[fields.cause(address)])
        values[fields.went_to(address)] = onward.to if onward.to is not None and not is_drain(onward.to) else target
    changes = leave(plan, address, skipped, values=values) | told
    return measured_move(plan, onward.move(view, ground.stage(address, changes)))


def ready_steps(view: RunView) -> list[str]:
    """What waits for a worker: to be sent when a paused run goes on."""
    return [address for address in view.addresses() if view.state(address) is StepState.READY]
