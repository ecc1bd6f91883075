"""HTTP requests with httpx, from the extra `operations`.

What an answer means: below 400 the step completes, redirects included; 429 and 5xx may be retried, after `Retry-After`
if the server gives it; any other 4xx is final. Where the request may have had its effect although no good answer came
(a 5xx, a timeout or a break after it was sent), the outcome is unknown, unless the method is one that changes nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from orchestrator import OperationError, StepContext, operation
from workers.operations.model import OperationModel

if TYPE_CHECKING:
    import httpx

_ERRORS = [
    "http_4xx",
    "http_5xx",
    "http_429",
    "http_invalid_request",
    "http_no_answer",
    "http_unreachable",
    "httpx_missing",
]
_SAFE = {"GET", "HEAD", "OPTIONS"}
_NOT_DONE = {501, 503}
_TOO_MANY_REQUESTS = 429
_CLIENT_ERROR = 400
_SERVER_ERROR = 500


class HttpRequest(OperationModel):
    """A request with at most one of `json` and `body`; the timeout is for connecting, and each read and write."""

    method: Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    url: str = Field(pattern=r"^https?://")
    headers: dict[str, str] = Field(default_factory=dict)
    json_body: Any = Field(None, alias="json")
    body: str | None = None
    timeout_seconds: float = Field(30.0, gt=0)

    @model_validator(mode="after")
    def _one_body(self) -> HttpRequest:
        if self.json_body is not None and self.body is not None:
            raise ValueError("give json or body, not both")
        return self


class HttpAnswer(OperationModel):
    """The answer: `json` if it says that it is JSON, else the text as `body`; header names are in lower case."""

    status: int
    headers: dict[str, str]
    json_body: Any = Field(None, alias="json")
    body: str | None = None


@operation("http.request", version="1.0.0", effect="write", idempotent=True, errors=_ERRORS)
def RequestHttp(request: HttpRequest, context: StepContext) -> HttpAnswer:
    """Send a request that may be sent again: it bears the idempotency key as `Idempotency-Key`.

    GET, PUT and DELETE are idempotent by what HTTP says; POST and PATCH are if the server honours the header. For one
    that does not, use `http.request_once`.
    """
    return _request(request, {"Idempotency-Key": context.idempotency_key})


@operation("http.request_once", version="1.0.0", effect="write", idempotent=False, errors=_ERRORS)
def RequestHttpOnce(request: HttpRequest, context: StepContext) -> HttpAnswer:
    """Send a request that is never sent again once it may have had its effect."""
    return _request(request, {})


def _request(request: HttpRequest, headers: dict[str, str]) -> HttpAnswer:
    try:
        import httpx  # noqa: PLC0415  # an extra: who does not use this operation does not need it
    except ImportError as error:
        message = "http.request needs httpx: pip install 'celery-orchestrator[operations]'"
        raise OperationError("httpx_missing", message, retryable=False) from error
    merged = httpx.Headers(headers)
    merged.update(request.headers)
    try:
        response = httpx.request(
            request.method,
            request.url,
            headers=merged,
            json=request.json_body,
            content=request.body,
            timeout=request.timeout_seconds,
        )
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
        raise OperationError("http_invalid_request", str(error), retryable=False) from error
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
        raise OperationError("http_unreachable", f"{request.url}: {error}") from error
    except httpx.TransportError as error:
        outcome: Literal["failed", "unknown"] = "failed" if request.method in _SAFE else "unknown"
        message = f"{request.url}: {type(error).__name__} after the request was sent"
        raise OperationError("http_no_answer", message, outcome=outcome) from error
    if response.status_code >= _CLIENT_ERROR:
        raise _refusal(response)
    return _answer(response)


def _answer(response: httpx.Response) -> HttpAnswer:
    headers = dict(response.headers)
    media_type = headers.get("content-type", "").partition(";")[0].strip()
    if response.content and (media_type == "application/json" or media_type.endswith("+json")):
        try:
            return HttpAnswer(status=response.status_code, headers=headers, json_body=response.json())
        except ValueError:
            pass  # it says JSON and is not: the caller gets the text
    return HttpAnswer(status=response.status_code, headers=headers, body=response.text)


def _refusal(response: httpx.Response) -> OperationError:
    """What an error status means: its code, whether and when to ask again, and whether anything may have happened."""
    status, safe = response.status_code, response.request.method in _SAFE
    message, details = f"{response.url} answered {status}", {"status": status}
    retry_after = _retry_after_s(response.headers.get("retry-after"))
    if status == _TOO_MANY_REQUESTS:
        return OperationError("http_429", message, retry_after=retry_after, details=details)
    if status < _SERVER_ERROR:
        return OperationError("http_4xx", message, retryable=False, details=details)
    outcome: Literal["failed", "unknown"] = "failed" if safe or status in _NOT_DONE else "unknown"
    return OperationError("http_5xx", message, retry_after=retry_after, outcome=outcome, details=details)


def _retry_after_s(header: str | None) -> float | None:
    """Seconds from a `Retry-After`, which is a number of them or a date; None if it is neither."""
    if header is None:
        return None
    if header.isdecimal():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
