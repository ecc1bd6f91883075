"""What must hold after every commit and before every execution; told independently of the engine."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.engine.address import (
    RUN,
    drain_of,
    flow_of,
    is_drain,
    is_lane,
    is_undo,
    parse_address,
    scope_of,
    scopes_around,
    undone_by,
    visit_of,
    within,
)
from orchestrator.engine.approvals import is_approval
from orchestrator.engine.arrivals import is_awaiting
from orchestrator.engine.commit import Commit, Reply
from orchestrator.engine.effects import Attempt
from orchestrator.engine.indexes import event_index
from orchestrator.engine.places import container_at, flow_id, is_container, node_at, work_at
from orchestrator.engine.state import LIVE, OVER, RUN_TABLE, SETTLED, STEP_TABLE, RunStatus, StepState
from orchestrator.plan.graph import Plan
from orchestrator.spec.operations import Effect
from orchestrator.store.memory import MemoryStore
from tests.property.laws_of_flows import check_flows, lies_inside
from tests.property.laws_of_lanes import Batches, check_lanes, recorded_by_lanes

if TYPE_CHECKING:
    from tests.property.behaviours import Trial


@dataclass
class Record:
    """What was seen of a run while it went on."""

    commits: int = 0
    claims: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Address -> every token that it was claimed with."""
    settled: dict[str, int] = field(default_factory=dict)
    """Address -> the number of the commit that settled it."""
    sealed: dict[str, int] = field(default_factory=dict)
    """Scope -> the number of the commit before whose end pivots had sealed everything when its undo was frozen."""
    joined: dict[str, frozenset[str]] = field(default_factory=dict)
    """Container -> its flows that were over when it was joined, or failed."""
    batches: Batches = field(default_factory=Batches)
    shared: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    """Address -> the inputs with which it was executed under another step's lease, to share a commit."""


def states_in(values: Mapping[str, str]) -> dict[str, StepState]:
    """Every step that the run has a state of."""
    return {name[:-6]: _STATES[value] for name, value in values.items() if name.endswith(":state")}


_STATES = {state.value: state for state in StepState}


def check_commit(
    plan: Plan,
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
    _check_moves(plan, record, reply, before, after)
    _check_results(before, after)
    _check_edition(before, after)
    states = states_in(after)
    _check_ledger(plan, store, commit.run_id, after, states)
    check_flows(plan, states_in(before), states, after)
    check_lanes(plan, before, after, states)
    _check_found(plan, store, commit.run_id, after)


def _check_moves(plan: Plan, record: Record, reply: Reply, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    stages = len(reply.answers)
    old, new = states_in(before), states_in(after)
    at_once = recorded_by_lanes(plan, before, after)
    for address, state in new.items():
        was = old.get(address, StepState.PENDING)
        moves = 3 if is_drain(address) else stages  # the last live step may leave by the commit that stops the scope
        by_lane = was is StepState.PENDING and state is StepState.COMPLETED and address in at_once
        assert by_lane or state in _within(STEP_TABLE, was, moves), f"{address}: {was} -> {state}"
        token = after.get(f"{address}:token", "")
        if state is StepState.RUNNING and token != before.get(f"{address}:token"):
            _check_claim(plan, record, address, token, reply.now_ms, before, after)
        if state in SETTLED and was not in SETTLED:
            record.settled[address] = record.commits
            if was is StepState.PENDING and state is not StepState.SKIPPED:
                _check_shared(plan, record, address, before, after)
            _note_settled(plan, record, address, new, after)
    was_status, status = RunStatus(before.get("status", "pending")), RunStatus(after["status"])
    assert status in _within(RUN_TABLE, was_status, stages), f"run: {was_status} -> {status}"


def _check_shared(
    plan: Plan, record: Record, address: str, before: Mapping[str, str], after: Mapping[str, str]
) -> None:
    """A step that came and was settled with one commit: nothing kept it from starting, and it saw what is recorded."""
    if is_drain(address) or address not in record.shared:
        return
    assert before["paused"] == before["stopping"] == "0", f"{address} started in a run that does not go on"
    seen = [inputs["reads"] for inputs in record.shared[address] if isinstance(inputs, Mapping) and "reads" in inputs]
    then = _as_it_was(address, after)
    agree = (all(found in outputs_seen(plan, then, address, step) for step, found in reads.items()) for reads in seen)
    assert not seen or any(agree), f"{address} saw {seen}, which is not what is recorded"


def _as_it_was(address: str, values: Mapping[str, str]) -> dict[str, str]:
    """What a run said before a step was settled: without its own state, and those of the steps settled after it."""
    number = int(values[f"{address}:seq"])
    later = {name[:-4] for name, text in values.items() if name.endswith(":seq") and int(text) >= number}
    return {name: text for name, text in values.items() if name.removesuffix(":state") not in later}


def _note_settled(
    plan: Plan, record: Record, address: str, states: Mapping[str, StepState], values: Mapping[str, str]
) -> None:
    if is_drain(address):
        record.sealed[scope_of(address)] = max(
            (
                record.settled[other]
                for other, state in states.items()
                if state is StepState.COMPLETED and not is_undo(other) and not is_drain(other)
                if node_at(plan, other).pivot
            ),
            default=-1,
        )
    elif is_container(plan, address):
        over = (name.removesuffix(":flow") for name in values if name.endswith(":flow"))
        record.joined[address] = frozenset(flow for flow in over if flow.rpartition("[")[0] == address)


def _check_claim(
    plan: Plan,
    record: Record,
    address: str,
    token: str,
    now_ms: int,
    before: Mapping[str, str],
    after: Mapping[str, str],
) -> None:
    assert token, f"{address} runs without a token"
    assert token not in record.claims[address], f"{address}: token {token} was granted twice"
    assert after["paused"] == "0", f"{address} started in a paused run"
    assert f"m:open:{address}:{token}" in after
    if is_undo(address):
        _check_undo_alone(address, after)
    else:
        _check_may_start(plan, address, after)
    until = before.get(f"{address}:until")
    assert until is None or now_ms >= int(until), f"{address} started before its delay was over"
    record.claims[address].append(token)
    if is_lane(address):
        record.batches.take(plan, address, token, before, after)


def _check_may_start(plan: Plan, address: str, after: Mapping[str, str]) -> None:
    assert after["stopping"] == "0", f"{address} started in a stopping run"
    for scope in scopes_around(address):
        assert f"{scope}:stopping" not in after, f"{address} started in {scope}, which is stopping"
    node, visit = node_at(plan, address), parse_address(address).visit
    assert node.max_visits is None or visit <= node.max_visits, f"{address} is one visit too many"


def _check_undo_alone(address: str, after: Mapping[str, str]) -> None:
    """Undos of a scope that has drained run one at a time, and nothing else runs there."""
    if f"{address}:next" in after:
        return
    scope = after.get(f"{address}:of", "")
    assert scope or after["stopping"] == "1", f"{address} started in a run that goes on"
    others = [other for other, state in states_in(after).items() if state in LIVE and lies_inside(scope, other)]
    assert others == [address], f"{address} started beside {others}"


def _check_results(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    for name, value in before.items():
        if name.endswith((":out", ":seq", ":flow", ":size", ":failures", ":closed", ":undo", ":of")):
            assert after.get(name) == value, f"{name} was recorded twice"
    if before.get("status") in OVER:
        assert after["status"] == before["status"]
        assert states_in(after) == states_in(before)


def _check_edition(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """A run that is over is another edition after each change, so that no archive takes an old copy for the run."""
    if before.get("status") not in OVER or before["incarnation"] != after.get("incarnation"):
        return
    for values in (before, after):
        assert values["status"] in OVER
    if {**before, "archived": ""} != {**after, "archived": ""}:
        assert before.get("touched") != after.get("touched"), "a run that is over has changed under its archived copy"


def _check_ledger(
    plan: Plan, store: MemoryStore, run_id: str, values: Mapping[str, str], states: Mapping[str, StepState]
) -> None:
    live = {address for address, state in states.items() if state in LIVE}
    entries = store.entries(run_id)
    _check_live_sets(live, values)
    if values["status"] in OVER:
        assert not live
        assert not entries
        assert store.shard_entry(run_id) is None
        return
    assert set(entries) == live | {RUN}
    assert live, "nothing will ever move this run"
    assert store.shard_entry(run_id) == (math.inf if values["paused"] == "1" else min(entries.values()))
    for address in live:
        if entries[address] == math.inf:
            moved = _waits_for_others(plan, address, states) or _waits_for_outside(plan, address, values)
            assert moved, f"nothing will ever move {address}"
        if is_drain(address) and states[address] is StepState.WAITING:
            left = [other for other in live if lies_inside(scope_of(address), other)]
            assert left, f"{address} waits for nothing"


def _check_live_sets(live: set[str], values: Mapping[str, str]) -> None:
    sets: dict[str, set[str]] = {"": set()}
    for name in values:
        if name.startswith("n:live:"):
            sets.setdefault(name.removeprefix("n:live:"), set())
        elif name.startswith("m:live:"):
            inside, _, member = name.removeprefix("m:live:").rpartition(":")
            sets.setdefault(inside, set()).add(member)
    for scope, members in sets.items():
        assert members == {address for address in live if lies_inside(scope, address)}, f"live set of {scope or 'run'}"
        assert int(values.get(f"n:live:{scope}" if scope else "n:live", "0")) == len(members)


def _waits_for_others(plan: Plan, address: str, states: Mapping[str, StepState]) -> bool:
    if is_drain(address) or not is_container(plan, address) or states[address] is not StepState.WAITING:
        return False
    cleared = any(states.get(drain_of(scope)) in LIVE for scope in scopes_around(address))
    return cleared or any(state in LIVE and lies_inside(address, other) for other, state in states.items())


def _waits_for_outside(plan: Plan, address: str, values: Mapping[str, str]) -> bool:
    """Whether a step waits for a signal, or for an event that it can be found by and has looked back for."""
    if values[f"{address}:state"] != StepState.WAITING:
        return False
    if is_approval(plan, address):
        return not any(f"{address}:{moment}" in values for moment in ("deadline", "remind", "escalate"))
    if not is_awaiting(plan, address):
        return False
    drains = [values.get(f"{drain_of(scope)}:state") for scope in scopes_around(address)]
    if any(state in LIVE for state in drains):
        return True  # the undo of what it lies inside of is looked at, and settles it
    needs = node_at(plan, address).needs
    closed = needs is not None and not needs.runs_when_closed and f"{flow_of(address)}:closed" in values
    if closed or values["stopping"] == "1":
        return False  # a scope that stops alone has an undo, or is on its way to stop what it lies inside of
    if f"{address}:waits" not in values:
        return True
    return values.get(f"{address}:looked") == "1" and f"{address}:deadline" not in values


def _check_found(plan: Plan, store: MemoryStore, run_id: str, values: Mapping[str, str]) -> None:
    """A run stands in the indexes of the events that its steps wait for, and in no other."""
    waiting = {one for one, state in states_in(values).items() if state is StepState.WAITING}
    wanted = {
        name
        for address in waiting
        if is_awaiting(plan, address) or is_approval(plan, address)
        for name in json.loads(values.get(f"{address}:waits", "[]"))
    }
    known = {name.removeprefix("n:waiting:") for name in values if name.startswith("n:waiting:")}
    for name in wanted | known:
        held = bool(store.index(event_index(name), 0, None, 1))
        assert held == (name in wanted), f"{name}: indexed {held}"
    for name in (name for name in values if name.endswith(":waits")):
        assert name.removesuffix(":waits") in waiting, f"{name} outlives its wait"


def _within(table: Mapping[tuple[Any, Any], Any], start: Any, moves: int) -> set[Any]:
    reached = {start}
    for _ in range(moves):
        reached |= {to for (state, _), to in table.items() if state in reached}
    return reached


def check_begin(
    plan: Plan, record: Record, store: MemoryStore, attempt: Attempt, trials: Mapping[str, Sequence[Trial]]
) -> None:
    """An execution: with the key and the inputs that the state says, and again only if it may be."""
    values = store.read_all(attempt.run_id)[1]
    before = trials[attempt.address]
    by_lane = record.batches.holds(attempt.token, attempt.address)
    claimed = attempt.token in record.claims[attempt.address]
    if not claimed and not by_lane:
        _check_sharing(plan, record, attempt)
        return
    assert by_lane != claimed
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
    before = [one for one in before if by_lane or one.token in record.claims[attempt.address]]
    alike = [trial for trial in before if record.batches.holds(trial.token, attempt.address) == by_lane]
    same = [trial for trial in alike if by_lane or trial.number == attempt.number]
    if by_lane:
        lanes = f"{attempt.address.rpartition('[')[0]}~~"
        lost = [entry.event for entry in store.history(attempt.run_id) if entry.event["type"] == "attempt_lost"]
        lapses = sum(event["step"].startswith(lanes) for event in lost)
    assert len(same) <= lapses, f"{attempt.address} is executed again though no worker was lost"
    if is_undo(attempt.address):
        _check_told_input(attempt, values, trials[undone_by(attempt.address)])
    elif isinstance(attempt.inputs, Mapping) and "reads" in attempt.inputs:
        for step, seen in attempt.inputs["reads"].items():
            recorded = outputs_seen(plan, values, attempt.address, step)
            assert seen in recorded, f"{attempt.address} read {seen} of {step}, it is {recorded}"


def _check_sharing(plan: Plan, record: Record, attempt: Attempt) -> None:
    """An execution under another step's lease: neither has an effect, and what it saw is checked when it is settled."""
    others = [one for one, tokens in record.claims.items() if attempt.token in tokens]
    assert others, f"{attempt.address} is executed without a lease"
    for work in (attempt.work, *(work_at(plan, one) for one in others)):
        assert work is not None
        assert work.effect is Effect.NONE, f"{attempt.address} has an effect, and no claim"
    record.shared[attempt.address].append(attempt.inputs)


def _check_told_input(attempt: Attempt, values: Mapping[str, str], trials: Sequence[Trial]) -> None:
    """An undo of what is done is given the input that it was done with."""
    settled_by = values.get(f"{undone_by(attempt.address)}:by")
    done = [trial for trial in trials if trial.token == settled_by]
    if done and states_in(values)[undone_by(attempt.address)] is StepState.COMPLETED and "input" in attempt.inputs:
        assert attempt.inputs["input"] == done[0].inputs


def outputs_seen(plan: Plan, values: Mapping[str, str], reader: str, step: str) -> list[Any]:
    """What a reader may see as the output of a step: its own flow's or an outer one's, in a loop the latest visit's.

    What goes on beside its flow, or loses the race of the container that it reads of, may see an earlier visit as well.
    """
    flow = flow_of(reader)
    while flow_id(plan, flow) != plan.nodes[step].flow:
        flow = flow_of(flow.rpartition("[")[0])
    visits = [visit_of(within(flow, step), number) for number in range(1, 10)]
    states = states_in(values)
    settled = [visit for visit in visits if states.get(visit) in SETTLED]
    outputs = [json.loads(values.get(f"{visit}:out", "null")) for visit in settled] or [None]
    around = [scope for scope in scopes_around(reader) if not scope.endswith("]")]
    beside = any(container_at(plan, scope).continues or node_at(plan, scope).id == step for scope in around)
    return [None, *outputs] if beside else outputs[-1:]
