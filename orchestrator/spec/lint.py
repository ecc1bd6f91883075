"""Finds everything that is wrong with a spec, or may not be meant, beyond what each field allows by itself."""

from __future__ import annotations

import re
from typing import Final

from orchestrator.errors import Problem
from orchestrator.spec.fields import ID
from orchestrator.spec.flows import flows_of, read_flow
from orchestrator.spec.lint_effects import check_effects
from orchestrator.spec.lint_expressions import check_expressions
from orchestrator.spec.lint_fields import check_durations, check_step, check_workflow
from orchestrator.spec.lint_flows import check_flow
from orchestrator.spec.lint_operations import Declared, KnownOperations, check_operations
from orchestrator.spec.lint_times import check_slas
from orchestrator.spec.problems import Positions, Report
from orchestrator.spec.workflow import WorkflowSpec

__all__ = ["MAX_DEPTH", "MAX_STEPS", "KnownOperations", "check"]

MAX_STEPS: Final = 1_000
MAX_DEPTH: Final = 5

_VAGUE: Final = re.compile(
    r"(?:(?:action|bar|baz|foo|job|node|qux|step|stuff|task|temp|thing|tmp|unnamed|untitled)(?:[-_]?\d+)?"
    r"|(?:approval|branch|choice|event|map|operation|parallel|test|wait|workflow)[-_]?\d+)",
    re.IGNORECASE,
)


def check(
    spec: WorkflowSpec, positions: Positions | None = None, operations: KnownOperations | None = None
) -> list[Problem]:
    """Every problem of the spec, in the order of its text; with `operations`, what they declare is checked as well."""
    report, declared = Report(positions), Declared(operations)
    flows = list(flows_of(spec))
    check_workflow(spec, report)
    check_durations(spec, (), report)
    if sum(len(flow.steps) for flow in flows) > MAX_STEPS:
        report.error("too_many_steps", f"a workflow has at most {MAX_STEPS} steps; move some into a child", ("steps",))
    unique = _check_ids(spec, report)
    for flow in flows:
        if flow.depth == MAX_DEPTH + 1:
            message = f"containers stand at most {MAX_DEPTH} deep; move the inner ones into a child workflow"
            report.error("too_deep", message, flow.path, flow.owner.id if flow.owner else "")
        for index, step in enumerate(flow.steps):
            check_step(step, flow.step_path(index), report)
        check_operations(flow, spec, declared, report)
    if unique:
        shapes = {flow.path: read_flow(flow.steps) for flow in flows}
        for flow in flows:
            check_flow(flow, shapes[flow.path], spec, report)
        check_expressions(spec, shapes, declared, report)
        check_effects(flows, shapes, declared, report)
        check_slas(spec, shapes, report)
    return sorted(report.problems, key=lambda problem: (problem.line, problem.column))


def _check_ids(spec: WorkflowSpec, report: Report) -> bool:
    """Whether every id of the spec is its own; `-` and `_` count as the same."""
    seen: dict[str, str] = {}
    unique = True
    for flow in flows_of(spec):
        for index, step in enumerate(flow.steps):
            path = (*flow.step_path(index), "id")
            if not ID.fullmatch(step.id):
                message = f"`{step.id}` is not an id: a letter, then at most 63 letters, digits, `-` or `_`"
                report.error("invalid_id", message, path, step.id)
            if _VAGUE.fullmatch(step.id):
                message = f"`{step.id}` says nothing to who reads a run; name what the step does, as in `charge-card`"
                report.warning("vague_id", message, path, step.id)
            plain = step.id.replace("-", "_")
            if plain in seen:
                same = "" if seen[plain] == step.id else f", for `-` and `_` count as the same as in `{seen[plain]}`"
                report.error("duplicate_id", f"`{step.id}` is the id of two steps{same}; rename one", path, step.id)
                unique = False
            seen.setdefault(plain, step.id)
    return unique
