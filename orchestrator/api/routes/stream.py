"""What happens in a run, as it happens."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from orchestrator.api.access import Viewer
from orchestrator.api.following import server_sent_events
from orchestrator.api.models import LastEventId, RunId
from orchestrator.api.paths import RUN
from orchestrator.api.problems import documented
from orchestrator.client.handle import RedisRunHandle
from orchestrator.engine.state import OVER

router = APIRouter(tags=["runs"], responses=documented())

_EVENT = {
    "type": "object",
    "description": "`data` is JSON: the event as in the history; of `end`, the run's id and status.",
    "required": ["event", "data"],
    "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
}
_EVENTS = {"text/event-stream": {"schema": _EVENT}}


@router.get(
    f"{RUN}/stream",
    summary="Follow a run",
    response_class=StreamingResponse,
    responses={
        **documented(404),
        200: {"description": "Server-sent events: the run's history, then `end`", "content": _EVENTS},
        204: {"description": "The run is over, and all of it was told"},
    },
)
async def stream(caller: Viewer, run_id: RunId, request: Request, last_event_id: LastEventId = "0") -> Any:
    """Its history from behind `Last-Event-ID` on, then what happens, until it is over. Comments keep it open."""
    handle = await run_in_threadpool(caller.run, run_id)
    if await run_in_threadpool(_is_told, handle, last_event_id):
        return Response(status_code=204)
    events = server_sent_events(request.app.state.tail, handle, last_event_id)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


def _is_told(handle: RedisRunHandle, after: str) -> bool:
    return handle.status() in OVER and not handle.history(after, 1)
