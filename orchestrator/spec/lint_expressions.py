"""Every expression of a spec: its syntax, and whether it reads only what exists where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from orchestrator.spec.expressions import Expression, ExpressionSyntax, check_template, expression
from orchestrator.spec.flows import Flow, flows_of, inner_flows, read_flow
from orchestrator.spec.kinds import Approval, EscalationLevel
from orchestrator.spec.problems import Path, Report, nearest
from orchestrator.spec.workflow import Compensation, Step, WorkflowSpec

_RUN: Final = frozenset({"input", "ctx", "run"})
_FLOW: Final = _RUN | {"steps"}
_EVENT: Final = frozenset({"event"})


@dataclass(frozen=True, slots=True)
class _View:
    """What can be read in a place: the roots, and which steps under `steps`."""

    roots: frozenset[str]
    steps: frozenset[str] = frozenset()

    def plus(self, *roots: str) -> _View:
        return replace(self, roots=self.roots | set(roots))


@dataclass(frozen=True, slots=True)
class _Place:
    """A value that may hold expressions; `bare` is one that is an expression as a whole."""

    path: Path
    value: Any
    view: _View
    bare: bool = False


def check_expressions(spec: WorkflowSpec, report: Report) -> None:
    """All expressions of the spec."""
    everywhere = frozenset(_plain(step.id) for flow in flows_of(spec) for step in flow.steps)
    for place in _workflow_places(spec):
        _check_place(place, "", everywhere, report)
    _check_flow(Flow((), spec.steps, spec.output), _View(_FLOW), everywhere, report)


def _check_flow(flow: Flow, around: _View, everywhere: frozenset[str], report: Report) -> None:
    shape = read_flow(flow.steps)
    own = {_plain(step.id) for step in flow.steps if step.id not in shape.compensating}
    view = replace(around, steps=around.steps | own)
    owner = flow.owner.id if flow.owner else ""
    _check_place(_Place((*flow.path, "output"), flow.output, view), owner, everywhere, report)
    for index, step in enumerate(flow.steps):
        path = flow.step_path(index)
        seen = view
        if step.id in shape.compensating:
            seen = view.plus("undo")
        elif step.id in shape.failure_path:
            seen = view.plus("error")
        for place in _step_places(step, path, seen):
            _check_place(place, step.id, everywhere, report)
        inside = seen.plus(step.map.item_name, "index") if step.map else seen
        for inner in inner_flows(step, path, flow):
            _check_flow(inner, inside, everywhere, report)


def _workflow_places(spec: WorkflowSpec) -> Iterator[_Place]:
    for name, text in spec.search.items():
        yield _Place(("search", name), text, _View(frozenset({"input", "ctx"})), bare=True)
    for index, limit in enumerate(spec.limits):
        yield _Place(("limits", index, "key"), limit.key, _View(_RUN))
    for index, trigger in enumerate(spec.triggers):
        path: Path = ("triggers", index)
        if trigger.schedule:
            yield _Place((*path, "schedule", "inputs"), trigger.schedule.inputs, _View(frozenset({"run"})))
        if trigger.event:
            place = (*path, "event")
            yield _Place((*place, "filter"), trigger.event.filter, _View(_EVENT), bare=True)
            yield _Place((*place, "inputs"), trigger.event.inputs, _View(_EVENT))
            for number, text in enumerate(trigger.event.dedupe):
                yield _Place((*place, "dedupe", number), text, _View(_EVENT), bare=True)


def _step_places(step: Step, path: Path, view: _View) -> Iterator[_Place]:
    yield _Place((*path, "inputs"), step.inputs, view)
    yield _Place((*path, "when"), step.when, view, bare=True)
    for index, limit in enumerate(step.limits):
        yield _Place((*path, "limits", index, "key"), limit.key, view)
    for index, transition in enumerate(step.transitions):
        yield _Place((*path, "transitions", index, "when"), transition.when, view, bare=True)
    for index, route in enumerate(step.failure_routes):
        yield _Place((*path, "on_failure", index, "when"), route.when, view.plus("error"), bare=True)
    if isinstance(step.compensation, Compensation):
        undo = _View(view.roots - {"error"} | {"undo"}, view.steps)
        yield _Place((*path, "compensation", "inputs"), step.compensation.inputs, undo)
    yield from _kind_places(step, path, view)


def _kind_places(step: Step, path: Path, view: _View) -> Iterator[_Place]:
    if step.map:
        yield _Place((*path, "map", "items"), step.map.items, view, bare=True)
    if step.wait:
        yield _Place((*path, "wait"), step.wait.expression, view)
        yield _Place((*path, "wait", "until"), step.wait.until, view, bare=True)
    if step.event:
        place = (*path, "event")
        yield _Place((*place, "filter"), step.event.filter, view.plus("event"), bare=True)
        if step.event.correlation:
            yield _Place((*place, "correlation", "event"), step.event.correlation.event, _View(_EVENT), bare=True)
            yield _Place((*place, "correlation", "value"), step.event.correlation.value, view, bare=True)
    if step.approval:
        yield from _asked(step.approval, (*path, "approval"), view)
        for index, level in enumerate(step.approval.escalate):
            yield from _asked(level, (*path, "approval", "escalate", index), view)


def _asked(asked: Approval | EscalationLevel, path: Path, view: _View) -> Iterator[_Place]:
    yield _Place((*path, "users"), list(asked.users), view)
    yield _Place((*path, "groups"), list(asked.groups), view)


def _check_place(place: _Place, step: str, everywhere: frozenset[str], report: Report) -> None:
    for path, found in _expressions(place):
        if isinstance(found, ExpressionSyntax):
            report.error("expression_syntax", str(found), path, step)
            continue
        for root in sorted(found.roots - place.view.roots):
            known = ", ".join(sorted(place.view.roots))
            message = f"`{root}` cannot be read here; what can is {known}{nearest(root, place.view.roots)}"
            report.error("unknown_root", message, path, step)
        if "steps" in place.view.roots:
            _check_steps(found, path, place.view, step, everywhere, report)


def _check_steps(
    found: Expression, path: Path, view: _View, step: str, everywhere: frozenset[str], report: Report
) -> None:
    if found.computed_step_column is not None:
        message = f'`{found.text}` computes which step to read; write its id, as in `steps.charge` or `steps["charge"]`'
        report.error("computed_step_id", message, path, step)
    for name in sorted(found.steps):
        if _plain(name) in view.steps:
            continue
        if _plain(name) in everywhere:
            message = (
                f"`steps.{name}` cannot be read here: it compensates, or is inside another branch, item or container"
            )
        else:
            message = f"`steps.{name}`: there is no such step{nearest(_plain(name), view.steps)}"
        report.error("unknown_step", message, path, step)


def _expressions(place: _Place) -> Iterator[tuple[Path, Expression | ExpressionSyntax]]:
    if place.bare:
        if isinstance(place.value, str):
            yield place.path, _read(place.value)
        return
    for path, text in _texts(place.value, place.path):
        good, bad = check_template(text)
        yield from ((path, found) for _, found in good)
        yield from ((path, error) for _, error in bad)


def _read(text: str) -> Expression | ExpressionSyntax:
    try:
        return expression(text)
    except ExpressionSyntax as error:
        return error


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    match value:
        case str():
            yield path, value
        case dict():
            for name, member in value.items():
                yield from _texts(member, (*path, name))
        case list():
            for index, member in enumerate(value):
                yield from _texts(member, (*path, index))


def _plain(name: str) -> str:
    return name.replace("-", "_")
