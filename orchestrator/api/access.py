"""Who asks: API keys before anything else is looked at, then, route by route, what their role allows."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.api.problems import response
from orchestrator.client.access import Role, admit, may_see
from orchestrator.client.audit import Actor
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.engine import fields
from orchestrator.errors import Forbidden, OrchestratorError, Unauthenticated, UnknownRun, UnknownWorkflow

PREFIX: Final = "/api/v1"
BY_LINK: Final = f"{PREFIX}/approvals/by-link"
OPEN: Final = frozenset({f"{PREFIX}/health", f"{PREFIX}/ready", f"{PREFIX}/openapi.json", BY_LINK})
"""Paths that need no key: they tell nothing of runs; or what comes with the request is a key of its own."""
METRICS: Final = "/metrics"
"""Where Prometheus looks; not under the prefix, as its convention is."""
_LONGEST_AGENT: Final = 200


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request is from, with a client that acts for them."""

    client: RedisOrchestrator
    role: Role
    user: str
    groups: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    """Patterns of the workflows that they may see; none: all."""

    def run(self, run_id: str) -> RedisRunHandle:
        """The handle of a run that they may see; UnknownRun if there is none."""
        return self.runs_of(run_id)[0]

    def runs_of(self, run_id: str) -> tuple[RedisRunHandle, str]:
        """The same, and the run's workflow."""
        _, values = self.client.store.read(run_id, (fields.WORKFLOW,))
        workflow = values[fields.WORKFLOW]
        if workflow is None or not may_see(self.workflows, workflow):
            raise UnknownRun(f"no run has the id {run_id!r}", run_id=run_id)
        return self.client.handle(run_id), workflow

    def check_workflow(self, key: str) -> None:
        """UnknownWorkflow if they may not see it, as if it were not there."""
        if not may_see(self.workflows, key):
            raise UnknownWorkflow(f"no workflow {key!r} is published", key=key)

    def check_unrestricted(self) -> None:
        """Forbidden unless they may see every workflow: for what shows or changes more than some of them."""
        if self.workflows:
            raise Forbidden("a key for some workflows only may not do this")


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
            _check_local(headers)
            actor = Actor(client.audit.actor.user, "", source, agent)
            return Caller(client.acting_for(actor), Role.ADMIN, actor.user)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or client.audit.access is None:
            raise Unauthenticated
        record = await run_in_threadpool(admit, client.audit.access, client.settings, token.strip())
        actor = Actor(record.user, record.id, source, agent)
        return Caller(client.acting_for(actor), Role(record.role), record.user, record.groups, record.workflows)


def source_of(scope: MutableMapping[str, Any]) -> tuple[str, str]:
    """Where a request is from: the address, and what program says it is."""
    agent = Headers(scope=scope).get("user-agent", "")[:_LONGEST_AGENT]
    return scope["client"][0] if scope.get("client") else "", agent


def is_loopback(host: str) -> bool:
    """Whether a name is one of this machine for itself."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _check_local(headers: Headers) -> None:
    """Without keys, a page of another site that a browser here shows must not get in: by its origin, or by its name."""
    for text in (f"//{headers.get('host', '')}", headers.get("origin", "//localhost")):
        if not is_loopback(urlsplit(text).hostname or ""):
            raise Forbidden("without keys, only requests of this machine itself are taken")


_bearer = HTTPBearer(auto_error=False, scheme_name="key", description="An API key: `orc_ID_SECRET`.")


def _allowed(needed: Role) -> Callable[..., Caller]:
    def caller(request: Request, _: Annotated[Any, Security(_bearer)]) -> Caller:
        found: Caller = request.state.caller
        if not found.role.allows(needed):
            route = request.scope["route"]
            target = request.url.path.removeprefix(f"{PREFIX}/")
            found.client.audit.note(route.name, target, Forbidden.code)
            raise Forbidden(f"this needs the role {needed}; this key has {found.role}", needed=needed, role=found.role)
        return found

    return caller


Viewer = Annotated[Caller, Depends(_allowed(Role.VIEWER))]
Starter = Annotated[Caller, Depends(_allowed(Role.STARTER))]
Operator = Annotated[Caller, Depends(_allowed(Role.OPERATOR))]
Admin = Annotated[Caller, Depends(_allowed(Role.ADMIN))]
