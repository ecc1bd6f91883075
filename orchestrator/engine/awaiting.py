"""Steps that wait for something from outside: an external event, or a signal to their run (RULES 11).

A step that waits for an event is found by an index: that of the event's type or, if it is correlated, that of type and
value. Whoever takes an event in notes it in the log of those names first and looks into the indexes then; a step goes
into its index first and looks back into the log then: so one of the two sees the other. What comes while a step looks
back has it look again, for it takes the oldest. An event is for every step that it fits, and each takes it once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

from orchestrator.engine import fields
from orchestrator.engine.arrivals import (
    Event,
    data_problem,
    digest,
    ground_of_waiting,
    is_awaiting,
    output_of,
    waiting_steps,
)
from orchestrator.engine.commit import Changes, Commit, Due, Stage
from orchestrator.engine.ends import not_too_large
from orchestrator.engine.indexes import event_index, text_of_value
from orchestrator.engine.onward import Move, Terms
from orchestrator.engine.outcome import Failure
from orchestrator.engine.places import flow_goes_on, node_at
from orchestrator.engine.roots import roots_for
from orchestrator.engine.settle import Ground, complete_step, fail_attempt, fail_waiting
from orchestrator.engine.signals import first_signal_of, is_for, kept_signals, take_kept
from orchestrator.engine.stages import event as history_event
from orchestrator.engine.state import StepHappening, StepState, move_step
from orchestrator.engine.values import value
from orchestrator.engine.view import RunView
from orchestrator.errors import ExpressionError
from orchestrator.plan.graph import Awaited, Plan

_TOLD: Final = 200
"""Characters of a value that a near miss tells at most."""


@value
class NearMiss:
    """Why an event of the right type was not for a step: what of it did not fit, what was wanted, what was found."""

    event: str
    part: str
    """`source`, `correlation`, `filter` or `data`."""
    wanted: Any
    found: Any

    def to_json(self) -> dict[str, Any]:
        """As it is kept beside the step; of long values, the beginning."""
        return {
            "event": self.event,
            "part": self.part,
            "wanted": _shortened(self.wanted),
            "found": _shortened(self.found),
        }


# Names: what events are looked for by.


def names_of_event(event: Event, correlated_by: Sequence[Any]) -> tuple[str, ...]:
    """The names under which runs may wait for an event; `correlated_by` are its values by which some do."""
    return (event["type"], *dict.fromkeys(_name(event["type"], one) for one in correlated_by))


def all_correlated(type_: str) -> str:
    """The name under which all steps are found whose wait for a type is correlated: for telling near misses."""
    return f"{type_}=*"


def _name(type_: str, correlated_by: Any) -> str:
    digest = blake2b(text_of_value(correlated_by).encode(), digest_size=12).hexdigest()
    return f"{type_}={digest}"


def _names(awaited: Awaited, wanted: Any) -> tuple[str, ...]:
    if awaited.type is None:
        return ()
    if awaited.of_run is None:
        return (awaited.type,)
    return (_name(awaited.type, wanted), all_correlated(awaited.type))


def _correlation(plan: Plan, view: RunView, address: str, awaited: Awaited) -> Any:
    """What an event is to be correlated to, as it is when the step begins to wait."""
    if awaited.of_run is None:
        return None
    found = awaited.of_run.evaluate(roots_for(plan, view, (awaited.of_run,), address=address))
    if not isinstance(found, str | int | float):
        raise ExpressionError(f"the correlation of step {address!r} is no text, number or boolean: {json.dumps(found)}")
    return found


# What is read.


def awaiting_reads(plan: Plan, view: RunView, address: str) -> tuple[str, ...]:
    """The fields that beginning to wait takes besides those of its expressions: the signals that have come."""
    awaited = node_at(plan, address).awaited
    if awaited is None or not awaited.signals:
        return ()
    if missing := view.missing((fields.SIGNALS, fields.FIRST_SIGNAL)):
        return missing
    return view.missing(
        name for number in kept_signals(view) for name in (fields.signal(number), fields.taken_by(number))
    )


def look_back_reads(address: str, events: Sequence[Event] = ()) -> tuple[str, ...]:
    """The fields that a look back takes: before it, what is wanted and what came meanwhile; then who took these."""
    took = (_took(address, event) for event in events)
    return (fields.correlated_to(address), fields.came_meanwhile(address), *took)


def owes_look_back(plan: Plan, view: RunView, address: str) -> str | None:
    """The name of the log that a step has yet to look back into, if it does."""
    if not is_awaiting(plan, address):
        return None
    names = view.json(fields.waits_for(address))
    if view.state(address) is not StepState.WAITING or not names or view[fields.looked_back(address)] is not None:
        return None
    return str(names[0])


# What is decided.


def begin_waiting(plan: Plan, view: RunView, address: str, ground: Ground, terms: Terms) -> Move:
    """The step waits from now on, or takes the oldest signal that has come for it."""
    awaited = node_at(plan, address).awaited
    if awaited is None:
        raise ValueError(f"{address} waits for nothing from outside")
    try:
        wanted = _correlation(plan, view, address, awaited)
    except ExpressionError as error:
        return fail_attempt(plan, view, address, Failure(error.code, error.message, retryable=False), ground, terms)
    counted: dict[str, str | None] = {fields.SIGNALS: view[fields.SIGNALS]} if awaited.signals else {}
    ground = ground.with_guards(counted)
    kept = list(kept_signals(view)) if awaited.signals else []
    number = next((n for n in kept if is_for(awaited, view.json(fields.signal(n)))), None)
    if number is not None:
        return take_kept(plan, view, address, number, ground, terms)
    names = _names(awaited, wanted)
    limit = awaited.timeout_ms
    soon = Due(within_ms=min(terms.timing.resend_ms, limit or terms.timing.resend_ms))
    changes = Changes(
        set={
            fields.state(address): move_step(StepState.READY, StepHappening.WAIT),
            **({fields.waits_for(address): json.dumps(names)} if names else {}),
            **({} if awaited.of_run is None else {fields.correlated_to(address): json.dumps(wanted)}),
            **(first_signal_of(view, kept) if awaited.signals else {}),
        },
        delete=(fields.looked_back(address), fields.resends(address)),
        stamp={fields.started(address): 0, **({} if limit is None else {fields.deadline(address): limit})},
        add=tuple((fields.waiting_set(name), address) for name in names),
        entries={address: soon if names else Due(within_ms=limit)},
        index={event_index(name): True for name in names},
        events=(history_event("step_waiting", address, event=awaited.type, signals=list(awaited.signals) or None),),
    )
    commit = Commit(view.run_id, view.incarnation, (ground.stage(address, changes),))
    return Move(commit, to=address if names else None)


def first_fitting(
    plan: Plan, view: RunView, address: str, events: Sequence[Event], terms: Terms
) -> Move | NearMiss | None:
    """The move by which a step takes the first of these events that fits; else why the last one does not."""
    missed: NearMiss | None = None
    for event in events:
        if view[_took(address, event)] is None:
            missed = mismatch(plan, view, address, event)
            if missed is None:
                return take_event(plan, view, address, event, terms)
    return missed


def wait_for_more(plan: Plan, view: RunView, address: str, missed: NearMiss | None) -> Move:
    """None of the events that came before fits, and none came meanwhile: the step waits for those to come."""
    came = fields.came_meanwhile(address)
    guards = _still_looks_back(plan, address) | {came: view[came]}
    changes = Changes(
        set={fields.looked_back(address): "1", **({} if missed is None else _missed(address, missed))},
        entries={address: Due(at_ms=view.moment(fields.deadline(address)))},
    )
    return Move(Commit(view.run_id, view.incarnation, (Stage(guards, changes),)))


def have_look_back(plan: Plan, view: RunView, event: Event) -> Move | None:
    """The move that has a step look back once more, if it has yet to and may have passed the event; None if none has.

    It takes the oldest of those that came, which an event that is handed over need not be. Needs the whole run.
    """
    for address, awaited in waiting_steps(plan, view):
        came = fields.came_meanwhile(address)
        owes = awaited.type == event["type"] and view[fields.looked_back(address)] is None
        if owes and view[came] != _key(event):
            stage = Stage(_still_looks_back(plan, address), Changes(set={came: _key(event)}))
            return Move(Commit(view.run_id, view.incarnation, (stage,)), to=address)
    return None


def _still_looks_back(plan: Plan, address: str) -> dict[str, str | None]:
    """The guards of whatever hangs on a step that has yet to look back."""
    waits = {fields.state(address): StepState.WAITING.value, fields.looked_back(address): None}
    return {**waits, **flow_goes_on(plan, address)}


def mismatch(plan: Plan, view: RunView, address: str, event: Event) -> NearMiss | None:
    """What of an event does not fit a step that waits for its type; None if all does."""
    awaited = node_at(plan, address).awaited
    if awaited is None:
        raise ValueError(f"{address} waits for nothing from outside")
    if awaited.source is not None and event["source"] != awaited.source:
        return NearMiss(event["id"], "source", awaited.source, event["source"])
    if awaited.of_event is not None:
        wanted = view.json(fields.correlated_to(address))
        try:
            found = awaited.of_event.evaluate({"event": event})
        except ExpressionError as error:
            return NearMiss(event["id"], "correlation", awaited.of_event.text, error.message)
        if not isinstance(found, str | int | float) or text_of_value(found) != text_of_value(wanted):
            return NearMiss(event["id"], "correlation", wanted, found)
    if awaited.filter is not None:
        roots = roots_for(plan, view, (awaited.filter,), address=address) | {"event": event}
        try:
            if not awaited.filter.holds(roots):
                return NearMiss(event["id"], "filter", awaited.filter.text, False)
        except ExpressionError as error:
            return NearMiss(event["id"], "filter", awaited.filter.text, error.message)
    problem = data_problem(awaited, event["data"])
    return None if problem is None else NearMiss(event["id"], "data", "data_schema", problem)


def take_event(plan: Plan, view: RunView, address: str, event: Event, terms: Terms) -> Move:
    """The move by which a waiting step takes an event; a pause does not keep it from that."""
    ground = ground_of_waiting(plan, view, address, terms).with_guards({_took(address, event): None})
    output = not_too_large(output_of(event), terms)
    if isinstance(output, Failure):
        return fail_attempt(plan, view, address, output, ground, terms)
    told = history_event("event_received", address, id=event["id"], source=event["source"])
    taken = Changes(set={_took(address, event): address}, events=(told,))
    return complete_step(plan, view, address, output, ground.after(taken), terms)


def hand_over(plan: Plan, view: RunView, event: Event, terms: Terms) -> tuple[Move | None, dict[str, NearMiss]]:
    """The move by which the next waiting step of a run takes an event, if one does, and whom it was not for.

    Those that have yet to look back will find it then. Needs the whole run.
    """
    misses = dict[str, NearMiss]()
    waiting = (one for one, awaited in waiting_steps(plan, view) if awaited.type == event["type"])
    for address in waiting:
        if view[fields.looked_back(address)] is not None and view[_took(address, event)] is None:
            missed = mismatch(plan, view, address, event)
            if missed is None:
                return take_event(plan, view, address, event, terms), misses
            misses[address] = missed
    return None, misses


def note_misses(view: RunView, misses: Mapping[str, NearMiss]) -> Move | None:
    """The move that keeps the latest near miss beside each step that it was of and that still waits; None if none does.

    Needs the whole run.
    """
    missed = {one: miss for one, miss in misses.items() if view.state(one) is StepState.WAITING}
    if not missed:
        return None
    changes = Changes(set={name: text for one, miss in missed.items() for name, text in _missed(one, miss).items()})
    guards = {fields.state(one): StepState.WAITING.value for one in missed}
    return Move(Commit(view.run_id, view.incarnation, (Stage(guards, changes),)))


def time_out_waiting(plan: Plan, view: RunView, address: str, terms: Terms) -> Move:
    """Nothing came in time."""
    failure = Failure("wait_timeout", "what the step waits for did not come in time", retryable=False)
    return fail_waiting(plan, view, address, failure, terms)


def _missed(address: str, miss: NearMiss) -> dict[str, str]:
    return {fields.near_miss(address): json.dumps(miss.to_json())}


def _shortened(found: Any) -> Any:
    text = json.dumps(found)
    return found if len(text) <= _TOLD else f"{text[:_TOLD]}…"


def _took(address: str, event: Event) -> str:
    return fields.took_event(_VISITS.sub("", address), _key(event))


_VISITS: Final = re.compile(r"#[0-9]+(?=[/[]|$)")
"""The visits in an address: all visits of a step, and of what it lies inside of, are one to an event."""


def _key(event: Event) -> str:
    """What tells an event from all others."""
    return digest(f"{event['source']}\0{event['id']}")
