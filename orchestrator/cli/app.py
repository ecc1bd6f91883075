"""The command line as a whole: which commands there are, by panels of its help. Each is written in `grammar/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version as installed_version
from typing import Annotated, Final

import typer

from orchestrator.cli.grammar import changes, fleet, processes, runs, specs, versions
from orchestrator.cli.grammar.alerts import alerts
from orchestrator.cli.grammar.approvals import approvals
from orchestrator.cli.grammar.archive import archive
from orchestrator.cli.grammar.events import events
from orchestrator.cli.grammar.keys import keys
from orchestrator.cli.grammar.schedules import schedules
from orchestrator.cli.grammar.workers import workers

PANELS: Final[Mapping[str, tuple[Callable[..., None] | typer.Typer, ...]]] = {
    "Specs": (specs.validate, specs.plan, specs.publish),
    "Versions": (versions.versions, versions.traffic, versions.deprecate),
    "Runs": (runs.start, runs.runs, runs.show, runs.why, runs.watch),
    "Changes to a run": (
        changes.cancel,
        changes.pause,
        changes.resume,
        changes.retry,
        changes.skip,
        changes.signal,
        changes.undo,
        changes.waive,
        approvals,
    ),
    "The fleet": (
        processes.listen,
        fleet.stats,
        fleet.queues,
        fleet.doctor,
        schedules,
        events,
        alerts,
        archive,
        workers,
    ),
    "HTTP API": (processes.api, keys),
    "On one machine": (processes.dev, processes.demo),
}
"""Commands, and groups of commands, as the help lists them."""

app = typer.Typer(
    help="Spec-first, durable workflows on Celery and Redis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 the run or the input failed, 2 usage, 3 not reachable.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"orchestrator {installed_version('celery-orchestrator')}")
        raise typer.Exit


@app.callback()
def orchestrator(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Spec-first, durable workflows on Celery and Redis."""


for panel, commands in PANELS.items():
    for command in commands:
        if isinstance(command, typer.Typer):
            app.add_typer(command, rich_help_panel=panel)
        else:
            app.command(rich_help_panel=panel)(command)
