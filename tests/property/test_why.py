from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from orchestrator.client.around import Around
from orchestrator.client.reasons import Reason
from orchestrator.client.versions import Versions
from orchestrator.client.why import why
from orchestrator.engine.address import RUN
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Plan
from orchestrator.settings import Settings
from orchestrator.store.limits import Limits
from orchestrator.store.limits_memory import MemoryLimits
from orchestrator.store.memory import MemoryStore
from orchestrator.store.registry import WorkerRecord
from orchestrator.store.registry_memory import MemoryRegistry
from tests.property.awaiting import NUMBERS, stories_from_outside, waiting_workflows
from tests.property.behaviours import Behaviour
from tests.property.faults import Act, stories
from tests.property.nested import habits, nested_workflows
from tests.property.specs import plan_of, workflows
from tests.property.test_trees import ACTS, do, families, plans_of_family
from tests.property.tree import Tree
from tests.property.world import World

pytestmark = pytest.mark.property

WITHOUT_STEPS = frozenset({Reason.OVER, Reason.UNDO_BY_HAND, Reason.UNDO_FAILED})
_Fleet = Literal["none", "idle", "elsewhere"]


class _Published(Versions):
    """The plans of a world."""

    def __init__(self, plans: Mapping[str, Plan], now_ms: int) -> None:
        super().__init__(MemoryRegistry(lambda: now_ms))
        self.plans = plans

    @override
    def plan(self, key: str, version: str) -> Plan:
        return self.plans[key]


class _Here(Around):
    """Around runs of a world: a broker in which as much waits as the story says, or that is away."""

    @override
    def depth(self, queue: str) -> int | None:
        return None if queue != "default" else 3


@dataclass(frozen=True, slots=True)
class Asker:
    """Somebody who asks after each happening, and the fleet that there is."""

    fleet: _Fleet

    def ask(self, store: MemoryStore, plans: Mapping[str, Plan], run_id: str, limits: Limits | None = None) -> None:
        """The law: an answer for the run and for each live step, whatever has happened."""
        now_ms, values = store.read_all(run_id)
        view = RunView(run_id, values, now_ms)
        versions = _Published(plans, now_ms)
        if self.fleet != "none":
            queues = ("default",) if self.fleet == "idle" else ("other",)
            versions.registry.announce(WorkerRecord("w", queues, (), pid=1, host="h"))

        found = why(plans[view.pinned[0]], view, _Here(Settings(shards=1), store, versions, None, limits))

        live = set(store.entries(run_id)) - {RUN}
        assert {step.address for step in found.steps} == live
        assert all(step.sentence and step.reason in Reason for step in found.steps)
        assert found.sentence
        assert (found.reason in WITHOUT_STEPS) == view.over
        assert found.reason is not Reason.UNWATCHED
        assert not (view.paused and not view.over) or found.reason is Reason.PAUSED


_FLEETS = st.sampled_from(["none", "idle", "elsewhere"])


def _live(
    workflow: Mapping[str, Any],
    acts: Sequence[Act],
    asker: Asker,
    *,
    habits: Mapping[str, Behaviour] = MappingProxyType({}),
    n: float | str = 2,
) -> None:
    terms = {name: value for name, value in workflow.items() if name != "steps"}
    world = World(plan_of(*workflow["steps"], **terms), {"flag": True, "n": n}, habits=habits)
    for act in acts:
        act.do(world)
        asker.ask(world.store, {world.plan.key: world.plan}, "run", world.limits)
    world.settle_down()
    asker.ask(world.store, {world.plan.key: world.plan}, "run", world.limits)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    workflow=st.one_of(workflows(), nested_workflows()),
    acts=stories(),
    fleet=_FLEETS,
    habits=habits(),
)
def test_every_live_step_has_an_answer_whatever_happens(
    workflow: dict[str, Any], acts: list[Act], fleet: _Fleet, habits: dict[str, Behaviour]
) -> None:
    """One for the run, one for each live step, and never an error; after each act of random stories."""
    _live(workflow, acts, Asker(fleet), habits=habits)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(workflow=waiting_workflows(), acts=stories_from_outside(), fleet=_FLEETS, habits=habits(), n=NUMBERS)
def test_every_step_that_waits_for_something_from_outside_has_an_answer(
    workflow: dict[str, Any], acts: list[Act], fleet: _Fleet, habits: dict[str, Behaviour], n: float | str
) -> None:
    """Near misses of any kind included."""
    _live(workflow, acts, Asker(fleet), habits=habits, n=n)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(family=families(), acts=st.lists(ACTS, max_size=60), fleet=_FLEETS)
def test_every_run_of_a_tree_has_an_answer(family: dict[str, Any], acts: list[tuple[Any, ...]], fleet: _Fleet) -> None:
    """Those of parents tell their children's."""
    tree = Tree(plans_of_family(family))
    for act in acts:
        do(tree, act)
        for run_id in tree.runs():
            Asker(fleet).ask(tree.store, tree.plans, run_id)


@pytest.mark.parametrize("rate", [{"max": 1}, {"rate": "1/10s"}])
def test_every_step_that_stands_in_line_has_an_answer(rate: dict[str, Any]) -> None:
    """Of limits of both kinds, while somebody else holds the slot and after."""
    limits = [{"key": "x", **rate}]
    world = World(plan_of({"id": "a", "operation": "do.write", "limits": limits}))
    other = World(plan_of({"id": "a", "operation": "do.write", "limits": limits}))
    other.limits = world.limits = MemoryLimits(lambda: world.now_ms)
    other.begin(0)

    for _ in range(5):
        world.go(0)
        Asker("idle").ask(world.store, {world.plan.key: world.plan}, "run", world.limits)
