from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator import OperationError, StepContext
from workers.operations.http import HttpRequest, RequestHttp, RequestHttpOnce


@dataclass
class WebServer:
    """What it answers, and what it was asked."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hold: threading.Event | None = None
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A web server in a thread."""
    served = WebServer()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            served.requests.append((self.command, {k.lower(): v for k, v in self.headers.items()}, body))
            if served.hold is not None:
                served.hold.wait(10)
                return
            self.send_response(served.status)
            for name, value in served.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(served.body)))
            self.end_headers()
            self.wfile.write(served.body)

        do_GET = do_POST = do_PUT = answer  # noqa: N815  # named by http.server

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # named by http.server
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


def test_json_goes_out_and_comes_back(web: WebServer, context: StepContext) -> None:
    """A JSON body is sent as such, and a JSON answer is read."""
    web.headers, web.body = {"Content-Type": "application/json", "X-Trace": "7"}, b'{"id": 5}'

    answer = RequestHttp(HttpRequest(method="POST", url=web.url, json_body={"a": 1}), context)

    assert (answer.status, answer.json_body, answer.body) == (200, {"id": 5}, None)
    assert answer.headers["x-trace"] == "7"
    ((method, _, body),) = web.requests
    assert (method, json.loads(body)) == ("POST", {"a": 1})


def test_what_only_says_that_it_is_json_is_text(web: WebServer, context: StepContext) -> None:
    """An answer that cannot be read as JSON is not lost."""
    web.headers, web.body = {"Content-Type": "application/json"}, b"oops"

    assert RequestHttp(HttpRequest(url=web.url), context).body == "oops"


def test_idempotency_key_is_sent_where_repeating_is_allowed(web: WebServer, context: StepContext) -> None:
    """`http.request` sends the step's key, or the author's own; `http.request_once` sends none, and says why."""
    RequestHttp(HttpRequest(url=web.url), context)
    RequestHttp(HttpRequest(url=web.url, headers={"idempotency-key": "mine"}), context)
    RequestHttpOnce(HttpRequest(url=web.url), context)

    assert [headers.get("idempotency-key") for _, headers, _ in web.requests] == [context.idempotency_key, "mine", None]
    assert (RequestHttp.idempotent, RequestHttpOnce.idempotent) == (True, False)


@pytest.mark.parametrize(
    ("method", "status", "code", "retryable", "outcome"),
    [
        ("POST", 404, "http_4xx", False, "failed"),
        ("POST", 429, "http_429", True, "failed"),
        ("POST", 500, "http_5xx", True, "unknown"),
        ("POST", 503, "http_5xx", True, "failed"),
        ("GET", 500, "http_5xx", True, "failed"),
    ],
)
def test_an_error_status_is_a_failure_of_its_class(
    method: Any, status: int, code: str, retryable: bool, outcome: str, web: WebServer, context: StepContext
) -> None:
    """The class gives the code; a server error leaves it open what a request that changes things has done."""
    web.status = status

    with pytest.raises(OperationError) as failure:
        RequestHttp(HttpRequest(method=method, url=web.url), context)

    error = failure.value
    assert (error.code, error.retryable, error.outcome) == (code, retryable, outcome)
    assert error.details == {"status": status}


@pytest.mark.parametrize(("header", "expected"), [("7", 7.0), ("soon", None), ("Wed, 01 Jan 2020 00:00:00 GMT", 0.0)])
def test_retry_after_is_obeyed(header: str, expected: float | None, web: WebServer, context: StepContext) -> None:
    """Seconds are taken as they are, a date in the past means now, and nonsense is left to the policy."""
    web.status, web.headers = 429, {"Retry-After": header}

    with pytest.raises(OperationError) as failure:
        RequestHttp(HttpRequest(url=web.url), context)

    assert failure.value.retry_after == expected


def test_retry_after_may_be_a_date(web: WebServer, context: StepContext) -> None:
    """A date is turned into the seconds until then."""
    web.status = 503
    web.headers = {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)}

    with pytest.raises(OperationError) as failure:
        RequestHttp(HttpRequest(url=web.url), context)

    assert failure.value.retry_after == pytest.approx(100, abs=10)


def test_refused_connection_is_a_reported_failure(context: StepContext) -> None:
    """Where nobody listens, nothing has happened."""
    with pytest.raises(OperationError) as failure:
        RequestHttp(HttpRequest(method="POST", url="http://127.0.0.1:1/"), context)

    assert (failure.value.code, failure.value.retryable, failure.value.outcome) == ("http_unreachable", True, "failed")


@pytest.mark.parametrize(("method", "outcome"), [("POST", "unknown"), ("GET", "failed")])
def test_no_answer_leaves_the_outcome_of_a_change_unknown(
    method: Any, outcome: str, web: WebServer, context: StepContext
) -> None:
    """The server had the request, and nobody knows what it did; reading changes nothing, whatever happened."""
    web.hold = threading.Event()

    with pytest.raises(OperationError) as failure:
        RequestHttp(HttpRequest(method=method, url=web.url, timeout_seconds=0.2), context)
    web.hold.set()

    assert (failure.value.code, failure.value.outcome) == ("http_no_answer", outcome)
    assert len(web.requests) == 1


def test_without_httpx_the_error_says_what_to_install(context: StepContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operation is there without the extra, and names it when it is called."""
    monkeypatch.setitem(sys.modules, "httpx", None)

    with pytest.raises(OperationError, match=r"celery-orchestrator\[operations\]") as failure:
        RequestHttp(HttpRequest(url="http://127.0.0.1:1/"), context)

    assert (failure.value.code, failure.value.retryable) == ("httpx_missing", False)


def test_one_body_at_most() -> None:
    """`json` and `body` together, and other schemes than HTTP's, are invalid input."""
    for wrong in ({"url": "http://a/", "json": {}, "body": "x"}, {"url": "file:///etc/hosts"}):
        with pytest.raises(ValidationError):
            RequestHttp.validate_input(wrong)
