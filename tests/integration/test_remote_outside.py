"""Schedules and external events over HTTP; CloudEvents of the official SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from cloudevents.core.bindings.http import HTTPMessage, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent as SdkEvent

from orchestrator import AsyncOrchestrator, Orchestrator, Step, WorkflowSpec
from orchestrator.errors import Forbidden, InvalidEvent, UnknownEvent, UnknownSchedule, UnsupportedMediaType
from orchestrator.spec.cloudevents import parse_structured
from orchestrator.store.events import Miss
from tests.integration.conftest import MakeSystem
from tests.integration.system import System, server_of, token, until
from tests.integration.workflows import workflow

pytestmark = pytest.mark.integration

KEY = "tests.outside"
SHOUT = Step(id="shout", operation="text.upper", inputs={"text": "${input.text}"})
DAILY = {"schedule": {"name": "nightly", "cron": "0 3 * * *", "inputs": {"text": "night"}}}
PLACED = {"event": {"name": "placed", "type": "order.created", "inputs": {"text": "${event.data.text}"}}}


def outside() -> WorkflowSpec:
    """A workflow that a schedule and each order start."""
    return workflow("outside", SHOUT, triggers=[DAILY, PLACED])


@pytest.fixture
def here(make_system: MakeSystem) -> System:
    """A system with a listener and an API."""
    system = make_system()
    system.publish(outside())
    system.start_worker()
    system.start_beat()
    system.start_listener()
    system.start_api()
    return system.ready()


@pytest.fixture
def remote(here: System) -> Iterator[Orchestrator]:
    """A client of an operator."""
    with Orchestrator.connect(server_of(here), api_key=token(here, "operator")) as client:
        yield client


def started(system: System) -> int:
    """How many runs there are."""
    return len(system.client.runs(workflow=KEY, limit=100))


def test_events_of_the_official_sdk_start_runs(here: System, remote: Orchestrator) -> None:
    """Structured and binary, each once though it is posted twice; what is none is refused and not kept."""
    url = f"{server_of(here)}/api/v1/events"
    key = {"Authorization": f"Bearer {token(here, 'starter', user='shop')}"}

    def post(message: HTTPMessage) -> int:
        return httpx.post(url, headers={**message.headers, **key}, content=message.body).status_code

    events = [
        SdkEvent({"type": "order.created", "source": "/shop", "id": f"e{n}"}, {"text": f"n{n}"}) for n in range(2)
    ]
    codes = [post(to(event)) for to in (to_structured_event, to_binary_event) for event in events]
    until(lambda: started(here) == 2, "both orders have their run")

    assert codes == [202] * 4
    outputs = {run.result(timeout=20)["text"] for run in remote.runs(workflow=KEY)}
    assert outputs == {"N0", "N1"}
    assert [one.event and one.event.id for one in remote.events.tail()] == ["e0", "e1"] * 2
    assert httpx.post(url, headers=key, json={"id": 1}).json()["code"] == UnsupportedMediaType.code
    structured = {"Content-Type": "application/cloudevents+json", **key}
    refused = httpx.post(url, headers=structured, content=b'{"specversion": "1.0", "id": ""}').json()
    assert refused["code"] == InvalidEvent.code
    assert {"id", "source", "type"} <= {one["path"] for one in refused["problems"]}
    noted = [(one.action, one.user, one.outcome) for one in here.client.access.read(None, 100) if one.action == "emit"]
    assert (
        noted
        == [("emit", "shop", "invalid_event"), ("emit", "shop", UnsupportedMediaType.code)]
        + [("emit", "shop", "done")] * 4
    )


def test_events_are_emitted_followed_and_given_up_as_over_redis(here: System, remote: Orchestrator) -> None:
    """By both clients; a poison event is listed, replayed, discarded."""
    one = remote.events.emit(type="order.created", data={"text": "a"})
    here.client.event_store.append(["no event"])
    many = remote.events.emit_many({"type": "order.created", "data": {"text": str(n)}} for n in range(3))
    until(lambda: len(remote.events.dead()) == 1, "the poison is given up")

    assert [*remote.events.tail(5)] == [*here.client.events.tail(5)]
    following = remote.events.tail(1, follow=True)
    assert next(following).event == many[-1]
    late = here.client.events.emit(type="order.paid")
    assert next(following).event == late
    (dead,) = remote.events.dead()
    assert [dead] == here.client.events.dead()
    assert remote.events.replay(dead.id) == 1
    until(lambda: [x.id for x in remote.events.dead()] not in ([], [dead.id]), "it is given up again")
    assert remote.events.discard("all", "a test") == 1
    here.client.event_store.miss(Miss("a.b/placed", dead.entry_id, "there is no total"))
    assert remote.events.misses() == here.client.events.misses()
    with pytest.raises(UnknownEvent):
        remote.events.discard(dead.id)
    with pytest.raises(InvalidEvent):
        remote.events.emit(type="")
    assert one == parse_structured(one.text())
    with Orchestrator.connect(server_of(here), api_key=token(here, "starter")) as starter, pytest.raises(Forbidden):
        starter.events.dead()

    async def follow() -> list[str]:
        seen: list[str] = []
        for client in (
            AsyncOrchestrator.connect(server_of(here), api_key=token(here, "operator")),
            AsyncOrchestrator.connect(settings=here.client.settings),
        ):
            async with client:
                sent = await client.events.emit(type="order.paid")
                async for entry in client.events.tail(1, follow=True):
                    seen.append("same" if entry.event == sent else "other")
                    break
        return seen

    assert asyncio.run(follow()) == ["same", "same"]


def test_schedules_are_shown_and_changed_as_over_redis(here: System, remote: Orchestrator) -> None:
    """Listed, held, triggered, filled up; each by whom the key is of."""
    schedules = remote.schedules
    schedules.pause(KEY, "nightly", "holidays")
    held = schedules.describe(KEY, "nightly")
    schedules.resume(KEY, "nightly", "back")

    run = schedules.trigger(KEY, "nightly", "now")
    looked_at = schedules.slots(KEY, "nightly", timedelta(days=2))
    slots = schedules.backfill(KEY, "nightly", timedelta(days=2), one_by_one=False)
    until(lambda: started(here) == 1 + slots, "the slots have their runs")

    assert (held.state, held.paused and held.paused["by"]) == ("paused", "ada")
    assert remote.get(run).result(timeout=20) == {"text": "NIGHT"}
    assert (slots, looked_at.count, [one.run_id for one in looked_at.slots]) == (2, 2, [None, None])
    assert schedules.list() == here.client.schedules.list(KEY)
    assert schedules.describe(KEY, "nightly", fires=3) == here.client.schedules.describe(KEY, "nightly", fires=3)
    assert schedules.history(KEY, "nightly") == here.client.schedules.history(KEY, "nightly")
    with pytest.raises(UnknownSchedule):
        schedules.describe(KEY, "daily")
    target = f"schedules/{KEY}/nightly"
    noted = [(one.action, one.user) for one in here.client.access.read(None, 100) if one.target == target]
    verbs = ("backfill", "trigger", "resume", "pause")
    assert noted == [(f"{verb}_schedule", "ada") for verb in verbs]
