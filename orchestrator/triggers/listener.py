"""The listener: takes external events in, starts the runs that they trigger, hands them to the runs that wait.

An event is acknowledged when all that it does is committed, so a listener may die anywhere, and another does it again:
every effect may be made twice. Why each (source, id, workflow) still starts exactly one run:

- *Before* a run is started, the dedupe key gets a mark with the run's id, derived from key and entry. Whoever handles
  the key again within the window, as the same entry after a crash, or as a second entry that the producer sent, finds
  the mark and starts *that* run; a start by id that exists changes nothing. So there is no second run.
- The mark alone is no reason not to start: only one that says `started`, written after the start was committed, is. So
  a listener that dies between mark and start loses nothing: its entry is not acknowledged, and comes again.
- The window counts between the moments at which the entries came in, not between those at which they are handled. So a
  backlog does not make two out of one, and after the window the same key starts another run, whose id is derived from
  another entry. An entry that comes again when its mark has expired derives the id that it had, and meets its run or
  the run's tombstone.

Looking back (RULES 11): an event is in the logs of its names before waiting runs are looked for; a step is in the
indexes of its names before it looks into the logs. So one of the two sees the other.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator import logs
from orchestrator.client.receiving import Receiving, names_by
from orchestrator.client.run_surface import Start
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.clock import elapsed_s
from orchestrator.engine.awaiting import all_correlated
from orchestrator.engine.roots import rfc3339
from orchestrator.errors import ExpressionError, InvalidEvent, Unreachable
from orchestrator.spec.cloudevents import parse_structured
from orchestrator.store.events import Burial, Claim, Delivery, Miss
from orchestrator.store.registry import WorkerRecord
from orchestrator.triggers.event_triggers import EventTriggers, Route, run_id_of

log = logs.get("listener")

BATCH = 100
"""Events that are read, and handled, together."""
TRIES = 5
"""An event whose handling failed so often is given up."""
BLOCK_MS = 500
PAUSE_S = 1.0
"""After Redis did not answer."""
TOLD_PER_S = 10
"""Events a second, at most, of which runs that wait for another correlation are told that they came near."""
ANNOUNCE_S = 5.0
TIDY_S = 60.0
FORGOTTEN_MS = 3_600_000
"""So long after it was last heard of is a listener that owes nothing forgotten."""


@dataclass(slots=True)
class _Taken:
    """An event in hand: what it is, and under which names runs may wait for it."""

    entry: Delivery
    event: Mapping[str, Any]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Wish:
    """A run that an event is to start."""

    entry: Delivery
    route: Route
    claim: Claim
    input: Any
    started_by: str
    traceparent: str | None
    """The event's, if it came with the extension of that name: its sender's trace goes on in the run."""

    def start(self, run_id: str) -> Start:
        """What is asked for."""
        who = self.started_by
        return Start(self.route.workflow, self.input, run_id=run_id, started_by=who, traceparent=self.traceparent)


@dataclass(slots=True)
class _Batch:
    """What has become of the events that are handled together."""

    taken: list[_Taken] = field(default_factory=list)
    wishes: list[_Wish] = field(default_factory=list)
    burials: list[Burial] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    """Entries that nothing is left to do for but to write down what is above."""


class Listener:
    """Handles external events until it is told to stop. Any number may listen to one stream."""

    def __init__(self, client: RedisOrchestrator) -> None:
        self.name = f"listener-{os.getpid()}-{secrets.token_hex(3)}@{socket.gethostname()}"
        floor = client.settings, client.store, client.catalogue, client.dispatcher
        self._settings = client.settings
        self._events = client.event_store
        self._registry = client.registry
        self._starter = client.starter
        self._receiving = Receiving(*floor)
        self._triggers = EventTriggers(client.catalogue)
        self._stopped = threading.Event()
        self._in_hand: tuple[str, ...] = ()
        self._look_at_s = self._tidy_at_s = self._telling_s = 0.0
        self._told = 0

    def stop(self) -> None:
        """End after the event in hand."""
        self._stopped.set()

    def run(self) -> None:
        """Listen until `stop`; when Redis does not answer, or refuses what it is asked, wait and go on."""
        pulse = threading.Thread(target=self._beat_on, name="pulse", daemon=True)
        pulse.start()
        log.info("listening", listener=self.name)
        while not self._stopped.is_set():
            try:
                self.turn(BLOCK_MS)
            except Unreachable as error:
                log.warning("events_not_reached", error=error.message)
                self._stopped.wait(PAUSE_S)
            except Exception:  # a Redis that is full, or has become a replica
                log.exception("turn_failed")
                self._stopped.wait(PAUSE_S)
        pulse.join(PAUSE_S)
        log.info("listener_stopped", listener=self.name)

    def turn(self, block_ms: int = 0) -> int:
        """Take over what others have left, then what is new; how many events were seen to."""
        seen = 0
        if elapsed_s() >= self._look_at_s:
            seen += self._take_over()
            self._look_at_s = elapsed_s() + self._settings.events_claim_ms / 4000
        if self._stopped.is_set():
            return seen
        entries = self._events.read(self.name, BATCH, 0 if seen else block_ms)
        self._hold(entries)
        return seen + len(entries)

    def announce(self) -> None:
        """Say that this listener lives, and is still at the events that it has in hand."""
        host, pid = socket.gethostname(), os.getpid()
        self._registry.announce(WorkerRecord(self.name, (), (), pid, host, role="listener"))
        self._events.keep(self.name, self._in_hand)

    def _take_over(self) -> int:
        """Entries that nobody acknowledges, one at a time: one of them may be what kills listeners."""
        seen = 0
        while not self._stopped.is_set():
            entries = self._events.claim(self.name, self._settings.events_claim_ms, 1)
            if not entries:
                break
            seen += len(entries)
            log.info("event_taken_over", entry=entries[0].id, deliveries=entries[0].deliveries)
            self._hold(entries)
        if elapsed_s() >= self._tidy_at_s:
            self._events.tidy(FORGOTTEN_MS)
            self._tidy_at_s = elapsed_s() + TIDY_S
        return seen

    def _hold(self, entries: Sequence[Delivery]) -> None:
        self._in_hand = tuple(one.id for one in entries)
        try:
            self._handle(entries)
        finally:
            self._in_hand = ()

    def _handle(self, entries: Sequence[Delivery]) -> None:
        """See to entries together; if that fails, each by itself, so that one does not fail the others."""
        try:
            if entries:
                self._see_to(entries)
        except Unreachable:
            raise
        except Exception as error:  # whatever it is, it is one event's, and told of that one
            if len(entries) == 1:
                log.exception("event_failed", entry=entries[0].id, tries=entries[0].deliveries)
                self._fail(entries[0], error)
                return
            log.warning("events_handled_singly", events=len(entries), error=repr(error))
            for one in entries:
                if not self._stopped.is_set():
                    self._handle((one,))

    def _fail(self, entry: Delivery, error: Exception) -> None:
        """Leave it for later, when it will be claimed again; after the last try it is given up."""
        if entry.deliveries >= TRIES:
            reason = f"handling it failed {TRIES} times, the last time with: {error!r}"
            self._events.bury([Burial(entry.id, entry.body, reason, entry.deliveries, entry.only)])
            self._events.ack([entry.id])

    def _see_to(self, entries: Sequence[Delivery]) -> None:
        self._triggers.refresh()  # after the events were read: what was published before they came is in force
        batch = _Batch()
        for entry in entries:
            self._read(entry, batch)
        self._note(batch.taken)
        for taken in batch.taken:
            for route in self._triggers.of(taken.event["type"]):
                self._match(taken, route, batch)
        self._start(batch)
        self._deliver(batch)
        self._events.bury(batch.burials)
        self._events.ack(batch.done)

    def _read(self, entry: Delivery, batch: _Batch) -> None:
        reason = ""
        if entry.deliveries > TRIES:
            reason = f"handling it was begun {TRIES} times and never ended"
        else:
            try:
                event = parse_structured(entry.body).root(rfc3339(entry.came_ms))
                batch.taken.append(_Taken(entry, event))
            except InvalidEvent as error:
                reason = error.message
        if reason:
            log.warning("event_given_up", entry=entry.id, reason=reason)
            batch.burials.append(Burial(entry.id, entry.body, reason, entry.deliveries, entry.only))
            batch.done.append(entry.id)

    def _note(self, taken: Sequence[_Taken]) -> None:
        """Into the logs of all names that steps may look back for."""
        types = {one.event["type"] for one in taken if not one.entry.only}
        correlations = {type_: self._events.correlations(type_) for type_ in types}
        for one in taken:
            if not one.entry.only:
                one.names = names_by(one.event, correlations[one.event["type"]])
        self._events.note([(one.entry.id, name) for one in taken for name in one.names])

    def _match(self, taken: _Taken, route: Route, batch: _Batch) -> None:
        entry, event = taken.entry, taken.event
        if entry.only not in ("", route.target):
            return
        try:
            if not route.takes(event):
                return
        except ExpressionError as error:
            log.warning("trigger_filter_failed", trigger=route.target, entry=entry.id, error=error.message)
            self._events.miss(Miss(route.target, entry.id, error.message))
            return
        try:
            key, given = route.key(event), route.input(event)
        except ExpressionError as error:
            batch.burials.append(_burial(entry, route, error.message))
            return
        claim = Claim(key, run_id_of(key, entry.id), entry.came_ms, self._settings.events_dedupe_ms)
        batch.wishes.append(_Wish(entry, route, claim, given, f"event:{route.type}", event.get("traceparent")))

    def _start(self, batch: _Batch) -> None:
        """The runs of all triggers; what refuses an input is the affair of that trigger alone."""
        reserved = self._events.reserve([wish.claim for wish in batch.wishes])
        due = [(wish, one.run_id) for wish, one in zip(batch.wishes, reserved, strict=True) if not one.started]
        refusals = self._starter.try_each([wish.start(run_id) for wish, run_id in due])
        for (wish, _), refusal in zip(due, refusals, strict=True):
            if refusal is not None:
                log.warning("trigger_refused", trigger=wish.route.target, entry=wish.entry.id, error=refusal.message)
                batch.burials.append(_burial(wish.entry, wish.route, f"{refusal.code}: {refusal.message}"))
        started = zip(due, refusals, strict=True)
        self._events.settle([(wish.claim.key, run_id) for (wish, run_id), refusal in started if refusal is None])

    def _deliver(self, batch: _Batch) -> None:
        """To the runs that wait, which are looked for after the events were noted."""
        names = {name for one in batch.taken for name in (*one.names, all_correlated(one.event["type"]))}
        awaited = self._receiving.awaited(names) if names else frozenset()
        for one in batch.taken:
            if self._stopped.is_set() and batch.done:
                break  # the rest is not acknowledged, so another listener does it
            under = [name for name in one.names if name in awaited]
            if under or (one.names and all_correlated(one.event["type"]) in awaited and self._may_tell()):
                self._receiving.deliver(one.event, under)
            batch.done.append(one.entry.id)

    def _may_tell(self) -> bool:
        """Whether there is time to tell of a near miss: it takes as long as to hand over twenty events."""
        now_s = elapsed_s()
        if now_s - self._telling_s >= 1:
            self._telling_s, self._told = now_s, 0
        self._told += 1
        return self._told <= TOLD_PER_S

    def _beat_on(self) -> None:
        interval_s = min(ANNOUNCE_S, self._settings.events_claim_ms / 3000)
        while not self._stopped.is_set():
            try:
                self.announce()
            except Unreachable as error:
                log.warning("not_announced", error=error.message)
            except Exception:
                log.exception("not_announced")
            self._stopped.wait(interval_s)


def _burial(entry: Delivery, route: Route, reason: str) -> Burial:
    return Burial(entry.id, entry.body, reason, entry.deliveries, route.target)
