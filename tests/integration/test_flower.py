"""Flower, started beside workers that send Celery's events, sees steps by their names."""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.request import urlopen

import pytest

from orchestrator.local.redis_server import free_port
from tests.integration.conftest import MakeSystem
from tests.integration.system import System, ended, until

pytestmark = pytest.mark.integration


@pytest.fixture
def system(make_system: MakeSystem) -> System:
    """A worker with `-E`."""
    system = make_system()
    system.publish()
    system.start_worker("worker", extra=("-E",))
    return system.ready()


@pytest.fixture
def flower(system: System) -> str:
    """The address of a Flower for it."""
    port = free_port()
    command = [sys.executable, "-m", "celery", "-q", "-A", "workers", "flower", "--address=127.0.0.1", f"--port={port}"]
    system.start_other("flower", command, "Connected to", FLOWER_UNAUTHENTICATED_API="true")
    system.ready()
    return f"http://127.0.0.1:{port}"


def ask(url: str) -> Any:
    """What Flower's API says."""
    with urlopen(url, timeout=10) as answer:
        return json.load(answer)


def test_flower_shows_workers_and_steps_by_their_names(system: System, flower: str) -> None:
    """Each message as a task, named by workflow, version and step, with what came of it."""
    until(lambda: ask(f"{flower}/api/workers?status=true"), "Flower has seen the worker")
    run = system.pay()

    ended(run)
    until(lambda: len(_tasks(flower)) > 1, "Flower has seen tasks")
    (worker,) = ask(f"{flower}/api/workers?status=true").items()

    names = {name for name, _ in _tasks(flower)}
    assert "payment.flow@1.0.0/validate-payment" in names
    assert all(name.startswith("payment.flow@1.0.0/") for name in names)
    assert worker[0].startswith("worker-")
    assert worker[1] is True
    queues = ask(f"{flower}/api/queues/length")["active_queues"]
    assert [one["name"] for one in queues] == ["default"]


def _tasks(flower: str) -> list[tuple[str, str]]:
    found = ask(f"{flower}/api/tasks").values()
    return [(one["name"], one["state"]) for one in found if one["state"] == "SUCCESS"]
