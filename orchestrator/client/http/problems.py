"""Problems (RFC 9457) turned back into the errors that they were made of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from orchestrator.errors import (
    Forbidden,
    NotFound,
    OperationError,
    OrchestratorError,
    PayloadTooLarge,
    Problem,
    SpecInvalid,
    TooManyRequests,
    Unauthenticated,
    Unreachable,
)

_OF_STATUS: Final[Mapping[int, type[OrchestratorError]]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    413: PayloadTooLarge,
    429: TooManyRequests,
    502: Unreachable,
    503: Unreachable,
    504: Unreachable,
}
"""What an answer means that is no problem of ours, such as one of a proxy."""
SHOWN: Final = 200
"""So much of a text that is no problem of ours is quoted."""


def error_of(status: int, headers: Mapping[str, str], content: bytes) -> OrchestratorError:
    """The error that an answer tells of, with its code and its details."""
    problem = _problem(content)
    if problem is None:
        kind = _OF_STATUS.get(status, OrchestratorError)
        text = content.decode(errors="replace").strip()[:SHOWN]
        return _made(kind, f"the server answered {status}: {text}" if text else f"the server answered {status}", {})
    code, details = str(problem["code"]), dict(problem.get("details") or {})
    if problems := problem.get("problems"):
        details.setdefault("problems", problems)
    if "retry-after" in headers:
        details["retry_after_ms"] = round(retry_after_s(headers) * 1000)
    known = _CLASSES.get(code)
    error = _made(known or _OF_STATUS.get(status, OrchestratorError), str(problem.get("detail", "")), details)
    if known is None:
        error.code = code  # type: ignore[misc]  # a code of a later server, on the instance
    return error


def retry_after_s(headers: Mapping[str, str]) -> float:
    """How long to wait before asking again; a second where the answer does not say, or says a date."""
    text = headers.get("retry-after", "")
    return float(text) if text.isdigit() else 1.0


def _problem(content: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(content)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("code"), str) else None


def _made(kind: type[OrchestratorError], message: str, details: dict[str, Any]) -> OrchestratorError:
    if kind is SpecInvalid:
        return SpecInvalid([_spec_problem(one) for one in details.get("problems", ())])
    error = kind(message)
    error.details.update(details)
    return error


def _spec_problem(told: Mapping[str, Any]) -> Problem:
    names = Problem.__dataclass_fields__
    return Problem(**{name: value for name, value in ({"rule": ""} | dict(told)).items() if name in names})


def _classes(kind: type[OrchestratorError]) -> Iterator[type[OrchestratorError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _classes(below)


_CLASSES: Final = {kind.code: kind for kind in _classes(OrchestratorError) if not issubclass(kind, OperationError)}
