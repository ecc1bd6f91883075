"""A run's history in words, an event at a time, for terminals and pages alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from orchestrator.client.awaited import people, signals, waited_for
from orchestrator.client.crowds import FEW, is_told, kind_of
from orchestrator.client.wording import error_text, several, took
from orchestrator.engine.address import is_lane, is_undo, undone_by
from orchestrator.plan.graph import REST, SINK
from orchestrator.store.port import HistoryEntry

Event = Mapping[str, Any]
Tone = Literal[
    "", "note", "held", "bad", "quiet", "running", "waiting", "completed", "failed", "lost", "skipped", "cancelled"
]
"""The state that an event led to; where it led to none, how much it matters."""

NAMED: Final = 5
"""So many steps are named in one line."""

TELLERS: Final[Mapping[str, Callable[[Event], tuple[str, Tone]]]] = {
    "run_started": lambda event: (f"run of {event['workflow']} {event['version']} started", "note"),
    "run_stopping": lambda event: (f"run stops: {_reason(event)}", "held"),
    "run_repaired": lambda event: (f"run repaired: {', '.join(event['steps']) or 'the run'} had no entry", "held"),
    "run_paused": lambda event: (f"run paused{_wish(event)}", "held"),
    "run_resumed": lambda event: (f"run goes on{_wish(event)}", "note"),
    "run_retried": lambda event: (f"run begun again at {_named(event['steps'])}{_wish(event)}", "note"),
    "compensation_started": lambda event: (
        f"undo {f'of {_step(event)} ' if 'step' in event else ''}begins: {_named(event['undo'])}{_wish(event)}",
        "held",
    ),
    "undo_waived": lambda event: (f"{_step(event)} waived: it was done by hand{_wish(event)}", "held"),
    "run_completed": lambda _: ("run completed", "completed"),
    "run_failed": lambda event: (f"run failed{_undone(event)}", "failed"),
    "run_cancelled": lambda event: (f"run cancelled{_undone(event)}", "cancelled"),
    "step_started": lambda event: (f"{_step(event)} started{_attempt(event)}", "running"),
    "step_waiting": lambda event: (f"{_step(event)} waits {_what_for(event)}", "waiting"),
    "event_received": lambda event: (f"{_step(event)} takes event {event['id']} from {event['source']}", "note"),
    "signal_received": lambda event: (f"signal {event['signal']} has come{_wish(event)}", "note"),
    "approval_decision": lambda event: (f"{_step(event)}: {event['by']} has {_decided(event)}", "note"),
    "approval_delegated": lambda event: (f"{_step(event)}: {event['by']} has {event['to']} decide", "note"),
    "approval_reminder": lambda event: (f"{_step(event)} still waits for {people(event)}", "held"),
    "approval_escalated": lambda event: (f"{_step(event)} asks {people(event)} as well", "held"),
    "step_limited": lambda event: (f"{_step(event)} waits for its turn at a limit", "waiting"),
    "child_started": lambda event: (
        f"{_step(event)} starts {event['workflow']} {event['version']}: run {event['child_run']}",
        "waiting",
    ),
    "child_stopping": lambda event: (f"{_step(event)} stops run {event['child_run']}: {event['reason']}", "held"),
    "child_undoing": lambda event: (f"{_step(event)} has run {event['child_run']} undone", "waiting"),
    "flows_started": lambda event: (f"{_step(event)} begins {several(event['number'], 'flow')}", "waiting"),
    "items_completed": lambda event: (
        f"{several(len(event['items']), 'item')} of {_step(event)} completed",
        "completed",
    ),
    "scope_stopping": lambda event: (f"nothing new starts in {_step(event)}", "held"),
    "step_completed": lambda event: (f"{_step(event)} completed", "completed"),
    "step_failed": lambda event: (f"{_step(event)} failed: {_error(event)}", "failed"),
    "step_lost": lambda event: (f"{_step(event)} lost: {_error(event)}", "lost"),
    "step_skipped": lambda event: (f"{_step(event)} skipped", "skipped"),
    "step_skipped_by_hand": lambda event: (f"{_step(event)} is left out{_wish(event)}", "held"),
    "step_cancelled": lambda event: (f"{_step(event)} cancelled", "cancelled"),
    "attempt_failed": lambda event: (
        f"{_step(event)} failed at attempt {event['attempt']}: {_error(event)}; again in {took(event['retry_in_ms'])}",
        "waiting",
    ),
    "attempt_lost": lambda event: (f"{_step(event)} lost its worker; it is taken up again", "lost"),
    "late_result": lambda event: (f"{_step(event)} came late: {event['outcome']}", "quiet"),
    "sla_warned": lambda event: (f"{_whose(event)} takes long: {took(event['after_ms'])} by now", "held"),
    "sla_breached": lambda event: (f"{_whose(event)} is late: its SLA is {took(event['after_ms'])}", "bad"),
    "sla_escalated": lambda event: (f"{_whose(event)} is still late: {event['to']} is told", "bad"),
    "sla_met": lambda event: (f"{_whose(event)} kept its SLA", "quiet"),
    "attention": lambda event: (f"attention: {_step(event)}: {event['reason']}", "bad"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """What happened: its words and their tone, how long after the run began, and what else there is to say."""

    words: str
    tone: Tone = ""
    after_ms: int = 0
    aside: str = ""


def tell(event: Event) -> Told:
    """What happened, in words; an event that this release has no words for is shown by its type."""
    teller = TELLERS.get(event["type"])
    if teller is None:
        return Told(f"{event['type']} {event.get('step', '')}".rstrip())
    return Told(*teller(event))


class Narrator:
    """Tells a history event by event; what happens to many items or visits is soon only counted."""

    def __init__(self, began_ms: int, *, whole: bool = False) -> None:
        self._began_ms = began_ms
        self._whole = whole
        self._counted: Counter[tuple[str, str]] = Counter()

    def tell(self, entry: HistoryEntry) -> Told | None:
        """An event; None if it is not told."""
        told = self._told(entry.event)
        return None if told is None else replace(told, after_ms=entry.at_ms - self._began_ms)

    def _told(self, event: Event) -> Told | None:
        step = event.get("step", "")
        if is_lane(step) or step.rpartition("/")[2] in (SINK, REST):  # the engine's own, of which nobody has heard
            return None
        kind = kind_of(step)
        self._counted[event["type"], kind] += 1
        number = self._counted[event["type"], kind]
        if self._whole or not step or number <= FEW:
            return tell(event)
        if not is_told(number):
            return None
        return replace(tell({**event, "step": kind}), aside=f"{number:,} times by now")


def narrated(entries: Iterable[HistoryEntry], *, whole: bool = False) -> Iterator[tuple[HistoryEntry, Told]]:
    """A history from its beginning: the events that are told, each with its words."""
    listed = list(entries)
    narrator = Narrator(listed[0].at_ms if listed else 0, whole=whole)
    told = ((entry, narrator.tell(entry)) for entry in listed)
    return ((entry, words) for entry, words in told if words is not None)


def _named(addresses: Sequence[str]) -> str:
    named = ", ".join(map(_name, addresses[:NAMED]))
    return named if len(addresses) <= NAMED else f"{named} and {several(len(addresses) - NAMED, 'step')} more"


def _wish(event: Event) -> str:
    """Who wanted it, and why."""
    by, reason = event.get("by"), event.get("reason")
    return f"{f' by {by}' if by else ''}{f': {reason}' if reason else ''}"


def _name(address: str) -> str:
    return undone_by(address) if is_undo(address) else address


def _step(event: Event) -> str:
    address = event.get("step", "")
    return f"undo of {undone_by(address)}" if is_undo(address) else address


def _whose(event: Event) -> str:
    """What an SLA is of."""
    return str(event.get("step", "run"))


def _attempt(event: Event) -> str:
    return "" if event["attempt"] == 1 else f", attempt {event['attempt']}"


def _what_for(event: Event) -> str:
    if "for_ms" in event:
        return took(event["for_ms"])
    if "users" in event:
        return f"for a decision by {people(event)}"
    return f"for {signals(event['signals']) if 'signals' in event else waited_for(event)}"


def _decided(event: Event) -> str:
    said = str(event["decision"]).replace("changes_requested", "asked for changes")
    return f"{said}: {event['comment']}" if event.get("comment") else said


def _error(event: Event) -> str:
    return error_text(event["error"])


def _reason(event: Event) -> str:
    """What stopped the run; the message of a step's error stands in the step's own line."""
    error = event["error"]
    return str(error["code"]) if error.get("step") else error_text(error)


def _undone(event: Event) -> str:
    return {
        "completed": "; what was done is undone",
        "failed": "; not all that was done could be undone",
    }.get(event["compensation"], "")
