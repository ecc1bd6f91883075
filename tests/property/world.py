"""One run in a world of faults: the real engine and memory store, and everything around them at a test's command.

A worker holds the generator of its message and is advanced one effect at a time, so that any order of any two workers
is possible, a crash between any two effects, and a lease that lapses while its holder lives. Messages are a multiset;
what operations do outside is kept apart from what the run knows of it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN, RUN, is_undo, undone_by
from orchestrator.engine.awaiting import hand_over, have_look_back, names_of_event, note_misses
from orchestrator.engine.commit import Answer, Commit, Reply
from orchestrator.engine.effects import (
    Acquire,
    Apply,
    Attempt,
    Effect,
    Ending,
    Fork,
    HandOver,
    LoadPlan,
    Parked,
    Read,
    Recall,
    Release,
    SetAside,
    SliceTerms,
    Steps,
    Stopped,
    Take,
)
from orchestrator.engine.indexes import event_index
from orchestrator.engine.lease import progress, renewal
from orchestrator.engine.onward import Move, Terms
from orchestrator.engine.places import is_waited_for, work_at
from orchestrator.engine.quotas import parse_holder
from orchestrator.engine.reads import head_fields
from orchestrator.engine.settle import SHORT_WAIT_MS
from orchestrator.engine.signals import Signal, receive_signal, signal_problem
from orchestrator.engine.sla import measured, sla_at
from orchestrator.engine.slice import run_slice
from orchestrator.engine.stages import Timing
from orchestrator.engine.start import StartRequest, cancel, leftovers, start
from orchestrator.engine.state import RunStatus, StepState
from orchestrator.engine.sweep import Visit, reads_to_visit, visit
from orchestrator.engine.verbs import Wish, pause, resume
from orchestrator.engine.view import RunView
from orchestrator.plan.graph import Plan, Work
from orchestrator.settings import Settings
from orchestrator.spec.operations import Effect as Declared
from orchestrator.store.keys import shard_of
from orchestrator.store.limits import ask_of
from orchestrator.store.limits_memory import MemoryLimits
from orchestrator.store.memory import MemoryStore
from tests.property.behaviours import OK, Behaviour, Trial
from tests.property.endings import check_end
from tests.property.laws import Record, check_begin, check_commit
from tests.property.laws_of_awaiting import Takings, check_nothing_lies, check_takings
from tests.property.laws_of_slas import check_slas, check_told
from tests.property.specs import plan_of

RUN_ID = "run"
PAGE = 2
"""Events that a look back is given at a time."""
EPOCH_MS = 1_700_000_000_000
TIMING = Timing(lease_ms=15_000, resend_ms=2_000)


@dataclass(slots=True)
class Hold:
    """A lease that a worker believes to hold."""

    address: str
    token: str
    sent_ms: int
    ends_ms: int | None = None


@dataclass(slots=True)
class Worker:
    """A seat for one message at a time."""

    steps: Steps | None = None
    message: str = ""
    effect: Effect | None = None
    sent: bool = False
    """Whether the pending commit was applied already and its reply got lost."""
    hold: Hold | None = None
    asks: Hold | None = None
    trial: Trial | None = None
    telling: Trial | None = None
    refused: bool = False


@dataclass(slots=True)
class Sweeper:
    """What a sweeper has decided and not committed yet."""

    found: Visit | None = None
    address: str = ""


@dataclass
class World:
    """A run of a plan, three workers, two sweepers and a clock that stands still."""

    plan: Plan
    given: Mapping[str, Any] = field(default_factory=dict)
    fuses: bool = True
    """Whether messages go on with the next step, or hand over."""
    shares: bool = False
    """Whether steps without effect share commits."""
    habits: Mapping[str, Behaviour] = field(default_factory=dict)
    """End of an address -> what its operation always does there."""
    lacks: frozenset[str] = frozenset()
    """Operations that the workers do not have, by reference."""
    pace_ms: float = 0
    """How long an operation takes, on the clocks of messages: lanes give back what they do not come to."""
    workers: list[Worker] = field(default_factory=lambda: [Worker() for _ in range(3)])
    sweepers: list[Sweeper] = field(default_factory=lambda: [Sweeper(), Sweeper()])
    messages: list[str] = field(default_factory=list)
    trials: dict[str, list[Trial]] = field(default_factory=lambda: defaultdict(list))
    outside: list[tuple[str, str, Trial]] = field(default_factory=list)
    """("did" | "undid", idempotency key of the step, trial), in order."""
    record: Record = field(default_factory=Record)
    takings: Takings = field(default_factory=Takings)
    log: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    """External events that came, with their ids in the log, oldest first."""
    now_ms: int = EPOCH_MS
    tokens: int = 0
    worked_ms: float = 0

    def __post_init__(self) -> None:
        self.settings = Settings(shards=1)
        self.store = MemoryStore(self.settings, lambda: self.now_ms)
        self.limits = MemoryLimits(lambda: self.now_ms)
        request = StartRequest(RUN_ID, input=json.dumps(dict(self.given)), ctx="{}", started_by="test")
        self.apply(start(self.plan, request, TIMING))
        self.messages += self.plan.root.entries

    # What the run says.

    def values(self) -> dict[str, str]:
        """Every field of the run."""
        return self.store.read_all(RUN_ID)[1]

    def view(self) -> RunView:
        """The whole run."""
        return RunView(RUN_ID, self.values(), self.now_ms)

    @property
    def status(self) -> RunStatus:
        """Where the run is."""
        return self.view().status

    def state(self, address: str) -> StepState:
        """Where a step is."""
        return self.view().state(address)

    def ran(self, address: str) -> int:
        """How often an operation was executed at an address."""
        return len(self.trials[address])

    def undid(self) -> list[str]:
        """The steps whose effects were undone outside, in order."""
        return [undone_by(trial.address) for kind, _, trial in self.outside if kind == "undid"]

    def events(self, kind: str) -> list[Mapping[str, Any]]:
        """The run's events of a kind, oldest first."""
        return [entry.event for entry in self.store.history(RUN_ID) if entry.event["type"] == kind]

    # Commits.

    def apply(self, commit: Commit) -> Reply:
        """Apply a commit, and hold what it did against the laws."""
        before, entries = self.store.read_all(commit.run_id)[1], self.store.entries(commit.run_id)
        reply = self.store.apply(commit)
        after = self.store.read_all(commit.run_id)[1]
        check_commit(self.plan, self.record, self.store, commit, reply, before, after, entries)
        check_takings(self.plan, self.takings, self.log, before, after)
        check_slas(self.plan, self.store, reply.now_ms, before, after)
        return reply

    def draw(self) -> str:
        """A token that nobody else has."""
        self.tokens += 1
        return f"t{self.tokens}"

    # Workers.

    def take(self, seat: int, address: str | None = None) -> bool:
        """A free worker takes a message: the oldest, or one for that address."""
        worker = self.workers[seat]
        address = address or (self.messages[0] if self.messages else None)
        if worker.steps is not None or address not in self.messages:
            return False
        self.messages.remove(address)
        terms = SliceTerms(
            TIMING,
            self.draw,
            lambda: 0.5,
            self._serves,
            lambda _: self.fuses,
            elapsed_ms=lambda: self.worked_ms,
            quick=lambda _: self.shares,
        )
        steps = run_slice(RUN_ID, address, terms)
        self.workers[seat] = Worker(steps, message=address)
        self._send(self.workers[seat], None)
        return True

    def go(self, seat: int, effects: int = 1, behaviour: Behaviour = OK) -> None:
        """Let a worker make so many effects happen; one that is free takes a message."""
        for _ in range(effects):
            if self.workers[seat].steps is None and not self.take(seat):
                return
            self._advance(self.workers[seat], behaviour)

    def finish(self, seat: int, behaviour: Behaviour = OK) -> None:
        """Let a worker go on to the end of its message."""
        while self.workers[seat].steps is not None:
            self.go(seat, 1, behaviour)

    def until(self, seat: int, kind: type[Any], behaviour: Behaviour = OK) -> None:
        """Let a worker, on a message that it has or takes, go on until its next effect is of a kind or it is done."""
        self.take(seat)
        while self.workers[seat].steps is not None and not isinstance(self.workers[seat].effect, kind):
            self.go(seat, 1, behaviour)

    def begin(self, seat: int, behaviour: Behaviour = OK) -> None:
        """Let a worker come to its next attempt and execute it, but not tell its outcome."""
        self.until(seat, Attempt, behaviour)
        self.go(seat, 1, behaviour)

    def lose_reply(self, seat: int) -> None:
        """The worker's commit is applied, but the reply gets lost: it will send it again."""
        worker = self.workers[seat]
        if isinstance(worker.effect, Apply) and not worker.sent:
            self._commit(worker, worker.effect)
            worker.sent = True

    def crash(self, seat: int, *, redelivered: bool = False) -> None:
        """The worker dies; its message may come back."""
        worker = self.workers[seat]
        if worker.steps is not None and redelivered:
            self.messages.append(worker.message)
        self.workers[seat] = Worker()

    def beat(self, seat: int) -> None:
        """The worker's heartbeat thread renews its lease, and the one that it asks for."""
        worker = self.workers[seat]
        for hold in filter(None, (worker.hold, worker.asks if worker.sent else None)):
            self.apply(
                renewal(
                    RUN_ID,
                    "1",
                    hold.address,
                    hold.token,
                    lease_ms=TIMING.lease_ms,
                    deadline_ms=hold.ends_ms,
                    waited_for=is_waited_for(self.plan, hold.address),
                    measured=sla_at(self.plan, hold.address) is not None,
                )
            )

    def report(self, seat: int, said: Any) -> None:
        """The operation that the worker executes says how far it is."""
        worker = self.workers[seat]
        if worker.trial is not None and isinstance(worker.effect, Attempt):
            trial, silence_ms = worker.trial, worker.effect.work.heartbeat_timeout_ms
            self.apply(progress(RUN_ID, "1", trial.address, trial.token, json.dumps(said), silence_ms))

    def _serves(self, work: Work) -> bool:
        return work.operation not in self.lacks

    def _advance(self, worker: Worker, behaviour: Behaviour) -> None:
        match worker.effect:
            case Read(names=None):
                self._send(worker, self.store.read_all(RUN_ID))
            case Read(names=names):
                self._send(worker, self.store.read(RUN_ID, names or ()))
            case LoadPlan():
                self._send(worker, self.plan)
            case SetAside():
                self._send(worker, "parked")
            case Fork(addresses=addresses):
                self.messages += addresses
                self._send(worker, None)
            case Recall(name=name, after=after):
                self._send(worker, self.recall(name, after))
            case Take():
                self._send(worker, self.messages.pop() if self.messages else None)
            case Acquire(slots=slots):
                turn = self.limits.acquire(ask_of(slots), TIMING.lease_ms)
                self.messages += [parse_holder(holder)[1] for holder in turn.wake]
                self._send(worker, (turn.granted, turn.wait_ms))
            case Release(slots=slots):
                self.messages += [parse_holder(holder)[1] for holder in self.limits.release(ask_of(slots))]
                self._send(worker, None)
            case Apply() as effect:
                self._send(worker, self._commit(worker, effect))
            case Attempt() as effect:
                self._execute(worker, effect, behaviour)

    def _send(self, worker: Worker, answer: Any) -> None:
        if worker.steps is None:
            return
        worker.sent, worker.asks = False, None
        try:
            worker.effect = worker.steps.send(answer)
        except StopIteration as end:
            self._leave(worker, end.value)

    def _leave(self, worker: Worker, ending: Ending) -> None:
        self.workers[self.workers.index(worker)] = Worker()
        match ending:
            case HandOver(address=address):
                self.messages.append(address)
            case Parked(address=address, for_ms=for_ms) if for_ms < SHORT_WAIT_MS:
                self.messages.append(address)
            case Stopped():
                self.messages.append(DRAIN)

    def _commit(self, worker: Worker, effect: Apply) -> Reply:
        if effect.claims is not None and worker.asks is None:
            worker.asks = Hold(effect.claims, effect.token, sent_ms=self.now_ms)
        reply = self.apply(effect.commit)
        self._note_told(worker, reply)
        granted = len(reply.answers) == len(effect.commit.stages) and reply.answers[-1].stands
        if worker.asks is not None and granted:
            limit = work_at(self.plan, worker.asks.address)
            worker.asks.ends_ms = None if limit is None else reply.now_ms + limit.timeout_ms
            worker.hold = worker.asks
        return reply

    def _note_told(self, worker: Worker, reply: Reply) -> None:
        if worker.telling is None:
            return
        if reply.first.stands:
            worker.telling.told, worker.telling.late = True, worker.refused
            worker.telling, worker.refused = None, False
        elif reply.first is Answer.REFUSED:
            worker.refused = True

    def _execute(self, worker: Worker, effect: Attempt, behaviour: Behaviour) -> None:
        if worker.trial is not None:
            worker.telling, worker.trial, worker.refused = worker.trial, None, False
            self._send(worker, worker.telling.outcome)
            return
        writes = effect.work.effect is not Declared.NONE
        hold = worker.hold
        if hold is None or (writes and self.now_ms - hold.sent_ms >= TIMING.lease_ms):
            self._send(worker, None)
            return
        behaviour = next((one for end, one in self.habits.items() if effect.address.endswith(end)), behaviour)
        outcome = behaviour.outcome(json.dumps({"n": len(self.outside) + 1}), writes=writes)
        trial = Trial(effect.address, effect.token, effect.number, effect.idempotency_key, outcome, effect.inputs)
        check_begin(self.plan, self.record, self.store, effect, self.trials)
        self.trials[effect.address].append(trial)
        worker.trial = trial
        self.worked_ms += self.pace_ms
        if behaviour.happens and writes:
            undone = effect.inputs["idempotency_key"] if is_undo(effect.address) else effect.idempotency_key
            self.outside.append(("undid" if is_undo(effect.address) else "did", undone, trial))

    # Everybody else.

    def decide(self, sweeper: int, place: int = 0) -> None:
        """A sweeper reads one of the entries that are due and decides; the decision is not committed yet."""
        due = [address for run in self.store.due(shard_of(RUN_ID, 1), 100) for address in run.addresses]
        if not due:
            return
        address = due[place % len(due)]
        names = (*fields.HEAD, fields.RUN_DEADLINE) if address == RUN else head_fields(address)
        now_ms, values = self.store.read(RUN_ID, names)
        view = RunView(RUN_ID, values, now_ms)
        missing = reads_to_visit(self.plan, view, address)
        view.learn(*reversed(self.store.read(RUN_ID, missing)))  # type: ignore[arg-type]
        terms = Terms(TIMING, self.draw(), 0.5, fuses=lambda _: False)
        self.sweepers[sweeper] = Sweeper(visit(self.plan, view, address, terms), address)

    def commit(self, sweeper: int, *, sends: bool = True, twice: bool = False) -> None:
        """The sweeper commits what it decided and sends; it may die before it sends, or lose a reply."""
        found = self.sweepers[sweeper].found
        self.sweepers[sweeper] = Sweeper()
        if found is None:
            return
        replies = [self.apply(found.move.commit) for _ in range(1 + twice)]
        if replies[-1].first.stands and sends:
            self.messages += [address for address in (found.send, *found.move.forks) if address is not None]

    def sweep(self) -> None:
        """One pass of a healthy sweeper over what is due now."""
        for place in range(len(self.store.entries(RUN_ID))):
            self.decide(0, place)
            self.commit(0)

    def cancel(self, *, drops: bool = True) -> None:
        """Somebody cancels the run; the canceller may die before it settles what nobody waits for."""
        move = cancel(self.view(), "enough", "someone") if not self.view().over else None
        if move is not None:
            self.apply(move.commit)
        if drops and self.view().stopping and not self.view().over:
            terms = Terms(TIMING, self.draw(), 0.5, fuses=lambda _: False)
            for dropped in leftovers(self.plan, self.view(), "", terms):
                self.apply(dropped.commit)

    def pause(self, *, on: bool) -> None:
        """Somebody pauses the run, or lets it go on."""
        view = self.view()
        move = None if view.over else (pause if on else resume)(view, Wish("someone"))
        if move is not None:
            self.apply(move.commit)

    # What comes from outside.

    def names(self, event: Mapping[str, Any]) -> tuple[str, ...]:
        """The names under which steps wait for an event; correlated ones are correlated by `event.data.n`."""
        return names_of_event(event, (event["data"]["n"],))

    def recall(self, name: str, after: str) -> list[tuple[str, Mapping[str, Any]]]:
        """What the log of a name holds after an entry, a page of it."""
        return [one for one in self.log if one[0] > after and name in self.names(one[1])][:PAGE]

    def note(self, n: int) -> None:
        """A listener notes an event, and dies before it looks for those that wait for it."""
        number = len(self.log) + 1
        event = {"id": f"e{number}", "type": "came", "source": "/test", "time": "t", "data": {"n": n}}
        self.log.append((f"{number:09}", event))

    def deliver(self, place: int = -1, *, at_most: int = 9) -> None:
        """A listener hands an event to the steps that wait for it; it may die when so many have it."""
        if not self.log:
            return
        _, event = self.log[place % len(self.log)]
        for _ in range(at_most):
            if self.view().over or not self._is_found_by(event):
                return
            told = have_look_back(self.plan, self.view(), event)
            if told is not None:
                self._move(told)
                continue
            move, misses = hand_over(self.plan, self.view(), event, Terms(TIMING, self.draw(), 0.5, lambda _: False))
            told = move or note_misses(self.view(), misses)
            if told is not None:
                self._move(told)
            if move is None:
                return

    def signal(self, name: str, signal_id: str, n: int = 1) -> None:
        """Somebody sends the run a signal."""
        signal = Signal(signal_id, name, {"n": n}, "test", "t")
        if self.view().over or signal_problem(self.plan, self.view(), signal):
            return
        move = receive_signal(self.plan, self.view(), signal, Terms(TIMING, self.draw(), 0.5, lambda _: False))
        if move is not None:
            self._move(move)

    def deliver_all(self) -> None:
        """A healthy listener hands on everything that has come."""
        for place in range(len(self.log)):
            self.deliver(place, at_most=100)

    def bring_more(self) -> None:
        """Whatever the run waits for comes, once."""
        for n in (1, 2, 3):
            self.note(n)
            self.deliver(at_most=100)
        for name in ("go", "halt"):
            self.signal(name, f"fresh{len(self.log)}{name}")

    def _is_found_by(self, event: Mapping[str, Any]) -> bool:
        """Whether the indexes lead to the run."""
        return any(self.store.index(event_index(name), 0, None, 1) for name in self.names(event))

    def _move(self, move: Move) -> None:
        if self.apply(measured(self.plan, move.commit)).first.stands:
            self.messages += [address for address in (move.to, *move.forks) if address is not None]

    def pass_ms(self, ms: int) -> None:
        """Let so much time pass."""
        self.now_ms += ms

    def to_next_entry(self) -> None:
        """Let time pass until the ledger wants a look at the run."""
        at_ms = self.store.shard_entry(RUN_ID)
        if at_ms is not None and at_ms != float("inf"):
            self.now_ms = max(self.now_ms, int(at_ms))

    def settle_down(self, behaviour: Behaviour = OK, *, limit_ms: int = 3_600_000, rounds: int = 300) -> None:
        """No more faults: everything goes on until the run has ended, which it must in a bounded time."""
        began_ms = self.now_ms
        self.pause(on=False)
        self.deliver_all()
        for _ in range(rounds):
            for seat in range(len(self.workers)):
                self.finish(seat, behaviour)
            while self.messages:
                self.go(0, 1, behaviour)
                self.finish(0, behaviour)
            if self.view().over:
                break
            if self.store.shard_entry(RUN_ID) == float("inf"):
                check_nothing_lies(self.plan, self.takings, self.log, self.values())
                self.bring_more()
            self.to_next_entry()
            self.sweep()
        assert self.view().over, f"never over: {self.values()}"
        assert self.now_ms - began_ms <= limit_ms
        check_end(self)
        check_told(self)


def world_of(
    *steps: Mapping[str, Any],
    given: Mapping[str, Any] | None = None,
    habits: Mapping[str, Behaviour] | None = None,
    **workflow: Any,
) -> World:
    """A run of these steps, its first message sent."""
    return World(plan_of(*steps, **workflow), given or {}, habits=habits or {})
