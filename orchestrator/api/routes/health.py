"""Whether this process lives, and whether it can do its work."""

from __future__ import annotations

from fastapi import APIRouter, Request

from orchestrator.api.answers import Health
from orchestrator.api.problems import documented

router = APIRouter(tags=["health"])


@router.get("/health", summary="The process lives")
async def health() -> Health:
    """Answers as long as the process does; needs no key."""
    return Health(status="ok")


@router.get("/ready", summary="Redis answers", responses={503: documented()[503]})
def ready(request: Request) -> Health:
    """503 while the state cannot be reached; needs no key."""
    request.app.state.client.store.ping()
    return Health(status="ok")
