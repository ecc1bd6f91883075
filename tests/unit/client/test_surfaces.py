"""One surface, four clients: over Redis and over HTTP, synchronous and asynchronous."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any, assert_type

import pytest

from orchestrator import AsyncOrchestrator, AsyncRunHandle, Orchestrator, RunHandle, Settings, Start
from orchestrator.client.alert_surface import Alerts
from orchestrator.client.alerts import RedisAlertDesk
from orchestrator.client.approval_surface import Approvals
from orchestrator.client.approvals import RedisApprovals
from orchestrator.client.asynchronous import (
    AsyncAlerts,
    AsyncApprovals,
    AsyncExternalEvents,
    AsyncFleet,
    AsyncSchedules,
)
from orchestrator.client.event_surface import ExternalEvents
from orchestrator.client.events import RedisExternalEvents
from orchestrator.client.fleet_surface import Fleet
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.http.clients import (
    HttpAlerts,
    HttpApprovals,
    HttpExternalEvents,
    HttpFleet,
    HttpOrchestrator,
    HttpRunHandle,
    HttpSchedules,
)
from orchestrator.client.schedule_surface import Schedules
from orchestrator.client.schedules import RedisSchedules
from orchestrator.client.shown import RunDescription
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.client.workers import RedisFleet
from orchestrator.engine.state import RunStatus
from orchestrator.errors import InvalidRequest
from orchestrator.store.port import HistoryEntry

SURFACES = [
    (Orchestrator, RedisOrchestrator),
    (Orchestrator, HttpOrchestrator),
    (Orchestrator, AsyncOrchestrator),
    (RunHandle, RedisRunHandle),
    (RunHandle, HttpRunHandle),
    (RunHandle, AsyncRunHandle),
    (Approvals, RedisApprovals),
    (Approvals, HttpApprovals),
    (Approvals, AsyncApprovals),
    (Schedules, RedisSchedules),
    (Schedules, HttpSchedules),
    (Schedules, AsyncSchedules),
    (ExternalEvents, RedisExternalEvents),
    (ExternalEvents, HttpExternalEvents),
    (ExternalEvents, AsyncExternalEvents),
    (Alerts, RedisAlertDesk),
    (Alerts, HttpAlerts),
    (Alerts, AsyncAlerts),
    (Fleet, RedisFleet),
    (Fleet, HttpFleet),
    (Fleet, AsyncFleet),
]
OF_REDIS = {"of", "attached_to", "acting_for", "find", "masked", "reconcile", "since", "last", "dead_after"} | {
    "doctor_lately",
    "measures_of",
    "list_seen",
    "get_seen",
    "overall_seen",
    "samples_of",
    "page_seen",
    "asked",
    "before",
}
"""What only those use that speak to Redis themselves."""


def verbs(surface: type) -> dict[str, Any]:
    """The public methods of a class, without what is written differently for it alone."""
    return {name: member for name, member in inspect.getmembers(surface, callable) if not name.startswith("_")}


def parameters(method: Callable[..., Any]) -> list[tuple[str, object, object]]:
    """Name, kind and default of each."""
    return [(one.name, one.kind, one.default) for one in inspect.signature(method).parameters.values()]


@pytest.mark.parametrize(("surface", "client"), SURFACES)
def test_every_verb_is_there_with_the_same_parameters(surface: type, client: type) -> None:
    """And no other, so that a program can change from one client to another."""
    expected, found = verbs(surface), verbs(client)

    assert found.keys() - OF_REDIS == expected.keys()
    for name, method in expected.items():
        assert parameters(found[name]) == parameters(method), name


@pytest.mark.parametrize(
    "surface",
    [AsyncOrchestrator, AsyncRunHandle, AsyncApprovals, AsyncSchedules, AsyncExternalEvents, AsyncAlerts, AsyncFleet],
)
def test_asynchronous_verbs_are_coroutines(surface: type) -> None:
    """All that wait for something; what is followed is gone through with `async for`."""
    at_once = {"connect", "attach", "handle", "follow", "tail"}

    assert {name for name, verb in verbs(surface).items() if not inspect.iscoroutinefunction(verb)} <= at_once


def test_a_producer_over_http_imports_no_redis_and_no_celery() -> None:
    """Neither of them is needed where it runs."""
    program = """
import asyncio, sys
from orchestrator import AsyncOrchestrator, Orchestrator, OrchestratorError, Start, Unreachable

async def act():
    async with AsyncOrchestrator.connect("http://127.0.0.1:1", api_key="orc_a_b") as client:
        await client.start("payment.flow", {})

for attempt in (lambda: Orchestrator.connect("http://127.0.0.1:1").start_many([Start("payment.flow")]),
                lambda: asyncio.run(act())):
    try:
        attempt()
    except Unreachable:
        print("unreachable")
print(sorted({"redis", "celery", "kombu", "jsonschema"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["unreachable", "unreachable", "[]"]


@pytest.mark.parametrize("connect", [Orchestrator.connect, AsyncOrchestrator.connect])
def test_what_belongs_to_the_other_kind_of_url_is_refused(connect: Callable[..., Any]) -> None:
    """A key for a Redis, settings for an API."""
    with pytest.raises(InvalidRequest):
        connect("redis://127.0.0.1", api_key="orc_a_b")
    with pytest.raises(InvalidRequest):
        connect("https://api.example.com", settings=Settings())


def typed() -> None:  # mypy reads it, nobody calls it
    """What type checkers know of each client."""
    assert_type(Orchestrator.connect(), RedisOrchestrator)
    assert_type(Orchestrator.connect(settings=Settings()), RedisOrchestrator)
    assert_type(Orchestrator.connect("https://api.example.com", api_key="k"), Orchestrator)
    assert_type(Orchestrator.connect().start("a.b"), RedisRunHandle)
    assert_type(Orchestrator.connect("https://api.example.com").start("a.b"), RunHandle)
    with Orchestrator.connect("https://api.example.com") as client:
        assert_type(client, Orchestrator)
        assert_type(client.handle("r").status(), RunStatus)


async def typed_asynchronously() -> None:
    """The same of the asynchronous ones."""
    async with AsyncOrchestrator.connect() as client:
        assert_type(client, AsyncOrchestrator)
        run = await client.start("a.b", {}, idempotency_key="k")
        assert_type(run, AsyncRunHandle)
        assert_type(await client.start_many([Start("a.b")]), list[AsyncRunHandle])
        assert_type(await run.describe(), RunDescription)
        assert_type(await run.status(), RunStatus)
        assert_type(run.follow(), AsyncIterator[HistoryEntry])
