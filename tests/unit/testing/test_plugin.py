"""What pytest shows of tests that use the harness."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TESTS = """
from orchestrator import define_workflow
from orchestrator.testing import fail, ok

SPEC = define_workflow(meta={"key": "test.flow", "version": "1.0.0"}, steps=[{"id": "a", "operation": "do.one"}])

def test_all_played(harness):
    harness(SPEC).script("a", ok()).run()

def test_one_left(harness):
    harness(SPEC).script("a", ok(), fail("late")).run()

def test_wrong(harness):
    assert harness(SPEC).script("a", fail("no"), ok()).run().status == "completed"

def test_unexpected(harness):
    harness(SPEC).run()

def test_unplayable(harness):
    harness(SPEC).script("aa", ok())
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest prints of those tests."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "test_user.py").write_text(TESTS)
    options = ["-p", "orchestrator.testing.plugin", "-p", "no:randomly", "-p", "no:cacheprovider", "-rA"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    return run.stdout


def part_of(shown: str, test: str) -> str:
    """What is shown of one failed test."""
    return re.split(r"\n_{3,} |\n={3,} ", shown.split(f" {test} _")[1])[0]


def test_a_test_whose_scripts_are_all_played_passes(shown: str) -> None:
    """The only one of them that does."""
    assert re.findall(r"^PASSED .*::(\w+)$", shown, re.MULTILINE) == ["test_all_played"]
    assert "4 failed, 1 passed" in shown


def test_a_script_that_is_left_fails_the_test(shown: str) -> None:
    """It is a failure of the test itself, and says which script."""
    part = part_of(shown, "test_one_left")

    assert "never called:\n  test.flow a: fail('late')" in part
    assert "complaint" not in part


def test_a_failure_shows_what_the_runs_did(shown: str) -> None:
    """By virtual time; scripts that are left then are not complained about on top."""
    part = part_of(shown, "test_wrong")

    assert "assert 'failed' == 'completed'" in part
    assert "step_failed      a error=no" in part
    assert "never called" not in part


def test_an_unexpected_call_is_shown_without_the_machinery(shown: str) -> None:
    """The traceback ends where the test asked for the run."""
    part = part_of(shown, "test_unexpected")

    assert "UnexpectedCall: step a calls do.one" in part
    assert "performer.py" not in part


def test_a_script_that_cannot_be_played_is_shown_where_it_is_written(shown: str) -> None:
    """With what was meant, perhaps."""
    part = part_of(shown, "test_unplayable")

    assert "there is no step 'aa'; did you mean a?" in part
    assert "script_book.py" not in part
