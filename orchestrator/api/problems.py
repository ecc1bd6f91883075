"""Errors over HTTP: RFC 9457 problems with the codes of `errors.py`, and the one table of their statuses."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from orchestrator import logs
from orchestrator.errors import (
    Malformed,
    OrchestratorError,
    SpecInvalid,
    Unauthenticated,
)

log = logs.get("api")

MEDIA_TYPE: Final = "application/problem+json"

STATUSES: Final[Mapping[str, int]] = {
    "invalid_request": 422,
    "invalid_spec": 422,
    "invalid_input": 422,
    "invalid_traffic": 422,
    "invalid_schedule": 422,
    "invalid_event": 422,
    "malformed_request": 400,
    "invalid_signature": 400,
    "payload_too_large": 413,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "unauthenticated": 401,
    "forbidden": 403,
    "access_denied": 403,
    "not_asked": 403,
    "rate_limited": 429,
    "not_found": 404,
    "unknown_workflow": 404,
    "unknown_run": 404,
    "unknown_step": 404,
    "unknown_operation": 404,
    "unknown_event": 404,
    "unknown_schedule": 404,
    "unknown_job": 404,
    "unknown_worker": 404,
    "unknown_key": 404,
    "unknown_alert": 404,
    "unknown_channel": 404,
    "unknown_delivery": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "version_conflict": 409,
    "run_conflict": 409,
    "run_over": 409,
    "run_goes_on": 409,
    "archived": 409,
    "step_not_waiting": 409,
    "not_retriable": 409,
    "signal_not_expected": 409,
    "schedule_retired": 409,
    "illegal_transition": 409,
    "alert_over": 409,
    "pool_fixed": 409,
    "worker_refused": 409,
    "worker_silent": 409,
    "unreachable": 503,
    "archive_outdated": 503,
}
"""Code → status. Any other code is a fault of ours: 500."""

_METHOD_NOT_ALLOWED: Final = 405
_OF_STATUS: Final[Mapping[int, str]] = {404: "not_found", 405: "method_not_allowed", 415: "unsupported_media_type"}
"""What the framework itself answers with."""


class Place(BaseModel):
    """One of several things that are wrong."""

    path: str = Field(description="Where, such as `body.input.amount`; empty if it concerns the whole.")
    message: str


class ProblemDocument(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="Names the kind of problem; `code` is its last part.")
    title: str
    status: int
    detail: str
    instance: str = Field(description="The path that was asked for.")
    code: str = Field(description="Stable; what programs compare.")
    problems: list[Place] = Field(default=[], description="Everything that is wrong, if there may be several things.")
    details: dict[str, Any] = Field(default={}, description="What belongs to the code.")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The responses of a route that are problems, for its OpenAPI entry."""
    return {
        status: {"model": ProblemDocument, "description": _TITLES[status], "content": {MEDIA_TYPE: _EXAMPLES[status]}}
        for status in sorted({*statuses, 400, 401, 403, 405, 413, 429, 503})
    }


_TITLES: Final[Mapping[int, str]] = {
    400: "The request cannot be read",
    401: "No valid API key",
    403: "The key's role does not allow it",
    404: "Nothing has that name",
    405: "There is no such method here",
    409: "The present state does not allow it",
    413: "Too large",
    415: "Not a media type that is read here",
    422: "It can be read, but not carried out",
    429: "The key is over its rate",
    500: "A fault of the server",
    503: "The state or the broker does not answer",
}


def _example(status: int) -> dict[str, Any]:
    code = next(code for code, at in STATUSES.items() if at == status)
    shown = document(status, code, _TITLES[status], "/api/v1/runs")
    return {"schema": {"$ref": "#/components/schemas/ProblemDocument"}, "example": shown}


def document(
    status: int,
    code: str,
    detail: str,
    instance: str,
    problems: Sequence[Mapping[str, str]] = (),
    details: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A problem, ready to be sent."""
    return {
        "type": f"urn:orchestrator:problem:{code}",
        "title": _TITLES.get(status, _TITLES[500]),
        "status": status,
        "detail": detail,
        "instance": instance,
        "code": code,
        "problems": list(problems),
        "details": dict(details or {}),
    }


_EXAMPLES: Final = {status: _example(status) for status in _TITLES if status in STATUSES.values()}


def response(path: str, error: OrchestratorError) -> Response:
    """The problem that an error is."""
    status = STATUSES.get(error.code, 500)
    details = {name: value for name, value in error.details.items() if name not in ("problems", "retry_after_ms")}
    if isinstance(error, SpecInvalid):
        details["problems"] = [asdict(one) for one in error.problems]
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if "retry_after_ms" in error.details:
        headers["Retry-After"] = str(-(-int(error.details["retry_after_ms"]) // 1000))
    return _answer(document(status, error.code, error.message, path, _places(error), details), headers)


def _answer(problem: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    text = json.dumps(problem, default=str)  # ASCII: whatever texts are quoted in it
    return Response(text, problem["status"], dict(headers or {}), MEDIA_TYPE)


def _places(error: OrchestratorError) -> list[dict[str, str]]:
    if isinstance(error, SpecInvalid):
        return [{"path": one.path, "message": str(one)} for one in error.problems]
    found = error.details.get("problems", ())
    return [one if isinstance(one, dict) else {"path": "", "message": str(one)} for one in found]


def install(app: FastAPI) -> None:
    """Let every error of a route come out as a problem."""

    def of_ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, OrchestratorError)  # noqa: S101  # as it is registered below
        if STATUSES.get(error.code, 500) >= 500:  # noqa: PLR2004
            log.error("request_failed", path=request.url.path, code=error.code, error=error.message)
        return response(request.url.path, error)

    def of_form(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        problems = [{"path": _path(one["loc"]), "message": str(one["msg"])} for one in error.errors()]
        detail = "; ".join(f"{one['path']}: {one['message']}" for one in problems)
        return _answer(document(400, Malformed.code, detail, request.url.path, problems))

    def of_framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        code = _OF_STATUS.get(error.status_code, Malformed.code)
        headers = dict(error.headers or {})
        if error.status_code == _METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_methods(app, request))
        return _answer(document(error.status_code, code, str(error.detail), request.url.path), headers)

    def unforeseen(request: Request, error: Exception) -> Response:
        trace = "".join(traceback.format_exception(error))  # without the frames' values: there are secrets among them
        log.error("request_failed", path=request.url.path, code="internal_error", exception=trace)
        return _answer(document(500, "internal_error", "this should not have happened", request.url.path))

    app.add_exception_handler(OrchestratorError, of_ours)
    app.add_exception_handler(RequestValidationError, of_form)
    app.add_exception_handler(HTTPException, of_framework)
    app.add_exception_handler(Exception, unforeseen)


def _methods(app: FastAPI, request: Request) -> list[str]:
    """The methods that are taken at a path: of all routes, as each of them names only its own."""
    paths = app.openapi()["paths"]
    matching = (path for path in paths if compile_path(path)[0].match(request.url.path))
    return sorted({method.upper() for path in matching for method in paths[path]})


def _path(parts: Sequence[int | str]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".")
