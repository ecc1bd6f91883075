"""The canvas of a plan as a tree: it holds what is sent."""

from __future__ import annotations

import pytest

from orchestrator.plan.canvas import deal, region
from orchestrator.plan.graph import Plan
from orchestrator.plan.tree import FlowCanvas, Fork, Segment
from tests.unit.plan.plans import LANES, NAMES, canvas, named, upper, workflow

BYTES = 16_384


def forks(flow: FlowCanvas) -> list[Fork]:
    """Every fork of a canvas, outer before inner."""
    own = [fork for segment in (*flow.begins, *flow.others) for fork in segment.forks]
    return [found for fork in own for found in (fork, *(inner for one in fork.flows for inner in forks(one)))]


def addresses(segment: Segment) -> list[str]:
    """What the messages of a segment look at."""
    return [signature.address for signature in segment.chain.signatures]


def both(**options: object) -> Plan:
    """A step before, two branches, a step behind."""
    branches = {"left": [upper("l1"), upper("l2")], "right": [upper("r1")]}
    return workflow(upper("first"), {"id": "both", "parallel": {"branches": branches, **options}}, upper("last"))


def test_branches_that_are_all_waited_for_are_the_chord_that_is_sent() -> None:
    """Header and body are those that a worker makes for the branches beside its own."""
    plan = both()
    (fork,) = forks(canvas(plan))

    sent = region(plan, deal(plan, ["both[right]/r1"], LANES), "both", message_bytes=BYTES, whole=True)

    assert fork.kind == "chord"
    assert (fork.flows[1].begins[0].chain,) == sent.header
    assert fork.body == sent.body
    assert addresses(fork.flows[0].begins[0]) == ["both[left]/l1", "both[left]/l2"]


def test_a_join_of_any_is_a_gate() -> None:
    """A group, as it is sent: Celery cannot tell when such a join is reached."""
    plan = both(join="any")
    (fork,) = forks(canvas(plan))

    sent = region(plan, deal(plan, ["both[right]/r1"], LANES), "both", message_bytes=BYTES, whole=True)

    assert (fork.kind, fork.body) == ("group", None)
    assert sent.body is None


def test_a_join_inside_another_container_is_a_gate() -> None:
    """A chord never holds a chord."""
    found = {fork.container: fork.kind for fork in forks(canvas(named("nested.yaml")))}

    assert found == {
        "tour": "chord",
        "tour[0]/arrange": "group",
        "tour[0]/arrange[rooms]/rooms": "group",
    }


@pytest.mark.parametrize(("at_once", "kind", "beside"), [(1, "chain", 0), (2, "chord", 1), (9, "chord", 8)])
def test_a_map_begins_as_many_items_as_may_run_at_once(at_once: int, kind: str, beside: int) -> None:
    """The message itself goes on with one; with one at a time, nothing is sent beside it."""
    plan = workflow({"id": "all", "map": {"items": "input.words", "steps": [upper("up")], "max_concurrency": at_once}})

    (fork,) = forks(canvas(plan))

    assert (fork.kind, fork.beside) == (kind, beside)
    assert (fork.body is not None) is (kind == "chord")


def test_steps_of_a_needs_flow_stand_behind_gates() -> None:
    """What needs nothing begins the flow; a step that alone follows another is in its chain."""
    flow = canvas(named("dag.yaml"))

    assert [addresses(segment) for segment in flow.begins] == [["orders"], ["payments"], ["rates"]]
    assert [addresses(segment) for segment in flow.others] == [["reconcile"], ["report", "publish"], ["alert"]]
    assert [segment.needs and segment.needs.needs for segment in flow.others] == [
        ("orders", "payments"),
        ("reconcile", "rates"),
        ("orders", "payments", "reconcile"),
    ]


def test_a_loop_is_compiled_at_each_visit() -> None:
    """Its steps are in no chain but their own, in the order in which they are come to."""
    flow = canvas(named("loop.yaml"))

    assert addresses(flow.begins[0]) == ["ask"]
    assert [addresses(segment)[0] for segment in flow.others[:2]] == ["is-ready", "pause"]


@pytest.mark.parametrize("message_bytes", [2_048, BYTES])
@pytest.mark.parametrize("name", NAMES)
def test_every_step_is_in_some_chain(name: str, message_bytes: int) -> None:
    """However short the chains are: nothing of a plan is left out."""
    plan = named(name)
    flow = canvas(plan, message_bytes=message_bytes)

    flows = [flow, *(inner for fork in forks(flow) for inner in fork.flows)]
    shown = {address for one in flows for segment in (*one.begins, *one.others) for address in addresses(segment)}

    assert {address.rpartition("/")[2] for address in shown} == set(plan.nodes)
