"""What a valid spec may say that has no effect yet."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.errors import Problem
from orchestrator.spec.flows import flows_of
from orchestrator.spec.workflow import WorkflowSpec


def without_effect(spec: WorkflowSpec) -> list[Problem]:
    """One warning for each field that is stored and has no effect yet."""
    return [
        Problem("without_effect", f"`{name}` is stored, and has no effect yet", path=name, severity="warning")
        for name in dict.fromkeys(_idle_fields(spec))
    ]


def _idle_fields(spec: WorkflowSpec) -> Iterator[str]:
    if spec.sla:
        yield "sla"
    if any(step.sla for flow in flows_of(spec) for step in flow.steps):
        yield "steps.sla"
