"""The command line: as the installed script in a process of its own, or, much faster, in this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from orchestrator.cli.app import app

ROOT = Path(__file__).parents[2]
SCRIPT = Path(sys.executable).with_name("orchestrator")
LIMIT_S = 90


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command wrote, and how it ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """Its one JSON document."""
        return json.loads(self.stdout)

    @property
    def records(self) -> list[Any]:
        """Its lines of JSON."""
        return [json.loads(line) for line in self.stdout.splitlines()]


def in_this_process(*arguments: str, env: Mapping[str, str], stdin: str | None = None) -> Answer:
    """Run a command to its end without a new interpreter."""
    result = CliRunner(env={**env, "COLUMNS": "80"}).invoke(app, arguments, input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


def orchestrator(*arguments: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Answer:
    """Run a command to its end; its terminal has 80 columns."""
    done = subprocess.run(
        [SCRIPT, *arguments],
        env={**os.environ, "COLUMNS": "80", **(env or {})},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)
