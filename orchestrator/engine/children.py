"""What a parent knows of its children, and how it stops one that it waits for.

A step that runs a workflow waits with the child noted beside it. It is ready again by the commit that ends the child,
and until it has taken that end, the child is awaited.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN, RUN, is_drain, is_lane, is_undo
from orchestrator.engine.commit import NEVER, Answer, Changes, Commit, Guards, Reply, Stage
from orchestrator.engine.onward import Move
from orchestrator.engine.places import node_at
from orchestrator.engine.stages import event, stop
from orchestrator.engine.state import LIVE, RunStatus, StepState
from orchestrator.engine.values import value
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Plan

MAX_DEPTH: Final = 10
"""How many runs may be above a child."""
HALTED: Final = "halted"
TIMEOUT: Final = "timeout"


@value
class ChildRun:
    """A child, and what it is a run of."""

    run_id: str
    workflow: str
    version: str


def is_of_child(plan: Plan, address: str) -> bool:
    """Whether it is the address of a step that runs a workflow, or of the undo of such a child."""
    if address == RUN or is_drain(address) or is_lane(address):
        return False
    node = node_at(plan, address)
    return node.undoes_child if is_undo(address) else node.child is not None


def child_of(view: RunView, address: str) -> ChildRun | None:
    """The child that a step has started last, or that an undo undoes."""
    text = view[fields.child(address)]
    return None if text is None else ChildRun(*text.split(" "))


def awaited(plan: Plan, view: RunView, address: str) -> ChildRun | None:
    """The child whose end a live step waits for, or has yet to take."""
    if not is_of_child(plan, address) or view.state(address) not in LIVE or view[fields.until(address)] is not None:
        return None
    return child_of(view, address)


def stop_child(view: RunView, address: str, child: ChildRun, *, why: str) -> Move:
    """Stop the child that a step waits for; the step goes on waiting, for the child's end. The first reason stands."""
    first = view[fields.stops(address)] is None
    message = f"step {address} of run {view.run_id}, which waits for it, {_REASONS[why]}"
    error = {"code": "cancelled", "message": message, "address": RUN}
    stopped = stop((child.workflow, child.version), RunStatus.RUNNING, RunStatus.CANCELLED, error)
    changes = Changes(
        set={fields.stops(address): why} if first else {},
        entries={address: NEVER},
        events=(event("child_stopping", address, child_run=child.run_id, reason=why),) if first else (),
        also=(Commit(child.run_id, "1", (stopped,)),),
    )
    guards: Guards = {
        fields.state(address): StepState.WAITING,
        fields.child(address): view[fields.child(address)],
        fields.stops(address): view[fields.stops(address)],
    }
    return Move(Commit(view.run_id, view.incarnation, (Stage(guards, changes),)))


_REASONS: Final = {HALTED: "is not wanted any more", TIMEOUT: "took longer than its timeout"}


def to_wake(commit: Commit, reply: Reply) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The other runs that a commit has moved, each with the addresses to look at there."""
    for stage, answer in zip(commit.stages, reply.answers, strict=False):
        if answer is not Answer.APPLIED:
            continue
        for other in stage.changes.also:
            changed = [one.changes for one in other.stages]
            due = [address for one in changed for address, moment in one.entries.items() if moment and address != RUN]
            if any(one.expedite for one in changed):
                due.append(DRAIN)
            yield other.run_id, tuple(due)
