"""Queues and workers over HTTP: each key sees of them what it may."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.broker.queues import Depth
from orchestrator.store.registry import WorkerRecord
from orchestrator.store.watch import Held, MemoryWatch
from tests.unit.api.conftest import Receive, Reception

WORKER = WorkerRecord("w@h", ("default",), (), 7, "h", concurrency=2, pool="solo")
NAME = "workers/w@h"


@pytest.fixture
def reception(receive: Receive, monkeypatch: pytest.MonkeyPatch) -> Reception:
    """An API before two workflows, of each of which a worker has a step."""
    monkeypatch.setattr("orchestrator.client.queues.look", lambda _, names: dict.fromkeys(names, Depth(2)))
    reception = receive()
    around, now_ms = reception.around, reception.around.clock.now_ms
    around.client.watch = MemoryWatch(around.clock)
    for key in ("shop.order", "bank.pay"):
        around.publish(key=key)
        around.client.watch.hold("w@h", hash(key), [Held(f"of-{key}", key, "a", now_ms, now_ms + 9_000, 1)])
    names = ("shop.order@1.0.0/a", "bank.pay@1.0.0/a", "own.task")
    active = tuple(
        {"name": name, "run_id": None if name == "own.task" else "r", "step": "a", "since_ms": 0, "pid": 1}
        for name in names
    )
    around.registry.announce(replace(WORKER, active=active))
    around.registry.announce(WorkerRecord("beat@h", (), (), 8, "h", role="beat"))
    around.registry.announce(WorkerRecord("listener@h", (), (), 9, "h", role="listener"))
    return reception


def test_a_viewer_sees_queues_and_the_whole_fleet(reception: Reception) -> None:
    """Beats and listeners beside the workers."""
    viewer = reception.as_role("viewer")

    queues, workers = viewer.get("queues").json(), viewer.get("workers").json()

    assert [(one["name"], one["waiting"], one["workflows"]) for one in queues["queues"]] == [
        ("default", 2, ["bank.pay@1.0.0", "shop.order@1.0.0"])
    ]
    assert queues["dead"] == {"events": 0}
    assert [len(workers[kind]) for kind in ("workers", "beats", "listeners")] == [1, 1, 1]
    assert len(workers["workers"][0]["active"]) == 3
    assert viewer.get("queues/default/samples").json() == {"samples": []}


def test_a_key_for_some_workflows_sees_nothing_of_others(reception: Reception) -> None:
    """No name, no run, no lease; and tells workers nothing, whatever its role."""
    restricted = reception.as_role("admin", workflows=["shop.*"])

    (queue,) = restricted.get("queues").json()["queues"]
    one = restricted.get(NAME).json()
    refused = [restricted.post(f"{NAME}/{verb}").status_code for verb in ("drain", "resume", "shutdown")]

    assert queue["workflows"] == ["shop.order@1.0.0"]
    assert [each["name"] for each in one["active"]] == ["shop.order@1.0.0/a"]
    assert [each["run_id"] for each in one["leases"]] == ["of-shop.order"]
    assert one["serves"] == []
    assert restricted.get("workers").json()["workers"][0]["active"] == one["active"]
    assert refused == [403] * 3
    assert restricted.get(f"{NAME}/inspection").status_code == 403


def test_what_a_worker_cannot_do_has_its_status(reception: Reception) -> None:
    """And its code: unknown, a pool that is fixed, silent, a body that cannot be."""
    admin = reception.as_role("admin")

    answers = [
        admin.post("workers/x@h/drain"),
        admin.post(f"{NAME}/pool/grow", json={"count": 1}),
        admin.post(f"{NAME}/pool/grow", json={"count": 0}),
        admin.put(f"{NAME}/tasks/t/rate-limit", json={"rate": "often"}),
        admin.put(f"{NAME}/tasks/orchestrator.step/time-limit", json={"hard_s": 5}),
        admin.delete(NAME),
    ]
    reception.around.clock.move(20_000)
    answers.append(admin.post(f"{NAME}/drain", json={"reason": "why"}))

    assert [(one.status_code, one.json()["code"]) for one in answers] == [
        (404, "unknown_worker"),
        (409, "pool_fixed"),
        (400, "malformed_request"),
        (400, "malformed_request"),
        (422, "invalid_request"),
        (409, "conflict"),
        (409, "worker_silent"),
    ]
    assert admin.delete(NAME).status_code == 204
    assert admin.get(NAME).status_code == 404
