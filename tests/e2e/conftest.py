"""`orchestrator dev` in a process of its own, for all tests of the commands that need a system."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from orchestrator.local import ManagedProcess, environment
from orchestrator.local.redis_server import free_port
from tests.e2e.command_line import ROOT, SCRIPT, Answer, in_this_process

Command = Callable[..., Answer]


@dataclass(frozen=True, slots=True)
class Dev:
    """A running `orchestrator dev`, and the environment in which other commands find it."""

    process: ManagedProcess
    env: dict[str, str]
    port: int


def start_dev(folder: Path) -> Dev:
    """Start it on a free port, with its data and its outbox in the folder and the project's specs published."""
    port = free_port()
    env = environment(
        f"redis://127.0.0.1:{port}/0",
        settings=str(ROOT / "orchestrator.toml"),
        provider_db=str(folder / "provider.sqlite"),
        outbox=str(folder / "outbox"),
        api_port=free_port(),
    )
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), env.get("PYTHONPATH", "")])
    process = ManagedProcess("dev", [str(SCRIPT), "dev", str(ROOT / "specs")], env=env, cwd=folder)
    process.start().wait_for_line("in another terminal", 60.0)
    return Dev(process, env, port)


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """One for all tests; stopped as a terminal would."""
    running = start_dev(tmp_path_factory.mktemp("dev"))
    yield running
    running.process.terminate()


@pytest.fixture(scope="session")
def command(dev: Dev) -> Command:
    """A command of a terminal beside it."""
    return partial(in_this_process, env=dev.env)
