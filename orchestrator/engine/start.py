"""Starting and cancelling a run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from orchestrator.engine import fields
from orchestrator.engine.address import RUN, is_drain, is_undo, scopes_around
from orchestrator.engine.children import HALTED, awaited, stop_child
from orchestrator.engine.commit import NEVER, Changes, Commit, Due, Stage, merged
from orchestrator.engine.indexes import INDEXES, start_indexes, status_indexes
from orchestrator.engine.look import cancel_step, is_halted
from orchestrator.engine.onward import Move, Terms
from orchestrator.engine.outcome import Failure
from orchestrator.engine.parents import waiter
from orchestrator.engine.places import is_waited_for
from orchestrator.engine.sla import measured, measured_move, run_measured
from orchestrator.engine.stages import Timing, event, reach, stop
from orchestrator.engine.state import RunHappening, RunStatus, StepState, move_run
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Plan


@dataclass(frozen=True, slots=True)
class Parent:
    """Who starts a child: a step of a run, which is told of its end if it waits for it."""

    run_id: str
    address: str
    incarnation: str
    depth: int
    """How many runs are above the child."""
    waits: bool

    def noted(self) -> dict[str, str]:
        """As the child keeps it."""
        link = {fields.PARENT: self.run_id, fields.PARENT_STEP: self.address, fields.DEPTH: str(self.depth)}
        return link | (waiter(self.run_id, self.address, self.incarnation) if self.waits else {})


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What a starter asks for; input and ctx are JSON texts that have been checked."""

    run_id: str
    input: str
    ctx: str
    started_by: str
    timeout_ms: int | None = None
    parent: Parent | None = None
    scheduled_at_ms: int | None = None
    traceparent: str | None = None
    """The trace that it belongs to."""


def start(plan: Plan, request: StartRequest, timing: Timing) -> Commit:
    """Run, indexes, ledger and the first steps' readiness in one commit; refused if the run exists."""
    status = move_run(RunStatus.PENDING, RunHappening.START)
    limits = [limit for limit in (plan.timeout_ms, request.timeout_ms) if limit is not None]
    roots = {"input": json.loads(request.input), "ctx": json.loads(request.ctx)} if plan.search else {}
    stays_in = start_indexes(plan, roots)
    head = Changes(
        set={
            fields.INCARNATION: "1",
            fields.WORKFLOW: plan.key,
            fields.VERSION: plan.version,
            fields.DIGEST: plan.digest,
            fields.STATUS: status,
            fields.STOPPING: "0",
            fields.PAUSED: "0",
            fields.INPUT: request.input,
            fields.CTX: request.ctx,
            fields.STARTED_BY: request.started_by,
            INDEXES: json.dumps(stays_in),
            **({fields.RUN_LIMIT: str(min(limits))} if limits else {}),
            **(request.parent.noted() if request.parent else {}),
            **({} if request.traceparent is None else {fields.TRACE: request.traceparent}),
            **({} if request.scheduled_at_ms is None else {fields.SCHEDULED_AT: str(request.scheduled_at_ms)}),
        },
        stamp={fields.CREATED_AT: 0, **({fields.RUN_DEADLINE: min(limits)} if limits else {})},
        entries={RUN: Due(within_ms=min(limits)) if limits else NEVER},
        index=dict.fromkeys((*stays_in, *status_indexes(status, plan.pinned)), True),
        events=(
            event(
                "run_started",
                workflow=plan.key,
                version=plan.version,
                parent=request.parent.run_id if request.parent else None,
            ),
        ),
    )
    stage = Stage(guards={}, changes=head | _beginning(plan, timing))
    return measured(plan, Commit(request.run_id, None, (stage,)))


@lru_cache(maxsize=512)
def _beginning(plan: Plan, timing: Timing) -> Changes:
    """What is the same for every run of a version."""
    return merged((run_measured(plan), *(_begin(plan, entry, timing) for entry in plan.root.entries)))


def _begin(plan: Plan, entry: str, timing: Timing) -> Changes:
    visited = {fields.visits(entry): "1"} if plan.nodes[entry].loops else {}
    return reach(plan, entry, timing) | Changes(set=visited)


def cancel(view: RunView, reason: str, by: str) -> Move | None:
    """The move that stops a run at somebody's wish; None if it is stopping already (the first reason stands)."""
    if view.stopping or view.over:
        return None
    details: dict[str, Any] = {"by": by} if by else {}
    return stop_run(view, RunStatus.CANCELLED, Failure("cancelled", reason or "cancelled", details))


def time_out(view: RunView) -> Move | None:
    """The move that stops a run that is over its time; None if it is not."""
    limit = view.moment(fields.RUN_DEADLINE)
    if view.stopping or view.over or limit is None or view.now_ms < limit:
        return None
    return stop_run(view, RunStatus.FAILED, Failure("run_timeout", "the run took longer than its timeout"))


def leftovers(plan: Plan, view: RunView, scope: str, terms: Terms) -> list[Move]:
    """Of a stopping scope: what settles the steps that wait in it, and those in flight that nothing could undo.

    Children that it waits for are stopped, and their ends waited for.
    `scope` is a container or a flow, empty for the run; needs the whole run.
    """
    inside = [address for address in view.addresses() if not scope or scope in scopes_around(address)]
    moves = []
    for address in inside:
        state = view.state(address)
        if is_undo(address) or is_drain(address) or not is_halted(plan, view, address):
            continue
        child = awaited(plan, view, address)
        if child is not None:
            if state is StepState.WAITING and view[fields.stops(address)] is None:
                moves.append(stop_child(view, address, child, why=HALTED))
        elif state in (StepState.READY, StepState.WAITING):
            moves.append(cancel_step(plan, view, address, terms, token=""))
        elif state is StepState.RUNNING and not is_waited_for(plan, address):
            moves.append(cancel_step(plan, view, address, terms, token=view[fields.token(address)] or ""))
    return [measured_move(plan, move) for move in moves]


def stop_run(view: RunView, reason: RunStatus, failure: Failure) -> Move:
    """The stop of a whole run from outside of its steps."""
    record = json.loads(json.dumps(failure.to_json(RUN)))
    del record["step"]
    return Move(Commit(view.run_id, view.incarnation, (stop(view.pinned, view.status, reason, record),)))
