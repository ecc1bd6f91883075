"""A worker on one message: it interprets the engine's effects, and an attempt takes as long as its script says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from orchestrator.client.children import prepare
from orchestrator.client.versions import Versions
from orchestrator.engine import fields
from orchestrator.engine.address import is_undo
from orchestrator.engine.commit import Reply
from orchestrator.engine.effects import (
    Acquire,
    Apply,
    Attempt,
    Effect,
    Ending,
    Fork,
    LoadPlan,
    PrepareChild,
    Read,
    Recall,
    Release,
    SetAside,
    SliceTerms,
    Take,
    Wake,
)
from orchestrator.engine.lease import progress, renewal
from orchestrator.engine.outcome import Failure
from orchestrator.engine.places import is_waited_for
from orchestrator.engine.quotas import parse_holder
from orchestrator.engine.sla import sla_at
from orchestrator.engine.slice import run_slice
from orchestrator.engine.stages import Timing
from orchestrator.plan.graph import Plan, Work
from orchestrator.runtime.message import RECALLED
from orchestrator.settings import Settings
from orchestrator.store.events import Events
from orchestrator.store.limits import Limits, ask_of
from orchestrator.store.port import Store
from orchestrator.testing.performer import Performer
from orchestrator.testing.scripts import Action

CHANCE = 0.5
"""What jitter draws, so that a test takes the same virtual time whenever it runs."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all workers share."""

    settings: Settings
    store: Store
    versions: Versions
    performer: Performer
    deliver: Callable[[str, str], None]
    """Sends a message: look at this address of this run."""
    new_token: Callable[[], str]
    wake: Callable[[str, str], None]
    """Has a step, or at `$` a run, that waited for a slot look again."""
    limits: Limits
    events: Events

    @property
    def timing(self) -> Timing:
        """How long leases last, and when a ready step is sent again."""
        return Timing(self.settings.lease_ms, self.settings.resend_ms)


@dataclass(slots=True)
class Lease:
    """What the worker has claimed."""

    incarnation: str
    address: str
    token: str
    claimed_ms: int
    ends_ms: int | None = None
    silent_ms: int | None = None
    refused: bool = False
    unwanted: bool = False
    """Whether the run stops: its end is waited for, and had better come soon."""

    @property
    def cancelled(self) -> bool:
        """What the operation is told if it asks."""
        return self.refused or self.unwanted

    @property
    def limit_ms(self) -> int | None:
        """The moment that no renewal goes past."""
        return min((limit for limit in (self.ends_ms, self.silent_ms) if limit is not None), default=None)


@dataclass(slots=True)
class Performance:
    """A call that is going on."""

    action: Action
    until_ms: int
    overruns: bool
    beat_ms: int | None

    @property
    def wakes_ms(self) -> int:
        """When there is something to do: say that it is alive, or end."""
        return self.until_ms if self.beat_ms is None else min(self.until_ms, self.beat_ms)


class Worker:
    """One message, advanced by one effect at a time; it is `gone` when it has ended, or died."""

    def __init__(self, around: Surroundings, run_id: str, address: str) -> None:
        self.around = around
        self.run_id = run_id
        self.lease: Lease | None = None
        self.performance: Performance | None = None
        self.ending: Ending | None = None
        self.gone = False
        self._plan: Plan | None = None
        self._began_ms = around.store.time_ms()
        terms = SliceTerms(around.timing, around.new_token, lambda: CHANCE, lambda _: True, self._goes_on)
        self._steps = run_slice(run_id, address, terms)
        self._effect: Effect | None = None
        self._go_on(None)

    @property
    def wakes_ms(self) -> int | None:
        """When it has something to do next; None: now."""
        return None if self.performance is None else self.performance.wakes_ms

    def advance(self) -> None:
        """Make the next effect happen."""
        if isinstance(self._effect, Attempt):
            self._perform(self._effect)
        else:
            self._go_on(self._carry_out(self._effect))

    def renew(self, until_ms: int) -> bool:
        """Do what the heartbeat does until a later moment, in one go; whether the lease still stands."""
        lease, settings, now_ms = self.lease, self.around.settings, self.around.store.time_ms()
        if lease is None or lease.refused:
            return False
        beats = (until_ms - lease.claimed_ms) // settings.heartbeat_ms
        last_beat_ms = lease.claimed_ms + beats * settings.heartbeat_ms
        if last_beat_ms > now_ms:
            commit = renewal(
                self.run_id,
                lease.incarnation,
                lease.address,
                lease.token,
                lease_ms=last_beat_ms - now_ms + settings.lease_ms,
                deadline_ms=lease.limit_ms,
                waited_for=self._plan is not None and is_waited_for(self._plan, lease.address),
                measured=self._plan is not None and sla_at(self._plan, lease.address) is not None,
            )
            reply = self.around.store.apply(commit)
            lease.refused = not reply.first.stands
            lease.unwanted = reply.values.get(fields.STOPPING) == "1" and not is_undo(lease.address)
        return not lease.refused

    def _carry_out(self, effect: Effect | None) -> Any:
        store = self.around.store
        match effect:
            case Apply():
                return self._apply(effect)
            case Read(run_id=run_id, names=names):
                return store.read_all(run_id) if names is None else store.read(run_id, names)
            case LoadPlan():
                plan = self.around.versions.plan(effect.key, effect.version)
                self._plan = self._plan or plan
                return plan
            case PrepareChild():
                return prepare(self.around.versions, self.around.settings.max_payload_bytes, effect)
            case Wake(run_id=run_id, addresses=addresses):
                return self._deliver(run_id, addresses)
            case Fork(addresses=addresses):
                return self._deliver(self.run_id, addresses)
            case Acquire(slots=slots):
                turn = self.around.limits.acquire(ask_of(slots), self.around.settings.lease_ms)
                self._wake(turn.wake)
                return turn.granted, turn.wait_ms
            case Release(slots=slots):
                self._wake(self.around.limits.release(ask_of(slots)))
                return None
            case Recall(name=name, since_ms=since_ms, after=after):
                return self.around.events.recall(name, since_ms, RECALLED, after)
            case SetAside() | Take():
                return None
        raise TypeError(f"unknown effect {effect!r}")

    def _deliver(self, run_id: str, addresses: Iterable[str]) -> None:
        for address in addresses:
            self.around.deliver(run_id, address)

    def _wake(self, holders: Iterable[str]) -> None:
        for run_id, address in map(parse_holder, holders):
            self.around.wake(run_id, address)

    def _apply(self, effect: Apply) -> Reply:
        commit = effect.commit
        reply = self.around.store.apply(commit)
        granted = len(reply.answers) == len(commit.stages) and reply.answers[-1].stands
        self.lease = None
        if effect.claims is not None and granted:
            self.lease = Lease(commit.incarnation or "1", effect.claims, effect.token, claimed_ms=reply.now_ms)
        return reply

    def _perform(self, attempt: Attempt) -> None:
        now_ms = self.around.store.time_ms()
        going = self.performance
        if going is None:
            going = self.performance = self._begin(attempt, now_ms)
        elif going.beat_ms is not None and now_ms < going.until_ms:
            self._beat(attempt, None)
            going.beat_ms += going.action.beats_ms or 0
        if now_ms >= going.until_ms:
            self.performance = None
            self._end(attempt, going)

    def _begin(self, attempt: Attempt, now_ms: int) -> Performance:
        lease, work = self.lease, attempt.work
        if lease is None:
            raise RuntimeError(f"no lease for {attempt.address}")
        lease.ends_ms = lease.claimed_ms + work.timeout_ms
        silence_ms = work.heartbeat_timeout_ms
        lease.silent_ms = None if silence_ms is None else lease.claimed_ms + silence_ms
        action = self.around.performer.begin(attempt)
        if action.doubled:
            self.around.deliver(self.run_id, attempt.address)
        ends_ms = now_ms + action.lasts_ms
        beat_ms = None if action.beats_ms is None else now_ms + action.beats_ms
        return Performance(action, min(ends_ms, lease.ends_ms), ends_ms >= lease.ends_ms, beat_ms)

    def _end(self, attempt: Attempt, going: Performance) -> None:
        if going.overruns:
            self._go_on(Failure("step_timeout", "the attempt took longer than its timeout", reported=False))
            return
        outcome = None
        if going.action.kind != "nothing":
            outcome = self.around.performer.outcome(
                attempt,
                going.action,
                heartbeat=lambda report: self._beat(attempt, report),
                cancelled=lambda: self.lease is None or self.lease.cancelled,
            )
        if going.action.dies:
            self._steps.close()
            self.gone = True
        else:
            self._go_on(outcome)

    def _beat(self, attempt: Attempt, report: Any) -> None:
        silence_ms = attempt.work.heartbeat_timeout_ms
        said = json.dumps(report)
        commit = progress(attempt.run_id, attempt.incarnation, attempt.address, attempt.token, said, silence_ms)
        reply = self.around.store.apply(commit)
        if self.lease is not None:
            self.lease.refused = self.lease.refused or not reply.first.stands
            self.lease.silent_ms = None if silence_ms is None else reply.now_ms + silence_ms

    def _go_on(self, answer: Any) -> None:
        try:
            self._effect = self._steps.send(answer)
        except StopIteration as end:
            self.ending = end.value
            self.gone = True

    def _goes_on(self, _next: Work | None) -> bool:
        return self.around.store.time_ms() - self._began_ms < self.around.settings.slice_ms
