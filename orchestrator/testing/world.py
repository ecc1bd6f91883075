"""A whole installation in one process: state in memory, workers without number, a sweeper, and a clock that jumps.

One thing happens at a time, always in the same order: workers go on, messages are taken, what has fallen due is
visited; when nothing is left to do at a moment, the clock jumps to the next one at which there is.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from orchestrator.broker.dispatch import Dispatcher
from orchestrator.client.receiving import Receiving, names_by
from orchestrator.client.versions import Versions
from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN, RUN
from orchestrator.engine.children import to_wake
from orchestrator.engine.commit import Reply
from orchestrator.engine.effects import HandOver, Parked, Stopped
from orchestrator.engine.onward import Move, Terms
from orchestrator.engine.reads import head_fields
from orchestrator.engine.roots import rfc3339
from orchestrator.engine.settle import SHORT_WAIT_MS
from orchestrator.engine.start import leftovers
from orchestrator.engine.sweep import reads_to_visit, visit
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Plan
from orchestrator.settings import Settings
from orchestrator.spec.cloudevents import CloudEvent
from orchestrator.store.events import Events
from orchestrator.store.limits_memory import MemoryLimits
from orchestrator.store.memory import MemoryStore
from orchestrator.testing.performer import Performer
from orchestrator.testing.worker import CHANCE, Surroundings, Worker

SHARD = 0
DUE_AT_ONCE = 1_000


class Clock:
    """A virtual clock, in ms since the Unix epoch."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        """The moment."""
        return self.now_ms


class Post(Dispatcher):
    """Takes what clients send and puts it where the world's workers find it."""

    def __init__(self, settings: Settings, deliver: Callable[[str, str], None]) -> None:
        self.settings = settings
        self._deliver = deliver

    def send(self, plan: Plan, run_id: str, address: str, *, countdown_s: float | None = None) -> None:  # noqa: ARG002
        """Deliver it now: a countdown is only an economy."""
        self._deliver(run_id, address)

    def send_many(self, frontiers: Sequence[tuple[Plan, str, str]]) -> None:
        """Deliver each."""
        for plan, run_id, address in frontiers:
            self.send(plan, run_id, address)


@dataclass(slots=True)
class World:
    """What runs live in. `doubles`: every message is delivered twice."""

    settings: Settings
    clock: Clock
    store: MemoryStore
    versions: Versions
    performer: Performer
    events: Events
    doubles: bool = False
    delivered: Counter[str] = field(default_factory=Counter)
    """How many messages each run has had."""
    _messages: deque[tuple[str, str]] = field(default_factory=deque)
    _countdowns: list[tuple[int, str, str]] = field(default_factory=list)
    _workers: list[Worker] = field(default_factory=list)
    _tokens: Iterator[int] = field(default_factory=lambda: count(1))
    _around: Surroundings = field(init=False)

    def __post_init__(self) -> None:
        self._around = Surroundings(
            self.settings,
            self.store,
            self.versions,
            self.performer,
            self.deliver,
            self._new_token,
            self._wake,
            MemoryLimits(self.store.time_ms),
            self.events,
        )

    def deliver(self, run_id: str, address: str) -> None:
        """A message arrives: look at this address of this run."""
        copies = 2 if self.doubles else 1
        self._messages.extend([(run_id, address)] * copies)
        self.delivered[run_id] += copies

    def emit(self, event: CloudEvent) -> int:
        """An event comes: it is noted in the logs, and handed to all that wait for it; how many took it at once."""
        root = event.root(rfc3339(self.clock.now_ms))
        names = names_by(root, self.events.correlations(event.type))
        (entry,) = self.events.append([event.text()])
        self.events.note([(entry, name) for name in names])
        post = Post(self.settings, self.deliver)
        return Receiving(self.settings, self.store, self.versions, post).deliver(root, names)

    def _wake(self, run_id: str, address: str) -> None:
        view = self._view(run_id, fields.HEAD)
        entries = self.versions.plan(*view.pinned).root.entries if address == RUN else (address,)
        for entry in entries:
            self.deliver(run_id, entry)

    def tick(self, until_ms: float = math.inf) -> bool:
        """Make the next thing happen, at or before a moment; False if there is none."""
        while not self._act_now():
            moment = self._next_moment()
            if moment > until_ms or moment == math.inf:
                return False
            self._reach(int(moment))
        return True

    def pass_to(self, moment_ms: int) -> None:
        """Let everything happen that happens up to a moment."""
        while self.tick(moment_ms) or not self._reach(moment_ms):
            pass

    def is_concerned_with(self, run_id: str) -> bool:
        """Whether anybody works on the run, or a message for it is under way."""
        under_way = (*self._messages, *(countdown[1:] for countdown in self._countdowns))
        return any(worker.run_id == run_id for worker in self._workers) or any(run_id == one for one, _ in under_way)

    def _act_now(self) -> bool:
        worker = next((one for one in self._workers if (one.wakes_ms or 0) <= self.clock.now_ms), None)
        if worker is not None:
            self._advance(worker)
        elif self._messages:
            self._workers.append(Worker(self._around, *self._messages.popleft()))
        else:
            return self._sweep()
        return True

    def _advance(self, worker: Worker) -> None:
        worker.advance()
        if not worker.gone:
            return
        self._workers.remove(worker)
        match worker.ending:
            case HandOver(address=address):
                self.deliver(worker.run_id, address)
            case Parked(address=address, for_ms=for_ms) if for_ms < SHORT_WAIT_MS:
                self._countdowns.append((self.clock.now_ms + for_ms, worker.run_id, address))
            case Stopped():
                self.deliver(worker.run_id, DRAIN)

    def _reach(self, moment_ms: int) -> bool:
        """Jump to a moment; not if a lease is refused meanwhile, as its end may come before."""
        working = [worker for worker in self._workers if worker.lease is not None and not worker.lease.refused]
        if not all(worker.renew(moment_ms) for worker in working):
            return False
        self.clock.now_ms = moment_ms
        for countdown in sorted(one for one in self._countdowns if one[0] <= moment_ms):
            self._countdowns.remove(countdown)
            self.deliver(*countdown[1:])
        return True

    def _next_moment(self) -> float:
        """When there is something to do again; infinity if never."""
        moments = [
            *(moment for moment, _, _ in self._countdowns),
            *(worker.wakes_ms for worker in self._workers if worker.wakes_ms is not None),
            *(moment for run_id in self.delivered for moment in self._entries(run_id)),
        ]
        return min((moment for moment in moments if moment > self.clock.now_ms), default=math.inf)

    def _entries(self, run_id: str) -> Iterator[float]:
        """When the sweeper looks at a run; a lease that is being renewed ends at its limit only."""
        if self.store.shard_entry(run_id) in (None, math.inf):
            return
        leases = [worker.lease for worker in self._workers if worker.run_id == run_id and worker.lease is not None]
        held = {lease.address: lease.limit_ms for lease in leases if not lease.refused}
        for address, moment in self.store.entries(run_id).items():
            limit_ms = held.get(address, moment)
            if limit_ms is not None:
                yield limit_ms
        levels = {fields.sla_next(address) for address in held}
        yield from (int(moment) for moment in self.store.read(run_id, tuple(levels))[1].values() if moment is not None)

    def _sweep(self) -> bool:
        """Visit everything that is due; whether that moved anything."""
        found = [(due.run_id, address) for due in self.store.due(SHARD, DUE_AT_ONCE) for address in due.addresses]
        return sum(self._visit(run_id, address) for run_id, address in found) > 0

    def _visit(self, run_id: str, address: str) -> bool:
        names = (*fields.HEAD, fields.RUN_DEADLINE) if address == RUN else head_fields(address)
        view = self._view(run_id, names)
        plan = self.versions.plan(view[fields.WORKFLOW] or "", view[fields.VERSION] or "")
        while missing := reads_to_visit(plan, view, address):
            now_ms, values = self.store.read(run_id, missing)
            view.learn(values, now_ms)
        found = visit(plan, view, address, self._terms())
        if found is None or not self._apply(found.move).first.stands:
            return False
        if address == RUN:
            for move in leftovers(plan, self._view(run_id), "", self._terms()):
                self._apply(move)
        for target in (found.send, *found.move.forks):
            if target is not None:
                self.deliver(run_id, target)
        return True

    def _apply(self, move: Move) -> Reply:
        reply = self.store.apply(move.commit)
        for run_id, addresses in to_wake(move.commit, reply):
            for address in addresses:
                self.deliver(run_id, address)
        return reply

    def _terms(self) -> Terms:
        return Terms(self._around.timing, self._new_token(), CHANCE, lambda _: False)

    def _view(self, run_id: str, names: Sequence[str] | None = None) -> RunView:
        """The named fields of a run, or all."""
        now_ms, values = self.store.read(run_id, names) if names is not None else self.store.read_all(run_id)
        return RunView(run_id, values, now_ms)

    def _new_token(self) -> str:
        return f"token-{next(self._tokens)}"
