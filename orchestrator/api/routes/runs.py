"""Runs: starting them, finding them, looking at them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response, status
from starlette.concurrency import run_in_threadpool

from orchestrator.api.access import PREFIX, Caller, Starter, Viewer
from orchestrator.api.answers import Event, History, Outcome, RunPage, Started, StartedMany, told
from orchestrator.api.following import wait_for_end
from orchestrator.api.models import After, RunId, SlaStand, StartMany, StartRun, Status, WorkflowKey
from orchestrator.api.paths import RUN
from orchestrator.api.problems import documented
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.reasons import Why
from orchestrator.client.run_surface import Start
from orchestrator.client.search import Query as Wanted
from orchestrator.client.shown import RunDescription
from orchestrator.engine.state import OVER
from orchestrator.engine.undoing import UndoPreview
from orchestrator.errors import RunConflict, RunGoesOn
from orchestrator.telemetry import current_traceparent

router = APIRouter(tags=["runs"], responses=documented())

TraceHeader = Annotated[str | None, Header(description="The trace that it belongs to, by W3C's Trace Context.")]
LOCATION = {"Location": {"description": "The run.", "schema": {"type": "string"}, "required": True}}


@router.post(
    "/workflows/{key}/runs",
    name="start",
    summary="Start a run",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=Started,
    responses={
        **documented(404, 409, 422),
        200: {"model": Outcome, "description": "It was waited for, and has ended", "headers": LOCATION},
        202: {"model": Started, "description": "Accepted", "headers": LOCATION},
    },
)
async def start_run(
    caller: Starter,
    key: WorkflowKey,
    body: StartRun,
    request: Request,
    response: Response,
    wait: Annotated[float, Query(ge=0, le=30, description="Wait so many seconds for its end.")] = 0,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=300, pattern=r"^[!-~]+$", description="Same key, same run.")
    ] = None,
    traceparent: TraceHeader = None,
) -> Any:
    """Once accepted it is never lost. The same id or key, workflow and input again: the existing run."""
    one = Start(key, body.input, body.ctx, body.version, body.run_id, idempotency_key, body.timeout)
    one = replace(one, traceparent=body.traceparent or current_traceparent() or traceparent)
    (handle,) = await run_in_threadpool(_start, caller, [one])
    response.headers["Location"] = f"{PREFIX}/runs/{handle.run_id}"
    if wait and await wait_for_end(request.app.state.tail, handle, wait):
        response.status_code = status.HTTP_200_OK
        return Response(
            (await run_in_threadpool(_outcome, handle)).model_dump_json(),
            headers=dict(response.headers),
            media_type="application/json",
        )
    return (await run_in_threadpool(started, caller, [handle]))[0]


@router.post(
    "/runs:batch",
    name="start",
    summary="Start many runs",
    status_code=status.HTTP_202_ACCEPTED,
    responses=documented(404, 409, 422),
)
def start_runs(caller: Starter, body: StartMany, traceparent: TraceHeader = None) -> StartedMany:
    """Pipelined; all inputs are checked before the first run is stored."""
    starts = [
        Start(one.workflow, one.input, one.ctx, one.version, one.run_id, one.idempotency_key, one.timeout)
        for one in body.runs
    ]
    around = current_traceparent() or traceparent
    starts = [replace(one, traceparent=own.traceparent or around) for one, own in zip(starts, body.runs, strict=True)]
    return StartedMany(runs=started(caller, _start(caller, starts)))


@router.get("/runs", summary="Find runs", responses=documented(422))
def list_runs(
    caller: Viewer,
    workflow: Annotated[str | None, Query(max_length=300)] = None,
    version: Annotated[str | None, Query(max_length=100)] = None,
    status: Annotated[Status | None, Query()] = None,
    since: Annotated[str | None, Query(max_length=40, description="Created then or later; a moment, or `90m`.")] = None,
    until: Annotated[str | None, Query(max_length=40, description="Created then or earlier.")] = None,
    tag: Annotated[list[str] | None, Query(max_length=20, description="Of the workflow; repeatable.")] = None,
    where: Annotated[
        list[Annotated[str, Query(pattern=r"^[^=]+=")]] | None,
        Query(max_length=16, description="`NAME=VALUE`, by a search field; repeatable."),
    ] = None,
    text: Annotated[
        str | None,
        Query(min_length=1, max_length=300, description="A run's id; or a part of an id, a workflow's key or a tag."),
    ] = None,
    sla: Annotated[SlaStand | None, Query(description="How the run does by its workflow's own SLA.")] = None,
    sort: Annotated[str, Query(pattern="^(newest|oldest)$", description="`newest` or `oldest` first.")] = "newest",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
    cursor: Annotated[str | None, Query(max_length=1_000, description="Where the page before ended.")] = None,
) -> RunPage:
    """All that is asked for must hold."""
    fields = dict(one.split("=", 1) for one in where or ())
    tags, oldest_first = tuple(tag or ()), sort == "oldest"
    query = Wanted(workflow, version, status, since, until, tags, fields, text, oldest_first, caller.workflows, sla=sla)
    page = caller.client.find(query, limit=limit, cursor=cursor)
    return RunPage(runs=list(page.runs), cursor=page.cursor)


@router.get(RUN, summary="A run", responses=documented(404))
def show_run(caller: Viewer, run_id: RunId) -> RunDescription:
    """Everything that is known of it now: its steps, times, errors, undos."""
    return caller.run(run_id).describe()


@router.get(f"{RUN}/history", summary="What happened in a run", responses=documented(404))
def show_history(
    caller: Viewer, run_id: RunId, after: After = "0", limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000
) -> History:
    """Oldest first."""
    entries = caller.run(run_id).history(after, limit)
    events = [Event.model_validate(told(one)) for one in entries]
    return History(events=events, after=entries[-1].id if len(entries) == limit else None)


@router.get(f"{RUN}/status", summary="Where a run stands", responses=documented(404))
def show_status(caller: Viewer, run_id: RunId) -> Started:
    """The cheapest look at it."""
    return started(caller, [caller.run(run_id)])[0]


@router.get(f"{RUN}/result", summary="How a run ended", responses=documented(404, 409))
async def show_result(
    caller: Viewer,
    run_id: RunId,
    request: Request,
    wait: Annotated[float, Query(ge=0, le=30, description="Wait so many seconds for its end.")] = 0,
) -> Outcome:
    """Its output or its error; `run_goes_on` while it has neither."""
    handle = await run_in_threadpool(caller.run, run_id)
    if wait:
        await wait_for_end(request.app.state.tail, handle, wait)
    status = await run_in_threadpool(handle.status)
    if status not in OVER:
        raise RunGoesOn(f"run {run_id} is {status}", run_id=run_id, status=status.value)
    return await run_in_threadpool(_outcome, handle)


@router.get(f"{RUN}/undo-preview", summary="What would be undone", responses=documented(404))
def preview_undo(caller: Viewer, run_id: RunId) -> UndoPreview:
    """If that began now, newest first; and what would stay, and why."""
    return caller.run(run_id).undo_preview()


@router.get(f"{RUN}/why", summary="Why a run does not move", responses=documented(404))
def show_why(caller: Viewer, run_id: RunId) -> Why:
    """One answer in words, one for each live step, and when each will be looked at next."""
    return caller.run(run_id).why()


def _start(caller: Caller, starts: list[Start]) -> list[RedisRunHandle]:
    for key in {one.workflow for one in starts}:
        caller.check_workflow(key)
    try:
        return caller.client.start_many(starts)
    except RunConflict as error:
        if caller.workflows:
            raise RunConflict("this run id or idempotency key was used before") from error
        raise


def started(caller: Caller, handles: list[RedisRunHandle]) -> list[Started]:
    """Runs as they are told after something was done to them."""
    names = ("workflow", "version", "status")
    found = caller.client.store.read_many([handle.run_id for handle in handles], names)
    return [Started(run_id=one.run_id, **values) for one, values in zip(handles, found, strict=True)]


def _outcome(handle: RedisRunHandle) -> Outcome:
    run = handle.describe()
    names = ("run_id", "workflow", "version", "status", "compensation", "output", "error")
    return Outcome(**{name: getattr(run, name) for name in names})
