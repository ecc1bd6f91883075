"""Whether the SLAs of a spec leave each other room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from graphlib import TopologicalSorter
from typing import NamedTuple

from orchestrator.spec.durations import format_duration
from orchestrator.spec.flows import Flow, FlowShape, inner_flows
from orchestrator.spec.problems import Path, Report
from orchestrator.spec.workflow import Step, WorkflowSpec


class _Sum(NamedTuple):
    """How long the steps of a path may take by their SLAs; those that have none count as nothing."""

    total: timedelta = timedelta(0)
    steps: tuple[str, ...] = ()

    def then(self, later: _Sum) -> _Sum:
        """One after the other."""
        return _Sum(self.total + later.total, self.steps + later.steps)


def check_slas(spec: WorkflowSpec, shapes: Mapping[Path, FlowShape], report: Report) -> None:
    """The SLAs along the path where they add up to most, beside the run's."""
    if spec.sla is None:
        return
    longest, limit = _longest(Flow((), spec.steps), shapes), spec.sla.max_duration
    if longest.total > limit:
        names = ", ".join(f"`{name}`" for name in longest.steps)
        message = (
            f"on one path the SLAs of {names} add up to {format_duration(longest.total)}, and the run's is "
            f"{format_duration(limit)}: it would be breached while every step keeps its own; make them agree"
        )
        report.warning("sla_sum", message, ("sla", "max_duration"))


def _longest(flow: Flow, shapes: Mapping[Path, FlowShape]) -> _Sum:
    """The path of one flow that takes longest, each step visited once."""
    before = _before(flow, shapes[flow.path])
    own = {
        step.id: _own(step, list(inner_flows(step, flow.step_path(index))), shapes)
        for index, step in enumerate(flow.steps)
        if step.id in before
    }
    found: dict[str, _Sum] = {}
    for name in TopologicalSorter(before).static_order():
        found[name] = max((found[one] for one in before[name]), default=_Sum()).then(own[name])
    return max(found.values(), default=_Sum())


def _before(flow: Flow, shape: FlowShape) -> dict[str, list[str]]:
    """The steps that are reached, and which come just before each; ways back are left out."""
    reached = {step.id: step for step in flow.steps if step.id not in shape.compensating | set(shape.unreachable)}
    if shape.style == "needs":
        return {name: [needed for needed in step.needs if needed in reached] for name, step in reached.items()}
    before: dict[str, list[str]] = {name: [] for name in reached}
    returns = set(shape.returns)
    for name in reached:
        for to in shape.targets(name):
            if to in before and (name, to) not in returns:
                before[to].append(name)
    return before


def _own(step: Step, inner: Sequence[Flow], shapes: Mapping[Path, FlowShape]) -> _Sum:
    """What the step itself may take; of a container without an SLA, what its longest path may."""
    if step.sla is not None:
        return _Sum(step.sla.max_duration, (step.id,))
    return max((_longest(flow, shapes) for flow in inner), default=_Sum())
