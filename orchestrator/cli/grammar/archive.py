"""The grammar of `orchestrator archive`."""

# ruff: noqa: PLC0415  # a command imports what it needs when it is called, so that --help is quick

from __future__ import annotations

import typer

from orchestrator.cli.grammar.arguments import Json

archive = typer.Typer(
    name="archive",
    help="Look at the archive of runs, and bring its tables up to date.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@archive.command("status")
def status(*, as_json: Json = False) -> None:
    """Show what the archive has, and how far behind it is."""
    from orchestrator.cli import of_archive
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        if not of_archive.status(output):
            raise typer.Exit(3)


@archive.command("upgrade")
def upgrade(*, as_json: Json = False) -> None:
    """Make the archive's tables, or bring them up to date; once done, it changes nothing."""
    from orchestrator.cli import of_archive
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_archive.upgrade(output)
