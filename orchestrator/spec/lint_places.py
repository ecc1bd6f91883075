"""Every place of a spec where an expression may stand, with what can be read there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from orchestrator.spec.flows import Flow, FlowShape, inner_flows
from orchestrator.spec.kinds import Approval, EscalationLevel
from orchestrator.spec.lint_outputs import Certain, certain_outputs
from orchestrator.spec.problems import Path
from orchestrator.spec.workflow import Compensation, Step, WorkflowSpec

Ids = frozenset[str]

_RUN: Final = frozenset({"input", "ctx", "run"})
_FLOW: Final = _RUN | {"steps"}
_EVENT: Final = frozenset({"event"})


@dataclass(frozen=True, slots=True)
class View:
    """What can be read in a place: the roots, and which steps under `steps`, named as `plain` names them."""

    roots: Ids
    steps: Ids = frozenset()
    certain: Ids = frozenset()  # their outputs are there, whatever happened
    looping: Ids = frozenset()  # of the flows around: see Certain
    undone: Ids = frozenset()  # the steps that are undone here

    def plus(self, *roots: str) -> View:
        """With more roots."""
        return replace(self, roots=self.roots | set(roots))

    def knowing(self, completed: Iterable[str]) -> View:
        """Where these steps have completed as well."""
        return replace(self, certain=self.certain | _plain_set(completed))


@dataclass(frozen=True, slots=True)
class Place:
    """A value that may hold expressions; `bare` is one that is an expression as a whole."""

    path: Path
    value: Any
    view: View
    step: str = ""
    bare: bool = False


def plain(name: str) -> str:
    """An id as expressions compare it: `-` and `_` are the same."""
    return name.replace("-", "_")


def places_of(spec: WorkflowSpec, shapes: Mapping[Path, FlowShape]) -> Iterator[Place]:
    """The workflow's own, then each step's."""
    yield from _workflow_places(spec)
    yield from _flow_places(Flow((), spec.steps, spec.output), View(_FLOW), shapes)


def _workflow_places(spec: WorkflowSpec) -> Iterator[Place]:
    for name, text in spec.search.items():
        yield Place(("search", name), text, View(frozenset({"input", "ctx"})), bare=True)
    for index, limit in enumerate(spec.limits):
        yield Place(("limits", index, "key"), limit.key, View(_RUN))
    for index, trigger in enumerate(spec.triggers):
        path: Path = ("triggers", index)
        if trigger.schedule:
            yield Place((*path, "schedule", "inputs"), trigger.schedule.inputs, View(frozenset({"run"})))
        if trigger.event:
            place = (*path, "event")
            yield Place((*place, "filter"), trigger.event.filter, View(_EVENT), bare=True)
            yield Place((*place, "inputs"), trigger.event.inputs, View(_EVENT))
            for number, text in enumerate(trigger.event.dedupe):
                yield Place((*place, "dedupe", number), text, View(_EVENT), bare=True)


def _flow_places(flow: Flow, around: View, shapes: Mapping[Path, FlowShape]) -> Iterator[Place]:
    shape = shapes[flow.path]
    sure = certain_outputs(flow.steps, shape)
    own = _plain_set(step.id for step in flow.steps if step.id not in shape.compensating)
    view = replace(around, steps=around.steps | own, looping=around.looping | _plain_set(sure.looping))
    owner = flow.owner.id if flow.owner else ""
    yield Place((*flow.path, "output"), flow.output, view.knowing(sure.at_end), owner)
    for index, step in enumerate(flow.steps):
        path = flow.step_path(index)
        if step.id in shape.compensating:
            undone = [other.id for other in flow.steps if other.compensation == step.id and other.id in sure.before]
            yield from _step_places(step, path, _undoing(view, sure, undone))
            continue
        seen = (view.plus("error") if step.id in shape.failure_path else view).knowing(sure.before[step.id])
        yield from _step_places(step, path, seen)
        yield from _leading_places(step, path, seen)
        if isinstance(step.compensation, Compensation):
            place = (*path, "compensation", "inputs")
            yield Place(place, step.compensation.inputs, _undoing(view, sure, [step.id]), step.id)
        inside = seen.plus(step.map.item_name, "index") if step.map else seen
        for inner in inner_flows(step, path, flow):
            yield from _flow_places(inner, inside, shapes)


def _undoing(view: View, sure: Certain, undone: list[str]) -> View:
    """What an undo of any of these steps sees."""
    completed = frozenset.intersection(*(sure.undoing(step) for step in undone)) if undone else frozenset()
    settled = replace(view, roots=view.roots - {"error"}, certain=view.certain - view.looping)
    return replace(settled.plus("undo").knowing(completed), undone=_plain_set(undone))


def _leading_places(step: Step, path: Path, view: View) -> Iterator[Place]:
    """Where the step leads, seen when it is over."""
    done = view.knowing([step.id])
    for index, transition in enumerate(step.transitions):
        yield Place((*path, "transitions", index, "when"), transition.when, done, step.id, bare=True)
    for index, route in enumerate(step.failure_routes):
        yield Place((*path, "on_failure", index, "when"), route.when, view.plus("error"), step.id, bare=True)


def _step_places(step: Step, path: Path, view: View) -> Iterator[Place]:
    yield Place((*path, "inputs"), step.inputs, view, step.id)
    yield Place((*path, "when"), step.when, view, step.id, bare=True)
    for index, limit in enumerate(step.limits):
        yield Place((*path, "limits", index, "key"), limit.key, view, step.id)
    if step.map:
        yield Place((*path, "map", "items"), step.map.items, view, step.id, bare=True)
    if step.wait:
        yield Place((*path, "wait"), step.wait.expression, view, step.id)
        yield Place((*path, "wait", "until"), step.wait.until, view, step.id, bare=True)
    if step.event:
        place = (*path, "event")
        yield Place((*place, "filter"), step.event.filter, view.plus("event"), step.id, bare=True)
        if step.event.correlation:
            place = (*place, "correlation")
            yield Place((*place, "event"), step.event.correlation.event, View(_EVENT), step.id, bare=True)
            yield Place((*place, "value"), step.event.correlation.value, view, step.id, bare=True)
    if step.approval:
        yield from _asked(step, step.approval, (*path, "approval"), view)
        for index, level in enumerate(step.approval.escalate):
            yield from _asked(step, level, (*path, "approval", "escalate", index), view)


def _asked(step: Step, asked: Approval | EscalationLevel, path: Path, view: View) -> Iterator[Place]:
    yield Place((*path, "users"), list(asked.users), view, step.id)
    yield Place((*path, "groups"), list(asked.groups), view, step.id)


def _plain_set(names: Iterable[str]) -> Ids:
    return frozenset(map(plain, names))
