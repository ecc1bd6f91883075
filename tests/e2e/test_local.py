"""The commands that bring a system of their own: dev and demo."""

from __future__ import annotations

import os
import re
import signal
import socket
from pathlib import Path

import pytest

from orchestrator.local.redis_server import LOOPBACK
from tests.e2e.command_line import orchestrator
from tests.e2e.conftest import start_dev

pytestmark = pytest.mark.integration


def test_the_demo_tells_three_stories_and_counts_at_the_provider(tmp_path: Path) -> None:
    """A success, a declined card, a refund; from any folder, and whatever the environment says of Redis."""
    env = {"ORCHESTRATOR_REDIS_URL": "redis://127.0.0.1:1/0", "ORCHESTRATOR_BROKER_URL": "redis://127.0.0.1:1/0"}

    answer = orchestrator("demo", env=env, cwd=tmp_path)

    assert answer.code == 0, answer.stderr
    assert re.findall(r"^[✓✗] (\w+)", answer.stdout, re.MULTILINE) == ["completed", "failed", "failed"]
    assert "undo of charge-payment completed" in answer.stdout
    assert re.search(r"charges +2 +25\.00", answer.stdout)
    assert re.search(r"refunds +1 +12\.50", answer.stdout)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_dev_stops_all_that_it_started(tmp_path: Path, number: signal.Signals) -> None:
    """On Ctrl-C and when it is asked to end: exit code 0, no process and no port left."""
    dev = start_dev(tmp_path)
    children = dev.process.child_pids()

    os.kill(dev.process.pid, number)

    assert dev.process.wait(20.0) == 0
    assert len(children) == 5, "Redis, a worker, a beat, a listener, the HTTP API"
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, dev.port), timeout=1.0)
