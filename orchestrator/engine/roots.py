"""The roots that expressions see, made from a run's fields; and which fields that takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any

from orchestrator.engine import fields
from orchestrator.engine.address import container_of, flow_of, key_of, scopes_around, undone_by
from orchestrator.engine.places import container_at, node_at, seen_from
from orchestrator.engine.state import StepState
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Node, Plan
from orchestrator.spec.expressions import Expression, step_root

_RUN_FIELDS = (fields.CREATED_AT, fields.STARTED_BY, fields.SCHEDULED_AT)

_SHOWN_STATUS: Mapping[StepState, str] = {
    StepState.COMPLETED: "completed",
    StepState.FAILED: "failed",
    StepState.LOST: "failed",
    StepState.SKIPPED: "skipped",
    StepState.CANCELLED: "cancelled",
}
"""`steps.<id>.status`, readable once a step is settled."""


def fields_for(
    plan: Plan, expressions: Iterable[Expression], *, flow: str = "", own: str | None = None
) -> tuple[str, ...]:
    """The fields that these expressions read in a flow; those of step `own` are left out, as its output is at hand."""
    needed: dict[str, None] = {}
    for expression in expressions:
        if "input" in expression.roots:
            needed[fields.INPUT] = None
        if "ctx" in expression.roots:
            needed[fields.CTX] = None
        if "run" in expression.roots:
            needed.update(dict.fromkeys(_RUN_FIELDS))
        needed.update((fields.item(around), None) for around, name in _items(plan, flow) if name in expression.roots)
        for read in expression.step_reads:
            step = _step_seen(plan, flow, read.step)
            if step is not None and step != own:
                recorded = _record_fields(plan, step)
                needed.update(dict.fromkeys(recorded.values() if read.field is None else _named(recorded, read.field)))
    return tuple(needed)


def steps_read(plan: Plan, expression: Expression) -> tuple[str, ...]:
    """The ids of the steps that an expression reads, whichever way it writes them."""
    found = (_id_of(plan, name) for name in expression.steps)
    return tuple(step for step in found if step is not None)


def settle_expressions(plan: Plan, node: Node) -> tuple[Expression, ...]:
    """What may be evaluated when the step settles: its transitions, and the output of its flow."""
    written = [route.when for route in node.routes] + [route.when for route in node.failures]
    conditions = [when for when in written if when is not None]
    return (*conditions, *output_expressions(plan, node.flow))


def output_expressions(plan: Plan, flow: str) -> tuple[Expression, ...]:
    """What may be evaluated when a flow (its id) completes."""
    output = plan.flows[flow].output
    return output.expressions if output is not None else ()


def roots_for(plan: Plan, view: RunView, expressions: Iterable[Expression], *, address: str) -> dict[str, Any]:
    """The values of the roots that these expressions use, at a step."""
    flow = flow_of(address)
    wanted: set[str] = set()
    steps: set[str] = set()
    for expression in expressions:
        wanted |= expression.roots
        steps.update(steps_read(plan, expression))
    if not wanted:
        return {}
    roots: dict[str, Any] = {}
    if "input" in wanted:
        roots["input"] = view.json(fields.INPUT)
    if "ctx" in wanted:
        roots["ctx"] = view.json(fields.CTX)
    if "run" in wanted:
        roots["run"] = _run_root(plan, view)
    if "steps" in wanted:
        roots["steps"] = step_root({step: _step_record(plan, view, flow, step) for step in steps})
    if "error" in wanted:
        cause = view[fields.cause(address)]
        roots["error"] = view.json(fields.error(cause)) if cause else None
    if flow:
        roots |= _item_roots(plan, view, flow, wanted)
    return roots


def undo_root(view: RunView, address: str, inputs: Any) -> dict[str, Any]:
    """What an undo is told of the step that it undoes.

    `output` is the recorded result, else a late one, else the progress of the last heartbeat, else null.
    """
    undone = undone_by(address)
    recorded = fields.recorded_outputs(undone)
    return {
        "input": inputs,
        "output": next((view.json(name) for name in recorded if view[name] is not None), None),
        "idempotency_key": idempotency_key(view, undone),
        "outcome": "done" if view.returned(undone) else "unknown",
    }


def idempotency_key(view: RunView, address: str) -> str:
    """Run, address and epoch: the same for all attempts of a step (RULES 9)."""
    return f"{view.run_id}:{address}:{view[f'{address}:epoch'] or '1'}"


def rfc3339(moment_ms: int) -> str:
    """A moment as text, in UTC, to the millisecond."""
    return datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _run_root(plan: Plan, view: RunView) -> dict[str, Any]:
    scheduled_at = view.moment(fields.SCHEDULED_AT)
    return {
        "id": view.run_id,
        "key": plan.key,
        "version": plan.version,
        "started_at": rfc3339(view.number(fields.CREATED_AT)),
        "started_by": view[fields.STARTED_BY],
        "scheduled_at": None if scheduled_at is None else rfc3339(scheduled_at),
    }


def _id_of(plan: Plan, name: str) -> str | None:
    """The step that an expression names, `-` and `_` being the same in it."""
    if name in plan.nodes:
        return name
    plain = name.replace("-", "_")
    return next((step for step in plan.nodes if step.replace("-", "_") == plain), None)


def _step_seen(plan: Plan, flow: str, name: str) -> str | None:
    step = _id_of(plan, name)
    return None if step is None else seen_from(plan, flow, step)


def _record_fields(plan: Plan, step: str) -> Mapping[str, str]:
    """What `steps.<id>` is made of, by name; in a loop, what the latest visit left."""
    if node_at(plan, step).loops:
        return {name: fields.latest(step, field) for name, field in _LATEST.items()}
    return {
        "status": fields.state(step),
        "output": fields.output(step),
        "error": fields.error(step),
        "failures": fields.failures(step),
    }


_LATEST: Mapping[str, str] = {"status": "status", "output": "out", "error": "err", "failures": "failures"}


def _named(recorded: Mapping[str, str], name: str) -> tuple[str, ...]:
    return (recorded[name],) if name in recorded else ()


def _step_record(plan: Plan, view: RunView, flow: str, step: str) -> dict[str, Any]:
    address = seen_from(plan, flow, step)
    if address is None:
        return {}
    recorded = _record_fields(plan, address)
    state = StepState(view[recorded["status"]] or StepState.PENDING)
    shown = {name: view.json(field) for name, field in recorded.items() if name != "status" and view[field]}
    return {"status": _SHOWN_STATUS.get(state), **shown}


def _items(plan: Plan, flow: str) -> list[tuple[str, str]]:
    """The flows of items around a flow, itself included, and how each names its item; outermost first."""
    flows = [scope for scope in scopes_around(flow) if scope.endswith("]")]
    containers = [(one, container_at(plan, container_of(one))) for one in flows]
    return [(one, container.item_name) for one, container in containers if container.items is not None]


def _item_roots(plan: Plan, view: RunView, flow: str, wanted: AbstractSet[str]) -> dict[str, Any]:
    roots: dict[str, Any] = {}
    for one, name in _items(plan, flow):
        if name in wanted:
            roots[name] = view.json(fields.item(one))
        roots["index"] = int(key_of(one))
    return roots
