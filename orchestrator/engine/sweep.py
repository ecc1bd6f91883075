"""What the sweeper does with an entry that has fallen due: the only place that ends a lease (RULES 1)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN, RUN, is_drain, is_lane, is_undo
from orchestrator.engine.approvals import approval_reads, is_approval, visit_approval
from orchestrator.engine.arrivals import is_awaiting
from orchestrator.engine.awaiting import owes_look_back, time_out_waiting
from orchestrator.engine.children import HALTED, TIMEOUT, ChildRun, awaited, stop_child
from orchestrator.engine.commit import Changes, Commit, Due, Guards, Stage
from orchestrator.engine.containers import begin_more, time_out_container
from orchestrator.engine.lanes import give_back
from orchestrator.engine.look import cancel_step, is_halted, judge, waken
from orchestrator.engine.onward import Move, Terms
from orchestrator.engine.outcome import Failure
from orchestrator.engine.places import flow_goes_on, is_container, is_waited_for, work_at
from orchestrator.engine.quotas import RENEW_MS
from orchestrator.engine.reads import container_reads, reads_for
from orchestrator.engine.retries import MAX_LOSSES
from orchestrator.engine.settle import Ground, fail_attempt
from orchestrator.engine.sla import fire, measured_move, put_off, put_off_run, sla_reads
from orchestrator.engine.stages import event, queued
from orchestrator.engine.start import time_out
from orchestrator.engine.state import StepHappening, StepState, move_step
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Plan


@dataclass(frozen=True, slots=True)
class Visit:
    """What to commit for a due entry, and whether its step is to be sent once that stands."""

    move: Move
    send: str | None = None
    renews: bool = False
    """Whether the run's slots are to be renewed."""


def visit(plan: Plan, view: RunView, address: str, terms: Terms) -> Visit | None:
    """The sweeper's answer to a due entry; None if there is nothing to do."""
    if not view.exists or view.over:
        return None
    fired = fire(plan, view, address) if plan.has_slas else None
    found = _look(plan, view, address, terms) if fired is None else Visit(fired)
    return None if found is None else replace(found, move=measured_move(plan, found.move))


def _look(plan: Plan, view: RunView, address: str, terms: Terms) -> Visit | None:
    if address == RUN:
        move = time_out(view)
        return _visit_run(plan, view) if move is None else Visit(move, send=DRAIN)
    state = view.state(address)
    if state is StepState.RUNNING:
        return _end_lease(plan, view, address, terms)
    if view.paused or state not in (StepState.READY, StepState.WAITING):
        return None
    if is_drain(address):
        return _send_again(view, address, terms)
    child = awaited(plan, view, address)
    if child is not None:
        return _visit_child(plan, view, address, child, terms)
    if not is_undo(address) and is_halted(plan, view, address):
        return _sent(cancel_step(plan, view, address, terms, token=""))
    if state is StepState.WAITING:
        return _end_wait(plan, view, address, terms)
    if _is_untaken(view, address):
        not_to_run = judge(plan, view, address, terms)
        return _queue_timeout(plan, view, address, terms) if not_to_run is None else _sent(not_to_run)
    return _send_again(view, address, terms)


def reads_to_visit(plan: Plan, view: RunView, address: str) -> tuple[str, ...]:
    """The fields that a visit takes besides the head: those of a settle, if it may settle the step."""
    if not view.exists or view.over or is_drain(address):
        return ()
    of_sla = view.missing(sla_reads(plan, address))
    return of_sla if address == RUN else (*of_sla, *_reads_to_look(plan, view, address))


def _reads_to_look(plan: Plan, view: RunView, address: str) -> tuple[str, ...]:
    state = view.state(address)
    if is_lane(address):
        return view.missing(fields.lane_head(address))
    if state in (StepState.READY, StepState.WAITING) and is_container(plan, address):
        return container_reads(plan, view, address)
    if state is StepState.WAITING and is_awaiting(plan, address):
        return reads_for(plan, view, address)
    if state is StepState.WAITING and is_approval(plan, address):
        return (*reads_for(plan, view, address), *view.missing(approval_reads(address)))
    in_queue = state is StepState.READY or view[fields.in_line(address)] is not None
    if state is StepState.RUNNING or (in_queue and _is_untaken(view, address)):
        return reads_for(plan, view, address)
    return ()


def _end_lease(plan: Plan, view: RunView, address: str, terms: Terms) -> Visit:
    work = work_at(plan, address)
    token = view[fields.token(address)] or ""
    halted = not is_undo(address) and is_halted(plan, view, address)
    if halted and not is_waited_for(plan, address):
        return _sent(cancel_step(plan, view, address, terms, token=token))
    if held := put_off(plan, view, address):
        return Visit(held)
    if is_lane(address):
        return _sent(give_back(plan, view, address, token, terms))
    silent = fields.silent_at(address)
    guards: Guards = {
        fields.state(address): StepState.RUNNING,
        fields.token(address): token,
        silent: view[silent],
        **({fields.lease(address): view[fields.lease(address)]} if view[fields.lease(address)] is not None else {}),
    }
    ground = Ground(guards, by=terms.token, token=token, due=(address,))
    failure = _timeout(view, address)
    if failure is not None:
        return _sent(fail_attempt(plan, view, address, failure, ground, terms))
    losses = view.number(fields.losses(address)) + 1
    repeatable = work is not None and work.idempotent and losses <= MAX_LOSSES
    if repeatable and not halted:
        changes = Changes(
            set={
                fields.state(address): move_step(StepState.RUNNING, StepHappening.LAPSE),
                fields.losses(address): str(losses),
            },
            stamp={fields.ready_at(address): 0},
            events=(event("attempt_lost", address, attempt=view.attempt(address)),),
        )
        changes |= queued(address, terms.timing, work)
        stage = Stage(guards=guards, due=(address,), changes=changes)
        return Visit(Move(Commit(view.run_id, view.incarnation, (stage,))), send=address)
    lost = Failure("worker_lost", "the worker was lost in mid-attempt", retryable=False, reported=False)
    return _sent(fail_attempt(plan, view, address, lost, ground, terms, ended_as=StepHappening.LOSE))


def _timeout(view: RunView, address: str) -> Failure | None:
    limit = view.moment(fields.deadline(address))
    if limit is not None and view.now_ms >= limit:
        return Failure("step_timeout", "the attempt took longer than its timeout", reported=False)
    silent = view.moment(fields.silent_at(address))
    if silent is not None and view.now_ms >= silent:
        return Failure("heartbeat_timeout", "the operation sent no heartbeat in time", reported=False)
    return None


def _end_wait(plan: Plan, view: RunView, address: str, terms: Terms) -> Visit:
    if is_container(plan, address):
        return _visit_container(plan, view, address, terms)
    if is_awaiting(plan, address):
        return _visit_awaiting(plan, view, address, terms)
    if is_approval(plan, address):
        return _sent(visit_approval(plan, view, address, terms))
    if view[fields.in_line(address)] is not None and _is_untaken(view, address):
        return _queue_timeout(plan, view, address, terms)
    until = view.moment(fields.until(address))
    if until is not None and view.now_ms < until:
        return Visit(_put_off(plan, view, address, until))
    if work_at(plan, address) is None:
        return _send_again(view, address, terms)
    guards: Guards = {fields.state(address): StepState.WAITING}
    since = {} if until is None or view[fields.in_line(address)] is not None else {fields.ready_at(address): str(until)}
    stage = Stage(guards=guards, due=(address,), changes=waken(plan, address, terms) | Changes(set=since))
    return Visit(Move(Commit(view.run_id, view.incarnation, (stage,))), send=address)


def _visit_container(plan: Plan, view: RunView, address: str, terms: Terms) -> Visit:
    """A container has an entry for its timeout; a stop beside it, or an item that is over, makes it due earlier."""
    limit = view.moment(fields.deadline(address))
    if limit is not None and view.now_ms >= limit:
        return _sent(time_out_container(plan, view, address, terms))
    more = begin_more(plan, view, address, terms)
    if more is not None:
        return _sent(more)
    return Visit(_put_off(plan, view, address, limit), send=address)


def _visit_child(plan: Plan, view: RunView, address: str, child: ChildRun, terms: Terms) -> Visit:
    """A step that waits for a child has an entry for its timeout; a stop, or the child's end, makes it due earlier."""
    if view.state(address) is StepState.READY:
        return _send_again(view, address, terms)
    if not is_undo(address) and is_halted(plan, view, address):
        return Visit(stop_child(view, address, child, why=HALTED))
    limit = view.moment(fields.deadline(address)) if view[fields.stops(address)] is None else None
    if limit is not None and view.now_ms >= limit:
        return Visit(stop_child(view, address, child, why=TIMEOUT))
    deadline = fields.deadline(address)
    guards: Guards = {fields.state(address): StepState.WAITING, deadline: view[deadline]}
    stage = Stage(guards, Changes(entries={address: Due(at_ms=limit)}), due=(address,))
    return Visit(Move(Commit(view.run_id, view.incarnation, (stage,))))


def _visit_awaiting(plan: Plan, view: RunView, address: str, terms: Terms) -> Visit:
    """A step that waits for something from outside: it has yet to look back, or its time is over.

    What came in time is not lost to it because no worker was there to look back.
    """
    if owes_look_back(plan, view, address) is not None:
        return _send_again(view, address, terms)
    limit = view.moment(fields.deadline(address))
    if limit is not None and view.now_ms >= limit:
        return _sent(time_out_waiting(plan, view, address, terms))
    return Visit(_put_off(plan, view, address, limit))


def _visit_run(plan: Plan, view: RunView) -> Visit | None:
    """A run that holds slots is looked at again before they lapse."""
    if view[fields.SLOT] is None or view.stopping:
        later = put_off_run(plan, view)
        return None if later is None else Visit(later)
    entry = Due(within_ms=RENEW_MS, at_ms=view.moment(fields.RUN_DEADLINE))
    stage = Stage({fields.SLOT: "1", fields.STOPPING: "0"}, Changes(entries={RUN: entry}), due=(RUN,))
    return Visit(Move(Commit(view.run_id, view.incarnation, (stage,))), renews=True)


def _put_off(plan: Plan, view: RunView, address: str, until_ms: int | None) -> Move:
    """What made the entry due was not its own moment; a stop meanwhile is, but for the delay of an undo's retry."""
    guards: dict[str, str | None] = {
        fields.state(address): StepState.WAITING,
        fields.until(address): view[fields.until(address)],
        **({} if is_undo(address) else flow_goes_on(plan, address)),
    }
    stage = Stage(guards=guards, due=(address,), changes=Changes(entries={address: Due(at_ms=until_ms)}))
    return Move(Commit(view.run_id, view.incarnation, (stage,)))


def _queue_timeout(plan: Plan, view: RunView, address: str, terms: Terms) -> Visit:
    failure = Failure("queue_timeout", "no worker took the step in time")
    state = view.state(address)
    guards: Guards = {fields.state(address): state, fields.token(address): view[fields.token(address)]}
    ground = Ground(guards, by=terms.token, due=(address,), state=state)
    return _sent(fail_attempt(plan, view, address, failure, ground, terms))


def _is_untaken(view: RunView, address: str) -> bool:
    """Whether no worker has taken the step in time."""
    limit = view.moment(fields.queue_deadline(address))
    return limit is not None and view.now_ms >= limit


def _send_again(view: RunView, address: str, terms: Terms) -> Visit:
    resends = view.number(fields.resends(address))
    limit = view.moment(fields.queue_deadline(address))
    changes = Changes(
        set={fields.resends(address): str(resends + 1)},
        entries={address: Due(within_ms=terms.timing.resend(resends + 1), at_ms=limit)},
    )
    stage = Stage(guards={fields.state(address): view.state(address)}, due=(address,), changes=changes)
    return Visit(Move(Commit(view.run_id, view.incarnation, (stage,))), send=address)


def _sent(move: Move) -> Visit:
    return Visit(move, send=move.to)
