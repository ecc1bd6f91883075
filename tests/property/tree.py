"""A run and its children in a world of faults: the real engine and memory store, every run of the tree moved at will.

As in `world.py`, a worker is advanced one effect at a time; messages, workers and sweepers belong to all runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.client.inputs import checked_input
from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN, RUN, is_undo
from orchestrator.engine.children import to_wake
from orchestrator.engine.commit import Changes, Commit, Reply, Stage
from orchestrator.engine.effects import (
    Apply,
    Attempt,
    Effect,
    Fork,
    HandOver,
    LoadPlan,
    Parked,
    PrepareChild,
    PreparedChild,
    Read,
    SetAside,
    SliceTerms,
    Steps,
    Stopped,
    Take,
    Wake,
)
from orchestrator.engine.lease import renewal
from orchestrator.engine.onward import Terms
from orchestrator.engine.outcome import Failure, Outcome
from orchestrator.engine.places import is_waited_for
from orchestrator.engine.reads import head_fields
from orchestrator.engine.retry import retry
from orchestrator.engine.settle import SHORT_WAIT_MS
from orchestrator.engine.slice import run_slice
from orchestrator.engine.start import StartRequest, cancel, leftovers, start
from orchestrator.engine.state import RunStatus, StepState
from orchestrator.engine.sweep import Visit, reads_to_visit, visit
from orchestrator.engine.undoing import left_to_undo, undo_again
from orchestrator.engine.verbs import Wish
from orchestrator.engine.view import RunView
from orchestrator.errors import OrchestratorError
from orchestrator.plan.graph import Plan
from orchestrator.settings import Settings
from orchestrator.spec.operations import Effect as Declared
from orchestrator.store.memory import MemoryStore
from tests.property.behaviours import OK, Behaviour
from tests.property.laws_of_trees import check_tree
from tests.property.world import EPOCH_MS, TIMING

ROOT = "run"


@dataclass(slots=True)
class Seat:
    """A worker with one message at a time."""

    run_id: str = ""
    address: str = ""
    steps: Steps | None = None
    effect: Effect | None = None
    sent: bool = False
    claim: tuple[str, str] | None = None
    """The address and the token that it holds."""
    claimed_ms: int = 0
    outcome: Outcome | None = None
    """What its operation came to, not told yet."""


@dataclass(frozen=True, slots=True)
class Happened:
    """An effect outside, or its undo."""

    run_id: str
    address: str
    key: str
    undid: bool


@dataclass
class Tree:
    """A run of the first of these plans, three workers, two sweepers, and a clock that stands still."""

    plans: Mapping[str, Plan]
    habits: Mapping[str, Behaviour] = field(default_factory=dict)
    """Id of a step -> what its operation always does."""
    fuses: bool = True
    seats: list[Seat] = field(default_factory=lambda: [Seat() for _ in range(3)])
    decided: list[tuple[str, str, Visit | None]] = field(default_factory=lambda: [("", "", None)] * 2)
    messages: list[tuple[str, str]] = field(default_factory=list)
    outside: list[Happened] = field(default_factory=list)
    now_ms: int = EPOCH_MS
    tokens: int = 0

    def __post_init__(self) -> None:
        self.store = MemoryStore(Settings(shards=1), lambda: self.now_ms)
        self.seen: set[str] = set()
        plan = next(iter(self.plans.values()))
        self.apply(start(plan, StartRequest(ROOT, input="{}", ctx="{}", started_by="test"), TIMING))
        self.messages += [(ROOT, entry) for entry in plan.root.entries]

    # What the runs say.

    def runs(self) -> list[str]:
        """Every run of the tree, parents first."""
        return sorted(self.seen)

    def values(self, run_id: str = ROOT) -> dict[str, str]:
        """Every field of a run."""
        return self.store.read_all(run_id)[1]

    def view(self, run_id: str = ROOT) -> RunView:
        """A whole run."""
        return RunView(run_id, self.values(run_id), self.now_ms)

    def plan(self, view: RunView) -> Plan:
        """The plan of a run."""
        return self.plans[view.pinned[0]]

    def status(self, run_id: str = ROOT) -> RunStatus:
        """Where a run is."""
        return self.view(run_id).status

    def child(self, address: str, run_id: str = ROOT) -> str:
        """The child that a step has started last."""
        return (self.view(run_id)[fields.child(address)] or "").split(" ")[0]

    def error(self, run_id: str = ROOT) -> Mapping[str, Any]:
        """What stopped a run."""
        found: Mapping[str, Any] = self.view(run_id).json(fields.ERROR)
        return found

    @property
    def effects(self) -> list[str]:
        """What happened outside, in order: the step's id, with `~` where it was undone."""
        return [one.address.rpartition("/")[2].partition("#")[0] for one in self.outside]

    # Commits.

    def apply(self, commit: Commit) -> Reply:
        """Apply a commit, and hold the whole tree against the laws."""
        named = {commit.run_id, *(other.run_id for stage in commit.stages for other in stage.changes.also)}
        before = {run_id: self.values(run_id) for run_id in self.seen | named}
        reply = self.store.apply(commit)
        self.seen |= {run_id for run_id in named if self.values(run_id)}
        check_tree(self, before)
        return reply

    def draw(self) -> str:
        """A token that nobody else has."""
        self.tokens += 1
        return f"t{self.tokens}"

    # Workers.

    def take(self, seat: int, place: int = 0) -> bool:
        """A free worker takes a message."""
        if self.seats[seat].steps is not None or not self.messages:
            return False
        run_id, address = self.messages.pop(place % len(self.messages))
        terms = SliceTerms(TIMING, self.draw, lambda: 0.5, lambda _: True, lambda _: self.fuses)
        self.seats[seat] = Seat(run_id, address, run_slice(run_id, address, terms))
        self._send(seat, None)
        return True

    def go(self, seat: int, effects: int = 1, behaviour: Behaviour = OK, place: int = 0) -> None:
        """Let a worker make so many effects happen; one that is free takes a message."""
        for _ in range(effects):
            if self.seats[seat].steps is None and not self.take(seat, place):
                return
            self._advance(seat, behaviour)

    def finish(self, seat: int, behaviour: Behaviour = OK) -> None:
        """Let a worker go on to the end of its message."""
        while self.seats[seat].steps is not None:
            self.go(seat, 1, behaviour)

    def until(self, seat: int, kind: type[Any], behaviour: Behaviour = OK) -> None:
        """Let a worker go on until its next effect is of a kind, or its message is done."""
        self.take(seat)
        while self.seats[seat].steps is not None and not isinstance(self.seats[seat].effect, kind):
            self.go(seat, 1, behaviour)

    def work(self, behaviour: Behaviour = OK) -> None:
        """Let everything happen that messages lead to."""
        while self.messages or any(seat.steps for seat in self.seats):
            for seat in range(len(self.seats)):
                self.take(seat)
                self.finish(seat, behaviour)

    def lose_reply(self, seat: int) -> None:
        """The worker's commit is applied, but the reply gets lost: it will send it again."""
        effect = self.seats[seat].effect
        if self.seats[seat].steps is not None and isinstance(effect, Apply) and not self.seats[seat].sent:
            self.apply(effect.commit)
            self.seats[seat].sent = True

    def crash(self, seat: int) -> None:
        """The worker dies, and its message with it."""
        self.seats[seat] = Seat()

    def beat(self, seat: int) -> None:
        """The worker's heartbeat renews its lease."""
        one = self.seats[seat]
        if one.steps is not None and one.claim is not None:
            plan = self.plan(self.view(one.run_id))
            address, token = one.claim
            waited_for = is_waited_for(plan, address)
            incarnation = self.view(one.run_id).incarnation
            self.apply(
                renewal(
                    one.run_id,
                    incarnation,
                    address,
                    token,
                    lease_ms=TIMING.lease_ms,
                    deadline_ms=None,
                    waited_for=waited_for,
                )
            )

    def _advance(self, seat: int, behaviour: Behaviour) -> None:
        one = self.seats[seat]
        match one.effect:
            case Read(run_id=run_id, names=names):
                read = self.store.read_all(run_id) if names is None else self.store.read(run_id, names)
                self._send(seat, read)
            case LoadPlan(key=key):
                self._send(seat, self.plans[key])
            case PrepareChild() as effect:
                self._send(seat, self._prepare(effect))
            case Fork(addresses=addresses):
                self.messages += [(one.run_id, address) for address in addresses]
                self._send(seat, None)
            case Wake(run_id=run_id, addresses=addresses):
                self.messages += [(run_id, address) for address in addresses]
                self._send(seat, None)
            case SetAside() | Take():
                self._send(seat, None)
            case Apply() as effect:
                reply = self.apply(effect.commit)
                if effect.claims is not None and reply.answers[-1].stands:
                    one.claim, one.claimed_ms = (effect.claims, effect.token), self.now_ms
                self._send(seat, reply)
            case Attempt() as effect:
                self._execute(seat, effect, behaviour)
            case other:
                raise TypeError(f"unknown effect {other!r}")

    def _prepare(self, wanted: PrepareChild) -> PreparedChild | Failure:
        plan = self.plans.get(wanted.key)
        if plan is None:
            return Failure("unknown_workflow", wanted.key)
        try:
            return PreparedChild(plan, checked_input(wanted.inputs, plan.input_schema, 10_000), "{}")
        except OrchestratorError as error:
            return Failure(error.code, error.message)

    def _send(self, seat: int, answer: Any) -> None:
        one = self.seats[seat]
        if one.steps is None:
            return
        one.sent = False
        try:
            one.effect = one.steps.send(answer)
        except StopIteration as end:
            self.seats[seat] = Seat()
            match end.value:
                case HandOver(address=address):
                    self.messages.append((one.run_id, address))
                case Parked(address=address, for_ms=for_ms) if for_ms < SHORT_WAIT_MS:
                    self.messages.append((one.run_id, address))
                case Stopped():
                    self.messages.append((one.run_id, DRAIN))

    def _execute(self, seat: int, attempt: Attempt, behaviour: Behaviour) -> None:
        one = self.seats[seat]
        if one.outcome is not None:
            outcome, one.outcome = one.outcome, None
            self._send(seat, outcome)
            return
        writes = attempt.work.effect is not Declared.NONE
        if writes and self.now_ms - one.claimed_ms >= TIMING.lease_ms:
            self._send(seat, None)
            return
        step = attempt.address.rpartition("/")[2].partition("#")[0]
        behaviour = self.habits.get(step, behaviour)
        one.outcome = behaviour.outcome(json.dumps({"n": len(self.outside) + 1}), writes=writes)
        if behaviour.happens and writes:
            undid = is_undo(attempt.address)
            key = attempt.inputs["idempotency_key"] if undid else attempt.idempotency_key
            self.outside.append(Happened(attempt.run_id, attempt.address, key, undid))

    # Everybody else.

    def due(self) -> list[tuple[str, str]]:
        """What has fallen due."""
        return [(run.run_id, address) for run in self.store.due(0, 1_000) for address in run.addresses]

    def decide(self, sweeper: int, place: int = 0) -> None:
        """A sweeper reads one of the entries that are due and decides; the decision is not committed yet."""
        due = self.due()
        if not due:
            return
        run_id, address = due[place % len(due)]
        names = (*fields.HEAD, fields.RUN_DEADLINE) if address == RUN else head_fields(address)
        now_ms, values = self.store.read(run_id, names)
        view = RunView(run_id, values, now_ms)
        plan = self.plan(view)
        while missing := reads_to_visit(plan, view, address):
            view.learn(self.store.read(run_id, missing)[1], now_ms)
        self.decided[sweeper] = (run_id, address, visit(plan, view, address, self._terms()))

    def commit(self, sweeper: int, *, sends: bool = True) -> None:
        """The sweeper commits what it decided and sends; it may die before it sends."""
        run_id, _, found = self.decided[sweeper]
        self.decided[sweeper] = ("", "", None)
        if found is None:
            return
        reply = self.apply(found.move.commit)
        if reply.first.stands and sends:
            self.messages += [(run_id, one) for one in (found.send, *found.move.forks) if one is not None]
            self._wake(found.move.commit, reply)

    def sweep(self) -> None:
        """One pass of a healthy sweeper over what is due now."""
        for place in range(len(self.due())):
            self.decide(0, place)
            self.commit(0)

    def cancel(self, run_id: str = ROOT, *, drops: bool = True) -> None:
        """Somebody cancels a run; the canceller may die before it settles what nobody waits for."""
        view = self.view(run_id)
        move = cancel(view, "enough", "someone")
        if move is not None:
            self.apply(move.commit)
        if drops and self.view(run_id).stopping and not self.view(run_id).over:
            view = self.view(run_id)
            for dropped in leftovers(self.plan(view), view, "", self._terms()):
                self._wake(dropped.commit, self.apply(dropped.commit))

    def pause(self, run_id: str = ROOT, *, on: bool) -> None:
        """Somebody pauses a run, or lets it go on."""
        view = self.view(run_id)
        if not view.over:
            guards = {fields.STATUS: view.status.value, fields.PAUSED: "0" if on else "1"}
            stage = Stage(guards, Changes(set={fields.PAUSED: "1" if on else "0"}))
            self.apply(Commit(run_id, view.incarnation, (stage,)))

    def retry(self, run_id: str = ROOT) -> bool:
        """An operator retries a run, if that may be."""
        view = self.view(run_id)
        compensation = view[fields.COMPENSATION] or "none"
        if not self._is_told(view) or view.status is RunStatus.COMPLETED or compensation not in ("none", "completed"):
            return False
        move = retry(self.plan(view), view, self._terms(), Wish("someone"))
        self.apply(move.commit)
        self.messages += [(run_id, one) for one in (move.to, *move.forks) if one is not None]
        return True

    def undo_again(self, run_id: str = ROOT) -> bool:
        """An operator has what was not undone undone."""
        view = self.view(run_id)
        if not self._is_told(view) or not left_to_undo(view):
            return False
        self.apply(undo_again(self.plan(view), view, self._terms(), Wish("someone")).commit)
        return True

    def to_next_entry(self) -> None:
        """Let time pass until the ledger wants a look at some run."""
        moments = [moment for run_id in self.seen if (moment := self.store.shard_entry(run_id)) is not None]
        later = [moment for moment in moments if moment != float("inf")]
        if later:
            self.now_ms = max(self.now_ms, int(min(later)))

    def pass_ms(self, ms: int | None) -> None:
        """Let so much time pass, or as much as there is until the next entry."""
        if ms is None:
            self.to_next_entry()
        else:
            self.now_ms += ms

    def going_on(self) -> Iterator[str]:
        """The runs that are not over."""
        return (run_id for run_id in self.runs() if not self.view(run_id).over)

    def settle_down(self, behaviour: Behaviour = OK, *, limit_ms: int = 7_200_000, rounds: int = 500) -> None:
        """No more faults: everything goes on until every run has ended, which it must in a bounded time."""
        began_ms = self.now_ms
        for run_id in self.runs():
            self.pause(run_id, on=False)
        for _ in range(rounds):
            self.work(behaviour)
            if not any(self.going_on()):
                break
            self.to_next_entry()
            self.sweep()
        left = {run_id: self.values(run_id) for run_id in self.going_on()}
        assert not left, f"never over: {left}"
        assert self.now_ms - began_ms <= limit_ms

    def _is_told(self, view: RunView) -> bool:
        """Whether a run is over and its parent's step has taken that, so that clients may begin it again."""
        waiter = view.json(fields.WAITER)
        if waiter is None or not view.over:
            return view.over
        parent, address, _ = waiter
        step = self.view(parent)
        own = step[fields.child(address)] == fields.child_text(view.run_id, view.pinned)
        waits = step.state(address) in (StepState.READY, StepState.WAITING) and step[fields.until(address)] is None
        return not (own and waits)

    def _wake(self, commit: Commit, reply: Reply) -> None:
        for run_id, addresses in to_wake(commit, reply):
            self.messages += [(run_id, address) for address in addresses]

    def _terms(self) -> Terms:
        return Terms(TIMING, self.draw(), 0.5, fuses=lambda _: False)


def states(values: Mapping[str, str]) -> dict[str, StepState]:
    """Every step that a run has a state of."""
    return {name[:-6]: StepState(value) for name, value in values.items() if name.endswith(":state")}
