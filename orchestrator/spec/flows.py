"""How the steps of one flow lead from one to the next: what the lint and the plan compiler both stand on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from orchestrator.spec.problems import Path
from orchestrator.spec.workflow import FailureRoute, Step, Transition, WorkflowSpec

END: Final = "$end"
FAIL: Final = "$fail"
ENDINGS: Final = frozenset({END, FAIL})

_COMPLETES: Final = Transition(to=END)

Style = Literal["sequence", "transitions", "needs"]


@dataclass(frozen=True, slots=True)
class FlowShape:
    """One flow, with every target resolved. Names that nothing bears stay in `next` and `failure` as written."""

    style: Style
    entry: str  # "" when there are only compensating steps
    order: tuple[str, ...]  # a sequence's members in order; else every step but the compensating ones, as listed
    next: Mapping[str, tuple[Transition, ...]]  # on success; in a needs flow, empty
    failure: Mapping[str, tuple[FailureRoute, ...]]
    compensating: frozenset[str]
    open_ends: frozenset[str]  # completes the flow without a written `$end`
    main: frozenset[str]  # reached from the entry without a failure
    failure_path: frozenset[str]  # reached after a failure only, before it rejoins
    unreachable: tuple[str, ...]
    cycles: tuple[tuple[str, ...], ...]  # steps that can come round again, in listed order
    returns: tuple[tuple[str, str], ...]  # (from, to): the edges that close a loop

    def targets(self, step: str) -> tuple[str, ...]:
        """Where `step` can lead, by success or failure, each once."""
        written = [t.to for t in self.next.get(step, ())] + [r.to for r in self.failure.get(step, ())]
        return tuple(dict.fromkeys(written))


@dataclass(frozen=True, slots=True)
class Flow:
    """A list of steps that belong together, and where it stands in the spec."""

    path: Path
    steps: tuple[Step, ...]
    output: object = None
    owner: Step | None = None
    around: Flow | None = None
    depth: int = 0

    def step_path(self, index: int) -> Path:
        """Where the step stands in the spec."""
        return (*self.path, "steps", index)


def flows_of(spec: WorkflowSpec) -> Iterator[Flow]:
    """The workflow's flow, then each branch and map body, outer before inner, as listed."""
    yield from _with_inner(Flow((), spec.steps, spec.output))


def inner_flows(step: Step, path: Path, around: Flow | None = None) -> Iterator[Flow]:
    """The flows that the step at `path` holds, not those within them."""
    depth = around.depth + 1 if around else 1
    if step.parallel:
        for name, branch in step.parallel.branches.items():
            place = (*path, "parallel", "branches", name)
            yield Flow(place, branch.steps, branch.output, step, around, depth)
    if step.map:
        yield Flow((*path, "map"), step.map.steps, step.map.output, step, around, depth)


def _with_inner(flow: Flow) -> Iterator[Flow]:
    yield flow
    for index, step in enumerate(flow.steps):
        for inner in inner_flows(step, flow.step_path(index), flow):
            yield from _with_inner(inner)


def says_needs(step: Step) -> bool:
    """Whether the step has a field that only a needs flow has."""
    return bool(step.needs) or step.run_if != "all_succeeded" or step.when != "true" or step.allow_failure


def says_targets(step: Step) -> bool:
    """Whether the step has a field that only a transition flow has."""
    return bool(step.transitions or step.failure_routes or step.on_success is not None or step.max_visits is not None)


def read_flow(steps: Sequence[Step]) -> FlowShape:
    """Reads the steps of one flow as the design's section *Flows* says; what is wrong in them, the lint reports."""
    compensating = frozenset(_compensating(steps))
    listed = [step for step in steps if step.id not in compensating]
    if any(map(says_needs, listed)):
        return _read_needs(listed, compensating)
    entry = listed[0].id if listed else ""
    members = _sequence(listed)
    following = {step: Transition(to=to) for step, to in zip(members, [*members[1:], END], strict=False)}
    success = {step.id: step.success_transitions or (following.get(step.id, _COMPLETES),) for step in listed}
    failure = {step.id: step.failure_routes for step in listed}
    graph = _Graph(tuple(success), success, failure)
    main = graph.reached([entry], failures=False)
    failing = graph.reached([route.to for routes in failure.values() for route in routes], failures=False) - main
    after_failure = graph.reached([entry]) & failing
    returns = graph.returns(entry)
    return FlowShape(
        style="sequence" if members else "transitions",
        entry=entry,
        order=tuple(members or success),
        next=success,
        failure=failure,
        compensating=compensating,
        open_ends=frozenset(
            step.id for step in listed if not step.success_transitions and success[step.id][0].to == END
        ),
        main=main,
        failure_path=after_failure,
        unreachable=tuple(step for step in success if step not in main | after_failure),
        returns=returns,
        cycles=graph.cycles(to for _, to in returns),
    )


def _compensating(steps: Sequence[Step]) -> set[str]:
    """The steps that some step of the flow names as its compensation."""
    named = {step.compensation for step in steps if isinstance(step.compensation, str)}
    return {step.id for step in steps if step.id in named}


def _sequence(listed: Sequence[Step]) -> list[str]:
    """The members of a sequence in order; empty when the entry says where it goes, so that every step must."""
    if not listed or listed[0].success_transitions:
        return []
    handlers = {route.to for step in listed for route in step.failure_routes}
    entry, *others = listed
    return [entry.id, *(s.id for s in others if not s.success_transitions and s.id not in handlers)]


def _read_needs(listed: Sequence[Step], compensating: frozenset[str]) -> FlowShape:
    dependents: dict[str, list[Transition]] = {step.id: [] for step in listed}
    for step in listed:
        for needed in dict.fromkeys(step.needs):
            if needed in dependents:
                dependents[needed].append(Transition(to=step.id))
    needed_by = {step: tuple(others) for step, others in dependents.items()}
    graph = _Graph(tuple(needed_by), needed_by, {})
    returns = graph.returns(*needed_by)
    cycles = graph.cycles(to for _, to in returns)
    stuck = graph.reached(step for cycle in cycles for step in cycle)
    return FlowShape(
        style="needs",
        entry=next((step.id for step in listed if not step.needs), ""),
        order=tuple(needed_by),
        next={},
        failure={},
        compensating=compensating,
        open_ends=frozenset(),
        main=frozenset(needed_by),
        failure_path=frozenset(),
        unreachable=tuple(step for step in needed_by if step in stuck),
        returns=returns,
        cycles=cycles,
    )


@dataclass(frozen=True, slots=True)
class _Graph:
    """Steps and the ways between them; targets that are not steps lead nowhere."""

    steps: tuple[str, ...]
    success: Mapping[str, tuple[Transition, ...]]
    failure: Mapping[str, tuple[FailureRoute, ...]]

    def reached(self, starts: Iterable[str], *, failures: bool = True) -> frozenset[str]:
        """`starts` and everything that they lead to."""
        seen: set[str] = set()
        waiting = [step for step in starts if step in self.success]
        while waiting:
            step = waiting.pop()
            if step not in seen:
                seen.add(step)
                waiting += self._after(step, failures=failures)
        return frozenset(seen)

    def returns(self, *entries: str) -> tuple[tuple[str, str], ...]:
        """The edges that lead back to a step that they came through, on any way from the entries."""
        found, done = [], set[str]()
        for entry in entries:
            trail = {entry: iter(self._after(entry))} if entry in self.success and entry not in done else {}
            while trail:
                step, ahead = next(reversed(trail.items()))
                to = next(ahead, None)
                if to is None:
                    done.add(step)
                    del trail[step]
                elif to in trail:
                    found.append((step, to))
                elif to not in done:
                    trail[to] = iter(self._after(to))
        return tuple(found)

    def cycles(self, heads: Iterable[str]) -> tuple[tuple[str, ...], ...]:
        """For each head of a loop, the steps that can come round to it; each set once."""
        before: dict[str, list[Transition]] = {step: [] for step in self.steps}
        for step in self.steps:
            for to in self._after(step):
                before[to].append(Transition(to=step))
        backward = _Graph(self.steps, {step: tuple(origins) for step, origins in before.items()}, {})
        loops: dict[str, frozenset[str]] = {}
        for head in dict.fromkeys(heads):
            known = next((loop for loop in loops.values() if head in loop), None)
            loops[head] = known or self.reached([head]) & backward.reached([head])
        return tuple(dict.fromkeys(tuple(step for step in self.steps if step in loop) for loop in loops.values()))

    def _after(self, step: str, *, failures: bool = True) -> list[str]:
        targets = [transition.to for transition in self.success[step]]
        if failures:
            targets += [route.to for route in self.failure.get(step, ())]
        return [to for to in targets if to in self.success]
