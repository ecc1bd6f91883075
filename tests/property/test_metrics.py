"""What is counted is what happened: readers that die, stand still and read twice, of a feed that loses most of it."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import Unreachable
from orchestrator.monitor.following import Following
from orchestrator.monitor.metrics import MetricsReader
from orchestrator.settings import Settings
from orchestrator.store.metrics import MemoryMetrics
from orchestrator.store.registry_memory import MemoryRegistry
from tests.property.behaviours import REFUSES, Behaviour
from tests.property.nested import nested_workflows
from tests.property.test_incarnations import World, live_many_lives
from tests.property.test_trees import ACTS, do, families, plans_of_family
from tests.property.tree import Tree
from tests.recount import check_sums

pytestmark = pytest.mark.property


class FaultyMetrics(MemoryMetrics):
    """Sums whose answer gets lost now and then, after they were added, or before."""

    chance = Random(0)

    def add(self, *batch: Any) -> bool:
        """Add them, unless the connection breaks before; and answer, unless it breaks after."""
        if self.chance.random() < 0.2:
            raise Unreachable("away")
        taken = super().add(*batch)
        if self.chance.random() < 0.2:
            raise Unreachable("away")
        return taken


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    family=families(),
    acts=st.lists(ACTS, max_size=60),
    fails=st.sampled_from(["", "", "r0", "r1", "c0", "c1", "g0"]),
    length=st.sampled_from([3, 20, 10_000]),
    seed=st.integers(0, 1_000_000),
)
def test_sums_are_what_the_histories_say_whatever_happens_to_runs_and_readers(
    family: dict[str, Any], acts: list[tuple[Any, ...]], fails: str, length: int, seed: int
) -> None:
    """Two processes read as `metrics`, both at times taking themselves for the one; each event counts once."""
    habits: dict[str, Behaviour] = {fails: REFUSES} if fails else {}
    tree, chance = Tree(plans_of_family(family), habits=habits), Random(seed)
    tree.store._settings = tree.store._settings.model_copy(update={"feed_length": length})
    metrics, registry = FaultyMetrics(Settings(), lambda: tree.now_ms), MemoryRegistry(lambda: tree.now_ms)
    metrics.chance = chance

    def process() -> Following:
        return Following(MetricsReader(tree.store, metrics), tree.store, registry, 1)

    readers = [process(), process()]
    for act in acts:
        do(tree, act)
        if chance.random() < 0.4:
            _read(readers, chance, process)
    tree.settle_down()
    if tree.retry():
        tree.settle_down()
    metrics.chance = Random(1)
    metrics.add = super(FaultyMetrics, metrics).add  # type: ignore[method-assign]
    reader = MetricsReader(tree.store, metrics)
    registry = MemoryRegistry(lambda: tree.now_ms)
    while Following(reader, tree.store, registry, 1).turn():
        pass

    told = check_sums(tree.store, 1, metrics)
    _check_ends(told.counts, tree)


@settings(max_examples=40, deadline=None)
@given(workflow=nested_workflows(), flag=st.booleans(), chance=st.randoms(use_true_random=False))
def test_sums_are_what_the_histories_say_of_runs_with_many_lives(
    workflow: dict[str, Any], flag: bool, chance: Random
) -> None:
    """Maps, lanes, loops, retries, undos by hand, waivers: counted as they are told."""
    workflow["compensation"]["trigger"] = "manual" if flag else "automatic"
    world = World(workflow, flag, chance)
    live_many_lives(world)
    store, now_ms = world.run.handle.store, world.run.handle.store.time_ms()
    metrics = MemoryMetrics(Settings(), lambda: now_ms)

    reader = Following(MetricsReader(store, metrics), store, MemoryRegistry(lambda: now_ms), 1)
    while reader.turn():
        pass

    check_sums(store, 1, metrics)


def _read(readers: list[Following], chance: Random, process: Any) -> None:
    seat = chance.randrange(2)
    if chance.random() < 0.2:
        readers[seat] = process()
    reader = readers[seat]
    if chance.random() < 0.5:
        reader._fence, reader._asked_s = 1, float("inf")  # it takes itself for the leader, as after a long pause
    try:
        reader.turn()
    except Unreachable:
        reader._positions = None


def _check_ends(counts: Counter[tuple[str, int, str, str, str]], tree: Tree) -> None:
    """Every life of a run that is over had one end."""
    names = Counter[str]()
    for (_, _, _, step, name), number in counts.items():
        if not step:
            names[name] += number
    over = sum(tree.view(run_id).over for run_id in tree.runs())
    assert names["started"] == len(tree.runs())
    lives = over + names["retried"]
    assert names["completed"] + names["failed"] + names["cancelled"] == lives
