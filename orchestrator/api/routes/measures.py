"""What workflows did: how many, how well, how fast."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from orchestrator.api.access import Viewer
from orchestrator.api.models import WorkflowKey
from orchestrator.api.problems import documented
from orchestrator.client.measures import OverallStats, WorkflowStats

router = APIRouter(tags=["workflows"], responses=documented())


Since = Annotated[
    str | None, Query(max_length=40, description="From the hour of that moment on; or how long ago, `7d`.")
]
Until = Annotated[str | None, Query(max_length=40, description="Up to the hour of that moment.")]


@router.get("/stats/workflows", summary="What all workflows' runs did", responses=documented(422))
def overall_stats(caller: Viewer, since: Since = None, until: Until = None) -> OverallStats:
    """Of those that the key may see: together, each by itself, hour by hour; and how many runs are under way."""
    return caller.client.overall_seen(caller.workflows, since, until)


@router.get("/workflows/{key}/stats", summary="What a workflow's runs did", responses=documented(404, 422))
def workflow_stats(caller: Viewer, key: WorkflowKey, since: Since = None, until: Until = None) -> WorkflowStats:
    """By whole hours, of the last 24 by default: in all, by version, by step, and hour by hour."""
    caller.check_workflow(key)
    return caller.client.metrics(key, since=since, until=until)
