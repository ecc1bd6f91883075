"""Which steps of a flow have certainly completed, so that their outputs are there, wherever something is evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from orchestrator.spec.flows import END, FlowShape
from orchestrator.spec.workflow import Step

Ids = frozenset[str]


@dataclass(frozen=True, slots=True)
class Certain:
    """What has completed on every path; of a step that nothing reaches, all is said to have."""

    before: Mapping[str, Ids]  # when the step begins
    at_end: Ids  # when the flow completes
    looping: Ids  # can come round again, and fail then: what they gave before is no longer read

    def after(self, step: str) -> Ids:
        """When the step has completed."""
        return self.before[step] | {step}

    def undoing(self, step: str) -> Ids:
        """When the step is undone; its own output may be missing all the same, if its outcome is unknown."""
        return (self.before[step] - self.looping) | {step}


def certain_outputs(steps: Sequence[Step], shape: FlowShape) -> Certain:
    """Reads every path of one flow; steps that undo others are on none."""
    looping = frozenset(step for cycle in shape.cycles for step in cycle)
    if shape.style == "needs":
        before, at_end = _by_needs([step for step in steps if step.id not in shape.compensating], shape)
    else:
        before, at_end = _by_transitions(shape)
    return Certain(before, at_end, looping)


def _by_transitions(shape: FlowShape) -> tuple[dict[str, Ids], Ids]:
    everything = frozenset(shape.next)
    before = dict.fromkeys(shape.next, everything)
    waiting = [shape.entry] if shape.entry in before else []
    before.update(dict.fromkeys(waiting, frozenset()))
    while waiting:
        step = waiting.pop()
        for to, sure in _ways(shape, step, before[step]):
            if to in before and not before[to] <= sure:
                before[to] &= sure
                waiting.append(to)
    at_end = everything
    for step in shape.main | shape.failure_path:
        for to, sure in _ways(shape, step, before[step]):
            at_end = at_end & sure if to == END else at_end
    return before, at_end


def _ways(shape: FlowShape, step: str, before: Ids) -> Iterator[tuple[str, Ids]]:
    """Where the step leads, with what has certainly completed then."""
    yield from ((transition.to, before | {step}) for transition in shape.next[step])
    yield from ((route.to, before - {step}) for route in shape.failure[step])


def _by_needs(steps: Sequence[Step], shape: FlowShape) -> tuple[dict[str, Ids], Ids]:
    everything = frozenset(step.id for step in steps)
    before = dict.fromkeys(everything, everything)
    completing: set[str] = set()
    by_id = {step.id: step for step in steps if step.id not in shape.unreachable}
    needs = {name: [needed for needed in step.needs if needed in by_id] for name, step in by_id.items()}
    for name in TopologicalSorter(needs).static_order():
        step = by_id[name]
        each = [before[needed] | {needed} for needed in needs[name]]
        match step.run_if:
            case "all_succeeded":
                before[name] = frozenset[str]().union(*each)
                runs = completing.issuperset(needs[name])
            case "any_succeeded":
                before[name] = frozenset.intersection(*each) if each else frozenset()
                runs = not completing.isdisjoint(needs[name])
            case _:
                before[name] = frozenset()
                runs = step.run_if == "all_done"
        if runs and step.when == "true" and not step.allow_failure:
            completing.add(name)
    return before, frozenset(completing)
