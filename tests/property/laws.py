"""What must hold after every commit, before every execution, and at the end; told independently of the engine."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.engine.address import DRAIN, RUN, is_undo, undo_of, undone_by
from orchestrator.engine.commit import Commit, Reply
from orchestrator.engine.slice import Attempt
from orchestrator.engine.state import (
    LIVE,
    OVER,
    RUN_TABLE,
    SETTLED,
    STEP_TABLE,
    RunStatus,
    StepState,
)
from orchestrator.store.memory import MemoryStore

if TYPE_CHECKING:
    from tests.property.behaviours import Trial
    from tests.property.world import World


@dataclass
class Record:
    """What was seen of a run while it went on."""

    commits: int = 0
    claims: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Address -> every token that it was claimed with."""
    settled: dict[str, int] = field(default_factory=dict)
    """Address -> the number of the commit that settled it."""
    stopped: bool = False


def states_in(values: Mapping[str, str]) -> dict[str, StepState]:
    """Every step that the run has a state of."""
    return {name.removesuffix(":state"): StepState(value) for name, value in values.items() if name.endswith(":state")}


def check_commit(
    record: Record,
    store: MemoryStore,
    commit: Commit,
    reply: Reply,
    before: Mapping[str, str],
    after: Mapping[str, str],
    entries: Mapping[str, float],
) -> None:
    """One commit: everything that it wrote is allowed, and the ledger is what the states say."""
    record.commits += 1
    if not any(answer.stands for answer in reply.answers):
        assert after == before
        assert store.entries(commit.run_id) == entries
        return
    _check_moves(record, reply, before, after)
    _check_results(before, after)
    _check_ledger(store, commit.run_id, after)


def _check_moves(record: Record, reply: Reply, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    stages = len(reply.answers)
    old, new = states_in(before), states_in(after)
    for address, state in new.items():
        was = old.get(address, StepState.PENDING)
        assert state in _within(STEP_TABLE, was, stages), f"{address}: {was} -> {state}"
        token = after.get(f"{address}:token", "")
        if state is StepState.RUNNING and token != before.get(f"{address}:token"):
            _check_claim(record, address, token, reply.now_ms, before, after)
        if state in SETTLED and was not in SETTLED:
            record.settled[address] = record.commits
    was_status, status = RunStatus(before.get("status", "pending")), RunStatus(after["status"])
    assert status in _within(RUN_TABLE, was_status, stages), f"run: {was_status} -> {status}"
    record.stopped = after["stopping"] == "1"


def _check_claim(
    record: Record, address: str, token: str, now_ms: int, before: Mapping[str, str], after: Mapping[str, str]
) -> None:
    assert token, f"{address} runs without a token"
    assert token not in record.claims[address], f"{address}: token {token} was granted twice"
    assert is_undo(address) or after["stopping"] == "0", f"{address} started in a stopping run"
    assert after["paused"] == "0", f"{address} started in a paused run"
    assert f"m:open:{address}:{token}" in after
    if is_undo(address) and after["stopping"] == "1" and f"{address}:next" not in after:
        others = [other for other, state in states_in(after).items() if state in LIVE and other != address]
        assert not others, f"{address} started beside {others}"
    until = before.get(f"{address}:until")
    assert until is None or now_ms >= int(until), f"{address} started before its delay was over"
    record.claims[address].append(token)


def _check_results(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    for name, value in before.items():
        if name.endswith((":out", ":seq")):
            assert after.get(name) == value, f"{name} was recorded twice"
    if before.get("status") in OVER:
        assert after["status"] == before["status"]
        assert states_in(after) == states_in(before)


def _check_ledger(store: MemoryStore, run_id: str, values: Mapping[str, str]) -> None:
    live = {address for address, state in states_in(values).items() if state in LIVE}
    members = {name.removeprefix("m:live:") for name in values if name.startswith("m:live:")}
    entries = store.entries(run_id)
    assert members == live
    assert int(values.get("n:live", "0")) == len(live)
    if values["status"] in OVER:
        assert not live
        assert not entries
        assert store.shard_entry(run_id) is None
    else:
        assert set(entries) == live | {RUN}
        assert live, "nothing will ever move this run"
        assert store.shard_entry(run_id) == (math.inf if values["paused"] == "1" else min(entries.values()))
        assert all(moment < math.inf for address, moment in entries.items() if address != RUN)


def _within(table: Mapping[tuple[Any, Any], Any], start: Any, moves: int) -> set[Any]:
    reached = {start}
    for _ in range(moves):
        reached |= {to for (state, _), to in table.items() if state in reached}
    return reached


def check_begin(record: Record, store: MemoryStore, attempt: Attempt, before: Sequence[Trial]) -> None:
    """An execution: with the key and the inputs that the state says, and again only if it may be."""
    values = store.read_all(attempt.run_id)[1]
    assert attempt.token in record.claims[attempt.address]
    assert all(trial.key == attempt.idempotency_key for trial in before)
    if not attempt.work.idempotent:
        unknown = [trial.token for trial in before if not trial.denied]
        assert not unknown, f"{attempt.address} is executed again after an unknown outcome"
    lapses = sum(
        entry.event["type"] == "attempt_lost"
        and entry.event["step"] == attempt.address
        and entry.event["attempt"] == attempt.number
        for entry in store.history(attempt.run_id)
    )
    same = [trial for trial in before if trial.number == attempt.number]
    assert len(same) <= lapses, f"{attempt.address} is executed again though no worker was lost"
    if isinstance(attempt.inputs, Mapping) and "reads" in attempt.inputs:
        for step, seen in attempt.inputs["reads"].items():
            recorded = json.loads(values.get(f"{step}:out", "null"))
            assert seen == recorded, f"{attempt.address} read {seen} of {step}, it is {recorded}"


def check_end(world: World) -> None:
    """A run that is over: what was to be undone was undone, once, newest first; and nothing else."""
    values = world.values()
    states = states_in(values)
    undone = [address for address in world.plan.nodes if undo_of(address) in states]
    tried = [step for step in undone if states[undo_of(step)] is not StepState.SKIPPED]
    own = [step for step in tried if f"{undo_of(step)}:next" not in values]
    for step, node in world.plan.nodes.items():
        if node.undo is not None:
            _check_undo(world, step, values, states, tried, own)
    if values["status"] == RunStatus.COMPLETED:
        assert "undo" not in values
        assert not own
    else:
        order = sorted(own, key=lambda step: world.record.settled[undo_of(step)])
        newest_first = sorted(own, key=lambda step: world.record.settled[step], reverse=True)
        assert order == newest_first
    _check_path(world, values, states)
    _check_compensation(values, states, own)
    _check_outside(world, values, states)


def _check_path(world: World, values: Mapping[str, str], states: Mapping[str, StepState]) -> None:
    """The run went where its routes say; every condition of the random specs is `input.flag`, and none raises."""
    flag = bool(world.given.get("flag"))
    errors = {address: json.loads(values.get(f"{address}:err", "{}")).get("code", "") for address in states}
    assert "expression_error" not in errors.values()
    for step, node in world.plan.nodes.items():
        if states.get(step) is StepState.COMPLETED:
            taken = [route.to for route in node.routes if route.when is None or flag]
            assert values[f"{step}:to"] == taken[0]
        elif _failed(states.get(step, StepState.PENDING)) and values["status"] == RunStatus.COMPLETED:
            handlers = [to.to for to in node.failures if to.takes(errors[step]) and (to.when is None or flag)]
            assert handlers, f"{step} failed, and nobody handled it"
            assert handlers[0] in {"$end", *states}
    if values["status"] == RunStatus.COMPLETED and world.plan.root.output is not None:
        for step, shown in json.loads(values["output"])["reads"].items():
            assert shown == json.loads(values.get(f"{step}:out", "null"))


def _check_undo(
    world: World,
    step: str,
    values: Mapping[str, str],
    states: Mapping[str, StepState],
    tried: list[str],
    own: list[str],
) -> None:
    state = states.get(step, StepState.PENDING)
    claims = world.record.claims[step]
    denied = {trial.token for trial in world.trials[step] if trial.denied}
    denied_in_time = {trial.token for trial in world.trials[step] if trial.denied and not trial.late}
    did = state is StepState.COMPLETED or values.get(f"{step}:done") == "1"
    unknown = [token for token in claims if token not in denied]
    perhaps = [token for token in claims if token not in denied_in_time]
    if values["status"] == RunStatus.COMPLETED:
        owed = state in (StepState.FAILED, StepState.LOST) and (did or bool(unknown))
    else:
        spared = values["reason"] == RunStatus.CANCELLED and not world.plan.undo_on_cancel
        owed = (did or bool(unknown)) and not _is_sealed(world, step, states) and not spared
    if owed:
        assert step in tried, f"{step} was not undone"
    if not did and not perhaps:
        assert step not in tried, f"{step} was undone though nothing happened"
    if step in own:
        assert not _is_sealed(world, step, states), f"{step} was undone behind a pivot"
        assert undo_of(step) in values["undo"]


def _is_sealed(world: World, step: str, states: Mapping[str, StepState]) -> bool:
    pivots = [
        world.record.settled[other]
        for other, node in world.plan.nodes.items()
        if node.pivot and states.get(other) is StepState.COMPLETED
    ]
    return step in world.record.settled and world.record.settled[step] <= max(pivots, default=-1)


def _check_compensation(values: Mapping[str, str], states: Mapping[str, StepState], own: list[str]) -> None:
    failed = [address for address, state in states.items() if is_undo(address) and address != DRAIN and _failed(state)]
    if values["status"] == RunStatus.COMPLETED:
        return
    if failed:
        assert values["compensation"] == "failed"
    elif own:
        assert values["compensation"] == "completed"


def _failed(state: StepState) -> bool:
    return state in (StepState.FAILED, StepState.LOST)


def _check_outside(world: World, values: Mapping[str, str], states: Mapping[str, StepState]) -> None:
    """What operations did, against what the run says of it."""
    told = values.get("attention") == "unknown_effect" or values.get("compensation") == "failed"
    spared = values.get("reason") == RunStatus.CANCELLED and not world.plan.undo_on_cancel
    for place, (kind, key, trial) in enumerate(world.outside):
        step = trial.address
        if kind == "undid" or world.plan.nodes[step].undo is None:
            continue
        undone = any(("undid", key) == (other, its) for other, its, _ in world.outside[place:])
        stands = values["status"] == RunStatus.COMPLETED or _is_sealed(world, step, states)
        if stands and states[step] is StepState.COMPLETED:
            assert not undone, f"{step} is completed and undone"
        elif not stands and not spared and not told and trial.told:
            failed = _failed(states.get(undo_of(step), StepState.PENDING))
            assert undone or failed, f"{step} took effect, was not undone, and nobody was told"
    for kind, _, trial in world.outside:
        assert kind == "did" or undo_of(undone_by(trial.address)) in states
