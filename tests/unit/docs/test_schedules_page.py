"""docs/schedules.md shows what the command answers, and specs that can be published."""

from __future__ import annotations

import re
import shlex

import pytest
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.client.publishing import examine
from orchestrator.spec.cron import InvalidCron, parse_cron
from orchestrator.spec.loader import load_text
from orchestrator.spec.operations import OPERATIONS, load_operations
from tests.pages import ROOT
from workers.app import SHIPPED

PAGE = (ROOT / "docs/schedules.md").read_text()
SESSIONS = re.findall(r"^\$ orchestrator (.+)\n((?:[^$`].*\n)+)", PAGE, re.MULTILINE)
REFUSED = re.findall(
    r"`([^`]+)`", " ".join(re.findall(r"^\| (`.+?`) \|", PAGE.split("### What is refused")[1], re.MULTILINE))
)


@pytest.mark.parametrize(("command", "shown"), SESSIONS)
def test_the_command_answers_as_the_page_shows(command: str, shown: str) -> None:
    """Line by line."""
    answer = CliRunner(env={"COLUMNS": "120"}).invoke(app, shlex.split(command))

    assert [line.rstrip() for line in answer.stdout.splitlines()] == shown.splitlines()


def test_the_example_can_be_published() -> None:
    """Without errors and without warnings."""
    load_operations(SHIPPED)
    (example,) = re.findall(r"^```yaml\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)

    (loaded,) = load_text(example, "example.yaml")
    _, problems = examine(loaded.spec, OPERATIONS, None)

    assert [str(one) for one in (*loaded.problems, *problems)] == []


@pytest.mark.parametrize("text", REFUSED)
def test_what_the_page_calls_refused_is_refused(text: str) -> None:
    """Each expression of the table."""
    with pytest.raises(InvalidCron):
        parse_cron(text)
