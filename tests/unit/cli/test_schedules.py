"""schedules next, which needs no Redis, and the commands about schedules that are published, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli import of_schedules
from orchestrator.cli.app import app
from orchestrator.triggers.schedules import ScheduleKeeper
from tests.unit.surroundings import WORKFLOW, Surroundings


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


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    """A workflow with two schedules is published, and the commands find them."""
    around = Surroundings()
    nightly = {"name": "nightly", "cron": "0 2 * * *", "zone": "Europe/Berlin"}
    around.publish(triggers=[{"schedule": {"name": "tick", "every": "1s"}}, {"schedule": nightly}])
    around.client.schedules.reconcile(WORKFLOW)
    monkeypatch.setattr(of_schedules, "connect", lambda: around.client)
    monkeypatch.setattr(of_schedules, "user_name", lambda: "ann")
    return around


def command(*arguments: str) -> Result:
    """What the command line answers."""
    return CliRunner(env={"COLUMNS": "140"}).invoke(app, ["schedules", *arguments])


def fire(around: Surroundings) -> None:
    """Let a beat fire what is due a second and a half later."""
    around.clock.move(1_500)
    ScheduleKeeper(around.client.schedules, around.registry, "beat").keep()


def test_schedules_are_listed_with_their_next_fire_and_their_slots(around: Surroundings) -> None:
    """One a line, by workflow and name."""
    fire(around)

    heads, nightly, tick = [line.split() for line in command("list").stdout.splitlines()]

    assert heads == ["workflow", "name", "when", "state", "next", "(UTC)", "slots"]
    assert nightly == [*f"{WORKFLOW} nightly 0 2 * * * Europe/Berlin active 2023-11-15 01:00:00".split()]
    assert tick == [*f"{WORKFLOW} tick every 1s active 2023-11-14 22:13:22 1 started".split()]
    assert json.loads(command("list", WORKFLOW, "--json").stdout)["schedules"][1]["counts"] == {"started": 1}


def test_a_schedule_is_shown_with_its_last_slots_and_next_fires(around: Surroundings) -> None:
    """And with what its policies are, also those that nobody wrote."""
    fire(around)
    (run,) = around.client.runs()

    shown = command("show", WORKFLOW, "tick", "--fires", "2").stdout

    for text in ("overlap   skip", "catch up  10m", "2023-11-14 22:13:23", f"started  {run.run_id}"):
        assert text in shown
    assert "22:13:24" not in shown
    document = json.loads(command("show", WORKFLOW, "tick", "--json").stdout)
    assert document == json.loads(json.dumps(around.client.schedules.describe(WORKFLOW, "tick").to_json()))


def test_a_schedule_is_paused_and_resumed_in_the_name_of_who_asks(around: Surroundings) -> None:
    """The reason is shown while it lasts."""
    paused = command("pause", WORKFLOW, "tick", "--reason", "holidays")
    shown = command("show", WORKFLOW, "tick").stdout
    resumed = json.loads(command("resume", WORKFLOW, "tick", "--json").stdout)

    assert "paused" in paused.stdout
    assert "since 2023-11-14 22:13:20 by ann (holidays)" in shown
    assert (resumed["state"], resumed["paused"]) == ("active", None)


def test_a_run_is_triggered_and_past_slots_are_filled_up(around: Surroundings) -> None:
    """Each says what follows."""
    triggered = json.loads(command("trigger", WORKFLOW, "tick", "--json").stdout)
    filled = command("backfill", WORKFLOW, "tick", "--since", "5s", "--at-once")

    assert around.client.get(triggered["run_id"]).describe().started_by == "schedule:tick"
    assert filled.stdout.startswith("6 slots of tick, beside each other")
    assert around.client.schedules.describe(WORKFLOW, "tick").backfills == 1


def test_a_range_is_looked_at_before_it_is_filled_up(around: Surroundings) -> None:
    """Its slots, and which of them have their runs; nothing is started."""
    fire(around)

    shown = command("backfill", WORKFLOW, "tick", "--since", "2s", "--dry-run").stdout
    document = json.loads(command("backfill", WORKFLOW, "tick", "--since", "2s", "--dry-run", "--json").stdout)

    (run,) = around.client.runs()
    assert "2023-11-14 22:13:20  to be started" in shown
    assert (document["count"], document["slots"][-1]["run_id"]) == (2, run.run_id)


def test_what_cannot_be_done_is_an_error_with_its_code(around: Surroundings) -> None:
    """And exit code 1."""
    answer = command("pause", WORKFLOW, "tik", "--json")

    assert answer.exit_code == 1
    assert json.loads(answer.stderr)["code"] == "unknown_schedule"
