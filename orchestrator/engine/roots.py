"""The roots that expressions see, made from a run's fields; and which fields that takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator.engine import fields
from orchestrator.engine.address import undone_by
from orchestrator.engine.state import StepState
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Node, Plan
from orchestrator.spec.expressions import Expression, step_root

_RUN_FIELDS = (fields.CREATED_AT, fields.STARTED_BY)

_SHOWN_STATUS: Mapping[StepState, str] = {
    StepState.COMPLETED: "completed",
    StepState.FAILED: "failed",
    StepState.LOST: "failed",
    StepState.SKIPPED: "skipped",
    StepState.CANCELLED: "cancelled",
}
"""`steps.<id>.status`, readable once a step is settled."""


def fields_for(plan: Plan, expressions: Iterable[Expression], *, own: str | None = None) -> tuple[str, ...]:
    """The fields that these expressions read; those of step `own` are left out, as its output is at hand."""
    needed: dict[str, None] = {}
    for expression in expressions:
        if "input" in expression.roots:
            needed[fields.INPUT] = None
        if "ctx" in expression.roots:
            needed[fields.CTX] = None
        if "run" in expression.roots:
            needed.update(dict.fromkeys(_RUN_FIELDS))
        for step in steps_read(plan, expression):
            if step != own:
                needed.update(dict.fromkeys((fields.state(step), fields.output(step), fields.error(step))))
    return tuple(needed)


def steps_read(plan: Plan, expression: Expression) -> tuple[str, ...]:
    """The ids of the steps that an expression reads, whichever way it writes them."""
    if "steps" not in expression.roots:
        return ()
    plain = {step.replace("-", "_"): step for step in plan.nodes}
    return tuple(plain[name.replace("-", "_")] for name in expression.steps if name.replace("-", "_") in plain)


def settle_expressions(plan: Plan, node: Node) -> tuple[Expression, ...]:
    """What may be evaluated when the step settles: its transitions, and the run's output."""
    written = [route.when for route in node.routes] + [route.when for route in node.failures]
    conditions = [when for when in written if when is not None]
    return (*conditions, *output_expressions(plan))


def output_expressions(plan: Plan) -> tuple[Expression, ...]:
    """What may be evaluated when the run completes."""
    return plan.output.expressions if plan.output is not None else ()


def roots_for(plan: Plan, view: RunView, expressions: Iterable[Expression], *, address: str) -> dict[str, Any]:
    """The values of the roots that these expressions use, at a step."""
    wanted: set[str] = set()
    steps: set[str] = set()
    for expression in expressions:
        wanted |= expression.roots
        steps.update(steps_read(plan, expression))
    roots: dict[str, Any] = {}
    if "input" in wanted:
        roots["input"] = view.json(fields.INPUT)
    if "ctx" in wanted:
        roots["ctx"] = view.json(fields.CTX)
    if "run" in wanted:
        roots["run"] = _run_root(plan, view)
    if "steps" in wanted:
        roots["steps"] = step_root({step: _step_record(view, step) for step in steps})
    if "error" in wanted:
        cause = view[fields.cause(address)]
        roots["error"] = view.json(fields.error(cause)) if cause else None
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
    return {
        "id": view.run_id,
        "key": plan.key,
        "version": plan.version,
        "started_at": rfc3339(view.number(fields.CREATED_AT)),
        "started_by": view[fields.STARTED_BY],
        "scheduled_at": None,
    }


def _step_record(view: RunView, address: str) -> dict[str, Any]:
    record: dict[str, Any] = {"status": _SHOWN_STATUS.get(view.state(address))}
    if view[fields.output(address)] is not None:
        record["output"] = view.json(fields.output(address))
    if view[fields.error(address)] is not None:
        record["error"] = view.json(fields.error(address))
    return record
