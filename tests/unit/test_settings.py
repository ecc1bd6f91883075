"""Where settings come from, and which of two stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator.settings import Settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a settings file, and no variable of ours."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"ORCHESTRATOR_{name.upper()}", raising=False)
    monkeypatch.delenv("ORCHESTRATOR_SETTINGS", raising=False)
    return tmp_path


def test_without_anything_the_defaults_stand() -> None:
    """A lease outlives two renewals, and the broker is the state's Redis."""
    settings = Settings()

    assert settings.lease_ms > 2 * settings.heartbeat_ms
    assert settings.broker == settings.redis_url == "redis://127.0.0.1:6379/0"


def test_an_argument_stands_over_the_environment_over_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the file over the default."""
    (folder / "orchestrator.toml").write_text('shards = 2\nnamespace = "file"\nlog_level = "DEBUG"')
    monkeypatch.setenv("ORCHESTRATOR_NAMESPACE", "environment")
    monkeypatch.setenv("ORCHESTRATOR_SHARDS", "3")

    settings = Settings(shards=4)

    assert (settings.shards, settings.namespace, settings.log_level) == (4, "environment", "DEBUG")


def test_the_environment_may_name_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of the one in the present folder."""
    (folder / "orchestrator.toml").write_text("shards = 2")
    (folder / "other.toml").write_text('operations = ["a", "b"]')
    monkeypatch.setenv("ORCHESTRATOR_SETTINGS", str(folder / "other.toml"))

    settings = Settings()

    assert (settings.operations, settings.shards) == (["a", "b"], 16)


def test_an_unknown_setting_of_the_file_is_refused(folder: Path) -> None:
    """A spelling mistake must not go unnoticed."""
    (folder / "orchestrator.toml").write_text("shard = 2")

    with pytest.raises(ValidationError, match="shard"):
        Settings()


@pytest.mark.parametrize(("name", "value"), [("SHARDS", "0"), ("LEASE_MS", "soon"), ("MAX_PAYLOAD_BYTES", "-1")])
def test_a_value_that_cannot_be_used_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Before anything is connected."""
    monkeypatch.setenv(f"ORCHESTRATOR_{name}", value)

    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_settings_never_change() -> None:
    """Whoever was given them may keep them."""
    with pytest.raises(ValidationError):
        Settings().shards = 2  # type: ignore[misc]


def test_every_setting_says_what_it_is_for() -> None:
    """The documentation is made from it."""
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
