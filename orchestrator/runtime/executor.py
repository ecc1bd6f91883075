"""Executing an attempt: typed input in, typed output out, a deadline, and an honest word on what happened."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # not in typeshed
import asyncio
import json
import signal
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

from pydantic import ValidationError

from orchestrator.engine.effects import Attempt
from orchestrator.engine.outcome import Failure, Outcome, Success
from orchestrator.errors import OperationError
from orchestrator.spec.operations import Effect, Operation, StepContext

MESSAGE_LIMIT = 4_000
"""Longer error messages are cut: they are kept in the run's state and history."""
TRACE_LIMIT = 3_000
"""Of a longer traceback the end is kept."""


class DeadlinePassed(BaseException):
    """Raised in an operation whose attempt is over; not an Exception, so that `except Exception` lets it through."""


@dataclass(frozen=True, slots=True)
class Executor:
    """Calls operations. Knows nothing of runs: what an outcome means is the engine's business."""

    max_payload_bytes: int

    def execute(
        self,
        operation: Operation,
        attempt: Attempt,
        *,
        heartbeat: Callable[[Any], None],
        cancelled: Callable[[], bool],
        seconds_left: float,
    ) -> Outcome:
        """The outcome of one attempt."""
        try:
            given = operation.validate_input(attempt.inputs)
        except ValidationError as error:
            return Failure("invalid_input", _problems(error), {"errors": _errors(error)}, retryable=False)
        context = StepContext(
            run_id=attempt.run_id,
            step=attempt.address,
            attempt=attempt.number,
            idempotency_key=attempt.idempotency_key,
            user=attempt.user if isinstance(attempt.user, Mapping) else {},
            deadline_s=seconds_left,
            on_heartbeat=heartbeat,
            is_cancelled=cancelled,
        )
        try:
            with _Alarm(seconds_left):
                returned = _call(operation, given, context)
        except DeadlinePassed:
            return Failure("step_timeout", "the attempt took longer than its timeout", reported=False)
        except OperationError as error:
            return _reported(error)
        except Exception as error:  # noqa: BLE001  # whatever user code raises is an outcome, not our failure
            harmless = attempt.work.effect is Effect.NONE
            details = {"traceback": _trace(error)}
            return Failure(type(error).__name__, _short(str(error)), details, reported=harmless)
        return self._output(operation, returned)

    def _output(self, operation: Operation, returned: Any) -> Outcome:
        try:
            text = operation.serialize_output(returned)
        except (ValidationError, ValueError, TypeError) as error:
            message = _problems(error) if isinstance(error, ValidationError) else str(error)
            return Failure("invalid_output", message, retryable=False, returned=True)
        size = len(text.encode())
        if size > self.max_payload_bytes:
            message = f"the output has {size} bytes, the limit is {self.max_payload_bytes}"
            return Failure("payload_too_large", message, retryable=False, returned=True)
        return Success(text)


def _call(operation: Operation, given: Any, context: StepContext) -> Any:
    arguments = (given, context) if operation.takes_context else (given,)
    if operation.is_async:
        return asyncio.run(operation.function(*arguments))
    return operation.function(*arguments)


def _reported(error: OperationError) -> Failure:
    return Failure(
        error.code,
        _short(error.message),
        json.loads(json.dumps(error.details, default=str)),
        retryable=error.retryable,
        retry_after_ms=None if error.retry_after is None else round(error.retry_after * 1000),
        reported=error.outcome == "failed",
    )


def _short(message: str) -> str:
    return message if len(message) <= MESSAGE_LIMIT else message[:MESSAGE_LIMIT] + "…"


def _trace(error: Exception) -> str:
    """Where it was raised: the operation's own frames, without values; of a long one the end, which tells most."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__]
    text = "".join(traceback.format_list(own)).rstrip()
    return text if len(text) <= TRACE_LIMIT else "…" + text[-TRACE_LIMIT:]


def _errors(error: ValidationError) -> list[dict[str, Any]]:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [{"path": "/".join(str(part) for part in one["loc"]), "message": one["msg"]} for one in found]


def _problems(error: ValidationError) -> str:
    return "; ".join(f"{one['path'] or 'value'}: {one['message']}" for one in _errors(error))


_handler_of: Callable[[int], Any] = _signal.getsignal
"""`signal.getsignal` tries to make an enum's member of every handler, which takes longer than all the rest here."""


class _Alarm:
    """Raises DeadlinePassed after so many seconds, where that is possible: in the main thread of a process.

    The handler stays: putting back what was there before takes as long as a short operation.
    """

    __slots__ = ("_rings", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._rings = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
        self._seconds = max(seconds, 0.001)

    def __enter__(self) -> None:
        if self._rings:
            if _handler_of(signal.SIGALRM) is not _ring:
                signal.signal(signal.SIGALRM, _ring)
            signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def __exit__(self, *_: object) -> None:
        if self._rings:
            signal.setitimer(signal.ITIMER_REAL, 0)


def _ring(_signal: int, _frame: FrameType | None) -> None:
    raise DeadlinePassed


def to_json_text(value: Any) -> str:
    """A value as compact JSON text."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
