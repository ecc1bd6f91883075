"""Every page's frame: its address, its title, the navigation around it, and what is shown when it cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nicegui import Client, ui
from starlette.requests import Request

from orchestrator import logs
from orchestrator.client.jobs import Jobs
from orchestrator.dashboard.live import Live
from orchestrator.dashboard.look.empty import empty_state
from orchestrator.dashboard.look.parts import html
from orchestrator.dashboard.look.shell import NavItem, head_links, shell
from orchestrator.dashboard.pages.page import Page
from orchestrator.dashboard.paths import to
from orchestrator.dashboard.sessions import Sessions
from orchestrator.dashboard.visit import Visit
from orchestrator.errors import OrchestratorError

log = logs.get("dashboard")

BUILD_S = 30.0
"""A page that takes longer is given up."""


class Frame:
    """Registers pages, and builds them when they are asked for."""

    def __init__(self, pages: Sequence[Page], sessions: Sessions, live: Live, jobs: Jobs) -> None:
        self.pages = pages
        self.sessions = sessions
        self.live = live
        self.jobs = jobs

    def register(self) -> None:
        """Give every page its address."""
        for one in self.pages:
            ui.page(one.path, title=f"{one.title} · Orchestrator", response_timeout=BUILD_S)(self._builder(one))

    def _builder(self, page: Page) -> Any:
        async def build(request: Request, client: Client) -> None:
            visit = self._begin(request, client, page)
            try:
                await page.show(visit)
            except OrchestratorError as error:
                client.status_code = 404 if error.code.startswith("unknown_") else 200
                client.content.clear()
                with client.content:
                    html(empty_state(error.message, "Back to all runs", to("/runs"), code=error.code))

        return build

    async def missing(self, request: Request) -> None:
        """What is shown where no page is."""
        client = ui.context.client
        client.status_code = 404
        self._begin(request, client, None)
        html(empty_state("There is no such page.", "All runs", to("/runs"), code="not_found"))

    def _begin(self, request: Request, client: Client, page: Page | None) -> Visit:
        state = request.state
        paths = frozenset(one.path for one in self.pages if state.caller.role.allows(one.needed))
        visit = Visit(request, client, self.sessions, self.live, self.jobs, state.session, state.caller, paths)
        items = [NavItem(one.title, one.path, one.keys) for one in self.pages if one.keys and visit.allows(one.needed)]
        token = state.session.token if state.session is not None else None
        ui.add_head_html(str(head_links()))
        around = shell(items, page.nav if page else "", visit.first.user, visit.first.role.value, token)
        ui.add_body_html(str(around))
        client.content.props("id=main tabindex=-1")
        return visit
