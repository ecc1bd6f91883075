"""Limits: whose slots a claim needs, and how a step waits for them.

The slots themselves are kept elsewhere, under names of their own: a claim that needs one is never part of a settle, but
is handed over (RULES 4). A run has its slots from its first claim to its end, a step for one attempt.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestrator.engine import fields
from orchestrator.engine.address import RUN, flow_of, is_undo, parse_address
from orchestrator.engine.commit import Changes, Commit, Due, Guards, Stage
from orchestrator.engine.onward import Move, Terms
from orchestrator.engine.places import work_at
from orchestrator.engine.roots import fields_for, roots_for
from orchestrator.engine.stages import event
from orchestrator.engine.state import StepHappening, StepState, move_step
from orchestrator.engine.values import value
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Plan, Quota
from orchestrator.spec.policies import DEFAULT_PRIORITY, Limit

RENEW_MS = 60_000
"""How often the slots of a run are renewed."""
RUN_LEASE_MS = 300_000
"""How long a run's slots outlast the last renewal."""


@value
class Slots:
    """Slots that are asked for together. `limits`: the position, the limit and the value of its key."""

    group: str
    holder: str
    limits: tuple[tuple[int, Limit, Any], ...]
    priority: int = DEFAULT_PRIORITY


def holder(run_id: str, address: str, token: str) -> str:
    """Who holds a slot: an attempt, or (at `$`) a run."""
    return f"{run_id} {address} {token}"


def parse_holder(text: str) -> tuple[str, str]:
    """Run and address of a holder."""
    run_id, address, _ = text.split(" ")
    return run_id, address


def needs_slots(plan: Plan, view: RunView, address: str) -> bool:
    """Whether a claim at this address has to wait for a limit."""
    if is_undo(address):
        return False
    work = work_at(plan, address)
    return (bool(plan.limits) and view[fields.SLOT] is None) or (work is not None and bool(work.limits))


def quota_reads(plan: Plan, view: RunView, address: str) -> tuple[str, ...]:
    """The fields that the keys of the limits take, as far as they have not been read."""
    work = None if address == RUN else work_at(plan, address)
    quotas = (*plan.limits, *(work.limits if work is not None else ()))
    expressions = [expression for one in quotas for expression in one.key.expressions]
    return view.missing(fields_for(plan, expressions, flow=flow_of(address)))


def run_slots(plan: Plan, view: RunView) -> Slots | None:
    """What a run holds from its first claim to its end; ExpressionError if a key raises."""
    if not plan.limits:
        return None
    return Slots(plan.key, holder(view.run_id, RUN, view.incarnation), _limits(plan, view, plan.limits, "-"))


def step_slots(plan: Plan, view: RunView, address: str, token: str) -> Slots | None:
    """What an attempt holds; ExpressionError if a key raises."""
    work = work_at(plan, address)
    if is_undo(address) or work is None or not work.limits:
        return None
    group = f"{plan.key}/{parse_address(address).step}"
    limits = _limits(plan, view, work.limits, address)
    return Slots(group, holder(view.run_id, address, token), limits, work.priority)


def stand_in_line(view: RunView, address: str, terms: Terms, wait_ms: int) -> Move:
    """The step waits until a slot is free, and asks again after so long at the latest."""
    state = view.state(address)
    waits = StepState.WAITING if state is StepState.WAITING else move_step(state, StepHappening.WAIT)
    guards: Guards = {fields.state(address): state, fields.PAUSED: "0", fields.STOPPING: "0"}
    told = () if view[fields.in_line(address)] else (event("step_limited", address),)
    changes = Changes(
        set={fields.state(address): waits, fields.in_line(address): terms.token},
        stamp={fields.until(address): wait_ms},
        entries={address: Due(within_ms=wait_ms, at_ms=view.moment(fields.queue_deadline(address)))},
        events=told,
    )
    mark = {fields.in_line(address): terms.token}
    commit = Commit(view.run_id, view.incarnation, (Stage(guards, changes, already=mark),))
    return Move(commit, parks_for_ms=wait_ms)


def with_slots(move: Move, address: str, *, of_run: bool) -> Move:
    """A claim whose slots are held: the step is out of the line; the run's slots are noted, and renewed from now on."""
    *before, last = move.commit.stages
    more = Changes(delete=(fields.in_line(address),))
    if of_run:
        more |= Changes(set={fields.SLOT: "1"}, entries={RUN: Due(within_ms=RENEW_MS)})
    commit = replace(move.commit, stages=(*before, replace(last, changes=last.changes | more)))
    return replace(move, commit=commit)


def _limits(plan: Plan, view: RunView, quotas: tuple[Quota, ...], address: str) -> tuple[tuple[int, Limit, Any], ...]:
    found = []
    for index, one in enumerate(quotas):
        roots = roots_for(plan, view, one.key.expressions, address=address)
        found.append((index, one.limit, one.key.render(roots)))
    return tuple(found)
