"""validate and plan: they need no Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli.app import app

ROOT = Path(__file__).parents[3]
BAD = """
meta: {key: order.ship, version: one}
steps:
  - {id: a, operation: text.upper, on_success: nowhere}
  - {id: b, operation: no.such, retries: 3}
"""


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Its settings name the operations that ship; a Redis is nowhere."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("ORCHESTRATOR_REDIS_URL", "redis://127.0.0.1:1/0")
    return iter(())


def run(*arguments: str | Path) -> Result:
    """What the command line answers."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def spec_file(folder: Path, text: str, name: str = "spec.yaml") -> Path:
    """A file with this spec."""
    path = folder / name
    path.write_text(text)
    return path


def test_specs_without_errors_are_valid() -> None:
    """Exit code 0."""
    result = run("validate", "specs")

    assert result.exit_code == 0
    assert "17 workflows can be published" in result.stdout


def test_all_problems_of_all_paths_are_shown_at_once(tmp_path: Path) -> None:
    """Each with file, line, column and rule; exit code 1."""
    first = spec_file(tmp_path, BAD, "first.yaml")
    second = spec_file(tmp_path, "steps: [", "second.yaml")

    result = run("validate", first, second)

    assert result.exit_code == 1
    assert f"{first}:2:" in result.stdout
    assert f"{first}:5:" in result.stdout
    assert f"{second}:1:" in result.stdout


def test_problems_as_json_are_records(tmp_path: Path) -> None:
    """One document, and nothing else on stdout."""
    result = run("validate", spec_file(tmp_path, BAD), "--json")

    written = json.loads(result.stdout)
    assert result.exit_code == 1
    assert written["valid"] is False
    assert {"rule", "message", "file", "line", "column", "severity"} <= set(written["problems"][0])


def test_warnings_alone_leave_a_spec_valid(tmp_path: Path) -> None:
    """Exit code 0; in JSON each problem has its severity, step and path."""
    text = "meta: {key: a.b, version: 1.0.0}\nsteps: [{id: step1, operation: text.upper, inputs: {text: x}}]"

    result = run("validate", spec_file(tmp_path, text), "--json")

    (problem,) = json.loads(result.stdout)["problems"]
    assert result.exit_code == 0
    assert (problem["rule"], problem["severity"]) == ("vague_id", "warning")
    assert (problem["step"], problem["path"], problem["line"]) == ("step1", "steps[0].id", 2)


def test_a_problem_names_its_step_and_place(tmp_path: Path) -> None:
    """A step's number alone would have to be counted out."""
    text = "meta: {key: a.b, version: 1.0.0}\nsteps: [{id: shout, operation: text.upper}]"

    result = run("validate", spec_file(tmp_path, text))

    assert "(step shout, at steps[0].inputs) [missing_input]" in result.stdout


def test_the_json_of_a_plan_is_the_plan_and_its_canvas() -> None:
    """As one document; `--json` is another word for it."""
    result = run("plan", "specs/sequence.yaml", "--format", "json")

    written = json.loads(result.stdout)
    assert set(written) == {"plan", "canvas"}
    assert [one["address"] for one in written["canvas"]["signatures"]] == ["shout", "greet"]
    assert run("plan", "specs/sequence.yaml", "--json").stdout == result.stdout


def test_a_plan_is_text_unless_another_form_is_asked_for() -> None:
    """Text for people, Mermaid for documents."""
    assert "Celery canvas" in run("plan", "specs/wait.yaml").stdout
    assert run("plan", "specs/wait.yaml", "--format", "mermaid").stdout.startswith("flowchart TD")


def test_the_plan_of_a_spec_with_errors_is_refused_with_all_of_them(tmp_path: Path) -> None:
    """The problems are on stderr, so that nobody takes them for a plan."""
    result = run("plan", spec_file(tmp_path, BAD))

    assert result.exit_code == 1
    assert result.stdout == ""
    assert "error: " in result.stderr
    assert "[invalid_spec]" in result.stderr


def test_an_error_as_json_has_its_code(tmp_path: Path) -> None:
    """On stderr; stdout stays empty."""
    result = run("plan", spec_file(tmp_path, BAD), "--json")

    assert json.loads(result.stderr)["code"] == "invalid_spec"
    assert result.stdout == ""


def test_a_path_that_is_not_there_is_a_usage_error() -> None:
    """Exit code 2."""
    assert run("validate", "no/such/file.yaml").exit_code == 2


def test_settings_that_cannot_be_used_are_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named by their field, without a traceback."""
    monkeypatch.setenv("ORCHESTRATOR_SHARDS", "0")

    result = run("validate", "specs")

    assert result.exit_code == 2
    assert "`shards`" in result.stderr


def test_a_module_of_operations_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the settings that are wrong, not the spec."""
    monkeypatch.setenv("ORCHESTRATOR_OPERATIONS", '["no.such.module"]')

    result = run("validate", "specs")

    assert result.exit_code == 2
    assert "'no.such.module'" in result.stderr
