"""The application: what stands between a socket and the client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import APIRouter, FastAPI

from orchestrator.api.access import PREFIX, Admission
from orchestrator.api.background import working_off
from orchestrator.api.bodies import BodyLimit
from orchestrator.api.documents import describe
from orchestrator.api.problems import install
from orchestrator.api.routes import (
    alerts,
    approvals,
    audit,
    events,
    fleet,
    health,
    jobs,
    keys,
    measures,
    prometheus,
    runs,
    schedules,
    signals,
    stream,
    verbs,
    workers,
    workflows,
)
from orchestrator.client.jobs import Jobs
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.store.tail import Tail

_RESOURCES = (
    health,
    workflows,
    runs,
    stream,
    verbs,
    signals,
    approvals,
    schedules,
    events,
    jobs,
    fleet,
    alerts,
    measures,
    workers,
    audit,
    keys,
)
ROUTERS: tuple[APIRouter, ...] = tuple(module.router for module in _RESOURCES)


def create_app(client: RedisOrchestrator) -> FastAPI:
    """The API of what a client reaches."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.tail = Tail(client.settings.redis_url, client.settings)
        try:
            with working_off(app.state.jobs):
                yield
        finally:
            await app.state.tail.close()

    app = FastAPI(
        title="Orchestrator",
        version=version("celery-orchestrator"),
        description="Durable, versioned workflows on Celery and Redis.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.client = client
    app.state.jobs = Jobs.of(client)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    app.include_router(prometheus.router)
    install(app)
    describe(app)
    # the last to be added is the first to be asked
    app.add_middleware(Admission)
    app.add_middleware(BodyLimit, limit=client.settings.max_body_bytes)
    return app
