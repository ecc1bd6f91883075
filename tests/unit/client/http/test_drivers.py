"""Verbs, run by both drivers before a pretend server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from orchestrator.client.http.drivers import AsyncDriver, Driver
from orchestrator.client.http.exchange import TRIES, Steps
from orchestrator.client.http.run_verbs import ATTEMPTS, RunVerbs
from orchestrator.client.http.verbs import ClientVerbs
from orchestrator.client.run_surface import Start
from orchestrator.errors import (
    BodyTooLarge,
    Forbidden,
    OrchestratorError,
    SpecInvalid,
    TooManyRequests,
    Unauthenticated,
    Unreachable,
)

Answers = Callable[[httpx.Request], httpx.Response]
Perform = Callable[..., Any]

OK = httpx.Response(200, json={"status": "running"})
URL = "https://api.example.com"


class Waits(list[float]):
    """How long it was waited, without waiting."""

    async def asynchronously(self, seconds: float) -> None:
        """Note it."""
        self.append(seconds)


@pytest.fixture
def waits() -> Waits:
    """The pauses that were made."""
    return Waits()


def synchronously(steps: Steps[Any], answers: Answers, waits: Waits | None = None, *, all_given: bool = False) -> Any:
    """What a verb returns, or all that it gives."""
    with httpx.Client(base_url=URL, transport=httpx.MockTransport(answers)) as client:
        driver = Driver(client, (Waits() if waits is None else waits).append)
        return list(driver.stream(steps)) if all_given else driver.run(steps)


def asynchronously(steps: Steps[Any], answers: Answers, waits: Waits | None = None, *, all_given: bool = False) -> Any:
    """The same on an event loop."""

    async def act() -> Any:
        async with httpx.AsyncClient(base_url=URL, transport=httpx.MockTransport(answers)) as client:
            driver = AsyncDriver(client, (Waits() if waits is None else waits).asynchronously)
            return [item async for item in driver.stream(steps)] if all_given else await driver.run(steps)

    return asyncio.run(act())


both = pytest.mark.parametrize("perform", [synchronously, asynchronously])


def problem(status: int, code: str, headers: dict[str, str] | None = None, **more: object) -> httpx.Response:
    """An answer that tells of an error."""
    return httpx.Response(status, headers=headers, json={"code": code, "detail": "so it is", **more})


def in_turn(*answers: httpx.Response | Exception) -> Answers:
    """Gives these one after the other, the last again and again."""
    left = list(answers)

    def answer(_: httpx.Request) -> httpx.Response:
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, Exception):
            raise found
        return httpx.Response(found.status_code, headers=found.headers, content=found.content)

    return answer


@both
def test_who_is_over_the_rate_waits_as_told_and_asks_again(perform: Perform, waits: Waits) -> None:
    """As often as allowed, then the error comes out."""
    over = problem(429, "rate_limited", {"Retry-After": "2"})

    assert perform(RunVerbs("r").status(), in_turn(over, over, OK), waits) == "running"
    assert waits == [2.0, 2.0]
    with pytest.raises(TooManyRequests) as error:
        perform(RunVerbs("r").status(), in_turn(over), waits)
    assert error.value.details == {"retry_after_ms": 2000}
    assert len(waits) == 2 + TRIES - 1


@both
def test_a_problem_is_the_error_of_its_code(perform: Perform) -> None:
    """With message and details; one of a code that is not known yet keeps its code."""
    for status, code, kind in (
        (401, "unauthenticated", Unauthenticated),
        (403, "forbidden", Forbidden),
        (413, "body_too_large", BodyTooLarge),
        (418, "of_a_later_server", OrchestratorError),
    ):
        with pytest.raises(kind) as error:
            perform(RunVerbs("r").cancel(), in_turn(problem(status, code, details={"message": "m", "n": 1})))
        assert (type(error.value), error.value.code, error.value.message) == (kind, code, "so it is")
        assert error.value.details == {"message": "m", "n": 1}
    assert OrchestratorError.code == "orchestrator_error"


@both
def test_an_answer_of_a_proxy_is_an_error_too(perform: Perform) -> None:
    """By its status."""
    with pytest.raises(Unreachable, match="502: <h1>Bad Gateway"):
        perform(RunVerbs("r").cancel(), in_turn(httpx.Response(502, text="<h1>Bad Gateway</h1>")))
    with pytest.raises(Unauthenticated):
        perform(RunVerbs("r").cancel(), in_turn(httpx.Response(401)))


@both
def test_what_is_no_answer_of_ours_is_said_so(perform: Perform) -> None:
    """A page that stands at the address, for one."""
    with pytest.raises(OrchestratorError, match="no answer of an Orchestrator API to /api/v1/runs/r/status: <h1>Hello"):
        perform(RunVerbs("r").status(), in_turn(httpx.Response(200, text="<h1>Hello</h1>")))


@both
def test_what_changes_something_is_not_sent_again_after_a_broken_connection(perform: Perform, waits: Waits) -> None:
    """Whoever sends a start again gives a key; the error says what does not answer."""
    with pytest.raises(Unreachable, match=r"the API at https://api\.example\.com/ does not answer: reset"):
        perform(RunVerbs("r").cancel(), in_turn(httpx.ReadError("reset"), OK), waits)

    assert waits == []


@both
def test_a_wait_goes_on_after_broken_connections_but_not_for_ever(perform: Perform, waits: Waits) -> None:
    """With longer and longer pauses."""
    broken = httpx.ConnectError("refused")
    over = httpx.Response(200, json={"status": "completed", "compensation": "none", "output": 5, "error": None})
    going = problem(409, "run_goes_on", details={"status": "running"})

    assert perform(RunVerbs("r").result(), in_turn(broken, going, broken, broken, over), waits) == 5
    assert waits == [0.25, 0.25, 0.5]
    with pytest.raises(Unreachable):
        perform(RunVerbs("r").result(), in_turn(broken), waits)
    assert len(waits) == 3 + ATTEMPTS - 1


def told(*numbers: int, end: bool = False) -> httpx.Response:
    """A stream with these events."""
    lines = [
        f'id: {n}-0\nevent: x\ndata: {{"id": "{n}-0", "at_ms": {n}, "type": "x"}}\n\n: still here\n\n' for n in numbers
    ]
    text = "retry: 1000\n\n" + "".join(lines) + ("event: end\ndata: {}\n\n" if end else "")
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, text=text)


@both
def test_a_stream_is_taken_up_behind_its_last_event(perform: Perform, waits: Waits) -> None:
    """Wherever it breaks off, each event is given once."""
    asked: list[str] = []
    answers = in_turn(told(1, 2), httpx.ReadError("reset"), problem(503, "unreachable"), told(3, end=True))

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["last-event-id"])
        return answers(request)

    found = perform(RunVerbs("r").follow(), answer, waits, all_given=True)

    assert [(one.id, one.at_ms, one.event) for one in found] == [(f"{n}-0", n, {"type": "x"}) for n in (1, 2, 3)]
    assert asked == ["0", "2-0", "2-0", "2-0"]
    assert waits == [0.25, 0.5, 1.0]


@both
def test_a_stream_that_ends_again_and_again_is_given_up(perform: Perform, waits: Waits) -> None:
    """Before its run has ended, and without anything new."""
    with pytest.raises(Unreachable, match="ended before the run"):
        perform(RunVerbs("r").follow(), in_turn(told()), waits, all_given=True)

    assert len(waits) == ATTEMPTS - 1


@both
def test_a_stream_of_what_was_told_already_is_empty(perform: Perform) -> None:
    """204."""
    assert perform(RunVerbs("r").follow("9-0"), in_turn(httpx.Response(204)), all_given=True) == []


@both
def test_a_run_has_its_id_before_it_is_sent(perform: Perform) -> None:
    """So that whoever sends the very request again, a proxy for one, starts no second run."""
    sent: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(202, json={"run_id": sent[-1]["run_id"]})

    run = perform(ClientVerbs().start("a.b", {"x": 1}, timeout=5_000), answer)

    assert len(run.run_id) == 24
    assert sent == [{"input": {"x": 1}, "run_id": run.run_id, "timeout": "5000ms"}]


@both
def test_many_starts_go_in_portions(perform: Perform) -> None:
    """By number and by size; the handles come in the order of the starts."""
    sizes: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        runs = json.loads(request.content)["runs"]
        sizes.append(len(runs))
        return httpx.Response(202, json={"runs": [{"run_id": one["run_id"]} for one in runs]})

    small = [Start("a.b", run_id=f"s{n}") for n in range(1_500)]
    large = [Start("a.b", {"text": "x" * 1_900_000}, run_id=f"l{n}") for n in range(3)]
    found = perform(ClientVerbs().start_many([*small, *large]), answer)

    assert [run.run_id for run in found] == [one.run_id for one in (*small, *large)]
    assert sizes == [1_000, 502, 1]


@both
def test_the_problems_of_a_spec_come_back_whole(perform: Perform) -> None:
    """Each with its rule, its place and its line."""
    shown = {"rule": "unknown_step", "message": "no step b", "path": "steps[0]", "line": 3, "severity": "error"}
    answer = problem(
        422, "invalid_spec", details={"problems": [shown]}, problems=[{"path": "steps[0]", "message": "x"}]
    )

    with pytest.raises(SpecInvalid) as error:
        perform(RunVerbs("r").cancel(), in_turn(answer))

    (one,) = error.value.problems
    assert (one.rule, one.message, one.path, one.line) == ("unknown_step", "no step b", "steps[0]", 3)
