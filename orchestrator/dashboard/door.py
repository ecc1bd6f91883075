"""What every request passes: whose it is, whether another site's page sent it, and what a browser may do with it.

NiceGUI's actions travel by a socket, to which browsers send cookies whoever opens it. So its Origin must be our own.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.client.callers import check_local, source_of
from orchestrator.dashboard.document import finished
from orchestrator.dashboard.paths import ASSETS, BASE, LOGIN
from orchestrator.dashboard.sessions import COOKIE, Sessions
from orchestrator.errors import Forbidden, OrchestratorError, Unauthenticated

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN: Final = ("/_nicegui/", ASSETS, LOGIN, "/favicon.ico")
"""Scripts, styles and fonts, which tell nothing of runs, and the log-in."""
_SOCKET: Final = "/_nicegui_ws"

HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def content_policy(nonce: str) -> str:
    """What a page may load and run.

    `unsafe-eval`: NiceGUI compiles Vue templates and event handlers in the browser. `unsafe-inline` for styles alone:
    Vue and Quasar set style elements and attributes as they go. Scripts stand in files of ours, or carry the nonce.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


class Door:
    """Lets in whoever has a session; everybody else is shown the log-in."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self.app = app
        self.sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its caller, or turn it away."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        guarded = send if scope["type"] == "websocket" else _Guarded(send, scope)
        try:
            await self._admit(scope)
        except Unauthenticated:
            await self._turn_away(scope, receive, guarded)
        except OrchestratorError as error:
            await _refuse(scope, receive, guarded, f"{error.message} [{error.code}]")
        else:
            await self.app(scope, receive, guarded)

    async def _admit(self, scope: Scope) -> None:
        headers, path = Headers(scope=scope), _path(scope)
        by_socket = scope["type"] == "websocket" or path.startswith(_SOCKET)
        if not self.sessions.needed:
            check_local(headers)
        if by_socket or scope["method"] not in SAFE:
            _check_origin(headers, needed=scope["type"] == "websocket" or scope["method"] not in SAFE)
        if path.startswith(_OPEN):
            return
        session = self.sessions.read(HTTPConnection(scope).cookies.get(COOKIE))
        caller = await run_in_threadpool(self.sessions.caller, session, *source_of(scope))
        scope.setdefault("state", {}).update(session=session, caller=caller)

    async def _turn_away(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" or _path(scope).startswith(_SOCKET) or scope["method"] not in SAFE:
            await _refuse(scope, receive, send, "log in first")
            return
        query = scope["query_string"].decode("latin-1")
        wanted = _path(scope) + (f"?{query}" if query else "")
        to = f"{BASE}{LOGIN}" + ("" if wanted in ("", "/") else f"?next={quote(wanted, safe='/')}")
        await RedirectResponse(to, 303)(scope, receive, send)


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


def _check_origin(headers: Headers, *, needed: bool) -> None:
    """Forbidden unless it comes from a page of this very host; without an Origin no browser sent it from another."""
    origin = headers.get("origin")
    if origin is None and not needed:
        return
    if origin is None or urlsplit(origin).netloc != headers.get("host"):
        raise Forbidden("this did not come from a page of ours")


async def _refuse(scope: Scope, receive: Receive, send: Send, why: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": why[:120]})
        return
    await PlainTextResponse(why, 403)(scope, receive, send)


class _Guarded:
    """Sends a response with the headers above; a page's own scripts get the nonce that its policy names."""

    def __init__(self, send: Send, scope: Scope) -> None:
        self._send = send
        self._cached = _path(scope).startswith(("/_nicegui/", ASSETS))
        self._nonce = secrets.token_urlsafe(16)
        self._head: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._start(message)
        elif self._head is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._send_page(self._head)
        else:
            await self._send(message)

    async def _start(self, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        for name, value in HEADERS.items():
            headers[name] = value
        if not self._cached:
            headers["Cache-Control"] = "no-store"
        if headers.get("content-type", "").startswith("text/html"):
            headers["Content-Security-Policy"] = content_policy(self._nonce)
            self._head = message
            return
        await self._send(message)

    async def _send_page(self, head: Message) -> None:
        body = finished(self._body, self._nonce)
        MutableHeaders(scope=head)["Content-Length"] = str(len(body))
        await self._send(head)
        await self._send({"type": "http.response.body", "body": body})
