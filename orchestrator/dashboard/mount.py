"""Mounting the dashboard in the API's process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from nicegui import app as pages_app
from nicegui import ui
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from orchestrator.client.jobs import Jobs
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.dashboard.door import Door
from orchestrator.dashboard.frame import Frame
from orchestrator.dashboard.kept import Kept
from orchestrator.dashboard.live import Live
from orchestrator.dashboard.login import Login
from orchestrator.dashboard.look.shell import BUNDLES
from orchestrator.dashboard.pages import PAGES
from orchestrator.dashboard.paths import ASSETS, BASE, FILES, LOGIN, LOGOUT, to
from orchestrator.dashboard.sessions import Sessions

_FOR_EVER: Final = "public, max-age=31536000, immutable"


def mount(app: FastAPI, client: RedisOrchestrator, jobs: Jobs) -> None:
    """Serve the dashboard below `/dashboard`; once a process, as NiceGUI has one application."""
    sessions, live = Sessions(client), Live(client.settings)
    frame = Frame(PAGES, sessions, live, jobs)
    frame.register()
    login = Login(sessions)
    pages_app.add_route("/", _forward, methods=["GET"])
    pages_app.add_route(LOGIN, login.show, methods=["GET"])
    pages_app.add_route(LOGIN, login.log_in, methods=["POST"])
    pages_app.add_route(LOGOUT, login.log_out, methods=["POST"])
    for name, files in BUNDLES.items():
        pages_app.add_route(f"{ASSETS}/{name}", _bundle(files), methods=["GET"])
    pages_app.mount(ASSETS, _Assets(directory=FILES))
    ui.run_with(
        app,
        mount_path=BASE,
        root=frame.missing,
        title="Orchestrator",
        favicon=FILES / "mark.svg",
        dark=None,
        language="en-US",
        tailwind=False,
        reconnect_timeout=15.0,
        gzip_middleware_factory=None,
        show_welcome_message=False,
        binding_refresh_interval=None,
    )
    pages_app.config.quasar_config["loadingBar"] = {"skipHijack": True}  # pages say themselves what they are doing
    pages_app.add_middleware(Door, sessions=sessions)
    pages_app.add_middleware(GZipMiddleware, compresslevel=4)
    pages_app.add_middleware(Kept, paths=("/_nicegui/", f"{ASSETS}/"))
    app.add_route("/", _forward, methods=["GET"], include_in_schema=False)
    app.add_route("/favicon.ico", _mark, methods=["GET"], include_in_schema=False)
    app.router.lifespan_context = _closing(app, live)


async def _forward(_: Request) -> RedirectResponse:
    """To the first page."""
    return RedirectResponse(to(PAGES[0].path))


async def _mark(_: Request) -> FileResponse:
    return FileResponse(FILES / "mark.svg")


def _bundle(names: Sequence[str]) -> Callable[[Request], Response]:
    """Several of our files as one, which a browser asks for once."""

    def answer(_: Request) -> Response:
        text = "\n".join((FILES / name).read_text(encoding="utf-8") for name in names)
        kind = "text/css" if names[0].endswith(".css") else "text/javascript"
        return Response(text, media_type=kind, headers={"Cache-Control": _FOR_EVER})

    return answer


class _Assets(StaticFiles):
    """Their address changes with them, so browsers keep them."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = _FOR_EVER
        return response


def _closing(app: FastAPI, live: Live) -> Any:
    """The application's lifespan; at its end nothing is read for pages any more."""
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(served: FastAPI) -> AsyncIterator[Any]:
        async with inner(served) as state:
            try:
                yield state
            finally:
                await live.close()

    return lifespan
