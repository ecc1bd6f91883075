"""What must hold of a run and its children after every commit, and when all of them are over (RULES 15)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING

from orchestrator.engine.address import RUN, is_drain, is_undo, undone_by
from orchestrator.engine.children import is_of_child
from orchestrator.engine.places import is_container, node_at
from orchestrator.engine.state import LIVE, OVER, RUN_TABLE, SETTLED, STEP_TABLE, RunStatus, StepState
from tests.property.laws import states_in

if TYPE_CHECKING:
    from tests.property.tree import Tree

Values = Mapping[str, str]
STRANGER = "stranger"
"""Who has started what an earlier run of the root's id has left behind."""


def check_tree(tree: Tree, before: Mapping[str, Values]) -> None:
    """After one commit, whatever runs it wrote to."""
    now = {run_id: tree.values(run_id) for run_id in tree.seen}
    for run_id, values in now.items():
        if values != before.get(run_id, {}):
            _check_moves(before.get(run_id, {}), values)
        _check_ledger(tree, run_id, values)
        _check_waits(tree, run_id, values, now)
        _check_kin(run_id, values, now)


def _check_moves(before: Values, after: Values) -> None:
    old, new = states_in(before), states_in(after)
    same_life = before.get("incarnation", "1") == after["incarnation"]
    for address, state in new.items():
        was = old.get(address, StepState.PENDING)
        if same_life:
            assert state in _reachable(STEP_TABLE, was), f"{address}: {was} -> {state}"
            assert was not in SETTLED or state is was, f"{address} was settled twice"
    status = RunStatus(before.get("status", "pending")), RunStatus(after["status"])
    assert status[1] in _reachable(RUN_TABLE, status[0])
    if same_life:
        kept = (name for name in before if name.endswith((":out", ":seq")) and not name.endswith("~:seq"))
        assert all(after.get(name) == before[name] for name in kept), "something was recorded twice"
        assert before.get("status") not in OVER or status[0] is status[1]


def _reachable(table: Mapping, start: object) -> set:  # type: ignore[type-arg]
    """What a state may become by one commit, which has a few stages."""
    reached = {start}
    for _ in range(3):
        reached |= {to for (state, _), to in table.items() if state in reached}
    return reached


def _check_ledger(tree: Tree, run_id: str, values: Values) -> None:
    live = {address for address, state in states_in(values).items() if state in LIVE}
    entries, of_run = tree.store.entries(run_id), tree.store.shard_entry(run_id)
    if values["status"] in OVER:
        assert not live
        assert not entries
        assert of_run is None
        return
    assert set(entries) == live | {RUN}
    assert live, f"nothing will ever move {run_id}"
    assert of_run == (math.inf if values["paused"] == "1" else min(entries.values()))
    plan = tree.plans[values["workflow"]]
    for address in live:
        if entries[address] == math.inf:
            waits = is_drain(address) or is_of_child(plan, address) or is_container(plan, address)
            assert waits, f"nothing will ever move {address} of {run_id}"
            assert values[f"{address}:state"] == StepState.WAITING


def _check_waits(tree: Tree, run_id: str, values: Values, now: Mapping[str, Values]) -> None:
    """A step that waits for a child has one, which goes on and will tell it; one that has told is taken."""
    plan = tree.plans[values["workflow"]]
    for address, state in states_in(values).items():
        if state is not StepState.WAITING or not is_of_child(plan, address) or f"{address}:until" in values:
            continue
        child = values[f"{address}:child"].split(" ")[0]
        assert child in now, f"{address} of {run_id} waits for {child}, which is not there"
        assert now[child]["status"] not in OVER, f"{address} of {run_id} waits for {child}, which is over"
        assert json.loads(now[child]["waiter"]) == [run_id, address, values["incarnation"]]


def _check_kin(run_id: str, values: Values, now: Mapping[str, Values]) -> None:
    """A child was started by a commit of its parent, and goes on only while that waits for it (unless it may)."""
    if "/" not in run_id:
        assert "parent" not in values
        return
    if values["started_by"] == STRANGER:
        return
    parent, step = values["parent"], values["parent_step"]
    number = int(run_id.rpartition(":")[2])
    assert run_id == f"{parent}/{step}:{number}"
    assert number <= int(now[parent][f"{step}:children"])
    if values["status"] in OVER or "waiter" not in values:
        return
    told, address, incarnation = json.loads(values["waiter"])
    if "changed_by" in values and (not is_undo(address) or now[parent]["incarnation"] != incarnation):
        return  # an operator has begun it again, on its own
    assert told == parent
    assert now[parent]["incarnation"] == incarnation, f"{run_id} goes on for an earlier life of {parent}"
    assert now[parent]["status"] not in OVER, f"{run_id} is an orphan"
    assert now[parent][f"{address}:state"] == StepState.WAITING, f"{run_id} goes on though nobody waits for it"
    assert now[parent][f"{address}:child"].split(" ")[0] == run_id


def check_tree_end(tree: Tree, since: int = 0) -> None:
    """All runs are over: what was given up is undone across the border of runs, what stands is not.

    `since`: how much had happened outside when the root was retried.
    """
    for run_id in tree.runs():
        values = tree.values(run_id)
        plan = tree.plans[values["workflow"]]
        given_up = values["status"] != RunStatus.COMPLETED or values.get("compensation") in ("completed", "failed")
        for address, state in states_in(values).items():
            child = values.get(f"{address}:child", "").split(" ")[0]
            if is_drain(address) or is_undo(address) or not child or node_at(plan, address).child is None:
                continue
            if state is StepState.COMPLETED and node_at(plan, address).undoes_child:
                undone = states_in(values).get(f"{address}~", StepState.PENDING)
                assert tree.values(child)["status"] == RunStatus.COMPLETED
                if given_up and not _is_sealed(tree, values, address):
                    assert undone in SETTLED, f"{child} stands though {run_id} is given up"
                theirs = tree.values(child).get("compensation", "none")
                assert (undone is StepState.COMPLETED) <= (theirs in ("none", "completed"))
                assert (undone is StepState.PENDING) <= (theirs == "none"), f"{child} was undone, and {run_id} stands"
    _check_outside(tree, since)


def _is_sealed(tree: Tree, values: Values, address: str) -> bool:
    """Whether a pivot of the run was completed with the step or after it, so that it stands whatever comes."""
    plan, states = tree.plans[values["workflow"]], states_in(values)
    steps = [one for one, state in states.items() if state is StepState.COMPLETED and not is_drain(one)]
    pivots = [int(values[f"{one}:seq"]) for one in steps if not is_undo(one) and node_at(plan, one).pivot]
    return int(values.get(f"{address}:seq", "0")) <= max(pivots, default=-1)


def _check_outside(tree: Tree, since: int) -> None:
    """What a run that was given up did is undone once, newest first; what a run did that stands is not."""
    for happened in tree.outside[since:]:
        values = tree.values(happened.run_id)
        plan = tree.plans[values["workflow"]]
        step = undone_by(happened.address)
        stands = values["status"] == RunStatus.COMPLETED and values.get("compensation", "none") == "none"
        if values["incarnation"] != "1" and "/" in happened.run_id and "changed_by" in values and stands:
            continue  # an operator has retried the child on its own
        undone = [one for one in tree.outside if one.undid and one.key == happened.key]
        if happened.undid:
            there = f"{step}~:next" in values or f"{step}~:of" in values  # a handled failure, or a race that was lost
            assert not stands or there, f"{happened} is undone and its run stands"
        elif node_at(plan, happened.address).undo is not None and values.get(f"{step}:seq") and not stands:
            if _is_sealed(tree, values, step):
                continue
            told = values.get("attention") == "unknown_effect" or values.get("compensation") == "failed"
            assert undone or told, f"{happened} was given up and not undone"


def check_newest_first(tree: Tree) -> None:
    """What a path has done is undone like a stack, whichever runs did it."""
    done: dict[str, int] = {}
    undone: dict[str, int] = {}
    for place, one in enumerate(tree.outside):
        (undone if one.undid else done).setdefault(one.key, place)
    told = [(one.address, one.undid) for one in tree.outside]
    for first, later in combinations([key for key in done if key in undone], 2):
        in_turn = undone[first] < done[later] or undone[later] < undone[first]
        assert in_turn, f"{first} was undone before {later}: {told}"
