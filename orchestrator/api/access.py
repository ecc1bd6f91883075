"""Who asks: API keys before anything else is looked at, then, route by route, what their role allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.api.problems import response
from orchestrator.client.access import Role, admit
from orchestrator.client.callers import Caller, check_local, is_loopback, source_of
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.errors import OrchestratorError, Unauthenticated

__all__ = [
    "METRICS",
    "OPEN",
    "PREFIX",
    "Admin",
    "Admission",
    "Caller",
    "Operator",
    "Starter",
    "Viewer",
    "is_loopback",
    "source_of",
]

PREFIX: Final = "/api/v1"
BY_LINK: Final = f"{PREFIX}/approvals/by-link"
OPEN: Final = frozenset({f"{PREFIX}/health", f"{PREFIX}/ready", f"{PREFIX}/openapi.json", BY_LINK})
"""Paths that need no key: they tell nothing of runs; or what comes with the request is a key of its own."""
METRICS: Final = "/metrics"
"""Where Prometheus looks; not under the prefix, as its convention is."""


class Admission:
    """Lets a request in with a key, or without one where access is off; then only from this machine itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its caller, or answer it with 401 or 429."""
        if scope["type"] != "http" or scope["path"] in OPEN or not scope["path"].startswith((PREFIX, METRICS)):
            await self.app(scope, receive, send)
            return
        try:
            caller = await self._caller(scope)
        except OrchestratorError as error:
            await response(scope["path"], error)(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        await self.app(scope, receive, send)

    async def _caller(self, scope: Scope) -> Caller:
        client: RedisOrchestrator = scope["app"].state.client
        headers = Headers(scope=scope)
        source, agent = source_of(scope)
        if scope["path"] == METRICS and client.settings.metrics_public:
            return Caller(client, Role.VIEWER, "")
        if not client.settings.access:
            check_local(headers)
            return Caller.of_this_machine(client, source, agent)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or client.audit.access is None:
            raise Unauthenticated
        record = await run_in_threadpool(admit, client.audit.access, client.settings, token.strip())
        return Caller.of_key(client, record, source, agent)


_bearer = HTTPBearer(auto_error=False, scheme_name="key", description="An API key: `orc_ID_SECRET`.")


def _allowed(needed: Role) -> Callable[..., Caller]:
    def caller(request: Request, _: Annotated[Any, Security(_bearer)]) -> Caller:
        found: Caller = request.state.caller
        action, target = request.scope["route"].name, request.url.path.removeprefix(f"{PREFIX}/")
        found.check_role(needed, action, target)
        return found if request.method == "GET" else found.doing(action, target)

    return caller


Viewer = Annotated[Caller, Depends(_allowed(Role.VIEWER))]
Starter = Annotated[Caller, Depends(_allowed(Role.STARTER))]
Operator = Annotated[Caller, Depends(_allowed(Role.OPERATOR))]
Admin = Annotated[Caller, Depends(_allowed(Role.ADMIN))]
