"""Alerts with real listeners and a real receiver: from what happens in a run to somebody who acknowledges it."""

from __future__ import annotations

import asyncio
import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from standardwebhooks import Webhook

from orchestrator import AsyncOrchestrator, Orchestrator, Sla, Step, WorkflowSpec
from orchestrator.client.shown import AlertDescription
from orchestrator.errors import AlertOver, Forbidden, InvalidRequest, UnknownAlert, UnknownChannel, UnknownDelivery
from tests.integration.conftest import MakeSystem
from tests.integration.system import System, server_of, token, until
from tests.integration.workflows import workflow
from tests.receiver import Receiver, receiving

pytestmark = pytest.mark.integration

SECRET = b64encode(b"i" * 32).decode()
QUICK = {"alert_group_ms": 0, "alert_retry_ms": [100, 200], "alert_timeout_ms": 1_000}
LATE = workflow(
    "late",
    Step(id="wait", event={"signal": "go"}),
    sla=Sla(max_duration="400ms", warn_at="200ms", escalate=[{"after": "200ms", "to": "boss"}]),
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """One that takes everything."""
    with receiving() as made:
        yield made


def system_with(make_system: MakeSystem, receiver: Receiver, *specs: WorkflowSpec, **settings: Any) -> System:
    """A system whose alerts go to a webhook, with worker and beat, and no listener yet."""
    everything = ["sla", "failed", "compensation_failed", "attention"]
    ops = {"url": f"webhook+{receiver.url()}", "secret": SECRET, "on": everything}
    boss = {"url": f"json://127.0.0.1:{receiver.port}/boss", "on": []}
    system = make_system(alerts={"ops": ops, "boss": boss}, **{**QUICK, **settings})
    system.publish(*specs)
    system.start_worker()
    system.start_beat()
    return system


def alerts_of(system: System, run_id: str) -> list[AlertDescription]:
    """The alerts of a run, the first of them first."""
    return list(reversed(system.client.alerts.list(run=run_id).alerts))


def all_sent(system: System, run_id: str, number: int) -> bool:
    """Whether the run has so many alerts, and all messages about them were sent."""
    found = alerts_of(system, run_id)
    return len(found) == number and all(sent.state == "sent" for one in found for sent in one.deliveries)


def test_a_late_run_is_told_once_and_acknowledged(make_system: MakeSystem, receiver: Receiver) -> None:
    """Warning, breach and escalation each reach their channel once, though two listeners run; the end resolves them."""
    system = system_with(make_system, receiver, LATE)
    for name in ("listener-1", "listener-2"):
        system.start_listener(name)
    run = system.ready().client.start("tests.late")

    until(lambda: all_sent(system, run.run_id, 3), "three alerts are sent")

    found = alerts_of(system, run.run_id)
    assert [(one.level, one.state, [sent.channel for sent in one.deliveries]) for one in found] == [
        ("warning", "open", ["ops"]),
        ("error", "open", ["ops"]),
        ("critical", "open", ["boss"]),
    ]
    signed = [one for one in receiver.received if one.path == "/hook"]
    told = {Webhook(SECRET).verify(one.body, one.headers)["data"]["alerts"][0]["title"] for one in signed}
    assert (len(signed), told) == (2, {"tests.late: takes long", "tests.late: SLA breached"})
    assert [one.path for one in receiver.received].count("/boss") == 1

    acknowledged = system.client.alerts.acknowledge(found[1].id, "on it", by="ada")
    assert (acknowledged.state, acknowledged.acknowledged_by, acknowledged.comment) == ("acknowledged", "ada", "on it")
    assert [(entry.action, entry.user) for entry in system.client.access.read(None, 1)] == [
        ("acknowledge_alert", "ada")
    ]
    run.signal("go")
    until(lambda: {one.state for one in alerts_of(system, run.run_id)} == {"resolved"}, "the end resolves them")
    assert len(receiver.received) == 3


def test_a_receiver_that_fails_at_first_gets_the_same_message_again(make_system: MakeSystem) -> None:
    """Under its id, signed anew; what nobody takes is dead, until it is replayed."""
    with receiving(500, 200, 500, 500, 500, 200) as receiver:
        system = system_with(make_system, receiver)
        system.start_listener()
        system.ready()

        first = system.pay("pm_declined")
        until(lambda: all_sent(system, first.run_id, 1), "the alert of the first run is sent")
        second = system.pay("pm_declined")
        until(system.client.alerts.dead, "the message about the second is given up")
        (dead,) = system.client.alerts.dead()
        assert (dead.attempts, dead.error) == (3, "it answered with the status 500")
        assert system.client.alerts.replay(dead.id) == 1
        until(lambda: all_sent(system, second.run_id, 1), "the replayed message is sent")

        ids = [one.headers["webhook-id"] for one in receiver.received]
        assert ids == [ids[0]] * 2 + [dead.id] * 4
        assert all(Webhook(SECRET).verify(one.body, one.headers) for one in receiver.received)


def test_a_listener_killed_while_it_sends_is_replaced(make_system: MakeSystem) -> None:
    """The alert is raised once, and its message sent again by another listener, under the same id."""
    gate = threading.Event()
    with receiving(gate=gate) as receiver:
        system = system_with(make_system, receiver)
        victim = system.start_listener("victim")
        run = system.ready().pay("pm_declined")
        until(lambda: receiver.received, "the message is on its way")

        victim.kill()
        gate.set()
        heir = system.start_listener("heir")
        heir.wait_for_line("listening")

        until(lambda: all_sent(system, run.run_id, 1), "the heir has sent it")
        assert len({one.headers["webhook-id"] for one in receiver.received}) == 1
        assert len(receiver.received) == 2
        assert [one.count for one in alerts_of(system, run.run_id)] == [1]


def test_a_listener_killed_before_it_sends_loses_nothing(make_system: MakeSystem) -> None:
    """What was raised is due, whoever comes; what was not, is read by the next reader of the feed."""
    with receiving() as receiver:
        system = system_with(make_system, receiver)
        victim = system.start_listener("victim")
        system.ready()
        runs = [system.pay("pm_declined") for _ in range(20)]
        until(lambda: system.client.alerts.list().alerts, "an alert is raised")

        victim.kill()
        system.start_listener("heir").wait_for_line("listening")

        for run in runs:
            until(partial(all_sent, system, run.run_id, 1), "its alert is sent")
        told = [json.loads(one.body)["data"]["alerts"][0]["run_id"] for one in receiver.received]
        assert set(told) == {run.run_id for run in runs}
        assert [one.count for run in runs for one in alerts_of(system, run.run_id)] == [1] * 20


def test_alerts_over_http(make_system: MakeSystem, receiver: Receiver) -> None:
    """The same as over Redis, by role; secrets of channels are nowhere."""
    system = system_with(make_system, receiver)
    system.start_listener()
    system.start_api()
    run = system.ready().pay("pm_declined")
    until(lambda: all_sent(system, run.run_id, 1), "its alert is sent")
    url = server_of(system)

    with (
        Orchestrator.connect(url, api_key=token(system, "viewer")) as viewer,
        Orchestrator.connect(url, api_key=token(system, "operator", user="olga")) as operator,
        Orchestrator.connect(url, api_key=token(system, "admin")) as admin,
        Orchestrator.connect(url, api_key=token(system, "viewer", "other.*")) as stranger,
    ):
        (found,) = viewer.alerts.list(kind="failed", state="open").alerts
        assert found == system.client.alerts.get(found.id) == viewer.alerts.get(found.id)
        assert viewer.alerts.channels() == system.client.alerts.channels()
        assert SECRET not in repr(viewer.alerts.channels())
        assert stranger.alerts.list().alerts == ()
        with pytest.raises(UnknownAlert):
            stranger.alerts.get(found.id)
        for denied in (lambda: viewer.alerts.acknowledge(found.id), lambda: operator.alerts.test("ops")):
            with pytest.raises(Forbidden):
                denied()
        assert operator.alerts.acknowledge(found.id, "mine").acknowledged_by == "olga"
        assert operator.alerts.resolve(found.id).state == "resolved"
        with pytest.raises(AlertOver):
            operator.alerts.acknowledge(found.id)
        made = admin.alerts.test("ops")
        until(lambda: operator.alerts.delivery(made).state == "sent", "the test message is sent")
        assert list(operator.alerts.dead()) == []
        assert operator.alerts.replay() == 0
        for asked, refusal in (
            (lambda: admin.alerts.test("nobody"), UnknownChannel),
            (lambda: admin.alerts.replay("none"), UnknownDelivery),
            (lambda: admin.alerts.list(cursor="x"), InvalidRequest),
        ):
            with pytest.raises(refusal):
                asked()

    async def asynchronously() -> AlertDescription:
        async with AsyncOrchestrator.connect(url, api_key=token(system, "viewer")) as client:
            return await client.alerts.get(found.id)

    assert asyncio.run(asynchronously()).state == "resolved"
