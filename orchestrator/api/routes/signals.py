"""Signals to runs."""

from __future__ import annotations

from fastapi import APIRouter, status

from orchestrator.api.access import Starter
from orchestrator.api.answers import Started
from orchestrator.api.models import RunId, SendSignal
from orchestrator.api.paths import RUN
from orchestrator.api.problems import documented
from orchestrator.api.routes.runs import started

router = APIRouter(tags=["runs"], responses=documented())


@router.post(
    f"{RUN}/signals",
    name="signal",
    summary="Give a run a signal",
    status_code=status.HTTP_202_ACCEPTED,
    responses=documented(404, 409, 422),
)
def send_signal(caller: Starter, run_id: RunId, body: SendSignal) -> Started:
    """To the step that waits for it, or to the first that will; refused if none does. The same `id` twice is once."""
    run = caller.run(run_id)
    run.signal(body.name, body.data, id=body.id, by=caller.user)
    return started(caller, [run])[0]
