"""What an attempt comes to, whatever an operation does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from orchestrator.engine.effects import Attempt
from orchestrator.engine.outcome import Failure, Outcome, Success
from orchestrator.errors import OperationError
from orchestrator.plan.graph import Formula, RetryPolicy, Work
from orchestrator.runtime.executor import MESSAGE_LIMIT, TRACE_LIMIT, Executor
from orchestrator.spec.operations import Effect, StepContext
from tests.unit.surroundings import made

pytestmark = pytest.mark.timeout(method="thread")
"""An operation's deadline takes the alarm that pytest-timeout would ring."""

LIMIT = 100


class Order(BaseModel):
    """What an operation takes and gives."""

    placed: datetime
    lines: list[int] = []


def execute(
    function: Callable[..., Any],
    inputs: Any = None,
    *,
    effect: Effect = Effect.WRITE,
    seconds: float = 60.0,
    heard: Callable[[Any], None] = print,
) -> Outcome:
    """The outcome of one attempt of this function."""
    work = Work("do.it@1", effect, False, Formula.of({}), RetryPolicy(), 60_000, "default", 5)
    attempt = Attempt("run", "1", "a", "token", 2, work, inputs, "key", {"name": "ann"})
    return Executor(LIMIT).execute(
        made("do.it", function, effect=effect),
        attempt,
        heartbeat=heard,
        cancelled=lambda: True,
        seconds_left=seconds,
    )


def failure(function: Callable[..., Any], inputs: Any = None, **more: Any) -> Failure:
    """The outcome of an attempt that fails."""
    outcome = execute(function, inputs, **more)
    assert isinstance(outcome, Failure)
    return outcome


def raising(error: BaseException) -> Callable[[Any], Any]:
    """An operation that raises."""

    def fail(given: Any) -> Any:
        raise error

    return fail


def test_input_and_output_are_typed() -> None:
    """JSON in, the declared type inside, JSON out."""

    def later(given: Order) -> Order:
        return given.model_copy(update={"placed": given.placed.replace(year=2027)})

    assert execute(later, {"placed": "2026-01-31T12:00:00Z"}) == Success('{"placed":"2027-01-31T12:00:00Z","lines":[]}')


def test_an_input_that_does_not_fit_never_reaches_the_operation() -> None:
    """All its problems are told, and no retry would help."""
    called: list[Order] = []

    def note(given: Order) -> None:
        called.append(given)

    outcome = failure(note, {"placed": "soon", "lines": ["x"]})

    assert called == []
    assert (outcome.code, outcome.retryable, outcome.reported, outcome.returned) == (
        "invalid_input",
        False,
        True,
        False,
    )
    assert [one["path"] for one in outcome.details["errors"]] == ["placed", "lines/0"]


def test_an_output_that_does_not_fit_is_a_failure_after_the_effect() -> None:
    """It returned, so what it did is done."""

    def wrong(given: Any) -> Order:
        return {"lines": "many"}  # type: ignore[return-value]

    for outcome in (failure(wrong), failure(lambda _: object())):
        assert (outcome.code, outcome.returned, outcome.retryable) == ("invalid_output", True, False)


def test_an_output_over_the_limit_is_a_failure_after_the_effect() -> None:
    """Measured in bytes; at the limit it is taken."""
    assert execute(lambda _: "é" * 49) == Success('"' + "é" * 49 + '"')

    outcome = failure(lambda _: "é" * 49 + "x")

    assert (outcome.code, outcome.returned, outcome.retryable) == ("payload_too_large", True, False)
    assert outcome.message == "the output has 101 bytes, the limit is 100"


def test_what_an_operation_reports_is_taken_over() -> None:
    """Code, message, details, and whether and when to try again."""
    error = OperationError("busy", "Try later.", retryable=False, retry_after=1.5, details={"queue": 7})

    assert failure(raising(error)) == Failure(
        "busy", "Try later.", {"queue": 7}, retryable=False, retry_after_ms=1_500, reported=True
    )


def test_an_operation_may_say_that_it_does_not_know() -> None:
    """Then its effect may be there, as with any other exception."""
    assert not failure(raising(OperationError("no_answer", outcome="unknown"))).reported


@pytest.mark.parametrize(
    ("effect", "reported"), [(Effect.WRITE, False), (Effect.IRREVERSIBLE, False), (Effect.NONE, True)]
)
def test_any_other_exception_says_nothing_of_a_write(effect: Effect, reported: bool) -> None:
    """It may have come after the effect; where there is none, nothing can have happened."""
    outcome = failure(raising(ConnectionError("reset")), effect=effect)

    said = (outcome.code, outcome.message, outcome.retryable, outcome.reported)
    assert said == ("ConnectionError", "reset", True, reported)


def test_an_exception_tells_where_it_was_raised() -> None:
    """By the operation's own frames, without ours and without values; of a long traceback the end."""

    def deep(given: Any) -> Any:
        return deep(given) if given else 1 / 0

    def thrown(given: Any) -> Any:
        return deep(0)

    trace = failure(thrown).details["traceback"]
    long = failure(lambda given: deep(True)).details["traceback"]

    assert "in thrown" in trace
    assert "in deep" in trace
    assert "executor.py" not in trace.replace("test_executor.py", "")
    assert len(long) <= TRACE_LIMIT + 1


def test_long_messages_are_cut() -> None:
    """They are kept in the run's state and history."""
    for error in (ValueError("x" * 5_000), OperationError("long", "x" * 5_000)):
        assert failure(raising(error)).message == "x" * MESSAGE_LIMIT + "…"


def test_details_are_made_json() -> None:
    """What JSON cannot say is told as text."""
    error = OperationError("late", details={"since": datetime(2026, 1, 31, tzinfo=UTC)})

    assert failure(raising(error)).details == {"since": "2026-01-31 00:00:00+00:00"}


def test_an_operation_is_told_about_its_attempt() -> None:
    """Run, step, number, key, user, deadline; its heartbeats are passed on."""
    told: list[StepContext] = []
    reports: list[Any] = []

    def ask(given: Any, context: StepContext) -> bool:
        told.append(context)
        context.heartbeat({"done": 3})
        return context.cancelled

    assert execute(ask, heard=reports.append, seconds=9.0) == Success("true")

    (context,) = told
    assert (context.run_id, context.step, context.attempt, context.idempotency_key) == ("run", "a", 2, "key")
    assert (context.user, context.deadline_s) == ({"name": "ann"}, 9.0)
    assert reports == [{"done": 3}]


def test_async_operations_are_awaited() -> None:
    """Their errors are outcomes like any other's."""

    async def double(given: Any) -> Any:
        return given * 2

    async def fail(given: Any) -> Any:
        raise OperationError("declined")

    assert execute(double, 21) == Success("42")
    assert failure(fail).code == "declined"


def test_the_deadline_interrupts_an_operation() -> None:
    """Even one that catches every Exception; what it did is unknown."""

    def stubborn(given: Any) -> Any:
        try:
            threading.Event().wait(30)
        except Exception:  # noqa: BLE001  # what is tested
            return "survived"

    outcome = failure(stubborn, seconds=0.02)

    assert (outcome.code, outcome.reported, outcome.retryable) == ("step_timeout", False, True)


def test_an_attempt_leaves_no_alarm_behind() -> None:
    """It would ring in the middle of the next message."""
    execute(lambda given: given, seconds=5.0)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)

    failure(raising(ValueError()), seconds=5.0)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_thread_executes_without_an_alarm() -> None:
    """Only a process's main thread can be interrupted; the sweeper ends what takes too long elsewhere."""
    outcomes: list[Outcome] = []

    def alarm(given: Any) -> Any:
        return signal.getitimer(signal.ITIMER_REAL)

    thread = threading.Thread(target=lambda: outcomes.append(execute(alarm, seconds=5.0)))
    thread.start()
    thread.join(10)

    assert outcomes == [Success("[0.0,0.0]")]
