"""An existing Celery app adopts workflows as the README and the page on adoption say."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.local import Fleet, LocalRedis, environment
from tests.e2e.command_line import ROOT, orchestrator
from tests.pages import block, commands

pytestmark = pytest.mark.integration

PAGE = "docs/adoption.md"
ITS_REDIS = "127.0.0.1:6379"
READY = {"worker": "ready.", "beat": "beat: Starting"}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """The README's app with the page's worker and beat, and what its terminal has set; with a Redis of its own."""
    with LocalRedis() as redis:
        here = f"127.0.0.1:{redis.port}"
        (tmp_path / "shop.py").write_text(block("README.md", "file: shop.py").replace(ITS_REDIS, here))
        (tmp_path / "order.yaml").write_text(block(PAGE, "file: order.yaml"))
        env = environment(redis.url()) | {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
        (exported,) = commands(PAGE, "export")
        exports = dict(one.replace(ITS_REDIS, here).split("=", 1) for one in exported)
        with Fleet(env=env, logs=tmp_path) as fleet:
            for arguments in commands(PAGE, "celery"):
                name = arguments[2]
                own = ["-s", str(tmp_path / "schedule")] if name == "beat" else ["-c", "1"]
                fleet.start(name, [sys.executable, "-m", "celery", *arguments, "-l", "INFO", *own])
            for process in fleet:
                process.wait_for_line(READY[process.name])
            yield tmp_path, env | exports


def test_a_task_of_the_app_is_a_step(shop: tuple[Path, dict[str, str]]) -> None:
    """Published and started from the command line, executed by the app's worker on the task's own queue."""
    folder, env = shop

    answers = [orchestrator(*command, env=env, cwd=folder) for command in commands(PAGE, "orchestrator")]
    (run,) = orchestrator("runs", "--json", env=env, cwd=folder).document["runs"]
    shown = orchestrator("show", run["run_id"], "--json", env=env, cwd=folder).document

    assert [answer.code for answer in answers] == [0, 0], [answer.stderr for answer in answers]
    assert shown["run"]["output"] == "o-1 is packed"
