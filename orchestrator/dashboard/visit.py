"""What a page is given: who looks at it, what they asked for, and the ways to read, to act and to stay up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

from nicegui import Client, ui
from nicegui.client import ClientConnectionTimeout
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from orchestrator.client.access import Role
from orchestrator.client.callers import Caller, source_of
from orchestrator.client.jobs import Jobs
from orchestrator.dashboard.live import Live
from orchestrator.dashboard.look.notices import notice, problem
from orchestrator.dashboard.paths import BASE, LOGIN, to
from orchestrator.dashboard.sessions import Session, Sessions
from orchestrator.errors import OrchestratorError, Unauthenticated

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Visit:
    """One page, open in one browser."""

    request: Request
    client: Client
    sessions: Sessions
    live: Live
    jobs: Jobs
    session: Session | None
    first: Caller
    """Who opened it; `caller` asks whether they still may."""
    pages: frozenset[str] = frozenset()
    """The paths of the pages that there are, for links to others."""
    _later: list[asyncio.Task[Any]] = field(default_factory=list)

    @property
    def query(self) -> dict[str, str]:
        """What stands behind the address's question mark."""
        return dict(self.request.query_params)

    def allows(self, needed: Role) -> bool:
        """Whether to offer what needs that role; whether it is done is decided when it is asked for."""
        return self.first.role.allows(needed)

    async def caller(self) -> Caller:
        """Who acts now; Unauthenticated if their key was revoked meanwhile."""
        return await run_in_threadpool(self.sessions.caller, self.session, *source_of(self.request.scope))

    async def ask(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The answer of something that waits for Redis, without holding the loop."""
        return await run_in_threadpool(question, *args, **kwargs)

    async def act(
        self, needed: Role, action: str, target: str, do: Callable[[Caller], T], done: str | Callable[[T], str]
    ) -> T | None:
        """Do something as whoever is logged in, if their role allows it, and say what came of it; None if nothing did.

        `action` and `target` are how the audit log names it where it is refused.
        """
        try:
            caller = await self.caller()
            await run_in_threadpool(caller.check_role, needed, action, target)
            found = await run_in_threadpool(do, caller.doing(action, target))
        except OrchestratorError as error:
            self.tell(error)
            return None
        notice(done if isinstance(done, str) else done(found))
        return found

    def tell(self, error: OrchestratorError) -> None:
        """Show an error; whoever is not logged in any more is sent there."""
        if isinstance(error, Unauthenticated):
            self.go(to(LOGIN))
            return
        problem(error)

    def entitle(self, title: str) -> None:
        """Say in the browser's tab what the page is about."""
        ui.page_title(f"{title} · Orchestrator")

    def go(self, address: str) -> None:
        """Have the browser show another page; NiceGUI puts the base before the address itself."""
        ui.navigate.to(address.removeprefix(BASE))

    async def news(self, run_id: str | None = None) -> asyncio.Event:
        """Set whenever something happens in the run, or in any; to be asked for before the page reads what it shows."""
        happened = asyncio.Event()
        self.client.on_delete(await self.live.watch(happened.set, run_id))
        return happened

    def follow(self, refresh: Callable[[Caller], Awaitable[None]], news: asyncio.Event) -> None:
        """Refresh the page whenever there are news, for as long as it is open.

        One refresh at a time: what happens meanwhile makes one more.
        """

        async def keep_up() -> None:
            with suppress(ClientConnectionTimeout):
                await self.client.connected()
            while not self.client.is_deleted:
                await news.wait()
                news.clear()
                await self.again(refresh)

        task = asyncio.get_running_loop().create_task(keep_up(), name="dashboard-follow")
        self._later.append(task)
        self.client.on_delete(task.cancel)

    def every(self, seconds: float, refresh: Callable[[Caller], Awaitable[None]]) -> None:
        """Refresh the page again and again, for what the feed of the runs does not tell."""

        async def look() -> None:
            with suppress(ClientConnectionTimeout):
                await self.client.connected()
            while not self.client.is_deleted:
                await asyncio.sleep(seconds)
                await self.again(refresh)

        task = asyncio.get_running_loop().create_task(look(), name="dashboard-every")
        self._later.append(task)
        self.client.on_delete(task.cancel)

    async def again(self, refresh: Callable[[Caller], Awaitable[None]]) -> None:
        """Refresh the page now; what goes wrong is said once while it lasts."""
        with self.client:
            try:
                await refresh(await self.caller())
            except Unauthenticated as error:
                self.tell(error)
            except OrchestratorError as error:
                problem(error, quiet=True)
