"""Needs flows: what a settled step sets off among those that need it, and whether a step that is reached runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator.engine import fields
from orchestrator.engine.address import flow_of, within
from orchestrator.engine.commit import Changes, Then, count_field
from orchestrator.engine.onward import Onward, Terms
from orchestrator.engine.places import node_at, work_at
from orchestrator.engine.reads import reads_for
from orchestrator.engine.roots import roots_for
from orchestrator.engine.stages import claim, reach, when_drained
from orchestrator.engine.state import UNSUCCESSFUL, StepState
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Needs, Plan


def release(plan: Plan, view: RunView, address: str, terms: Terms, *, state: StepState) -> Onward:
    """The step is settled: each that needs it notes that, and is ready once it has heard of all that it needs."""
    flow = flow_of(address)
    dependents = [within(flow, name) for name in needs_of(plan, address).dependents]
    then = []
    for dependent in dependents:
        heard = fields.settled_set(dependent)
        guards = {count_field(heard): str(len(needs_of(plan, dependent).needs)), fields.state(dependent): None}
        then.append(Then(guards, reach(plan, dependent, terms.timing)))
    onward = Onward(
        changes=Changes(add=tuple((fields.settled_set(dependent), address) for dependent in dependents)),
        then=(*then, *when_drained(plan, address)),
        forks=tuple(dependents),
        reads=tuple(fields.state(dependent) for dependent in dependents),
    )
    if state is not StepState.COMPLETED:
        return onward
    return _first_that_runs(plan, view, dependents, terms).beside(onward)


def _first_that_runs(plan: Plan, view: RunView, dependents: list[str], terms: Terms) -> Onward:
    """The claim of the first dependent that runs if all that it needs has succeeded; refused if that is not so."""
    for dependent in dependents:
        work, needs = work_at(plan, dependent), needs_of(plan, dependent)
        judged = needs.run_if != "all_succeeded" or needs.when is not None
        if work is not None and not work.limits and not judged and terms.fuses(work):
            stage = claim(plan, dependent, work, terms.token, terms.timing, attempt=1, first=True)
            flow = flow_of(dependent)
            succeeded = {fields.state(within(flow, name)): StepState.COMPLETED for name in needs.needs}
            guarded = replace(stage, guards={**stage.guards, **succeeded})
            return Onward(second=guarded, claims=dependent, reads=reads_for(plan, view, dependent))
    return Onward()


def close(address: str, error: Mapping[str, Any]) -> Onward:
    """An unhandled failure closes the flow: what waits in it is looked at now. The first failure stands."""
    flow = flow_of(address)
    first = Then(
        {fields.closed(flow): None},
        Changes(
            set={fields.closed(flow): address, fields.closing_error(flow): json.dumps(error)},
            expedite=(":state", StepState.RUNNING),
        ),
    )
    return Onward(then=(first,))


def runs(plan: Plan, view: RunView, address: str) -> bool:
    """Whether a step that is reached runs, or is skipped; ExpressionError if its condition raises."""
    needs = needs_of(plan, address)
    flow = flow_of(address)
    states = [view.state(within(flow, name)) for name in needs.needs]
    if not _judged(needs, states):
        return False
    return needs.when is None or needs.when.holds(roots_for(plan, view, (needs.when,), address=address))


def _judged(needs: Needs, states: list[StepState]) -> bool:
    match needs.run_if:
        case "all_succeeded":
            return all(state is StepState.COMPLETED for state in states)
        case "any_succeeded":
            return any(state is StepState.COMPLETED for state in states)
        case "any_failed":
            return any(state in UNSUCCESSFUL for state in states)
    return True


def needs_of(plan: Plan, address: str) -> Needs:
    """What a step of a needs flow waits for; ValueError if it stands in another kind of flow."""
    needs = node_at(plan, address).needs
    if needs is None:
        raise ValueError(f"{address} is not in a needs flow")
    return needs
