"""What the tests of the lint share: specs in few words, and operations with what they declare."""

from __future__ import annotations

from typing import Any

from orchestrator.errors import Problem
from orchestrator.spec.lint import check
from orchestrator.spec.operations import Effect, OperationInfo
from orchestrator.spec.workflow import WorkflowSpec

RECEIPT = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}}},
    "additionalProperties": False,
    "$defs": {"Line": {"type": "object", "properties": {"sku": {}}, "additionalProperties": False}},
}
OPERATIONS = {
    name: OperationInfo(name, "1.0.0", effect, idempotent, output_schema=output)
    for name, effect, idempotent, output in (
        ("do.read", Effect.NONE, True, None),
        ("do.write", Effect.WRITE, True, RECEIPT),
        ("do.once", Effect.WRITE, False, None),
        ("do.mail", Effect.IRREVERSIBLE, False, None),
        ("do.undo", Effect.WRITE, True, None),
    )
}


def workflow(*steps: dict[str, Any], **fields: Any) -> WorkflowSpec:
    """A workflow of these steps."""
    return WorkflowSpec.model_validate({"meta": {"key": "a.b", "version": "1.0.0"}, "steps": steps, **fields})


def found(*steps: dict[str, Any], **fields: Any) -> list[Problem]:
    """Every problem of a workflow of these steps, whose operations are known."""
    return check(workflow(*steps, **fields), operations=OPERATIONS)


def rules(*steps: dict[str, Any], **fields: Any) -> list[tuple[str, str]]:
    """Which rules are broken, and by which step."""
    return [(problem.rule, problem.step) for problem in found(*steps, **fields)]


def read(name: str, **fields: Any) -> dict[str, Any]:
    """A step without an effect."""
    return {"id": name, "operation": "do.read", **fields}


def reading(name: str, *others: str, **fields: Any) -> dict[str, Any]:
    """A step without an effect that reads what others gave, unguarded."""
    return read(name, inputs={other: f"${{steps.{other}.output}}" for other in others}, **fields)


def write(name: str, **fields: Any) -> dict[str, Any]:
    """A step that writes."""
    return {"id": name, "operation": "do.write", **fields}


def choice(name: str, *targets: str, default: str = "$end") -> dict[str, Any]:
    """A step that goes one way or another."""
    transitions = [{"when": f"input.to == '{target}'", "to": target} for target in targets]
    return {"id": name, "transitions": transitions, "on_success": default}


def branches(name: str, *flows: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """A parallel step."""
    parallel = {"branches": {f"b{number}": flow for number, flow in enumerate(flows)}, **fields}
    return {"id": name, "parallel": parallel}


def each(name: str, *steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A map over `input.items`."""
    return {"id": name, "map": {"items": "input.items", "steps": list(steps), **fields}}
