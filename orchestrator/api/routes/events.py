"""External events: taking them in as CloudEvents 1.0, looking at what came in, and what was given up."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, status
from starlette.concurrency import run_in_threadpool

from orchestrator.api.access import Caller, Operator, Starter
from orchestrator.api.answers import Counted, DeadEvents, EventTail, StreamEntry, TakenEvent, TakenEvents, TriggerMisses
from orchestrator.api.models import EVENT_ID, Wanted
from orchestrator.api.problems import documented
from orchestrator.client.events import LOOK_MS
from orchestrator.client.shown import TakenIn
from orchestrator.errors import InvalidRequest, UnsupportedMediaType
from orchestrator.spec.cloudevents import (
    BATCH,
    SPECVERSION,
    STRUCTURED,
    CloudEvent,
    parse_batch,
    parse_binary,
    parse_structured,
)

router = APIRouter(prefix="/events", tags=["events"], responses=documented())

NO_REASON = Wanted()
LetterId = Annotated[str, Path(description="The dead event's id, or `all`.", max_length=40)]

_EXAMPLE: Final = {
    "specversion": SPECVERSION,
    "id": "e-1",
    "source": "/shop",
    "type": "order.created",
    "data": {"id": 17},
}
_EVENT: Final = {
    "type": "object",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"const": SPECVERSION},
        **{name: {"type": "string", "minLength": 1} for name in ("id", "source", "type")},
    },
}
_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": "Structured or batched; or the data alone, with the attributes in `ce-` headers (binary mode).",
        "content": {
            STRUCTURED: {"schema": _EVENT, "example": _EXAMPLE},
            BATCH: {"schema": {"type": "array", "items": _EVENT}, "example": [_EXAMPLE]},
        },
    }
}


@router.post(
    "",
    name="emit",
    summary="Take in external events",
    status_code=status.HTTP_202_ACCEPTED,
    responses=documented(413, 415, 422),
    openapi_extra=_BODY,
)
async def take_events(caller: Starter, request: Request) -> TakenEvents:
    """CloudEvents 1.0 over HTTP. Accepted, they are kept; of a batch all are taken in or none."""
    body = await request.body()
    return await run_in_threadpool(_take, caller, request.headers, body)


@router.get("", summary="What came in")
def tail(
    caller: Operator,
    count: Annotated[int, Query(ge=0, le=1_000, description="The newest so many.")] = 10,
    after: Annotated[str | None, Query(pattern=EVENT_ID, description="Instead: what came in after this entry.")] = None,
    before: Annotated[str | None, Query(pattern=EVENT_ID, description="Instead: what came in before this one.")] = None,
    wait: Annotated[float, Query(ge=0, le=1, description="With `after`: wait so many seconds for something.")] = 0,
) -> EventTail:
    """Oldest first. `after` of the answer is where to go on."""
    caller.check_unrestricted()
    events = caller.client.events
    if before is not None:
        entries = [*events.before(before, count)][::-1]
        return EventTail(entries=list(map(_shown, entries)), after=entries[-1].entry_id if entries else before)
    if after is None:
        entries = [*events.tail(count)]
        return EventTail(entries=list(map(_shown, entries)), after=entries[-1].entry_id if entries else events.last())
    found = events.since(after, 1_000, block_ms=round(wait * LOOK_MS))
    return EventTail(entries=list(map(_shown, found)), after=found[-1].entry_id if found else after)


@router.get("/misses", summary="What triggers had no answer for")
def list_misses(caller: Operator) -> TriggerMisses:
    """By trigger, the last event that its filter failed for: it started nothing."""
    caller.check_unrestricted()
    return TriggerMisses(misses=caller.client.events.misses())


@router.get("/dead", summary="What was given up")
def list_dead(
    caller: Operator,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    after: Annotated[str, Query(pattern=EVENT_ID, description="Only those after the one with this id.")] = "0-0",
) -> DeadEvents:
    """Oldest first, each with the reason."""
    caller.check_unrestricted()
    return DeadEvents(events=caller.client.events.dead_after(after, limit))


@router.post(
    "/dead/{letter_id}/replay",
    name="replay_event",
    summary="Take in again what was given up",
    responses=documented(404),
)
def replay(caller: Operator, letter_id: LetterId, body: Wanted = NO_REASON) -> Counted:
    """What it has started already, it does not start again."""
    caller.check_unrestricted()
    return Counted(count=caller.client.events.replay(letter_id, body.reason))


@router.delete("/dead/{letter_id}", name="discard_event", summary="Forget what was given up", responses=documented(404))
def discard(
    caller: Operator,
    letter_id: LetterId,
    reason: Annotated[str, Query(max_length=500, description="Why; kept in the audit log.")] = "",
) -> Counted:
    """For good."""
    caller.check_unrestricted()
    return Counted(count=caller.client.events.discard(letter_id, reason))


def _take(caller: Caller, headers: Any, body: bytes) -> TakenEvents:
    caller.check_unrestricted()
    try:
        given = _read(headers, body)
    except InvalidRequest as error:
        caller.client.audit.note("emit", "events", error.code)
        raise
    found = caller.client.events.emit_many(given)
    return TakenEvents(events=[TakenEvent(id=one.id, source=one.source, type=one.type) for one in found])


def _read(headers: Any, body: bytes) -> list[CloudEvent]:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == STRUCTURED:
        return [parse_structured(body)]
    if kind == BATCH:
        return parse_batch(body)
    if any(name.startswith("ce-") for name in headers):
        return [parse_binary(headers, body)]
    raise UnsupportedMediaType(f"events are sent as {STRUCTURED}, as {BATCH}, or with `ce-` headers, not as {kind!r}")


def _shown(entry: TakenIn) -> StreamEntry:
    event = None if entry.event is None else entry.event.to_json()
    return StreamEntry(
        entry_id=entry.entry_id, received_at=entry.received_at, event=event, body=entry.body, only=entry.only
    )
