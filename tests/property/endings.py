"""What must hold of a run that is over: where its flows went, what was undone, and what the world saw of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.engine.address import (
    flow_of,
    is_drain,
    is_lane,
    is_undo,
    scopes_around,
    undo_of,
    undone_by,
    visit_of,
    within,
)
from orchestrator.engine.outcome import Success
from orchestrator.engine.places import container_at, flow_at, node_at
from orchestrator.engine.state import SETTLED, RunStatus, StepState
from orchestrator.plan.graph import REST, SINK
from orchestrator.spec.flows import END, ENDINGS, FAIL
from tests.property.laws import outputs_seen, states_in
from tests.property.laws_of_flows import failed

if TYPE_CHECKING:
    from tests.property.world import World


def check_end(world: World) -> None:
    """A run that is over: it went where it says, and what was to be undone was undone, once, newest first."""
    ending = Ending(world, world.values())
    for flow in ending.flows():
        if flow_at(world.plan, flow).last:
            _check_needs_flow(ending, flow)
        else:
            _check_path(ending, flow)
    for step in ending.steps():
        if node_at(world.plan, step).undo is not None:
            _check_undo(ending, step)
    _check_lists(ending)
    _check_compensation(ending)
    _check_outside(ending)


@dataclass
class Ending:
    """A run that is over, and what its plan says of it."""

    world: World
    values: Mapping[str, str]

    def __post_init__(self) -> None:
        self.plan = self.world.plan
        self.states = states_in(self.values)
        self.completed = self.values["status"] == RunStatus.COMPLETED
        self.flag = bool(json.loads(self.values["input"]).get("flag"))
        self.spared = self.values.get("reason") == RunStatus.CANCELLED and not self.plan.undo_on_cancel
        self.failures = {
            entry.event["step"]: entry.event["error"]
            for entry in self.world.store.history("run", limit=100_000)
            if entry.event["type"] in ("step_failed", "step_lost") and "error" in entry.event
        }
        """Address -> the error of a step that failed, not of one that was given up when its flow stopped."""

    def steps(self) -> list[str]:
        """Everything that has a state, but undos and what the engine keeps for itself."""
        marks = (SINK, REST)
        found = [one for one in self.states if not is_undo(one) and not is_drain(one) and not is_lane(one)]
        return [one for one in found if one.rpartition("/")[2] not in marks]

    def output(self, step: str) -> Any:
        """What a step returned; an item that a lane has settled, once, has that from its flow."""
        by_lane = [one for one in self.world.trials[step] if self.world.record.batches.holds(one.token, step)]
        if f"{step}:out" in self.values or self.states[step] is not StepState.COMPLETED or not by_lane:
            return json.loads(self.values.get(f"{step}:out", "null"))
        *_, trial = by_lane  # a batch that was lost is executed again
        assert isinstance(trial.outcome, Success), f"{step} is completed by what failed"
        return json.loads(trial.outcome.output)

    def flows(self) -> set[str]:
        """Every flow that has begun."""
        return {flow_of(step) for step in self.steps()}

    def handler(self, step: str) -> str:
        """Where the failure of a step leads: to a target, or to nobody."""
        node = node_at(self.plan, step)
        if node.needs is not None:
            return END if node.needs.allow_failure else FAIL
        code = self.failures[step]["code"]
        takes = (route.to for route in node.failures if route.takes(code) and (route.when is None or self.flag))
        return next(takes, FAIL)

    def is_handled(self, step: str) -> bool:
        """Whether somebody handles the failure of a step."""
        return step in self.failures and self.handler(step) != FAIL

    def regions(self, step: str) -> list[str]:
        """The scopes around a step whose content is to be undone; the run is the empty one."""
        found = [scope for scope in scopes_around(step) if self._is_given_up(scope, step)]
        return found if self.completed or self.spared else ["", *found]

    def _is_given_up(self, scope: str, step: str) -> bool:
        if scope.endswith("]"):
            outlives = container_at(self.plan, scope.rpartition("[")[0]).outlives_failures
            return outlives and self.values.get(f"{scope}:flow") == "failed"
        if failed(self.states[scope]):
            return self.is_handled(scope)
        terms = container_at(self.plan, scope)
        if self.states[scope] is not StepState.COMPLETED or terms.join is None or terms.continues:
            return False
        around = scopes_around(step)
        return around[around.index(scope) + 1] not in self.world.record.joined[scope]

    def is_sealed(self, step: str, scope: str) -> bool:
        """Whether a pivot had been completed after the step when the undo of a scope was frozen."""
        return self.world.record.settled[step] <= self.world.record.sealed.get(scope, -1)


def _path(ending: Ending, flow: str) -> Iterator[tuple[str, str | None]]:
    """The steps that a flow went through, each with its target; None: it was cancelled there."""
    step, visits = flow_at(ending.plan, flow).entries[0], dict[str, int]()
    while step not in ENDINGS:
        visits[step] = visits.get(step, 0) + 1
        address = visit_of(within(flow, step), visits[step])
        state = ending.states.get(address)
        assert state in SETTLED, f"{address} was never reached"
        if state is StepState.COMPLETED:
            routes = node_at(ending.plan, address).routes
            step = next(route.to for route in routes if route.when is None or ending.flag)
        elif address in ending.failures:
            step = ending.handler(address)
        else:
            yield address, None
            return
        yield address, step


def _check_path(ending: Ending, flow: str) -> None:
    """A flow went where its routes say, and nowhere else; every condition of the random specs is `input.flag`."""
    path = dict(_path(ending, flow))
    seen = {step for step in ending.steps() if flow_of(step) == flow}
    assert seen == set(path), f"{flow or 'the run'} was not to go to {seen - set(path)}"
    last, target = list(path.items())[-1]
    _check_outcome(ending, flow, {END: "completed", FAIL: "failed", None: None}[target])
    if target == END:
        _check_output(ending, flow, ending.output(last))


def _check_needs_flow(ending: Ending, flow: str) -> None:
    """All its steps are settled; it failed if one failed that may not, and its output is that of its last ones."""
    terms = flow_at(ending.plan, flow)
    steps = [within(flow, step) for step in terms.steps]
    states = [ending.states.get(step, StepState.PENDING) for step in steps]
    sink = ending.states.get(within(flow, SINK), StepState.PENDING)
    if sink is not StepState.COMPLETED:
        _check_outcome(ending, flow, None)
        return
    assert all(state in SETTLED for state in states), f"{flow or 'the run'} ended before {states}"
    broken = [step for step in steps if step in ending.failures and not ending.is_handled(step)]
    _check_outcome(ending, flow, "failed" if broken else "completed")
    if not broken:
        outputs = {step: json.loads(ending.values.get(f"{within(flow, step)}:out", "null")) for step in terms.last}
        _check_output(ending, flow, outputs if len(outputs) > 1 else next(iter(outputs.values())))


def _check_outcome(ending: Ending, flow: str, outcome: str | None) -> None:
    """How a flow ended is what the run says of it."""
    if flow:
        assert ending.values.get(f"{flow}:flow") == outcome, f"{flow} is {ending.values.get(f'{flow}:flow')}: {outcome}"
    elif ending.completed:
        assert outcome == "completed"
    elif outcome == "completed":
        assert ending.values["reason"] == RunStatus.CANCELLED or "run_timeout" in ending.values["error"]


def _check_output(ending: Ending, flow: str, last: Any) -> None:
    written = flow_at(ending.plan, flow).output
    if not flow and not ending.completed:
        return
    output = json.loads(ending.values[f"{flow}:out" if flow else "output"])
    if written is None:
        assert output == last, f"the output of {flow or 'the run'} is {output}"
        return
    for step, shown in output["reads"].items():
        assert shown in outputs_seen(ending.plan, ending.values, within(flow, "-"), step)


def _check_undo(ending: Ending, step: str) -> None:
    """Undone if it happened, or may have, inside of something that was given up; never otherwise."""
    world, undo = ending.world, undo_of(step)
    denied = {trial.token for trial in world.trials[step] if trial.denied}
    denied_in_time = {trial.token for trial in world.trials[step] if trial.denied and not trial.late}
    did = ending.states[step] is StepState.COMPLETED or ending.values.get(f"{step}:done") == "1"
    unknown = did or any(token not in denied for token in world.record.claims[step])
    perhaps = did or any(token not in denied_in_time for token in world.record.claims[step])
    tried = ending.states.get(undo, StepState.SKIPPED) is not StepState.SKIPPED
    regions = [scope for scope in ending.regions(step) if not ending.is_sealed(step, scope)]
    if unknown and (regions or ending.is_handled(step)):
        assert tried, f"{step} was not undone in {regions}"
    if not perhaps:
        assert not tried, f"{step} was undone though nothing happened"
    if tried and not ending.is_handled(step):
        listed = ending.values.get(f"{undo}:of", "")
        assert listed in regions, f"{step} was undone in {listed or 'the run'}, though it stands"


def _check_lists(ending: Ending) -> None:
    """Every undo belongs to one list, or to a handled failure; each list was worked off newest first."""
    settled = ending.world.record.settled
    names = {name: json.loads(text) for name, text in ending.values.items() if name.endswith(":undo") or name == "undo"}
    listed = [undo for undos in names.values() for undo in undos]
    assert len(listed) == len(set(listed)), "something was to be undone twice"
    made = {one for one in ending.states if is_undo(one) and f"{one}:next" not in ending.values}
    assert made == set(listed)
    for undos in names.values():
        steps = [undone_by(undo) for undo in undos]
        assert steps == sorted(steps, key=lambda step: settled[step], reverse=True)
        assert undos == sorted(undos, key=lambda undo: settled[undo])


def _check_compensation(ending: Ending) -> None:
    bad = [undo for undo, state in ending.states.items() if is_undo(undo) and failed(state)]
    if ending.completed:
        return
    if bad:
        assert ending.values["compensation"] == "failed"
    elif json.loads(ending.values["undo"]):
        assert ending.values["compensation"] == "completed"


def _check_outside(ending: Ending) -> None:
    """What operations did, against what the run says of it."""
    outside = ending.world.outside
    told = ending.values.get("attention") == "unknown_effect"
    for place, (kind, key, trial) in enumerate(outside):
        step = trial.address
        if kind == "undid":
            assert undo_of(undone_by(step)) in ending.states
            continue
        if node_at(ending.plan, step).undo is None:
            continue
        undone = any(("undid", key) == (other, its) for other, its, _ in outside[place:])
        undo = ending.states.get(undo_of(step), StepState.SKIPPED)
        given_up = ending.is_handled(step) or any(not ending.is_sealed(step, one) for one in ending.regions(step))
        if not given_up:
            assert not undone, f"{step} is {ending.states[step]} and undone"
        elif trial.told and not told:
            assert undone or failed(undo), f"{step} took effect, was not undone, and nobody was told"
