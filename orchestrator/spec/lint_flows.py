"""How the steps of a flow lead to each other, and where that goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from orchestrator.spec.flows import ENDINGS, Flow, FlowShape, flows_of, says_needs, says_targets
from orchestrator.spec.problems import Path, Report, nearest
from orchestrator.spec.workflow import FailureRoute, Step, StepKind, WorkflowSpec

_TARGET_FIELDS: Final = ("transitions", "on_success", "on_failure", "max_visits")


def check_flow(flow: Flow, shape: FlowShape, spec: WorkflowSpec, report: Report) -> None:
    """One flow, its inner flows aside."""
    paths = {step.id: flow.step_path(index) for index, step in enumerate(flow.steps)}
    _check_names(flow, spec, report)
    _check_compensating(flow, shape, paths, report)
    if len(shape.compensating) == len(flow.steps):
        report.error("no_entry", "every step here undoes another, so the flow has no beginning", (*flow.path, "steps"))
    if shape.style == "needs":
        _check_needs(flow, shape, paths, report)
    else:
        _check_transitions(flow, shape, paths, report)
    for step in flow.steps:
        _check_conditions(step, paths[step.id], report)


def _named(step: Step, path: Path) -> Iterator[tuple[Path, str]]:
    """Every place where the step names another step as one to go to or to wait for."""
    for index, transition in enumerate(step.transitions):
        yield (*path, "transitions", index, "to"), transition.to
    if step.on_success is not None:
        yield (*path, "on_success"), step.on_success
    for index, route in enumerate(step.failure_routes):
        yield (*path, "on_failure", index, "to"), route.to
    for index, needed in enumerate(step.needs):
        yield (*path, "needs", index), needed


def _check_names(flow: Flow, spec: WorkflowSpec, report: Report) -> None:
    here = {step.id for step in flow.steps}
    for index, step in enumerate(flow.steps):
        path = flow.step_path(index)
        named = [(place, name) for place, name in _named(step, path) if "needs" in place or name not in ENDINGS]
        if isinstance(step.compensation, str) and "." not in step.compensation:
            named.append(((*path, "compensation"), step.compensation))
        for place, name in named:
            if name not in here:
                elsewhere = any(other.id == name for around in flows_of(spec) for other in around.steps)
                cause = "is in another flow" if elsewhere else "does not exist"
                report.error("unknown_step", f"the step `{name}` {cause}{nearest(name, here)}", place, step.id)


def _check_compensating(flow: Flow, shape: FlowShape, paths: dict[str, Path], report: Report) -> None:
    for step in flow.steps:
        for place, name in _named(step, paths[step.id]):
            if name in shape.compensating and step.id not in shape.compensating:
                message = (
                    f"`{name}` undoes another step, so nothing else may lead to it; make a step of its own for this"
                )
                report.error("compensating_step_reached", message, place, step.id)
        if step.id not in shape.compensating:
            continue
        if step.kind is not StepKind.OPERATION:
            message = f"a compensating step is an operation, not {step.kind}"
            report.error("compensating_step_kind", message, paths[step.id], step.id)
        if says_needs(step) or says_targets(step) or step.compensation is not None:
            message = "a compensating step has no targets, no `needs` and no `compensation`; take them away"
            report.error("compensating_step_leads_on", message, paths[step.id], step.id)


def _check_needs(flow: Flow, shape: FlowShape, paths: dict[str, Path], report: Report) -> None:
    for step in flow.steps:
        written = [name for name in _TARGET_FIELDS if getattr(step, name)]
        if step.kind is StepKind.CHOICE and step.transitions:
            written = ["transitions"]
        if written and step.id not in shape.compensating:
            message = f"this flow goes by `needs`, so `{written[0]}` cannot be used in it; use `when` and `run_if`"
            report.error("mixed_styles", message, (*paths[step.id], written[0]), step.id)
    for cycle in shape.cycles:
        message = f"{', '.join(cycle)} need each other, so none can begin"
        report.error("needs_cycle", message, (*paths[cycle[0]], "needs"), cycle[0])
    looping = {step for cycle in shape.cycles for step in cycle}
    for name in shape.unreachable:
        if name not in looping:
            report.error("unreachable", "what this step needs can never begin", (*paths[name], "needs"), name)


def _check_transitions(flow: Flow, shape: FlowShape, paths: dict[str, Path], report: Report) -> None:
    steps = {step.id: step for step in flow.steps}
    for name in shape.unreachable:
        report.error("unreachable", _why_unreachable(steps[name], shape), paths[name], name)
    for name in shape.next:
        if name in shape.failure_path and name in shape.open_ends:
            message = (
                "this path began with a failure and does not say how the flow ends; add an `on_success` with "
                "`$end` (it completes), `$fail` (it fails) or a step of the main path"
            )
            report.error("open_failure_path", message, paths[name], name)
    for origin, target in dict.fromkeys(shape.returns):
        if steps[target].max_visits is None:
            message = f"`{origin}` leads back to `{target}`; give `{target}` a `max_visits`"
            report.error("unbounded_loop", message, paths[target], target)


def _check_conditions(step: Step, path: Path, report: Report) -> None:
    """Whether each transition and route can be taken, and whether one is always left."""
    conditions = [None if transition.when == "true" else transition.when for transition in step.success_transitions]
    for index, when in enumerate(conditions):
        if None in conditions[:index] or when in conditions[:index]:
            place = (*path, "transitions", index) if index < len(step.transitions) else (*path, "on_success")
            report.warning("shadowed_transition", _shadowed(conditions[:index], when), place, step.id)
    if conditions and None not in conditions:
        message = "if no condition holds, the step fails with `no_transition`; say where it goes then in `on_success`"
        report.warning("no_default", message, (*path, "transitions"), step.id)
    for index, route in enumerate(step.failure_routes):
        before = step.failure_routes[:index]
        if all(any(_catches(earlier, code, route.when) for earlier in before) for code in route.errors):
            message = "the routes before it catch every one of these errors; put it first, or take it away"
            report.warning("shadowed_transition", message, (*path, "on_failure", index), step.id)


def _shadowed(before: list[str | None], when: str | None) -> str:
    if None in before:
        return "an earlier one is always taken, so this never is; put the one without a condition last"
    return f"an earlier one has the same condition, `{when}`, so this is never taken; take one of them away"


def _catches(route: FailureRoute, code: str, when: str | None) -> bool:
    """Whether a route takes every failure of that code for which the condition holds."""
    return ("*" in route.errors or code in route.errors) and route.when in (None, "true", when)


def _why_unreachable(step: Step, shape: FlowShape) -> str:
    if shape.style == "sequence" and step.success_transitions:
        return (
            "no step leads here: a step with `transitions` or `on_success` stands outside a sequence; take them away, "
            "or give the first step an `on_success`, and then every step says where it goes"
        )
    return "no step leads here; name it as a target, or take it away"
