"""`orchestrator archive`, and what other commands show with an archive."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.e2e.command_line import in_this_process
from tests.e2e.conftest import Command, Dev

pytestmark = pytest.mark.integration


@pytest.fixture
def with_archive(dev: Dev, tmp_path: Path) -> Command:
    """A command beside the system of all tests, with an archive of its own, that nobody fills."""
    return partial(in_this_process, env={**dev.env, "ORCHESTRATOR_ARCHIVE_URL": f"sqlite:///{tmp_path}/a.sqlite"})


def test_upgrade_makes_the_tables_once(with_archive: Command) -> None:
    """And says what it did."""
    first, second = with_archive("archive", "upgrade", "--json"), with_archive("archive", "upgrade", "--json")

    assert (first.code, second.code) == (0, 0)
    assert first.document["before"] is None
    assert second.document["before"] == second.document["revision"] == first.document["revision"]
    assert "has revision" in with_archive("archive", "upgrade").stdout


def test_status_says_how_the_archive_does(with_archive: Command) -> None:
    """In words and as a document."""
    found, told = with_archive("archive", "status", "--json"), with_archive("archive", "status")

    assert found.code == told.code == 0
    assert found.document["runs"] == {"cancelled": 0, "completed": 0, "failed": 0}
    assert found.document["error"] is None
    assert "waiting" in told.stdout
    assert "is a listener running?" in told.stdout


def test_an_archive_that_is_away_is_an_error(dev: Dev) -> None:
    """By the exit code of servers that do not answer; its password is shown nowhere."""
    url = "postgresql+psycopg://ada:s3cret@127.0.0.1:1/none"
    answer = in_this_process("archive", "status", env={**dev.env, "ORCHESTRATOR_ARCHIVE_URL": url})

    assert answer.code == 3
    assert "does not answer" in answer.stdout
    assert "s3cret" not in answer.stdout + answer.stderr


def test_without_an_archive_the_setting_is_named(dev: Dev) -> None:
    """A question of settings."""
    answer = in_this_process("archive", "status", env=dev.env)

    assert answer.code == 2
    assert "archive_url" in answer.stderr


def test_lists_and_stats_work_with_an_archive_that_is_empty(with_archive: Command) -> None:
    """Redis's runs are what there is."""
    assert with_archive("runs", "--json").code == 0
    assert with_archive("stats", "--json").document["archived"] == 0
