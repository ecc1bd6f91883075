"""One run. A child's id holds slashes, so this path takes whatever no other does, and comes last."""

from __future__ import annotations

from fastapi import APIRouter

from orchestrator.api.access import Viewer
from orchestrator.api.models import RunId
from orchestrator.api.problems import documented
from orchestrator.client.shown import RunDescription

router = APIRouter(tags=["runs"], responses=documented())


@router.get("/runs/{run_id:path}", summary="A run", responses=documented(404))
def show_run(caller: Viewer, run_id: RunId) -> RunDescription:
    """Everything that is known of it now: its steps, times, errors, undos."""
    return caller.run(run_id).describe()
