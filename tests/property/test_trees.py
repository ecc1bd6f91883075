from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.plan.graph import Plan
from tests.property.behaviours import BREAKS_OFF, DECLINES, OK, REFUSES, Behaviour
from tests.property.laws_of_trees import check_newest_first, check_tree_end
from tests.property.specs import plan_of, write
from tests.property.tree import ROOT, Tree

pytestmark = pytest.mark.property

RETRIED = {"max_attempts": 2, "delay": "10s", "backoff": "constant"}


def plans_of(**workflows: Sequence[Mapping[str, Any]]) -> dict[str, Plan]:
    """Plans by their keys; `root` is `t.root`."""
    keys = {name: f"t.{name}" for name in workflows}
    return {keys[name]: plan_of(*steps, key=keys[name]) for name, steps in workflows.items()}


_Terms = st.SearchStrategy[dict[str, Any]]
_TERMS: _Terms = st.sampled_from([{}, {}, {"retry": RETRIED}, {"timeout": "30s"}, {"pivot": True}])
_UNDOS: _Terms = st.sampled_from([{}, {}, {}, {"compensation": "undo.write"}])
_OFTEN = st.sampled_from([True, True, False])
_RETRIES: _Terms = st.sampled_from([{}, {"retry": RETRIED}])


@st.composite
def _steps(draw: st.DrawFn, prefix: str, children: tuple[str, ...]) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    for place in range(draw(st.integers(1, 3))):
        name = f"{prefix}{place}"
        if draw(_OFTEN) and children:
            step: dict[str, Any] = {"id": name, "workflow": draw(st.sampled_from(children))}
            step |= draw(_TERMS)
            if "pivot" not in step:
                step |= draw(_UNDOS)
            steps.append(step)
        else:
            steps.append(write(name, **draw(_RETRIES)))
    return steps


@st.composite
def families(draw: st.DrawFn) -> dict[str, Any]:
    """Three workflows, the first of which runs the others."""
    grandchild: list[dict[str, Any]] = draw(_steps("g", ()))
    child: list[dict[str, Any]] = draw(_steps("c", ("t.grandchild",)))
    root: list[dict[str, Any]] = draw(_steps("r", ("t.child", "t.child", "t.grandchild")))
    shape = draw(st.sampled_from(["path", "path", "parallel", "race", "handled", "needs", "detached"]))
    apart = {"id": "apart", "workflow": "t.child"}
    if shape in ("parallel", "race"):
        terms = {"join": "any"} if shape == "race" else {}
        fork = {"id": "fork", "parallel": {"branches": {"a": [apart], "b": [write("b1")], "c": [write("c9")]}, **terms}}
        root.insert(0, fork)
    elif shape == "handled":
        root[-1] = {**root[-1], "on_failure": "handler"}
        root.append({"id": "handler", "operation": "do.write", "on_success": "$end"})
    elif shape == "needs":
        root = [*root, apart, {"id": "z", "operation": "do.write", "needs": ["apart"]}]
        root[0] = {**root[0], "needs": []}
    elif shape == "detached":
        root.insert(0, {"id": "apart", "workflow": {"key": "t.child", "detach": True}})
    return {"root": root, "child": child, "grandchild": grandchild, "shape": shape}


_SEATS, _PLACES = st.integers(0, 2), st.integers(0, 20)
_BEHAVIOURS = st.sampled_from([*[OK] * 8, DECLINES, REFUSES, BREAKS_OFF])
_GOES = st.tuples(st.just("go"), _SEATS, st.integers(1, 12), _BEHAVIOURS, _PLACES)
ACTS = st.one_of(
    *[_GOES] * 5,
    st.tuples(st.just("crash"), _SEATS),
    st.tuples(st.just("lose_reply"), _SEATS),
    st.tuples(st.just("beat"), _SEATS),
    st.tuples(st.sampled_from(["lose", "double", "stray"]), _PLACES),
    st.tuples(st.just("decide"), st.integers(0, 1), _PLACES),
    st.tuples(st.just("commit"), st.integers(0, 1), st.booleans()),
    st.tuples(st.just("pass"), st.sampled_from([None, None, 500, 4_000, 16_000, 31_000])),
    st.tuples(st.just("cancel"), st.sampled_from([0, 0, 1, 2]), st.booleans()),
    st.tuples(st.just("pause"), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("operate"), st.integers(1, 4), st.booleans()),
)


def do(tree: Tree, act: tuple[Any, ...]) -> None:  # one line an act
    """Let it happen."""
    match act:
        case ("go", seat, effects, behaviour, place):
            tree.go(seat, effects, behaviour, place)
        case ("crash", seat):
            tree.crash(seat)
        case ("lose_reply", seat):
            tree.lose_reply(seat)
        case ("beat", seat):
            tree.beat(seat)
        case ("lose" | "double" | "stray" as fault, place):
            _disturb(tree, fault, place)
        case ("decide", sweeper, place):
            tree.decide(sweeper, place)
        case ("commit", sweeper, sends):
            tree.commit(sweeper, sends=sends)
        case ("pass", ms):
            tree.pass_ms(ms)
        case ("cancel", run, drops):
            tree.cancel(_named(tree, run), drops=drops)
        case ("operate", run, retries):
            _operate(tree, _named(tree, run), retries=retries)
        case ("pause", run, on):
            tree.pause(_named(tree, run), on=on)


def _named(tree: Tree, number: int) -> str:
    return tree.runs()[number % len(tree.runs())]


def _operate(tree: Tree, run_id: str, *, retries: bool) -> None:
    """An operator has a child that is over begun again, on its own."""
    if run_id != ROOT:
        tree.retry(run_id) if retries else tree.undo_again(run_id)


def _disturb(tree: Tree, fault: str, place: int) -> None:
    """A message is lost or doubled, or somebody looks at an address for no reason."""
    if fault == "stray":
        known = [(run_id, address) for run_id in tree.runs() for address in (*tree.view(run_id).addresses(), "~")]
        tree.messages.append(known[place % len(known)])
    elif tree.messages:
        message = tree.messages.pop(place % len(tree.messages))
        tree.messages += [message] * (2 if fault == "double" else 0)


def plans_of_family(family: Mapping[str, Any]) -> dict[str, Plan]:
    """Those of a family."""
    return plans_of(**{name: family[name] for name in ("root", "child", "grandchild")})


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    family=families(),
    acts=st.lists(ACTS, max_size=60),
    fuses=st.booleans(),
    fails=st.sampled_from(["", "", "", "r0", "r1", "c0", "c1", "g0", "b1", "z"]),
    again=st.booleans(),
)
def test_a_tree_of_runs_ends_as_promised_whatever_happens_to_it(
    family: dict[str, Any], acts: list[tuple[Any, ...]], fuses: bool, fails: str, again: bool
) -> None:
    """No child without its parent's step, no orphan, no tree that hangs, undone across the border (laws_of_trees)."""
    habits: dict[str, Behaviour] = {fails: REFUSES} if fails else {}
    tree = Tree(plans_of_family(family), habits=habits, fuses=fuses)
    for act in acts:
        do(tree, act)
    tree.settle_down()
    check_tree_end(tree)
    if family["shape"] == "path":
        check_newest_first(tree)
    since = len(tree.outside)
    if again and tree.retry():
        tree.settle_down()
        check_tree_end(tree, since)
