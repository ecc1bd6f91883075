"""Mounting the dashboard in the API's process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from nicegui import app as pages_app
from nicegui import ui
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.staticfiles import StaticFiles

from orchestrator.client.jobs import Jobs
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.dashboard.door import Door
from orchestrator.dashboard.frame import Frame
from orchestrator.dashboard.live import Live
from orchestrator.dashboard.login import Login
from orchestrator.dashboard.pages import PAGES
from orchestrator.dashboard.paths import ASSETS, BASE, FILES, LOGIN, LOGOUT, to
from orchestrator.dashboard.sessions import Sessions


def mount(app: FastAPI, client: RedisOrchestrator, jobs: Jobs) -> None:
    """Serve the dashboard below `/dashboard`; once a process, as NiceGUI has one application."""
    sessions, live = Sessions(client), Live(client.settings)
    frame = Frame(PAGES, sessions, live, jobs)
    frame.register()
    login = Login(sessions)
    pages_app.add_route(LOGIN, login.show, methods=["GET"])
    pages_app.add_route(LOGIN, login.log_in, methods=["POST"])
    pages_app.add_route(LOGOUT, login.log_out, methods=["POST"])
    pages_app.mount(ASSETS, _Assets(directory=FILES))
    ui.run_with(
        app,
        mount_path=BASE,
        root=frame.missing,
        title="Orchestrator",
        dark=None,
        language="en-US",
        tailwind=False,
        reconnect_timeout=15.0,
        gzip_middleware_factory=None,
        show_welcome_message=False,
        binding_refresh_interval=None,
    )
    pages_app.add_middleware(Door, sessions=sessions)
    pages_app.add_middleware(GZipMiddleware)
    app.add_route("/", _forward, methods=["GET"], include_in_schema=False)
    app.router.lifespan_context = _closing(app, live)


async def _forward(_: Request) -> RedirectResponse:
    return RedirectResponse(to("/"))


class _Assets(StaticFiles):
    """Their address changes with them, so browsers keep them."""

    def file_response(self, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def _closing(app: FastAPI, live: Live):  # type: ignore[no-untyped-def]  # noqa: ANN202
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(served: FastAPI) -> AsyncIterator[object]:
        async with inner(served) as state:
            try:
                yield state
            finally:
                await live.close()

    return lifespan
