"""The README's first steps, as a newcomer takes them: its own code, with its own commands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.local import ManagedProcess, environment
from orchestrator.local.redis_server import free_port
from tests.e2e.command_line import LIMIT_S, ROOT, SCRIPT, orchestrator
from tests.pages import block, commands

pytestmark = pytest.mark.integration

README = "README.md"


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder with the README's file, and `orchestrator dev` running in it as the README says."""
    folder = tmp_path_factory.mktemp("newcomer")
    (folder / "greetings.py").write_text(block(README, "file: greetings.py"))
    env = environment(f"redis://127.0.0.1:{free_port()}/0", operations=["greetings"], api_port=free_port())
    env["PYTHONPATH"] = str(ROOT)
    (dev,) = commands(README, "orchestrator", "dev greetings.py")
    process = ManagedProcess("dev", [str(SCRIPT), *dev], env=env, cwd=folder)
    process.start().wait_for_line("in another terminal", 60.0)
    yield folder, env
    process.terminate()


def test_the_first_run_of_the_readme_completes(newcomer: tuple[Path, dict[str, str]]) -> None:
    """`start --wait` greets, and `runs` lists the run."""
    folder, env = newcomer
    (start,) = commands(README, "orchestrator", "start greetings.hello")

    started = orchestrator(*start, env=env, cwd=folder)
    listed = orchestrator("runs", env=env, cwd=folder)

    assert (started.code, started.stderr) == (0, "")
    assert started.stdout.splitlines()[-1].startswith("✓ completed")
    assert "completed" in listed.stdout


def test_the_producer_of_the_readme_gets_the_result(newcomer: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    """From a folder without the workflow's code."""
    _, env = newcomer

    done = subprocess.run(
        [sys.executable, "-c", block(README, "producer")],
        env={**os.environ, **env, "ORCHESTRATOR_OPERATIONS": "[]"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )

    assert done.stdout.strip() == "{'text': 'Hello, Ada!'}", done.stderr


def test_a_version_is_rolled_out_as_the_readme_says(newcomer: tuple[Path, dict[str, str]]) -> None:
    """Each command does what the README says below them."""
    folder, env = newcomer
    code = block(README, "file: greetings.py").replace('hello", version="1.0.0"', 'hello", version="1.1.0"')
    (folder / "greetings.py").write_text(code)
    assert orchestrator("publish", "greetings.py", env=env, cwd=folder).code == 0
    split, show, clear = commands(README, "orchestrator", "greetings.hello")[1:4]
    (deprecate,) = commands(README, "orchestrator", "deprecate")

    def shares() -> dict[str, float]:
        answer = orchestrator(*show, "--json", env=env, cwd=folder)
        return {one["version"]: one["takes_percent"] for one in answer.document}

    seen = []
    for command in (split, clear, deprecate):
        assert orchestrator(*command, env=env, cwd=folder).code == 0
        seen.append(shares())

    assert seen == [{"1.0.0": 90.0, "1.1.0": 10.0}, {"1.0.0": 0.0, "1.1.0": 100.0}, {"1.0.0": 0.0, "1.1.0": 100.0}]
