"""What must hold of maps that are worked off in batches: which items a lane has, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.engine.address import container_of_lane, is_lane, lane_of
from orchestrator.engine.places import container_at
from orchestrator.engine.state import LIVE, StepState
from orchestrator.plan.graph import Plan

States = Mapping[str, StepState]
Values = Mapping[str, str]


@dataclass
class Batches:
    """What lanes took while a run went on."""

    taken: dict[str, frozenset[str]] = field(default_factory=dict)
    """Token of a lane -> the items, as steps."""

    def holds(self, token: str, step: str) -> bool:
        """Whether a step was an item of the batch that was taken with that token."""
        return step in self.taken.get(token, ())

    def take(self, plan: Plan, lane: str, token: str, before: Values, after: Values) -> None:
        """Each item is taken by one lane, in order; a batch is within the map and never empty.

        A lane that keeps items of an earlier batch takes the first of these, alone, and nothing else.
        """
        container = container_of_lane(lane)
        first, number = (int(part) for part in after[f"{lane}:batch"].split(":"))
        assert 0 < number <= int(after[f"{container}:size"]) - first, f"{lane} takes {number} from {first} on"
        assert after[f"{container}:state"] == StepState.WAITING, f"{lane} works for a map that is decided"
        items = steps_of(plan, lane, after[f"{lane}:batch"])
        if f"{lane}:batch" in before and items <= steps_of(plan, lane, before[f"{lane}:batch"]):
            kept = items  # by the commit that settled what came before them
        else:
            kept = items & steps_of(plan, lane, before.get(f"{lane}:rest", "0:0"))
        if kept:
            assert number == 1, f"{lane} takes {number} of those that it keeps"
            self.taken[token] = items
            return
        assert first == int(before.get(f"{container}:begun", "0")), f"{lane} leaves items out"
        assert first + number == int(after[f"{container}:begun"])
        assert not items & frozenset().union(*self.taken.values()), f"{lane} took what another lane has"
        self.taken[token] = items


def steps_of(plan: Plan, lane: str, batch: str) -> frozenset[str]:
    """The items of a batch, as steps."""
    container, (first, number) = container_of_lane(lane), map(int, batch.split(":"))
    body = plan.flows[container_at(plan, container).flows[0]].steps[0]
    return frozenset(f"{container}[{item}]/{body}" for item in range(first, first + number))


def recorded_by_lanes(plan: Plan, before: Values, after: Values) -> frozenset[str]:
    """The items of the batches that a commit has ended: what may become completed without having been ready."""
    ended = [name for name in before if name.endswith(":batch") and after.get(name) != before[name]]
    return frozenset().union(*(steps_of(plan, name.removesuffix(":batch"), before[name]) for name in ended))


def check_lanes(plan: Plan, before: Values, after: Values, states: States) -> None:
    """No more lanes than items may be worked on at once, each batch whole, nothing of it lost when it ends."""
    live: dict[str, list[str]] = {}
    for lane, state in states.items():
        if not is_lane(lane):
            continue
        assert (f"{lane}:batch" in after) >= (state is StepState.RUNNING), f"{lane} works on nothing"
        if state in LIVE:
            live.setdefault(container_of_lane(lane), []).append(lane)
        if state is StepState.RUNNING:
            items = steps_of(plan, lane, after[f"{lane}:batch"])
            assert not items & states.keys(), f"{lane} shares {items & states.keys()}"
    for container, lanes in live.items():
        most = min(container_at(plan, container).max_concurrency, int(after[f"{container}:size"]))
        assert set(lanes) <= {lane_of(container, number) for number in range(most)}
    for name in before:
        lane = name.removesuffix(":batch")
        if lane != name and after.get(name) != before[name] and states[lane] is not StepState.CANCELLED:
            kept = steps_of(plan, lane, after.get(f"{lane}:rest", "0:0"))
            now = steps_of(plan, lane, after.get(name, "0:0"))
            lost = steps_of(plan, lane, before[name]) - states.keys() - kept - now
            assert not lost, f"{lane} forgets {lost}"
