"""The two that run verbs: what is yielded is done with httpx, and what came of it is sent back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import AsyncExitStack, ExitStack
from typing import Any, Final, TypeVar

import httpx

from orchestrator.client.http.exchange import Action, Answer, Done, Emit, Line, Open, Pause, Request, Steps
from orchestrator.errors import OrchestratorError, Unreachable

TIMEOUT: Final = httpx.Timeout(30.0, connect=5.0)
_LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=20)
"""Whoever waits for many runs at once has a connection for each."""

T = TypeVar("T")


def configured(url: str, api_key: str | None) -> dict[str, Any]:
    """What a client of httpx is made with."""
    headers = {"User-Agent": "orchestrator"} | ({} if api_key is None else {"Authorization": f"Bearer {api_key}"})
    return {"base_url": url.rstrip("/"), "headers": headers, "timeout": TIMEOUT, "limits": _LIMITS}


class Driver:
    """Runs verbs, and blocks."""

    def __init__(self, client: httpx.Client, pause: Callable[[float], object] = time.sleep) -> None:
        self._client = client
        self._pause = pause

    def run(self, steps: Steps[T]) -> T:
        """What a verb returns."""
        found: T = next(item.value for item in self._going(steps) if isinstance(item, Done))
        return found

    def stream(self, steps: Steps[None]) -> Iterator[Any]:
        """What a verb gives, as it comes."""
        return (item.item for item in self._going(steps) if isinstance(item, Emit))

    def close(self) -> None:
        """Close the sockets."""
        self._client.close()

    def _going(self, steps: Steps[Any]) -> Generator[Emit | Done, None, None]:
        course = Course(steps)
        with ExitStack() as opened:
            lines: Iterator[str] = iter(())
            while not isinstance(action := course.next(), Done):
                try:
                    match action:
                        case Emit():
                            yield action
                        case Pause():
                            self._pause(action.seconds)
                        case Request():
                            course.reply = _answer(self._client.send(_request(self._client, action)))
                        case Open():
                            opened.close()
                            response = self._client.send(_stream(self._client, action), stream=True)
                            opened.callback(response.close)
                            if follows := _is_stream(response):
                                lines = response.iter_lines()
                            else:
                                response.read()
                            course.reply = _answer(response, follows=follows)
                        case Line():
                            course.reply = next(lines, None)
                except httpx.HTTPError as error:
                    course.error = _unreachable(error)
            yield action


class AsyncDriver:
    """Runs verbs on the event loop."""

    def __init__(self, client: httpx.AsyncClient, pause: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._client = client
        self._pause = pause

    async def run(self, steps: Steps[T]) -> T:
        """What a verb returns."""
        async for item in self._going(steps):
            if isinstance(item, Done):
                found: T = item.value
                return found
        raise AssertionError

    async def stream(self, steps: Steps[None]) -> AsyncIterator[Any]:
        """What a verb gives, as it comes."""
        async for item in self._going(steps):
            if isinstance(item, Emit):
                yield item.item

    async def close(self) -> None:
        """Close the sockets."""
        await self._client.aclose()

    async def _going(self, steps: Steps[Any]) -> AsyncGenerator[Emit | Done]:
        course = Course(steps)
        async with AsyncExitStack() as opened:
            lines: AsyncIterator[str] | None = None
            while not isinstance(action := course.next(), Done):
                try:
                    match action:
                        case Emit():
                            yield action
                        case Pause():
                            await self._pause(action.seconds)
                        case Request():
                            course.reply = _answer(await self._client.send(_request(self._client, action)))
                        case Open():
                            await opened.aclose()
                            response = await self._client.send(_stream(self._client, action), stream=True)
                            opened.push_async_callback(response.aclose)
                            if follows := _is_stream(response):
                                lines = response.aiter_lines()
                            else:
                                await response.aread()
                            course.reply = _answer(response, follows=follows)
                        case Line():
                            course.reply = None if lines is None else await anext(lines, None)
                except httpx.HTTPError as error:
                    course.error = _unreachable(error)
            yield action


class Course:
    """A verb at work: what came of its last action is set as `reply` or `error`, then `next` says what to do."""

    def __init__(self, steps: Steps[Any]) -> None:
        self._steps = steps
        self.reply: Any = None
        self.error: OrchestratorError | None = None

    def next(self) -> Action | Done:
        """The next action, or that it is done."""
        reply, error = self.reply, self.error
        self.reply = self.error = None
        try:
            return self._steps.send(reply) if error is None else self._steps.throw(error)
        except StopIteration as stop:
            return Done(stop.value)


def _request(client: httpx.Client | httpx.AsyncClient, action: Request) -> httpx.Request:
    kind = {} if action.content is None else {"Content-Type": action.kind}
    return client.build_request(
        action.method,
        action.path,
        params=action.query,
        headers={**kind, **action.headers},
        content=action.content,
        timeout=TIMEOUT if action.timeout_s is None else httpx.Timeout(action.timeout_s, connect=TIMEOUT.connect),
    )


def _stream(client: httpx.Client | httpx.AsyncClient, action: Open) -> httpx.Request:
    request = _request(client, action.request)
    request.extensions["timeout"] = httpx.Timeout(
        TIMEOUT.write, connect=TIMEOUT.connect, read=action.silent_s
    ).as_dict()
    return request


def _is_stream(response: httpx.Response) -> bool:
    return str(response.headers.get("content-type", "")).startswith("text/event-stream")


def _answer(response: httpx.Response, *, follows: bool = False) -> Answer:
    content = b"" if follows else response.content
    return Answer(response.status_code, response.headers, content, content_follows=follows)


def _unreachable(error: httpx.HTTPError) -> Unreachable:
    what = str(error) or type(error).__name__
    return Unreachable(f"the API at {error.request.url.copy_with(path='/', query=None)} does not answer: {what}")
