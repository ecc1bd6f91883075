"""Signals: each is kept in its run until a step takes it; the oldest is taken first (RULES 11)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from orchestrator.engine import fields
from orchestrator.engine.arrivals import Event, data_problem, digest, ground_of_waiting, output_of, waiting_steps
from orchestrator.engine.commit import Changes, Commit, Stage
from orchestrator.engine.onward import Move, Onward, Terms
from orchestrator.engine.settle import Ground, complete_step
from orchestrator.engine.stages import event
from orchestrator.engine.values import value
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Awaited, Plan


@value
class Signal:
    """A signal as its sender gives it; `data` is JSON that was checked, `at` RFC 3339."""

    id: str
    name: str
    data: Any
    source: str
    at: str

    @property
    def event(self) -> Event:
        """The signal as the step that takes it puts it out."""
        return {"id": self.id, "type": self.name, "source": self.source, "time": self.at, "data": self.data}


def receive_signal(plan: Plan, view: RunView, signal: Signal, terms: Terms) -> Move | None:
    """The move by which a run takes a signal: a step that waits for it, or the run until one does.

    None if a signal with this id has come before. Needs the whole run.
    """
    if has_come(view, signal):
        return None
    number = view.number(fields.SIGNALS) + 1
    kept = {
        fields.SIGNALS: str(number),
        fields.signal(number): json.dumps(signal.event),
        fields.signal_seen(digest(signal.id)): str(number),
    }
    told = event("signal_received", None, signal=signal.name, id=signal.id, by=signal.source or None)
    guards: dict[str, str | None] = {
        fields.STATUS: view.status.value,
        fields.SIGNALS: view[fields.SIGNALS],
        fields.signal_seen(digest(signal.id)): None,
    }
    taker = next((one for one, awaited in waiting_steps(plan, view) if is_for(awaited, signal.event)), None)
    if taker is None:
        stage = Stage(guards, Changes(set=kept, events=(told,)))
        return Move(Commit(view.run_id, view.incarnation, (stage,)))
    ground = ground_of_waiting(plan, view, taker, terms).with_guards(guards)
    taken = Changes(set={**kept, fields.taken_by(number): taker}, events=(told,))
    return complete_step(plan, view, taker, output_of(signal.event), ground.after(taken), terms)


def has_come(view: RunView, signal: Signal) -> bool:
    """Whether a signal with this id has come before."""
    return view[fields.signal_seen(digest(signal.id))] is not None


def signal_problem(plan: Plan, view: RunView, signal: Signal) -> str | None:
    """Why no step of the run will ever take this signal, if none will. Needs the whole run."""
    named = [node for node in plan.nodes.values() if node.awaited and signal.name in node.awaited.signals]
    if not named:
        known = {name for node in plan.nodes.values() if node.awaited for name in node.awaited.signals}
        return f"no step waits for it; those that steps wait for: {', '.join(sorted(known)) or 'none'}"
    once = [node for node in named if not node.flow and not node.loops]
    if len(once) == len(named) and all(view[fields.ended(node.id)] is not None for node in once):
        return f"no step waits for it any more: {', '.join(node.id for node in once)} is over"
    problems = [data_problem(node.awaited, signal.data) for node in named if node.awaited]
    return f"its data: {problems[0]}" if all(problems) else None


def take_kept(plan: Plan, view: RunView, address: str, number: int, ground: Ground, terms: Terms) -> Move:
    """A signal that had come before the step took it."""
    kept = {fields.taken_by(number): address, **first_signal_of(view, [n for n in kept_signals(view) if n != number])}
    ground = ground.with_guards({fields.taken_by(number): None})
    came = Changes(set=kept, stamp={fields.started(address): 0})
    output = output_of(view.json(fields.signal(number)))
    return complete_step(plan, view, address, output, ground, terms, more=Onward(changes=came))


def kept_signals(view: RunView) -> Iterator[int]:
    """The signals that no step has taken, oldest first, as far as they have been read."""
    numbers = range(view.number(fields.FIRST_SIGNAL, 1), view.number(fields.SIGNALS) + 1)
    return (number for number in numbers if view[fields.taken_by(number)] is None)


def first_signal_of(view: RunView, kept: Sequence[int]) -> dict[str, str]:
    """Where the next step begins to look for signals, if these are all that are kept."""
    return {fields.FIRST_SIGNAL: str(kept[0] if kept else view.number(fields.SIGNALS) + 1)}


def is_for(awaited: Awaited, signal: Any) -> bool:
    """Whether a step takes a signal: by its name, and its data."""
    if signal is None or signal["type"] not in awaited.signals:
        return False
    return data_problem(awaited, signal["data"]) is None
