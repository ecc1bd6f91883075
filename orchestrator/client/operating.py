"""What operators do to one run: each decided by the engine from all that is known of the run, and sent on its way."""

from __future__ import annotations

import difflib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator import logs
from orchestrator.broker.dispatch import Dispatcher
from orchestrator.client.children import wake_kin
from orchestrator.client.inputs import checked_input, checked_json
from orchestrator.client.masking import masked_refusal, redaction_of
from orchestrator.client.versions import Versions
from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN, is_drain, parse_address, undo_of
from orchestrator.engine.arrivals import Event
from orchestrator.engine.awaiting import NearMiss, hand_over, have_look_back, note_misses
from orchestrator.engine.children import to_wake
from orchestrator.engine.commit import Answer, Reply
from orchestrator.engine.effects import Wake
from orchestrator.engine.onward import Move, Terms
from orchestrator.engine.retry import retry
from orchestrator.engine.roots import rfc3339
from orchestrator.engine.signals import Signal, has_come, receive_signal, signal_problem
from orchestrator.engine.sla import measured
from orchestrator.engine.stages import Timing
from orchestrator.engine.start import cancel, leftovers
from orchestrator.engine.state import RunStatus, StepState
from orchestrator.engine.undoing import UndoPreview, left_to_undo, preview, undo_again, waive
from orchestrator.engine.verbs import Wish, may_skip, pause, ready_steps, resume, skip
from orchestrator.engine.view import RunView
from orchestrator.errors import (
    Archived,
    Conflict,
    InvalidInput,
    InvalidRequest,
    NotRetriable,
    RunGoesOn,
    RunOver,
    SignalNotExpected,
    StepNotWaiting,
    UnknownRun,
    UnknownStep,
    Unreachable,
)
from orchestrator.plan.graph import Plan
from orchestrator.settings import Settings
from orchestrator.store.port import Store

log = logs.get("client")

TRIES = 50
"""How often a decision is taken again because the run moved meanwhile."""

Decide = Callable[[Plan, RunView], Move | None]


@dataclass(frozen=True, slots=True)
class Operating:
    """Changes one run at somebody's wish."""

    run_id: str
    settings: Settings
    store: Store
    versions: Versions
    dispatcher: Dispatcher

    def view(self) -> RunView:
        """Everything that is known of the run; UnknownRun if there is none."""
        now_ms, values = self.store.read_all(self.run_id)
        if not values:
            raise UnknownRun(f"no run has the id {self.run_id!r}", run_id=self.run_id)
        return RunView(self.run_id, values, now_ms)

    def plan(self, view: RunView) -> Plan:
        """The plan of the version that the run is pinned to."""
        return self.versions.plan(*view.pinned)

    def cancel(self, wish: Wish) -> None:
        """Stop the run: nothing new starts, what is in flight ends, what is done is undone."""
        self.settle(lambda _, view: cancel(self.going_on(view), wish.reason, wish.by))
        view = self.view()
        plan = self.plan(view)
        for move in leftovers(plan, view, "", self.terms()):
            self._wake_kin(move, self.store.apply(move.commit))
        _, values = self.store.read(self.run_id, (fields.state(DRAIN),))
        if values[fields.state(DRAIN)] == StepState.READY:
            self._send(plan, [DRAIN])

    def pause(self, wish: Wish) -> None:
        """Let nothing new begin; what runs ends."""
        self.settle(lambda _, view: pause(self.going_on(view), wish))

    def resume(self, wish: Wish) -> None:
        """Let a paused run go on."""
        if self.settle(lambda _, view: resume(self.going_on(view), wish)):
            view = self.view()
            self._send(self.plan(view), ready_steps(view))

    def skip(self, step: str, wish: Wish, output: Any = None) -> None:
        """Go on behind a step that waits, as if it had succeeded."""
        text = None if output is None else json.dumps(output)

        def decide(plan: Plan, view: RunView) -> Move:
            self._check_step(plan, view, step)
            if not may_skip(plan, self.going_on(view), step):
                state = view.state(step).value
                raise StepNotWaiting(f"step {step!r} is {state}: only a step that waits can be skipped", state=state)
            return skip(plan, view, step, self.terms(), wish, text)

        self.settle(decide)

    def signal(self, name: str, data: Any, *, signal_id: str | None, source: str) -> None:
        """Give the run a signal; nothing if one with this id has come before."""
        text = checked_json(data, self.settings.max_payload_bytes, name="data")
        given_id = signal_id or secrets.token_hex(12)

        def decide(plan: Plan, view: RunView) -> Move | None:
            signal = Signal(given_id, name, json.loads(text), source, rfc3339(view.now_ms))
            if has_come(view, signal):
                return None
            if problem := signal_problem(plan, self.going_on(view), signal):
                raise SignalNotExpected(f"signal {name!r} to run {self.run_id}: {problem}", run_id=self.run_id)
            return receive_signal(plan, view, signal, self.terms())

        self.settle(decide)

    def receive(self, event: Event) -> int:
        """Hand an event to each step of the run that waits for it; how many took it.

        Steps that have yet to look back are not among them: those find it in the log.
        """
        taken, misses = 0, dict[str, NearMiss]()

        def decide(plan: Plan, view: RunView) -> Move | None:
            nonlocal misses
            move, misses = hand_over(plan, view, event, self.terms())
            return move

        while self.settle(lambda plan, view: have_look_back(plan, view, event)):
            pass
        while self.settle(decide):
            taken += 1
        self.settle(lambda _, view: note_misses(view, misses))
        return taken

    def retry(
        self,
        wish: Wish,
        new_input: Mapping[str, Any] | None = None,
        *,
        step: str | None = None,
        incarnation: int | None = None,
    ) -> None:
        """Let a failed or cancelled run go on from where it failed; what was undone runs again first."""

        def decide(plan: Plan, view: RunView) -> Move:
            if incarnation is not None and int(view.incarnation) != incarnation:
                message = f"run {self.run_id} is incarnation {view.incarnation}, no longer {incarnation}"
                raise NotRetriable(message, run_id=self.run_id, incarnation=int(view.incarnation))
            self._check_retriable(view)
            limit = self.settings.max_payload_bytes
            try:
                text = None if new_input is None else checked_input(new_input, plan.input_schema, limit)
            except InvalidInput as error:
                redaction = redaction_of(plan, self.settings)
                raise masked_refusal(error, redaction, {"input": new_input}) from None
            move = retry(plan, view, self.terms(), wish, text)
            if step is not None:
                self._check_goes_on_at(move, step)
            return move

        self.settle(decide)

    def undo(self, wish: Wish) -> None:
        """Undo what is left of a run that is over; nothing if nothing is left."""

        def decide(plan: Plan, view: RunView) -> Move | None:
            self._check_told(self._over(view))
            return undo_again(plan, view, self.terms(), wish) if left_to_undo(view) else None

        self.settle(decide)

    def waive(self, step: str, wish: Wish) -> None:
        """Record that what a step did was undone by hand."""
        undo = undo_of(step.rstrip(DRAIN))

        def decide(plan: Plan, view: RunView) -> Move:
            self._check_step(plan, view, step.rstrip(DRAIN))
            left = left_to_undo(self._over(view))
            if undo not in left:
                waiting = ", ".join(left) or "none"
                raise StepNotWaiting(f"there is no undo of {step!r} to waive; those that are left: {waiting}")
            return waive(view, undo, wish)

        self.settle(decide)

    def undo_preview(self) -> UndoPreview:
        """What would be undone now, and what cannot be."""
        view = self.view()
        return preview(self.plan(view), view)

    def settle(self, decide: Decide) -> bool:
        """Take a decision until it stands, and send what follows; whether there was anything to decide."""
        for _ in range(TRIES):
            view = self._kept(self.view())
            plan = self.plan(view)
            move = decide(plan, view)
            if move is None:
                return False
            reply = self.store.apply(measured(plan, move.commit))
            if reply.first.stands or (reply.first is Answer.GONE and self._was_sent_before(move)):
                self._send(plan, [address for address in (move.to, *move.forks) if address is not None])
                self._wake_kin(move, reply)
                return True
        raise Conflict(f"run {self.run_id} moves too fast for this; try again", run_id=self.run_id)

    def _was_sent_before(self, move: Move) -> bool:
        """Whether a new incarnation is the one that this very move began."""
        mark = move.commit.stages[0].changes.set.get(fields.CHANGED_BY)
        return mark is not None and self.view()[fields.CHANGED_BY] == mark

    def _send(self, plan: Plan, addresses: list[str]) -> None:
        try:
            for address in dict.fromkeys(addresses):
                self.dispatcher.send(plan, self.run_id, address)
        except Unreachable as error:
            log.warning("not_sent", run_id=self.run_id, steps=addresses, error=error.message)

    def _wake_kin(self, move: Move, reply: Reply) -> None:
        for run_id, addresses in to_wake(move.commit, reply):
            wake_kin(self.store, self.versions, self.dispatcher, Wake(run_id, addresses))

    def terms(self) -> Terms:
        """What the decisions of clients are made with: they claim nothing."""
        timing = Timing(self.settings.lease_ms, self.settings.resend_ms)
        most = self.settings.max_payload_bytes
        return Terms(timing, secrets.token_hex(8), 0.0, fuses=lambda _: False, max_bytes=most)

    def _kept(self, view: RunView) -> RunView:
        """The same view; Archived if nothing can be done to the run any more."""
        if view.archived:
            message = f"run {self.run_id} is in the archive: it can be read, not acted on"
            raise Archived(message, run_id=self.run_id, status=view.status.value)
        return view

    def going_on(self, view: RunView) -> RunView:
        """The same view; RunOver if the run has ended."""
        if view.over:
            raise RunOver(f"run {self.run_id} is {view.status}", run_id=self.run_id, status=view.status.value)
        return view

    def _over(self, view: RunView) -> RunView:
        if not view.over:
            raise RunGoesOn(f"run {self.run_id} is {view.status}", run_id=self.run_id, status=view.status.value)
        return view

    def _check_told(self, view: RunView) -> None:
        """Whether the parent's step has taken the run's end; until then the run is not to be begun again."""
        waiter = view.json(fields.WAITER)
        if waiter is None:
            return
        parent, address, _ = waiter
        names = (fields.state(address), fields.child(address), fields.until(address))
        _, found = self.store.read(parent, names)
        own = found[fields.child(address)] == fields.child_text(self.run_id, view.pinned)
        if (
            own
            and found[fields.until(address)] is None
            and found[fields.state(address)] in (StepState.READY, StepState.WAITING)
        ):
            message = f"step {address} of run {parent} has not taken the end of run {self.run_id} yet; try again"
            raise NotRetriable(message, run_id=self.run_id, parent=parent)

    def _check_retriable(self, view: RunView) -> None:
        if self._over(view).status is RunStatus.COMPLETED:
            raise RunOver(f"run {self.run_id} has completed; start a new one", run_id=self.run_id, status="completed")
        compensation = view[fields.COMPENSATION] or "none"
        if compensation not in ("none", "completed"):
            message = f"the undo of run {self.run_id} is {compensation}: undo or waive what is left, then retry"
            raise NotRetriable(message, run_id=self.run_id, compensation=compensation)
        self._check_told(view)

    def _check_goes_on_at(self, move: Move, step: str) -> None:
        """A retry goes on where the run failed: what has completed and was not undone is not executed again."""
        begins = [address for address in (move.to, *move.forks) if address is not None]
        if step not in begins:
            where = ", ".join(begins)
            message = f"a retry of run {self.run_id} goes on at {where}; it cannot begin at {step!r}"
            raise NotRetriable(message, run_id=self.run_id, step=step, goes_on_at=begins)

    def _check_step(self, plan: Plan, view: RunView, address: str) -> None:
        try:
            known = not is_drain(address) and parse_address(address).step in plan.nodes
        except ValueError as error:
            raise InvalidRequest(f"{address!r} is not a step's address") from error
        if not known or view[fields.state(address)] is None:
            reached = [one for one in view.addresses() if not is_drain(one)]
            near = difflib.get_close_matches(address, reached, n=3) or sorted(reached)[:5]
            raise UnknownStep(f"run {self.run_id} has reached no step {address!r}; it has reached {', '.join(near)}")
