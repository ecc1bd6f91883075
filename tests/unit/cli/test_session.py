"""What options and settings mean to a command."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from orchestrator.cli.session import connect, object_argument, read_settings, seconds_argument
from orchestrator.errors import InvalidInput, InvalidRequest, InvalidSettings


def test_an_object_comes_from_the_option_a_file_or_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three ways to the same value."""
    file = tmp_path / "input.json"
    file.write_text('{"a": 1}')
    monkeypatch.setattr("sys.stdin", io.StringIO('{"a": 1}'))

    assert object_argument('{"a": 1}', "--input") == {"a": 1}
    assert object_argument(f"@{file}", "--input") == {"a": 1}
    assert object_argument("-", "--input") == {"a": 1}


@pytest.mark.parametrize("text", ["{bad", "[1]", "null", "@/no/such/file"])
def test_what_is_no_object_is_refused_by_the_options_name(text: str) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(InvalidInput, match="--ctx"):
        object_argument(text, "--ctx")


def test_a_timeout_must_say_its_unit() -> None:
    """A bare number is milliseconds in specs and seconds in other tools."""
    assert seconds_argument("1m30s", "--timeout") == 90.0
    with pytest.raises(InvalidRequest, match="--timeout"):
        seconds_argument("30", "--timeout")


@pytest.mark.parametrize("text", ["no toml", "shards = 0", "no_such_setting = 1"])
def test_a_settings_file_that_cannot_be_used_is_one_error(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A usage error, not a traceback."""
    file = tmp_path / "settings.toml"
    file.write_text(text)
    monkeypatch.setenv("ORCHESTRATOR_SETTINGS", str(file))

    with pytest.raises(InvalidSettings) as raised:
        read_settings()

    assert raised.value.exit_code == 2


def test_a_url_that_is_none_is_an_error_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found before anything is sent."""
    monkeypatch.setenv("ORCHESTRATOR_REDIS_URL", "localhost:6379")

    with pytest.raises(InvalidSettings, match="localhost:6379"):
        connect()
