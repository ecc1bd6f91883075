"""A handle of one run: what it is doing, how it ended, what happened, and stopping it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from orchestrator.broker.dispatch import Dispatcher
from orchestrator.client.description import RunDescription, describe
from orchestrator.client.versions import Versions
from orchestrator.clock import elapsed_s
from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN
from orchestrator.engine.onward import Move, Terms
from orchestrator.engine.stages import Timing
from orchestrator.engine.start import cancel, leftovers
from orchestrator.engine.state import OVER, RunStatus, StepState
from orchestrator.engine.view import RunView
from orchestrator.errors import RunFailed, RunOver, UnknownRun, WaitTimeout
from orchestrator.plan.graph import Plan
from orchestrator.store.port import HistoryEntry, Store

CANCEL_TRIES = 50
ENDS = frozenset(f"run_{status.value}" for status in OVER)
"""The events that end a run."""


@dataclass(frozen=True, slots=True)
class RunHandle:
    """One run, by its id."""

    run_id: str
    store: Store
    versions: Versions
    dispatcher: Dispatcher

    def status(self) -> RunStatus:
        """Where the run is."""
        _, values = self.store.read(self.run_id, (fields.STATUS,))
        status = values[fields.STATUS]
        if status is None:
            raise UnknownRun(f"no run has the id {self.run_id!r}", run_id=self.run_id)
        return RunStatus(status)

    def describe(self) -> RunDescription:
        """Everything that is known of the run now."""
        view = self._view()
        return describe(self._plan(view), view)

    def result(self, timeout: float | None = None) -> Any:
        """The run's output, as soon as it has one; `timeout` in seconds.

        RunFailed if it ends without one, WaitTimeout if it has not ended in time.
        """
        deadline = None if timeout is None else elapsed_s() + timeout
        after = "0"
        while True:
            _, values = self.store.read(self.run_id, (fields.STATUS, fields.OUTPUT, fields.ERROR, fields.COMPENSATION))
            status = values[fields.STATUS]
            if status is None:
                raise UnknownRun(f"no run has the id {self.run_id!r}", run_id=self.run_id)
            if status == RunStatus.COMPLETED:
                return json.loads(values[fields.OUTPUT] or "null")
            if status in OVER:
                raise _failed(self.run_id, status, values)
            left_s = 60.0 if deadline is None else deadline - elapsed_s()
            if left_s <= 0:
                raise WaitTimeout(f"run {self.run_id} is still {status}", run_id=self.run_id, status=status)
            after = self._wait_for_end(after, min(left_s, 60.0))

    def history(self, after: str = "0", limit: int = 1000) -> list[HistoryEntry]:
        """What happened, oldest first, after the event with this id."""
        return self.store.history(self.run_id, after, limit)

    def follow(self, after: str = "0", timeout: float | None = None) -> Iterator[HistoryEntry]:
        """What happened after that event and what happens, until the run is over; WaitTimeout after so many seconds."""
        deadline = None if timeout is None else elapsed_s() + timeout
        while True:
            status = self.status()
            over = status in OVER
            left_s = 1.0 if deadline is None else min(deadline - elapsed_s(), 1.0)
            if left_s <= 0 and not over:
                raise WaitTimeout(f"run {self.run_id} is still {status}", run_id=self.run_id, status=status.value)
            events = self.history(after) if over else self.store.wait_history(self.run_id, after, left_s)
            yield from events
            after = events[-1].id if events else after
            if over and not events:
                return

    def cancel(self, reason: str = "", by: str = "") -> None:
        """Stop the run: nothing new starts, what is in flight ends, what is done is undone. RunOver if it has ended."""
        for _ in range(CANCEL_TRIES):
            view = self._view()
            if view.over:
                raise RunOver(f"run {self.run_id} is {view.status}", run_id=self.run_id, status=view.status.value)
            move = cancel(view, reason, by)
            if move is None or self._apply(view, move):
                break
        plan = self._plan(self._view())
        self._drop(plan)

    def _drop(self, plan: Plan) -> None:
        """Settle at once what waits, and what runs but has nothing that could be undone."""
        view = self._view()
        terms = Terms(Timing(), secrets.token_hex(8), fuses=lambda _: False)
        for move in leftovers(plan, view, "", terms):
            self._apply(view, move)
        _, values = self.store.read(self.run_id, (fields.state(DRAIN),))
        if values[fields.state(DRAIN)] == StepState.READY:
            self.dispatcher.send(plan, self.run_id, DRAIN)

    def _wait_for_end(self, after: str, timeout_s: float) -> str:
        """Wait for an event that ends the run, or until time is over; the id of the last event seen."""
        deadline = elapsed_s() + timeout_s
        while events := self.store.wait_history(self.run_id, after, deadline - elapsed_s()):
            after = events[-1].id
            if any(entry.event["type"] in ENDS for entry in events):
                break
        return after

    def _apply(self, view: RunView, move: Move) -> bool:
        reply = self.store.apply(move.commit)
        view.absorb(move.commit, reply)
        return reply.first.stands

    def _view(self) -> RunView:
        now_ms, values = self.store.read_all(self.run_id)
        if not values:
            raise UnknownRun(f"no run has the id {self.run_id!r}", run_id=self.run_id)
        return RunView(self.run_id, values, now_ms)

    def _plan(self, view: RunView) -> Plan:
        return self.versions.plan(view[fields.WORKFLOW] or "", view[fields.VERSION] or "")


def _failed(run_id: str, status: str, values: dict[str, str | None]) -> RunFailed:
    error = json.loads(values[fields.ERROR] or "{}")
    message = f"run {run_id} {status}: {error.get('code', '')} {error.get('message', '')}".rstrip()
    return RunFailed(
        message, run_id=run_id, status=status, error=error, compensation=values[fields.COMPENSATION] or "none"
    )
