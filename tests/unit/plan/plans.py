"""Plans of the specs that ship, and of small ones made here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.client.publishing import examine
from orchestrator.plan.graph import Plan
from orchestrator.plan.plan import compile_plan
from orchestrator.plan.tree import FlowCanvas, canvas_of
from orchestrator.spec.loader import load_path
from orchestrator.spec.operations import OPERATIONS, load_operations
from orchestrator.spec.workflow import WorkflowSpec, define_workflow

SPECS = Path(__file__).parents[3] / "specs"
NAMES = sorted(path.name for path in SPECS.iterdir() if path.suffix in {".py", ".yaml"})
MODULES = [f"workers.operations.{name}" for name in ("payments", "email", "notify", "travel", "batch", "examples")]
LANES = 4


def compiled(spec: WorkflowSpec) -> Plan:
    """The plan of a spec."""
    load_operations(MODULES)
    return compile_plan(spec, examine(spec, OPERATIONS, None)[0], digest="0" * 64)


def named(name: str) -> Plan:
    """The plan of a file in `specs/`."""
    return compiled(load_path(SPECS / name)[0].spec)


def workflow(*steps: Any, **fields: Any) -> Plan:
    """The plan of a workflow of these steps."""
    return compiled(define_workflow(meta={"key": "order.ship", "version": "1.0.0"}, steps=steps, **fields))


def upper(name: str, **options: Any) -> dict[str, Any]:
    """A step that puts a text in capitals."""
    return {"id": name, "operation": "text.upper", "inputs": {"text": "a"}, **options}


def canvas(plan: Plan, *, message_bytes: int = 16_384) -> FlowCanvas:
    """The canvas of a plan."""
    return canvas_of(plan, message_bytes=message_bytes)
