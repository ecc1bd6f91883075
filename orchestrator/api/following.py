"""Waiting for runs without holding a thread."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.concurrency import run_in_threadpool

from orchestrator import logs
from orchestrator.api.answers import told
from orchestrator.client.handle import ENDS, RedisRunHandle
from orchestrator.clock import elapsed_s
from orchestrator.engine.state import OVER
from orchestrator.errors import Unreachable
from orchestrator.store.tail import Tail

log = logs.get("api")

HEARTBEAT_S: Final = 10.0
"""So often a comment goes through a stream in which nothing happens, so that nobody between takes it for dead."""


async def wait_for_end(tail: Tail, handle: RedisRunHandle, timeout_s: float) -> bool:
    """Whether the run is over, as soon as it is, or when time is up."""
    deadline, after = elapsed_s() + timeout_s, "0"
    while not (over := await run_in_threadpool(handle.status) in OVER):
        events = await tail.wait(handle.run_id, after, max(0.0, deadline - elapsed_s()))
        while events and not any(entry.event["type"] in ENDS for entry in events):
            after = events[-1].id
            events = await tail.wait(handle.run_id, after, max(0.0, deadline - elapsed_s()))
        if not events:
            return await run_in_threadpool(handle.status) in OVER
        after = events[-1].id
    return over


async def server_sent_events(tail: Tail, handle: RedisRunHandle, after: str) -> AsyncIterator[str]:
    """What happened after that event and what happens, until the run is over and all of it is told."""
    yield "retry: 1000\n\n"
    try:
        while True:
            over = await run_in_threadpool(handle.status) in OVER
            if over:  # it may have moved to the archive
                events = await run_in_threadpool(handle.store.history, handle.run_id, after)
            else:
                events = await tail.wait(handle.run_id, after, HEARTBEAT_S)
            if events:
                shown = await run_in_threadpool(handle.masked, events)
                yield "".join(_event(entry.id, str(entry.event["type"]), told(entry)) for entry in shown)
                after = events[-1].id
            elif over:
                yield _event("", "end", {"run_id": handle.run_id, "status": await run_in_threadpool(handle.status)})
                return
            else:
                yield ": nothing new\n\n"
    except Unreachable as error:
        log.warning("stream_cut_off", run_id=handle.run_id, error=error.message)
        return  # the client connects again, and goes on behind the last event that it got


def _event(event_id: str, kind: str, shown: Any) -> str:
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {kind}\ndata: {json.dumps(shown)}\n\n"
