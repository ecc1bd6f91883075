"""What verbs are made of: they yield what is to be done, and are sent what came of it. No sockets here, no threads.

So a verb is written once, and a synchronous and an asynchronous driver run it.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from orchestrator.client.http.problems import SHOWN, error_of, retry_after_s
from orchestrator.errors import InvalidRequest, OrchestratorError, TooManyRequests

PREFIX: Final = "/api/v1"
TRIES: Final = 4
"""So often a request is made in all while the answer is that the key is over its rate."""
LONGEST_WAIT_S: Final = 30.0
MOST_AT_ONCE: Final = 1_000
MOST_BYTES: Final = 4_000_000
"""So much goes in one request of many starts or events, at most."""

Value = str | int | float | bool | None
T = TypeVar("T")
_READERS: Final[dict[Any, TypeAdapter[Any]]] = {}


@dataclass(frozen=True, slots=True)
class Request:
    """A request to make; its answer is sent back. Parameters that are None are left out."""

    method: str
    path: str
    params: Mapping[str, Value | Sequence[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    """What goes as JSON; None: no body."""
    kind: str = "application/json"
    timeout_s: float | None = None
    """How long to wait for the answer, where the usual time is too short."""

    @property
    def query(self) -> dict[str, Value | Sequence[str]]:
        """The parameters that are given."""
        return {name: value for name, value in self.params.items() if value is not None}

    @property
    def content(self) -> bytes | None:
        """The body as it is sent."""
        try:
            return None if self.body is None else json.dumps(self.body).encode()
        except (TypeError, ValueError) as error:
            raise InvalidRequest(f"what is sent must be JSON: {error}") from error


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    content: bytes = b""
    content_follows: bool = False
    """Of a stream that is open: its lines are to be asked for."""

    @property
    def ok(self) -> bool:
        """Whether it is what was asked for."""
        return self.status < HTTPStatus.MULTIPLE_CHOICES


@dataclass(frozen=True, slots=True)
class Pause:
    """Let so much time pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Open:
    """A request whose answer is read line by line, if it is one to read; a stream that was open before is closed."""

    request: Request
    silent_s: float
    """So long nothing may come before `Line` raises Unreachable."""


@dataclass(frozen=True, slots=True)
class Line:
    """The next line of what is open is sent back; None at its end, Unreachable if it breaks off."""


@dataclass(frozen=True, slots=True)
class Emit:
    """Something for whoever goes through what the verb gives."""

    item: Any


@dataclass(frozen=True, slots=True)
class Done:
    """What a verb returned; for whoever runs it."""

    value: Any


Action = Request | Pause | Open | Line | Emit
Steps = Generator[Action, Any, T]
"""A verb at work; it returns a T."""


def exchange(request: Request | Open) -> Steps[Answer]:
    """The answer to a request, once the key is not over its rate; the error that it tells of is raised."""
    for tries in range(1, TRIES + 1):
        answer: Answer = yield request
        if answer.ok:
            return answer
        error = error_of(answer.status, answer.headers, answer.content)
        wait_s = retry_after_s(answer.headers)
        if not isinstance(error, TooManyRequests) or wait_s > LONGEST_WAIT_S or tries == TRIES:
            raise error
        yield Pause(wait_s)
    raise AssertionError


def ask(request: Request, kind: type[T]) -> Steps[T]:
    """The answer to a request, as a value of a type."""
    answer = yield from exchange(request)
    try:
        found: T = _reader(kind).validate_json(answer.content)
    except ValidationError as error:
        shown = answer.content.decode(errors="replace").strip()[:SHOWN]
        raise OrchestratorError(f"this is no answer of an Orchestrator API to {request.path}: {shown}") from error
    return found


def tell(request: Request) -> Steps[None]:
    """Make a request whose answer says nothing that is needed."""
    yield from exchange(request)


def portions(bodies: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """What is sent in several requests, each not too large."""
    portion: list[dict[str, Any]] = []
    size = 0
    for body in bodies:
        length = len(Request("POST", "", body=body).content or b"")
        if portion and (len(portion) == MOST_AT_ONCE or size + length > MOST_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(body)
        size += length
    if portion:
        yield portion


def _reader(kind: Any) -> TypeAdapter[Any]:
    if kind not in _READERS:
        _READERS[kind] = TypeAdapter(kind)
    return _READERS[kind]
