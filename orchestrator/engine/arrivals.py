"""What comes from outside, and the steps that wait for it: what events and signals have in common."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final

from orchestrator.engine import fields
from orchestrator.engine.address import is_drain, is_lane, is_undo
from orchestrator.engine.ends import validator
from orchestrator.engine.onward import Terms
from orchestrator.engine.places import flow_goes_on, node_at
from orchestrator.engine.settle import Ground
from orchestrator.engine.state import StepState
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Awaited, Plan

Event = Mapping[str, Any]
"""An event as expressions see it: id, type, source, time, data, and what else it came with."""

_OUTPUT: Final = ("id", "type", "source", "time", "data")
"""What of an event is the output of the step that took it."""


def is_awaiting(plan: Plan, address: str) -> bool:
    """Whether it is the address of a step that waits for something from outside."""
    if is_drain(address) or is_lane(address) or is_undo(address):
        return False
    return node_at(plan, address).awaited is not None


def waiting_steps(plan: Plan, view: RunView) -> Iterator[tuple[str, Awaited]]:
    """The steps that wait for something from outside, in flows that go on; those that began first before others."""
    waiting = [one for one in view.addresses() if view.state(one) is StepState.WAITING and is_awaiting(plan, one)]
    for address in sorted(waiting, key=lambda one: (view.number(fields.started(one)), one)):
        awaited = node_at(plan, address).awaited
        if awaited is not None and all(view[name] == text for name, text in flow_goes_on(plan, address).items()):
            yield address, awaited


def ground_of_waiting(plan: Plan, view: RunView, address: str, terms: Terms) -> Ground:
    """The ground on which something from outside settles a step that waits: it does, and its flow goes on."""
    return Ground.of_waiting(view, address, terms).with_guards(flow_goes_on(plan, address))


def data_problem(awaited: Awaited, data: Any) -> str | None:
    """What of the data does not fit the step's schema, if anything."""
    if awaited.data_schema is None:
        return None
    problem = next(validator(json.dumps(awaited.data_schema)).iter_errors(data), None)
    return None if problem is None else str(problem.message)


def output_of(event: Event) -> str:
    """The output of the step that takes an event or a signal, as JSON text."""
    return json.dumps({name: event.get(name) for name in _OUTPUT}, separators=(",", ":"))


def digest(text: str) -> str:
    """A short name for a text from outside, which may be of any length."""
    return blake2b(text.encode(), digest_size=12).hexdigest()
