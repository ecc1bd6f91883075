"""Schedules: what they did and will do, and changing that."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response, status

from orchestrator.api.access import PREFIX, Operator, Viewer
from orchestrator.api.answers import Backfilled, Event, History, ScheduleList, Triggered, told
from orchestrator.api.models import After, Backfill, Wanted, WorkflowKey
from orchestrator.api.problems import documented
from orchestrator.client.shown import ScheduleDescription, Slots

router = APIRouter(tags=["schedules"], responses=documented())

Name = Annotated[str, Path(description="The schedule's name, as the workflow's trigger has it.", max_length=200)]
NO_REASON = Wanted()

_ONE = "/workflows/{key}/schedules/{name}"
_LOCATION = {"Location": {"description": "The run.", "schema": {"type": "string"}, "required": True}}


@router.get("/schedules", summary="List schedules", responses=documented(422))
def list_schedules(
    caller: Viewer,
    workflow: Annotated[str | None, Query(max_length=300, description="Those of one workflow.")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor: Annotated[str | None, Query(max_length=1_500, description="That of the page before.")] = None,
) -> ScheduleList:
    """By workflow and name, each with its next fire."""
    found = caller.client.schedules.page_seen(caller.workflows, workflow, limit=limit, cursor=cursor)
    return ScheduleList(schedules=[*found.schedules], cursor=found.cursor)


@router.get(_ONE, summary="A schedule", responses=documented(404))
def show_schedule(
    caller: Viewer,
    key: WorkflowKey,
    name: Name,
    fires: Annotated[int, Query(ge=0, le=1_000, description="So many of its next fires.")] = 5,
) -> ScheduleDescription:
    """How it stands, what became of its last slots, and when it fires next."""
    caller.check_workflow(key)
    return caller.client.schedules.describe(key, name, fires=fires)


@router.get(f"{_ONE}/history", summary="What happened to a schedule", responses=documented(404))
def show_schedule_history(
    caller: Viewer,
    key: WorkflowKey,
    name: Name,
    after: After = "0",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 1_000,
) -> History:
    """Oldest first; the last thousand events are kept."""
    caller.check_workflow(key)
    entries = caller.client.schedules.history(key, name, after, limit)
    events = [Event.model_validate(told(one)) for one in entries]
    return History(events=events, after=entries[-1].id if len(entries) == limit else None)


@router.get(f"{_ONE}/slots", summary="The slots of a range that is past", responses=documented(404, 422))
def show_slots(
    caller: Viewer,
    key: WorkflowKey,
    name: Name,
    since: Annotated[str, Query(max_length=40, description="The first, then or later: a moment, or `90m` ago.")],
    until: Annotated[str | None, Query(max_length=40, description="The last; now, if not given.")] = None,
    limit: Annotated[int, Query(ge=0, le=1_000, description="So many of them.")] = 100,
) -> Slots:
    """What a backfill of the range is about, and which of the slots have their runs already."""
    caller.check_workflow(key)
    return caller.client.schedules.slots(key, name, since, until, limit=limit)


@router.post(f"{_ONE}/pause", summary="Pause a schedule", responses=documented(404, 409))
def pause_schedule(caller: Operator, key: WorkflowKey, name: Name, body: Wanted = NO_REASON) -> ScheduleDescription:
    """The slots until it is resumed are neither fired nor missed."""
    caller.check_workflow(key)
    caller.client.schedules.pause(key, name, body.reason, by=caller.user)
    return caller.client.schedules.describe(key, name)


@router.post(f"{_ONE}/resume", summary="Resume a schedule", responses=documented(404, 409))
def resume_schedule(caller: Operator, key: WorkflowKey, name: Name, body: Wanted = NO_REASON) -> ScheduleDescription:
    """From the next slot on."""
    caller.check_workflow(key)
    caller.client.schedules.resume(key, name, body.reason, by=caller.user)
    return caller.client.schedules.describe(key, name)


@router.post(
    f"{_ONE}/trigger",
    summary="Start a run of a schedule now",
    status_code=status.HTTP_202_ACCEPTED,
    responses={
        **documented(404, 409, 422),
        202: {"model": Triggered, "description": "Accepted", "headers": _LOCATION},
    },
)
def trigger_schedule(
    caller: Operator, key: WorkflowKey, name: Name, response: Response, body: Wanted = NO_REASON
) -> Triggered:
    """Outside of its slots, and whatever is under way."""
    caller.check_workflow(key)
    run_id = caller.client.schedules.trigger(key, name, body.reason, by=caller.user)
    response.headers["Location"] = f"{PREFIX}/runs/{run_id}"
    return Triggered(run_id=run_id)


@router.post(
    f"{_ONE}/backfill",
    summary="Start the runs of past slots",
    status_code=status.HTTP_202_ACCEPTED,
    responses=documented(404, 409, 422),
)
def backfill_schedule(caller: Operator, key: WorkflowKey, name: Name, body: Backfill) -> Backfilled:
    """Those of a range, both ends included. A slot that has its run, or had one that is remembered, is passed over."""
    caller.check_workflow(key)
    slots = caller.client.schedules.backfill(
        key, name, body.since, body.until, body.reason, by=caller.user, one_by_one=body.one_by_one
    )
    return Backfilled(slots=slots)
