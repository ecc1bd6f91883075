"""The code of the pages does what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from orchestrator import OperationError, define_workflow
from orchestrator.client.publishing import examine, publish
from orchestrator.spec.loader import load_text
from orchestrator.spec.operations import OPERATIONS, load_operations
from tests.pages import ROOT, block
from tests.unit.surroundings import Surroundings
from workers.app import SHIPPED


def refuse(_: object) -> None:
    """Fail for good."""
    raise OperationError("refused", retryable=False)


def test_the_readmes_test_passes(tmp_path: Path) -> None:
    """With the workflow of the README, in a process of its own."""
    for name in ("greetings.py", "test_greetings.py"):
        (tmp_path / name).write_text(block("README.md", f"file: {name}"))
    options = ["-q", "-p", "orchestrator.testing.plugin", "-p", "no:randomly", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options]

    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    assert "1 passed" in done.stdout, done.stdout


def test_runs_are_found_as_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    """By workflow, status, time and a search field."""
    surroundings = Surroundings({"do.write": refuse})
    meta, search = {"key": "order.fulfil", "version": "1.0.0"}, {"customer": "input.customer"}
    spec = define_workflow(meta=meta, steps=[{"id": "a", "operation": "do.write"}], search=search)
    publish(surroundings.registry, spec, operations=surroundings.operations)
    runs = [surroundings.client.start("order.fulfil", {"customer": customer}) for customer in (41, 42)]
    for run, address in product(runs, ("a", "~")):
        surroundings.work(run, address)

    exec(block("docs/operating.md", "search"), {"orchestrator": surroundings.client})

    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{runs[1].run_id} failed")


def test_the_example_of_limits_can_be_published() -> None:
    """Without errors and without warnings, with the operations that ship."""
    load_operations(SHIPPED)
    (example,) = re.findall(r"^```yaml\n(.+?)^```$", (ROOT / "docs/limits.md").read_text(), re.MULTILINE | re.DOTALL)

    [loaded] = load_text(example, "example.yaml")
    _, problems = examine(loaded.spec, OPERATIONS, None)

    assert [str(problem) for problem in (*loaded.problems, *problems)] == []
