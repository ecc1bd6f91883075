"""schedules next: it needs no Redis."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli.app import app


def run(*arguments: str) -> Result:
    """What the command line answers."""
    return CliRunner(env={"COLUMNS": "120"}).invoke(app, ["schedules", "next", *arguments])


def fires(*arguments: str) -> list[dict[str, Any]]:
    """The fires of the JSON answer."""
    found: list[dict[str, Any]] = json.loads(run(*arguments, "--json").stdout)["fires"]
    return found


def test_fires_are_shown_in_utc_and_in_the_zone() -> None:
    """One a line, with the weekday and the offset."""
    shown = run("30 2 * * *", "--zone", "Europe/Berlin", "--from", "2026-03-28", "--count", "2")

    heads, first, second = [line.split() for line in shown.stdout.splitlines()]
    assert heads == ["UTC", "Europe/Berlin"]
    assert first == ["2026-03-28", "01:30:00", "Sat", "2026-03-28", "02:30:00", "+0100"]
    assert second == ["2026-03-29", "01:00:00", "Sun", "2026-03-29", "03:00:00", "+0200"]


def test_fires_as_json_are_moments() -> None:
    """With what was asked."""
    answer = run("0 6 * * *", "--zone", "Asia/Tokyo", "--from", "2026-01-01T00:00:00Z", "--count", "1", "--json")

    assert json.loads(answer.stdout) == {
        "expression": "0 6 * * *",
        "zone": "Asia/Tokyo",
        "from": "2026-01-01T00:00:00Z",
        "fires": [{"utc": "2026-01-01T21:00:00Z", "local": "2026-01-02T06:00:00+09:00"}],
    }


@pytest.mark.parametrize("written", ["every 90m", "EVERY 90m", "90m", "PT90M"])
def test_an_interval_may_be_asked_for(written: str) -> None:
    """As a duration, with or without the word; a fire at the given moment is the first."""
    found = fires(written, "--from", "2026-01-01T00:00Z", "--count", "2")

    assert [fire["utc"] for fire in found] == ["2026-01-01T00:00:00Z", "2026-01-01T01:30:00Z"]


def test_a_moment_fires_once_or_no_more() -> None:
    """Which is no error."""
    moment = "2026-06-01T12:00:00+02:00"

    assert [fire["utc"] for fire in fires(moment, "--from", "2026-01-01")] == ["2026-06-01T10:00:00Z"]
    assert "none from 2026-07-01T00:00:00Z on" in run(moment, "--from", "2026-07-01").stdout


def test_without_a_moment_the_next_fires_are_those_from_now_on() -> None:
    """Ten of them."""
    found = fires("* * * * *")

    assert len(found) == 10
    assert found[0]["utc"] >= json.loads(run("* * * * *", "--json").stdout)["from"][:16]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("0 0 30 2 *",), "never fires"),
        (("61 * * * *",), "its minute is `61`"),
        (("@often",), "none of @yearly"),
        (("15",), "does not say its unit"),
        (("every now and then",), "is not a duration"),
        (("nightly",), "neither cron"),
        (("2026-01-01T00:00:00",), "with its offset"),
        (("@daily", "--zone", "Mars/Olympus"), "is not an IANA time zone"),
        (("@daily", "--from", "soon"), "--from: `soon` is not a moment"),
        (("@daily", "--from", "0001-01-01"), "before the calendar begins"),
        (("@daily", "--from", "0001-01-01", "--zone", "Asia/Tokyo"), "--from"),
    ],
)
def test_what_names_no_times_is_told(arguments: tuple[str, ...], said: str) -> None:
    """On stderr, with exit code 1."""
    answer = run(*arguments)

    assert answer.exit_code == 1
    assert said in answer.stderr
    assert answer.stdout == ""


def test_the_rules_that_were_broken_are_in_the_json_error() -> None:
    """By their names in the lint."""
    error = json.loads(run("0 0 30 2 *", "--zone", "Mars/Olympus", "--json").stderr)

    assert error["code"] == "invalid_schedule"
    assert error["details"] == {"rules": ["never_fires", "unknown_zone"]}
