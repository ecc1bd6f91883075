"""What workflows did: how many, how well, how fast."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from orchestrator.api.access import Viewer
from orchestrator.api.models import WorkflowKey
from orchestrator.api.problems import documented
from orchestrator.client.measures import WorkflowStats

router = APIRouter(tags=["workflows"], responses=documented())


@router.get("/workflows/{key}/stats", summary="What a workflow's runs did", responses=documented(404, 422))
def workflow_stats(
    caller: Viewer,
    key: WorkflowKey,
    since: Annotated[
        str | None, Query(max_length=40, description="From the hour of that moment on; or how long ago, `7d`.")
    ] = None,
    until: Annotated[str | None, Query(max_length=40, description="Up to the hour of that moment.")] = None,
) -> WorkflowStats:
    """By whole hours, of the last 24 by default: in all, by version, by step, and hour by hour."""
    caller.check_workflow(key)
    return caller.client.metrics(key, since=since, until=until)
