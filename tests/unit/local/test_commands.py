"""The command lines and the environment of our processes."""

import sys

import pytest

from orchestrator.local import beat_command, environment, worker_command
from orchestrator.settings import Settings


def test_a_worker_takes_its_queues_pool_and_name() -> None:
    """What is asked for stands in the command line of a `celery worker` of this interpreter."""
    command = worker_command(["a", "b"], concurrency=3, name="w1", pool="solo", extra=["-E"])

    assert command[:7] == [sys.executable, "-m", "celery", "-q", "-A", "workers", "worker"]
    assert " ".join(command[7:]).startswith("-Q a,b -c 3 -n w1@%h -P solo ")
    assert command[-1] == "-E"


def test_beat_runs_the_same_app_as_the_workers() -> None:
    """The sweeper must know the settings that the workers have."""
    beat, worker = beat_command(), worker_command()

    assert beat[:6] == worker[:6]
    assert beat[6] == "beat"


def test_settings_given_by_name_are_read_back_by_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers, lists and texts survive the way through the environment."""
    env = environment("redis://127.0.0.1:1/0", lease_ms=700, operations=["my.ops"], namespace="other", log_json=True)
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    settings = Settings()

    assert (settings.redis_url, settings.lease_ms, settings.log_json) == ("redis://127.0.0.1:1/0", 700, True)
    assert (settings.operations, settings.namespace) == (["my.ops"], "other")
