"""The grammar of `orchestrator schedules`."""

# ruff: noqa: PLC0415  # a command imports what it needs when it is called, so that --help is quick

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.arguments import Json

schedules = typer.Typer(
    name="schedules",
    help="When schedules fire.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@schedules.callback()
def group() -> None:
    """When schedules fire."""


@schedules.command("next")
def next_fires(
    expression: Annotated[
        str, typer.Argument(metavar="EXPR", help="A cron expression in quotes, 'every 15m', 15m, or a moment.")
    ],
    *,
    zone: Annotated[str, typer.Option("--zone", metavar="ZONE", help="An IANA time zone: Europe/Zurich.")] = "UTC",
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="WHEN", help="From then on; without an offset it is a time of the zone."),
    ] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=10_000, help="How many.")] = 10,
    as_json: Json = False,
) -> None:
    """Show the next fires of an expression, in UTC and in its zone; needs no Redis."""
    from orchestrator.cli import fires
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        fires.next_fires(output, expression, zone=zone, start=start, count=count)
