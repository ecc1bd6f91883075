"""The tables of the README, and the commands and settings of every page, say what is so."""

from __future__ import annotations

import inspect
import re
from itertools import dropwhile, takewhile
from pathlib import Path

import click
import pytest
from typer.main import get_command

from orchestrator import Orchestrator, Settings
from orchestrator.cli.app import app
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.reasons import Reason
from orchestrator.spec.workflow import StepKind

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()
PAGES = sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("*.md")])
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]  # a Typer of several commands is a group
WRITTEN = re.compile(r"(?:^\$ |`)orchestrator ([a-z]+)([^`\n]*)", re.MULTILINE)


def table_below(heading: str) -> list[list[str]]:
    """The cells of the first table of a section of the README, without its head."""
    section = README.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    is_row = re.compile(r"\|").match
    _, _, *rows = takewhile(is_row, dropwhile(lambda line: not is_row(line), section.splitlines()))
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]


def test_each_kind_of_step_is_said_to_be_executed() -> None:
    """`publish` accepts them all."""
    said = {kind.strip("`"): today for kind, _, today in table_below("What it runs today")}

    assert said == {kind.value: "executed" for kind in StepKind}


def test_every_command_has_its_place_in_the_table() -> None:
    """And no other is there."""
    named = {command for row in table_below("Verbs") for command, _ in WRITTEN.findall(row[2])}

    assert named == set(COMMANDS)


@pytest.mark.parametrize(("name", "kind"), [("orchestrator", Orchestrator), ("run", RedisRunHandle)])
def test_everything_that_clients_can_do_is_in_the_readme(name: str, kind: type) -> None:
    """Each public method of the client and of a run's handle."""
    public = {method for method, _ in inspect.getmembers(kind, callable) if not method.startswith("_")}

    named = set(re.findall(rf"\b{name}\.(\w+)\(", README, re.IGNORECASE))

    assert public - named == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_shows_exists_with_its_options(page: Path) -> None:
    """A command or an option that is renamed takes its examples with it."""
    wrong = []
    for name, arguments in WRITTEN.findall(page.read_text()):
        command: click.Command | None = COMMANDS.get(name)
        if command is not None and (inner := getattr(command, "commands", None)):
            command = inner.get(arguments.strip().partition(" ")[0], command)
        known = {option for parameter in command.params for option in parameter.opts} if command else set()
        given = set(re.findall(r"(?<=\s)--[a-z-]+", arguments.partition(" #")[0]))
        wrong += [f"{name} {option}" for option in given - known] if command else [name]

    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    """By its name in the environment, or in a table with its default."""
    text = page.read_text()
    fields = Settings.model_fields
    in_environment = {name.lower() for name in re.findall(r"ORCHESTRATOR_([A-Z_]+)\b", text)} - {"settings"}
    with_defaults = re.findall(r"^\| `(\w+)` \| `?([\w.]+)`? \|", text.split("| setting |")[-1], re.MULTILINE)

    assert in_environment - fields.keys() == set()
    if "| setting |" in text:
        shown = {name: default for name, default in with_defaults if name in fields}
        assert shown == {
            name: str(fields[name].default).replace("True", "true").replace("False", "false")
            for name, _ in with_defaults
        }


def test_the_figures_of_the_readme_are_those_that_were_measured_last() -> None:
    """Line by line, in the same order, under the same heads."""
    measured = (ROOT / "bench/RESULTS.md").read_text().splitlines()
    section = README.split("## Figures\n", 1)[1].split("\n## ", 1)[0]

    shown = [line for line in section.splitlines() if line.startswith("|")]

    assert shown
    assert shown == [line for line in measured if line in shown]


def test_every_reason_why_a_run_does_not_move_is_on_its_page() -> None:
    """By its code; and none that does not exist."""
    page = (ROOT / "docs/why.md").read_text()
    named = set(re.findall(r"`([a-z_]+)`", page))

    assert {reason.value for reason in Reason} <= named
