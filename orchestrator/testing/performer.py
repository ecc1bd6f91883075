"""Calls operations as workers do, with a script or with the operation's own code behind them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import wraps
from typing import Any

from pydantic import ValidationError

from orchestrator.engine.effects import Attempt
from orchestrator.engine.outcome import Failure, Outcome
from orchestrator.runtime.executor import Executor
from orchestrator.spec.operations import Operation, OperationRegistry, parse_reference
from orchestrator.testing.calls import Call
from orchestrator.testing.complaints import InvalidScript, UnexpectedCall
from orchestrator.testing.script_book import ScriptBook
from orchestrator.testing.scripts import Action, ok


@dataclass(slots=True)
class Performer:
    """Who plays the scripts; `book` gives the scripts and operations of the flow that a run is of."""

    book: Callable[[str], tuple[ScriptBook, OperationRegistry]]
    executor: Executor
    elapsed: Callable[[], timedelta]
    calls: list[Call] = field(default_factory=list)

    def begin(self, attempt: Attempt) -> Action:
        """What this call does. A call whose input is refused plays no script: the code would not be reached."""
        key, _ = parse_reference(attempt.work.operation)
        self.calls.append(
            Call(
                run_id=attempt.run_id,
                address=attempt.address,
                operation=key,
                attempt=attempt.number,
                input=attempt.inputs,
                idempotency_key=attempt.idempotency_key,
                at=self.elapsed(),
            )
        )
        book, operations = self.book(attempt.run_id)
        try:
            operations.get(attempt.work.operation).validate_input(attempt.inputs)
        except ValidationError:
            return ok()
        action = book.play(attempt.address, attempt.work.operation)
        if action is None:
            raise UnexpectedCall(
                f"step {attempt.address} calls {key} (call {self._times(attempt)}, attempt {attempt.number}) with "
                f"{attempt.inputs!r}, and no script is left that says what it does: "
                f"flow.script({attempt.address!r}, ok(…)), or flow.real({key!r}) for its own code"
            )
        return action

    def outcome(
        self,
        attempt: Attempt,
        action: Action,
        *,
        heartbeat: Callable[[Any], None],
        cancelled: Callable[[], bool],
    ) -> Outcome:
        """What comes of it, by the rules of the executor that workers have."""
        _, operations = self.book(attempt.run_id)
        operation = operations.get(attempt.work.operation)
        with _alarm_kept():
            outcome = self.executor.execute(
                operation if action.kind == "real" else _scripted(operation, action, attempt.inputs),
                attempt,
                heartbeat=heartbeat,
                cancelled=cancelled,
                seconds_left=attempt.work.timeout_ms / 1000,
            )
        if (
            action.kind == "ok"
            and not action.dies
            and isinstance(outcome, Failure)
            and outcome.code == "invalid_output"
        ):
            raise InvalidScript(f"{attempt.address}: {operation.key} cannot give {action}: {outcome.message}")
        return outcome

    def _times(self, attempt: Attempt) -> int:
        return sum((call.run_id, call.address) == (attempt.run_id, attempt.address) for call in self.calls)


def _scripted(operation: Operation, action: Action, given: Any) -> Operation:
    """The operation with the script in place of its code: types, effect and limits are its own."""

    @wraps(operation.function)
    def play(*_: Any) -> Any:
        if action.error is not None:
            raise action.error
        return action.output(given) if callable(action.output) else action.output

    return replace(operation, function=play)


@contextmanager
def _alarm_kept() -> Iterator[None]:
    """The process's alarm is the test runner's, which cuts tests that hang; the executor sets it for its own ends."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    handler, timer = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)
