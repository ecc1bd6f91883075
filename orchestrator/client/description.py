"""A run as it is shown: status, steps, times, errors, undos."""

from __future__ import annotations

from typing import Any

from orchestrator.client.shown import RunDescription, SlaDescription, SlaEscalation, StepDescription
from orchestrator.engine import fields
from orchestrator.engine.address import RUN, flow_of, is_drain, is_lane, is_undo, parse_address, undone_by
from orchestrator.engine.approvals import asked_by, is_approval
from orchestrator.engine.arrivals import is_awaiting
from orchestrator.engine.children import child_of
from orchestrator.engine.places import node_at, work_at
from orchestrator.engine.roots import rfc3339
from orchestrator.engine.sla import BREACH, WARN, sla_at, sla_state
from orchestrator.engine.state import StepState
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import REST, SINK, Plan


def describe(plan: Plan, view: RunView) -> RunDescription:
    """The description of a run whose every field has been read."""
    created = view.number(fields.CREATED_AT)
    ended = view.moment(fields.ENDED_AT)
    status = view.status.value
    return RunDescription(
        run_id=view.run_id,
        workflow=plan.key,
        version=plan.version,
        status="paused" if view.paused and not view.over else status,
        compensation=view[fields.COMPENSATION] or "none",
        created_at=rfc3339(created),
        ended_at=_shown(ended),
        duration_ms=(ended or view.now_ms) - created,
        started_by=view[fields.STARTED_BY] or "",
        input=view.json(fields.INPUT),
        ctx=view.json(fields.CTX),
        output=view.json(fields.OUTPUT),
        error=view.json(fields.ERROR),
        attention=view[fields.ATTENTION],
        steps=tuple(describe_step(plan, view, address) for address in _in_order(plan, view)),
        incarnation=int(view.incarnation),
        paused_at=_shown(view.moment(fields.PAUSED_AT)) if view.paused and not view.over else None,
        parent=view[fields.PARENT],
        parent_step=view[fields.PARENT_STEP],
        sla=_sla(plan, view, RUN),
        archived=view.archived,
    )


def _in_order(plan: Plan, view: RunView) -> list[str]:
    """Reached steps in the order in which they were settled, live ones behind them, then those not reached."""
    reached = [address for address in view.addresses() if not is_own(address)]
    last = len(reached) + view.number("sequence")
    settled = sorted(reached, key=lambda address: view.number(fields.sequence(address), last))
    known = {*reached}
    return [*settled, *(step for step in _usual(plan) if step not in known)]


def is_own(address: str) -> bool:
    """Whether it is one of the engine's own: the undo of a flow, a lane of a map, what decides how a flow ends."""
    return is_drain(address) or is_lane(address) or parse_address(address).step in (SINK, REST)


def _usual(plan: Plan) -> tuple[str, ...]:
    """The steps that a run goes through if nothing diverts it."""
    return plan.root.steps if plan.root.last else plan.main_path()


def describe_step(plan: Plan, view: RunView, address: str) -> StepDescription:
    """What is known of one step."""
    work = work_at(plan, address)
    started, ended = view.moment(fields.started(address)), view.moment(fields.ended(address))
    state, child = view.state(address), child_of(view, address)
    return StepDescription(
        address=address,
        kind="undo" if is_undo(address) else node_at(plan, address).kind.value,
        operation=None if work is None else work.operation,
        state=state.value,
        attempt=view.attempt(address),
        started_at=_shown(started),
        ended_at=_shown(ended),
        duration_ms=None if started is None else (ended or view.now_ms) - started,
        waits_until=_shown(view.moment(fields.until(address))) if state is StepState.WAITING else None,
        output=view.json(_output(view, address)),
        error=view.json(fields.error(address)),
        undoes=undone_by(address) if is_undo(address) else None,
        waived_by=view[fields.waived(address)],
        child_run=None if child is None else child.run_id,
        waits_for=_waits_for(plan, view, address) if state is StepState.WAITING else None,
        near_miss=view.json(fields.near_miss(address)) if state is StepState.WAITING else None,
        sla=_sla(plan, view, address),
    )


def _sla(plan: Plan, view: RunView, address: str) -> SlaDescription | None:
    terms, state, due_ms = sla_at(plan, address), sla_state(view, address), view.moment(fields.sla_due(address))
    if terms is None or state is None or due_ms is None:
        return None
    rungs = [(level.to, _shown(view.moment(fields.sla_fired(address, level.name)))) for level in terms.levels]
    return SlaDescription(
        state=state.value,
        due_at=rfc3339(due_ms),
        warned_at=_shown(view.moment(fields.sla_fired(address, WARN))),
        breached_at=_shown(view.moment(fields.sla_fired(address, BREACH))),
        escalations=tuple(SlaEscalation(to, at) for to, at in rungs if to is not None and at is not None),
    )


def _waits_for(plan: Plan, view: RunView, address: str) -> dict[str, Any] | None:
    if is_approval(plan, address):
        return asked_by(plan, view, address)
    if not is_awaiting(plan, address):
        return None
    awaited = node_at(plan, address).awaited
    if awaited is None or awaited.signals:
        return None if awaited is None else {"signals": list(awaited.signals)}
    terms = {
        "event": awaited.type,
        "source": awaited.source,
        "filter": awaited.filter and awaited.filter.text,
        "correlation": view.json(fields.correlated_to(address)),
    }
    return {name: value for name, value in terms.items() if value is not None}


def _output(view: RunView, address: str) -> str:
    """The field of a step's output; that of an item which a lane has settled is its flow's."""
    own = fields.output(address)
    by_lane = view.state(address) is StepState.COMPLETED and view[own] is None
    return fields.output(flow_of(address)) if by_lane else own


def _shown(moment_ms: int | None) -> str | None:
    return None if moment_ms is None else rfc3339(moment_ms)
