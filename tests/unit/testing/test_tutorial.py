"""The tutorial on testing, done as it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import testing

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/testing.md").read_text()
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest prints of the page's files."""
    folder = tmp_path_factory.mktemp("tutorial")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    options = ["-p", "orchestrator.testing.plugin", "-p", "no:randomly", "-p", "no:cacheprovider", "-rP", "-v"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", *options]
    run = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    return run.stdout


def test_every_test_of_the_page_passes(shown: str) -> None:
    """Each that is written there, and no other."""
    written = re.findall(r"^def (test_\w+)", "".join(FILES.values()), re.MULTILINE)

    assert sorted(re.findall(r"::(test_\w+) PASSED", shown)) == sorted(written)


def test_the_page_shows_the_story_as_it_is_told(shown: str) -> None:
    """Down to the blanks."""
    (story,) = re.findall(r"<!-- shown -->\n```text\n(.*?)```", PAGE, re.DOTALL)

    assert story in shown


def test_every_public_name_is_explained() -> None:
    """All that users write is on the page."""
    functions = {name for name in testing.__all__ if name.islower()}

    assert {name for name in functions if f"`{name}(" not in PAGE} == set()
