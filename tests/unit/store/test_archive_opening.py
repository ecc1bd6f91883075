"""An archive is opened when it is used, and what is wrong with its setting is said then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.errors import InvalidSettings
from orchestrator.settings import Settings
from orchestrator.store.archive.opening import open_archive


@pytest.mark.parametrize("url", [None, ""])
def test_without_the_setting_there_is_none(url: str | None) -> None:
    """An empty one is none, as a variable without a value is."""
    assert open_archive(Settings(archive_url=url)) is None


def test_nothing_of_sql_is_imported_before_it_is_used() -> None:
    """Neither by a client nor by a worker's app, with the setting."""
    script = (
        "import sys; from orchestrator import Orchestrator, Settings; import orchestrator.runtime.app\n"
        "client = Orchestrator.connect(settings=Settings(archive_url='sqlite:////nowhere/x')); client.close()\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('sqlalchemy', 'alembic', 'psycopg')])"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert answer.stdout == "[]\n"


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the extra that brings it."""
    monkeypatch.delitem(sys.modules, "orchestrator.store.archive.sql", raising=False)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    monkeypatch.delitem(sys.modules, "orchestrator.store.archive.database", raising=False)
    archive = open_archive(Settings(archive_url="sqlite://"))

    assert archive is not None
    with pytest.raises(InvalidSettings, match=r"celery-orchestrator\[archive\]"):
        archive.counts()


def test_it_is_opened_once(tmp_path: Path) -> None:
    """And closed with it; closing what was never used opens nothing."""
    archive = open_archive(Settings(archive_url=f"sqlite:///{tmp_path}/a.sqlite"))
    assert archive is not None
    archive.close()
    assert list(tmp_path.iterdir()) == []

    assert archive.counts() == {"cancelled": 0, "completed": 0, "failed": 0}
    assert archive.read_all("no") == {}
    archive.close()
