"""Effects that nothing would take back, and effects for good that race each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from itertools import combinations

from orchestrator.spec.flows import FAIL, Flow, FlowShape, inner_flows
from orchestrator.spec.lint_operations import Declared
from orchestrator.spec.operations import Effect
from orchestrator.spec.problems import Path, Report
from orchestrator.spec.workflow import Step, StepKind

Ids = frozenset[str]


def check_effects(flows: Sequence[Flow], shapes: Mapping[Path, FlowShape], declared: Declared, report: Report) -> None:
    """The effects of all flows of a spec, which have these shapes."""
    readings = {flow.path: _Reading(flow, shapes[flow.path]) for flow in flows}
    for flow in flows:
        reading = readings[flow.path]
        for index, step in enumerate(flow.steps):
            if declared.effect(step) is Effect.WRITE and step.compensation is None and not step.pivot:
                _check_write(step, flow.step_path(index), readings, reading, report)
    _check_races(flows, readings, declared, report)


class _Reading:
    """One flow, and what comes before what in it."""

    def __init__(self, flow: Flow, shape: FlowShape) -> None:
        self.flow = flow
        self.shape = shape
        self.steps = {step.id: step for step in flow.steps}
        by_needs = self.shape.style == "needs"
        self.earlier = _earlier(self.steps, self.shape) if by_needs else {}
        self._failing = [name for name in self.earlier if self._fails(name)]
        self._pivots = [name for name in self.earlier if self.steps[name].pivot]
        self._strikes = {} if by_needs else self._find_strikes()

    def follower(self, name: str) -> str | None:
        """A step that can fail, unhandled, once the named one has completed, before a pivot seals what was done."""
        if self.shape.style == "needs":
            others = (other for other in self._failing if other != name and other not in self.earlier[name])
            return next((other for other in others if not self._sealed(name, other)), None)
        targets = [transition.to for transition in self.shape.next[name]]
        return name if FAIL in targets else next((self._strikes[to] for to in targets if to in self._strikes), None)

    def ordered(self, one: str, other: str) -> bool:
        """Whether one of two steps of a needs flow comes before the other."""
        return one in self.earlier[other] or other in self.earlier[one]

    def _fails(self, name: str) -> bool:
        """Whether a failure of the step is nobody's to handle."""
        step = self.steps[name]
        caught = any("*" in route.errors and route.when is None for route in step.failure_routes)
        return _can_fail(step) and not caught and not step.allow_failure

    def _sealed(self, name: str, other: str) -> bool:
        """Whether a pivot comes between two steps of a needs flow."""
        return any(pivot in self.earlier[other] and name in self.earlier[pivot] for pivot in self._pivots)

    def _find_strikes(self) -> dict[str, str]:
        """For each step of a transition flow, where a failure can strike once it is entered; the nearest, if any."""
        ways = {name: self._ways(name) for name in self.shape.next}
        into: dict[str, list[str]] = {name: [] for name in ways}
        for origin, targets in ways.items():
            for to in targets & into.keys():
                into[to].append(origin)
        found = {name: name for name in ways if FAIL in ways[name] or self._fails(name)}
        waiting = deque(found)
        while waiting:
            name = waiting.popleft()
            for origin in into[name]:
                if origin not in found:
                    found[origin] = found[name]
                    waiting.append(origin)
        return found

    def _ways(self, name: str) -> set[str]:
        """Where a step leads while what was done before can still be undone."""
        step = self.steps[name]
        completed = () if step.pivot else self.shape.next[name]
        failed = self.shape.failure[name] if _can_fail(step) else ()
        return {transition.to for transition in completed} | {route.to for route in failed}


def _earlier(steps: Mapping[str, Step], shape: FlowShape) -> dict[str, Ids]:
    """For each step of a needs flow, all that must have settled before it."""
    needs = {
        name: [needed for needed in steps[name].needs if needed in steps and needed not in shape.unreachable]
        for name in shape.order
        if name not in shape.unreachable
    }
    found: dict[str, Ids] = {}
    for name in TopologicalSorter(needs).static_order():
        found[name] = frozenset(needs.get(name, ())).union(*(found[needed] for needed in needs.get(name, ())))
    return found


def _can_fail(step: Step) -> bool:
    """Whether something beside a cancel can make the step fail."""
    match step.kind:
        case StepKind.WAIT:
            return step.wait is not None and step.wait.duration is None
        case StepKind.CHOICE:
            return all(transition.when is not None for transition in step.success_transitions)
        case StepKind.EVENT:
            return step.timeout is not None
        case StepKind.PARALLEL | StepKind.MAP:
            return any(_can_fail(inner) for flow in inner_flows(step, ()) for inner in flow.steps)
    return True


def _check_write(step: Step, path: Path, readings: Mapping[Path, _Reading], reading: _Reading, report: Report) -> None:
    follows = "" if _mends(step.id, readings, reading) else _what_follows(step.id, readings, reading)
    if follows:
        message = (
            f"`{step.operation}` writes, {follows}, and nothing undoes it: "
            "give it a `compensation`, or `pivot: true` if it and what came before it shall stand"
        )
        report.warning("write_without_undo", message, path, step.id)


def _mends(name: str, readings: Mapping[Path, _Reading], reading: _Reading) -> bool:
    """Whether the step runs only because something failed, or never."""
    shape, flow = reading.shape, reading.flow
    if name in shape.compensating | shape.failure_path or name in shape.unreachable:
        return True
    if flow.owner is None or flow.around is None:
        return False
    return _mends(flow.owner.id, readings, readings[flow.around.path])


def _what_follows(name: str, readings: Mapping[Path, _Reading], reading: _Reading) -> str:
    """What can stop the flow of a completed step, or one around it."""
    follower, flow = reading.follower(name), reading.flow
    if follower is not None:
        return f"a failure at `{follower}` can follow"
    if flow.owner is None or flow.around is None:
        return ""
    return _beside(flow, flow.owner) or _what_follows(flow.owner.id, readings, readings[flow.around.path])


def _beside(flow: Flow, owner: Step) -> str:
    """What can stop a branch or an item from beside it."""
    if owner.map:
        return "another item can fail"
    if owner.parallel and len(owner.parallel.branches) > 1:
        others = [branch.steps for branch in owner.parallel.branches.values() if branch.steps != flow.steps]
        if owner.parallel.join == "all":
            return "another branch can fail" if any(_can_fail(step) for steps in others for step in steps) else ""
        return "another branch can win" if owner.parallel.rest == "cancel" else ""
    return ""


def _check_races(flows: Sequence[Flow], readings: Mapping[Path, _Reading], declared: Declared, report: Report) -> None:
    places = {step.id: flow.step_path(index) for flow in flows for index, step in enumerate(flow.steps)}
    reported: set[str] = set()
    for flow in flows:
        for one, other in _racing(flow, readings[flow.path], declared):
            if other not in reported:
                reported.add(other)
                message = (
                    f"`{one}` and `{other}` are irreversible and run beside each other, so one may be done for good "
                    "while the other fails; let one come after the other"
                )
                report.warning("irreversible_in_parallel", message, places[other], other)


def _racing(flow: Flow, reading: _Reading, declared: Declared) -> Iterator[tuple[str, str]]:
    """Irreversible steps of which neither comes before the other."""
    for step in flow.steps:
        if step.parallel:
            branches = [list(_irreversible(branch.steps, declared)) for branch in step.parallel.branches.values()]
            yield from _pairs([found for found in branches if found])
    if reading.shape.style == "needs":
        inside = {name: list(_irreversible([reading.steps[name]], declared)) for name in reading.earlier}
        for one, other in combinations([name for name, found in inside.items() if found], 2):
            if not reading.ordered(one, other):
                yield from _pairs([inside[one], inside[other]])


def _pairs(groups: list[list[str]]) -> Iterator[tuple[str, str]]:
    """Each step of the later groups beside the first of all."""
    yield from ((groups[0][0], name) for group in groups[1:] for name in group)


def _irreversible(steps: Sequence[Step], declared: Declared) -> Iterator[str]:
    """The irreversible steps among these and within them."""
    for step in steps:
        if declared.effect(step) is Effect.IRREVERSIBLE:
            yield step.id
        for flow in inner_flows(step, ()):
            yield from _irreversible(flow.steps, declared)
