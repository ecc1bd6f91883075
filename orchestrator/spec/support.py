"""What a valid spec may say that this release does not execute yet, or that has no effect yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from orchestrator.errors import Problem
from orchestrator.spec.flows import flows_of
from orchestrator.spec.problems import Report
from orchestrator.spec.workflow import StepKind, WorkflowSpec

NOT_EXECUTED: Final = frozenset({StepKind.WORKFLOW})

_RULE: Final = "not_yet_supported"


def not_executed_yet(spec: WorkflowSpec) -> list[Problem]:
    """One problem for each step that this release cannot execute."""
    report = Report()
    for flow in flows_of(spec):
        for index, step in enumerate(flow.steps):
            if step.kind in NOT_EXECUTED:
                message = f"steps of kind {step.kind} are not executed yet"
                report.error(_RULE, message, flow.step_path(index), step.id)
    return report.problems


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
