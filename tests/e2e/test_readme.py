"""The README's first steps, as a newcomer takes them: its own code, with its own commands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.local import ManagedProcess, environment
from orchestrator.local.redis_server import free_port
from tests.e2e.command_line import LIMIT_S, ROOT, orchestrator

pytestmark = pytest.mark.integration

README = (ROOT / "README.md").read_text()


def code_after(mark: str) -> str:
    """The Python block that stands below a mark in the README."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n```python\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


def commands_with(word: str) -> list[list[str]]:
    """The README's `orchestrator` commands with a word in them."""
    lines = re.findall(r"^\$ (orchestrator .*)$", README, re.MULTILINE)
    return [shlex.split(line)[1:] for line in lines if word in line]


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder with the README's file, and `orchestrator dev` running in it as the README says."""
    folder = tmp_path_factory.mktemp("newcomer")
    (folder / "greetings.py").write_text(code_after("file: greetings.py"))
    env = environment(f"redis://127.0.0.1:{free_port()}/0", operations=["greetings"])
    env["PYTHONPATH"] = str(ROOT)
    (dev,) = commands_with("dev greetings.py")
    process = ManagedProcess("dev", [str(Path(sys.executable).with_name("orchestrator")), *dev], env=env, cwd=folder)
    process.start().wait_for_line("in another terminal", 60.0)
    yield folder, env
    process.terminate()


def test_the_first_run_of_the_readme_completes(newcomer: tuple[Path, dict[str, str]]) -> None:
    """`start --wait` greets, and `runs` lists the run."""
    folder, env = newcomer
    (start,) = commands_with("start greetings.hello")

    started = orchestrator(*start, env=env, cwd=folder)
    listed = orchestrator("runs", env=env, cwd=folder)

    assert (started.code, started.stderr) == (0, "")
    assert started.stdout.splitlines()[-1].startswith("✓ completed")
    assert "completed" in listed.stdout


def test_the_producer_of_the_readme_gets_the_result(newcomer: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    """From a folder without the workflow's code."""
    _, env = newcomer

    done = subprocess.run(
        [sys.executable, "-c", code_after("producer")],
        env={**os.environ, **env, "ORCHESTRATOR_OPERATIONS": "[]"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )

    assert done.stdout.strip() == "{'text': 'Hello, Ada!'}", done.stderr
