"""Commands about the versions of a workflow, without a server."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli import versions
from orchestrator.cli.app import app
from tests.unit.surroundings import WORKFLOW, Surroundings


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    """Two versions are published, and the commands find them."""
    around = Surroundings()
    around.publish(version="1.0.0")
    around.publish(version="1.1.0")
    monkeypatch.setattr(versions, "connect", lambda: around.client)
    return around


def run(*arguments: str) -> Result:
    """What the command line answers."""
    return CliRunner(env={"COLUMNS": "120"}).invoke(app, arguments)


def test_versions_are_listed_with_their_share_and_live_runs(around: Surroundings) -> None:
    """One a line, the highest first."""
    around.start(version="1.0.0")
    around.client.traffic(WORKFLOW, {"1.0.0": 1, "1.1.0": 2})

    lines = run("versions", WORKFLOW).stdout.splitlines()

    assert lines[0].split()[0] == "version"
    assert lines[1].split()[:2] == ["1.1.0", "stable"]
    assert lines[1].split()[-3:] == ["66.67", "%", "0"]
    assert lines[2].split()[-3:] == ["33.33", "%", "1"]


def test_versions_as_json_are_whole(around: Surroundings) -> None:
    """With the full digest."""
    listed = json.loads(run("versions", WORKFLOW, "--json").stdout)

    assert [one["version"] for one in listed] == ["1.1.0", "1.0.0"]
    assert listed[0] == around.client.versions(WORKFLOW)[0].to_json()


def test_a_split_is_set_shown_and_cleared(around: Surroundings) -> None:
    """By one command."""
    was_set = run("traffic", WORKFLOW, "1.0.0=90", "1.1.0=10", "--by", "input.tenant")
    shown = json.loads(run("traffic", WORKFLOW, "--json").stdout)
    cleared = run("traffic", WORKFLOW, "--clear")

    assert "by input.tenant" in was_set.stdout
    assert shown == {"workflow": WORKFLOW, "weights": {"1.0.0": 90, "1.1.0": 10}, "by": "input.tenant"}
    assert cleared.stdout == f"no split: new runs of {WORKFLOW} take 1.1.0, the highest stable version\n"
    assert around.client.traffic(WORKFLOW) is None


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["1.0.0"], "invalid_traffic"),
        (["1.0.0=all"], "invalid_traffic"),
        (["1.0.0=1", "1.0.0=2"], "invalid_traffic"),
        (["1.0.0=0"], "invalid_traffic"),
        (["1.0.0=1", "--by", "steps.a"], "invalid_traffic"),
        (["1.0.0=1", "--clear"], "invalid_traffic"),
        (["--by", "input.tenant"], "invalid_traffic"),
        (["9.0.0=1"], "unknown_workflow"),
    ],
)
def test_a_split_that_makes_no_sense_is_refused(around: Surroundings, arguments: list[str], code: str) -> None:
    """With a code, exit code 1, and nothing stored."""
    result = run("traffic", WORKFLOW, *arguments, "--json")

    assert (result.exit_code, result.stdout) == (1, "")
    assert json.loads(result.stderr)["code"] == code
    assert around.client.traffic(WORKFLOW) is None


def test_a_version_is_deprecated_and_taken_back(around: Surroundings) -> None:
    """How many runs live on it is said with it."""
    around.start()

    deprecated = run("deprecate", WORKFLOW, "1.1.0")
    listed = run("versions", WORKFLOW)
    taken_back = run("deprecate", WORKFLOW, "1.1.0", "--undo")

    assert deprecated.stdout == f"{WORKFLOW} 1.1.0 is deprecated, 1 run live on it\n"
    assert listed.stdout.splitlines()[1].split()[:2] == ["1.1.0", "deprecated"]
    assert "no longer deprecated" in taken_back.stdout
    assert around.client.versions(WORKFLOW)[0].deprecated_at is None


def test_a_deprecated_version_that_still_takes_runs_is_warned_of(around: Surroundings) -> None:
    """Whichever came first: the split, or the mark."""
    around.client.traffic(WORKFLOW, {"1.0.0": 3, "1.1.0": 1})

    deprecated = run("deprecate", WORKFLOW, "1.0.0")
    split = run("traffic", WORKFLOW, "1.0.0=1")

    assert "still gives it 75 % of new runs" in deprecated.stderr
    assert "1.0.0 is deprecated" in split.stderr


def test_an_unknown_workflow_or_version_is_an_error(around: Surroundings) -> None:
    """With what comes near."""
    assert "did you mean test.flow?" in run("versions", "test.flwo").stderr
    assert "has 1.0.0, 1.1.0" in run("deprecate", WORKFLOW, "2.0.0").stderr
