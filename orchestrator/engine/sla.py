"""SLAs: how long a run or step may take before somebody is told. They measure, and end nothing.

What has an SLA carries its own moments (`sla.due`, `sla.next`), and its entry in the ledger is never later than the
next level that has yet to fire. `measured` puts that into a commit that was decided without regard to it, so that a
plan without SLAs costs nothing: what becomes live begins to be measured, its entries are capped, and what is settled is
judged by the clock of the very commit that settles it. From then on nothing of it changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, Final

from orchestrator.engine import fields
from orchestrator.engine.address import RUN, is_drain, is_lane, is_undo
from orchestrator.engine.commit import NOW, Changes, Commit, Due, Guards, Stage, Then
from orchestrator.engine.indexes import Pinned, sla_index
from orchestrator.engine.onward import Move
from orchestrator.engine.places import node_at
from orchestrator.engine.stages import event
from orchestrator.engine.state import RunStatus, StepState
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Plan, SlaLevel, SlaTerms

WARN: Final = "warn"
BREACH: Final = "breach"
MET: Final = "met"


class SlaState(StrEnum):
    """Where the SLA of a run or step is."""

    OK = "ok"  # it goes on, and nobody had to be told
    WARNED = "warned"
    BREACHED = "breached"  # it took, or takes, longer
    MET = "met"  # it ended in time


def sla_at(plan: Plan, address: str) -> SlaTerms | None:
    """The SLA of a step or, at `$`, of the run; undos, lanes and gates have none."""
    if address == RUN:
        return plan.sla
    if is_undo(address) or is_drain(address) or is_lane(address):
        return None
    return node_at(plan, address).sla


def sla_reads(plan: Plan, address: str) -> tuple[str, ...]:
    """The fields that firing a level takes; none without an SLA."""
    if not plan.has_slas or sla_at(plan, address) is None:
        return ()
    return fields.sla_due(address), fields.sla_next(address), fields.lease(address)


def sla_state(view: RunView, address: str) -> SlaState | None:
    """Where an SLA is; None if nothing there is measured."""
    if view[fields.sla_due(address)] is None:
        return None
    for level, state in _STATES:
        if view[fields.sla_fired(address, level)] is not None:
            return state
    return SlaState.OK


RUN_STATE: Final = (fields.sla_due(RUN), *(fields.sla_fired(RUN, level) for level in (WARN, BREACH, MET)))
"""What the state of a run's own SLA is known by."""
_STATES: Final = ((BREACH, SlaState.BREACHED), (MET, SlaState.MET), (WARN, SlaState.WARNED))


def run_measured(plan: Plan, *, again: bool = False) -> Changes:
    """The run begins to be measured, from this commit on; `again`: a life of it has been measured before."""
    if plan.sla is None:
        return Changes()
    left = dict.fromkeys(sla_indexes(plan.pinned), False) if again else {}
    return Changes(stamp=_begins(RUN, plan.sla), index={**left, **_moved(plan.pinned, SlaState.OK)})


def measured(plan: Plan, commit: Commit) -> Commit:
    """The same commit, with what SLAs add to it; adding it twice changes nothing."""
    if not plan.has_slas:
        return commit
    return replace(commit, stages=tuple(_measured_stage(plan, stage) for stage in commit.stages))


def measured_move(plan: Plan, move: Move) -> Move:
    """The same move, with what SLAs add to its commit."""
    return replace(move, commit=measured(plan, move.commit)) if plan.has_slas else move


def _measured_stage(plan: Plan, stage: Stage) -> Stage:
    changes = _measured_changes(plan, stage.changes)
    then = tuple(replace(one, changes=_measured_changes(plan, one.changes)) for one in stage.then)
    settled = [] if stage.before else list(_settled(plan, stage))
    before = tuple(one for address in settled for one in _judged(plan, address))
    if settled:
        changes |= Changes(delete=tuple(map(fields.sla_next, settled)))
    return replace(stage, changes=changes, then=then, before=stage.before or before)


def _settled(plan: Plan, stage: Stage) -> Iterator[str]:
    """What this stage ends of what is measured."""
    for members, address in stage.changes.remove:
        if members == fields.LIVE_SET and sla_at(plan, address) is not None:
            yield address
    if plan.sla is not None and stage.changes.end and stage.guards.get(fields.STATUS) == RunStatus.RUNNING:
        yield RUN


def _measured_changes(plan: Plan, changes: Changes) -> Changes:
    entries: dict[str, Due | None] = {}
    stamp: dict[str, int] = {}
    for address, due in changes.entries.items():
        terms = sla_at(plan, address)
        if terms is None or due is None or (address == RUN and changes.set.get(fields.STOPPING) == "1"):
            continue
        entries[address] = replace(due, cap=fields.sla_next(address))
        if (fields.LIVE_SET, address) in changes.add:
            stamp |= _begins(address, terms)
        if changes.set.get(fields.state(address)) == StepState.RUNNING and due.within_ms is not None:
            stamp[fields.lease(address)] = due.within_ms
    return changes | Changes(entries=entries, stamp=stamp) if entries else changes


def _begins(address: str, terms: SlaTerms) -> dict[str, int]:
    return {fields.sla_due(address): terms.max_ms, fields.sla_next(address): terms.levels[0].after_ms}


def _judged(plan: Plan, address: str) -> tuple[Then, Then]:
    """Judge what ends here: breached, if that had not been seen in time, else met unless it was breached before."""
    guards: Guards = {fields.sla_fired(address, BREACH): None}
    return (
        Then(guards, _breached(plan, address), past=fields.sla_due(address)),
        Then(guards, _met(plan, address)),
    )


def _breached(plan: Plan, address: str) -> Changes:
    """The breach that nobody saw while it went on is told with its end; nobody is called any more after that."""
    terms = sla_at(plan, address)
    if terms is None:
        return Changes()
    level = next(one for one in terms.levels if one.name == BREACH)
    return _fired(plan, address, (level,), terms)


def _met(plan: Plan, address: str) -> Changes:
    return Changes(
        stamp={fields.sla_fired(address, MET): 0},
        index=_moved(plan.pinned, SlaState.MET) if address == RUN else {},
        events=(event("sla_met", _step(address)),),
    )


def fire(plan: Plan, view: RunView, address: str) -> Move | None:
    """The move by which every level fires that is due and has not, in their order; None if none is.

    The entry stays due, and is looked at again for what it stood for besides.
    """
    terms, next_ms = sla_at(plan, address), view.moment(fields.sla_next(address))
    if terms is None or next_ms is None or view.now_ms < next_ms or view.paused:
        return None
    if address == RUN and view.stopping:
        return None
    due, following = fields.sla_due(address), fields.sla_next(address)
    due_ms = view.number(due)
    moments = {level: due_ms - terms.max_ms + level.after_ms for level in terms.levels}
    left = [level for level, moment in moments.items() if moment >= next_ms]
    fired = tuple(level for level in left if moments[level] <= view.now_ms)
    later = [moments[level] for level in left if level not in fired]
    changes = _fired(plan, address, fired, terms, due_ms=due_ms) | Changes(
        set={following: str(later[0])} if later else {},
        delete=() if later else (following,),
        entries={address: NOW},
    )
    guards: Guards = {
        due: view[due],
        following: view[following],
        fields.PAUSED: "0",
        **({fields.STOPPING: "0"} if address == RUN else {}),
        **{fields.sla_fired(address, level.name): None for level in fired},
    }
    return Move(Commit(view.run_id, view.incarnation, (Stage(guards, changes),)))


def _fired(
    plan: Plan, address: str, levels: tuple[SlaLevel, ...], terms: SlaTerms, *, due_ms: int | None = None
) -> Changes:
    """These levels fire now; the run's own are also what it is found by."""
    reached = [state for name, state in _REACHED if any(level.name == name for level in levels)]
    return Changes(
        stamp={fields.sla_fired(address, level.name): 0 for level in levels},
        index=_moved(plan.pinned, reached[-1]) if address == RUN and reached else {},
        events=tuple(_told(address, level, terms, due_ms) for level in levels),
    )


_REACHED: Final = ((WARN, SlaState.WARNED), (BREACH, SlaState.BREACHED))


def _told(address: str, level: SlaLevel, terms: SlaTerms, due_ms: int | None) -> Mapping[str, Any]:
    details: dict[str, Any] = {"level": level.name, "after_ms": level.after_ms, "due_at": due_ms, "to": level.to}
    if level.name == BREACH and not terms.alerts:
        details["alert"] = False
    kind = {WARN: "sla_warned", BREACH: "sla_breached"}.get(level.name, "sla_escalated")
    return event(kind, _step(address), **details)


def stopped(plan: Plan, view: RunView) -> Changes:
    """The SLA of a run that has stopped is judged by the moment at which it did: what is undone is not counted."""
    due_ms, stopped_ms = view.moment(fields.sla_due(RUN)), view.moment(fields.STOPPED_AT)
    if plan.sla is None or due_ms is None or stopped_ms is None:
        return Changes()
    over = Changes(delete=(fields.sla_next(RUN),))
    if sla_state(view, RUN) is SlaState.BREACHED:
        return over
    paused_ms = view.moment(fields.PAUSED_AT)
    late = due_ms <= (stopped_ms if paused_ms is None else min(stopped_ms, paused_ms))
    return over | (_breached(plan, RUN) if late else _met(plan, RUN))


def delayed(view: RunView, live: list[str], by_ms: int) -> dict[str, str]:
    """The moments of what is measured, later by the time that the run was paused; a run that stopped in it, by less."""
    moved = {name: by_ms for one in live for name in (fields.sla_due(one), fields.sla_next(one))}
    stopped_ms, since_ms = view.moment(fields.STOPPED_AT), view.number(fields.PAUSED_AT)
    of_run = by_ms if stopped_ms is None else max(stopped_ms - since_ms, 0)
    moved |= {fields.sla_due(RUN): of_run, fields.sla_next(RUN): of_run}
    return {name: str(view.number(name) + ms) for name, ms in moved.items() if view[name] is not None}


def put_off(plan: Plan, view: RunView, address: str) -> Move | None:
    """The move of an entry that an SLA had made due while the lease goes on; None if that is over, or without SLA."""
    lease_ms = view.moment(fields.lease(address))
    if not plan.has_slas or sla_at(plan, address) is None or lease_ms is None or view.now_ms >= lease_ms:
        return None
    names = (fields.lease(address), fields.deadline(address), fields.silent_at(address))
    moments = [moment for moment in map(view.moment, names) if moment is not None]
    if view.now_ms >= min(moments):
        return None
    guards: Guards = {
        fields.state(address): StepState.RUNNING,
        fields.token(address): view[fields.token(address)],
        **{name: view[name] for name in names},
    }
    changes = Changes(entries={address: Due(at_ms=min(moments), cap=fields.sla_next(address))})
    return Move(Commit(view.run_id, view.incarnation, (Stage(guards, changes, due=(address,)),)))


def put_off_run(plan: Plan, view: RunView) -> Move | None:
    """The move of the run's own entry, which its SLA had made due; None without an SLA."""
    if plan.sla is None or view.stopping:
        return None
    guards = {fields.STOPPING: "0", fields.RUN_DEADLINE: view[fields.RUN_DEADLINE]}
    entry = Due(at_ms=view.moment(fields.RUN_DEADLINE), cap=fields.sla_next(RUN))
    return Move(Commit(view.run_id, view.incarnation, (Stage(guards, Changes(entries={RUN: entry}), due=(RUN,)),)))


def sla_indexes(pinned: Pinned) -> tuple[str, ...]:
    """Every index that a run may be in by its SLA."""
    return tuple(name for state in SlaState for name in _indexes(pinned, state))


def _moved(pinned: Pinned, state: SlaState) -> dict[str, bool]:
    """The indexes that a run leaves and enters as its SLA comes to a state."""
    left = dict.fromkeys((name for before in _BEFORE[state] for name in _indexes(pinned, before)), False)
    return {**left, **dict.fromkeys(_indexes(pinned, state), True)}


def _indexes(pinned: Pinned, state: SlaState) -> tuple[str, str]:
    workflow, _ = pinned
    return sla_index(state), sla_index(state, workflow)


_BEFORE: Final[Mapping[SlaState, tuple[SlaState, ...]]] = {
    SlaState.OK: (),
    SlaState.WARNED: (SlaState.OK,),
    SlaState.BREACHED: (SlaState.OK, SlaState.WARNED),
    SlaState.MET: (SlaState.OK, SlaState.WARNED),
}


def _step(address: str) -> str | None:
    return None if address == RUN else address
