"""The grammar of `orchestrator schedules`."""

# ruff: noqa: PLC0415  # a command imports what it needs when it is called, so that --help is quick

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.grammar.arguments import Json

schedules = typer.Typer(
    name="schedules",
    help="What fires by itself: when it did, when it will, and changing that.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


WorkflowKey = Annotated[str, typer.Argument(metavar="WORKFLOW", help="The workflow's key, such as payment.flow.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The schedule's name.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the schedule's history.")]


@schedules.callback()
def group() -> None:
    """What fires by itself: when it did, when it will, and changing that."""


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


@schedules.command("list")
def list_schedules(
    workflow: Annotated[str | None, typer.Argument(metavar="[WORKFLOW]", help="Only those of this workflow.")] = None,
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000, help="At most so many.")] = 100,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where a page ended.")] = None,
    as_json: Json = False,
) -> None:
    """List the schedules, with their next fire and what came of their slots."""
    from orchestrator.cli import of_schedules
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_schedules.list_schedules(output, workflow, limit=limit, cursor=cursor)


@schedules.command()
def show(
    workflow: WorkflowKey,
    name: Name,
    *,
    fires: Annotated[int, typer.Option("--fires", min=0, max=1_000, help="So many of the next fires.")] = 5,
    as_json: Json = False,
) -> None:
    """Show a schedule: its next fires, its last slots and what came of them."""
    from orchestrator.cli import of_schedules
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_schedules.show(output, workflow, name, fires=fires)


@schedules.command()
def pause(workflow: WorkflowKey, name: Name, *, reason: Reason = "", as_json: Json = False) -> None:
    """Let a schedule start no runs; its slots until it is resumed are neither fired nor missed."""
    from orchestrator.cli import of_schedules
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_schedules.pause(output, workflow, name, reason=reason)


@schedules.command()
def resume(workflow: WorkflowKey, name: Name, *, reason: Reason = "", as_json: Json = False) -> None:
    """Let a paused schedule go on with its next slot."""
    from orchestrator.cli import of_schedules
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_schedules.resume(output, workflow, name, reason=reason)


@schedules.command()
def trigger(workflow: WorkflowKey, name: Name, *, reason: Reason = "", as_json: Json = False) -> None:
    """Start a run of a schedule now, outside of its slots and whatever is under way."""
    from orchestrator.cli import of_schedules
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_schedules.trigger(output, workflow, name, reason=reason)


@schedules.command()
def backfill(
    workflow: WorkflowKey,
    name: Name,
    *,
    since: Annotated[str, typer.Option("--since", metavar="WHEN", help="From then on: 2026-01-31T12:00Z, or 90m ago.")],
    until: Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Up to then; else up to now.")] = None,
    at_once: Annotated[bool, typer.Option("--at-once", help="Not one by one, but all beside each other.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the slots, and which have their runs.")] = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Start the runs of past slots; those that have theirs are passed over."""
    from orchestrator.cli import of_schedules
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        if dry_run:
            of_schedules.slots(output, workflow, name, since=since, until=until)
            return
        of_schedules.backfill(output, workflow, name, since=since, until=until, at_once=at_once, reason=reason)
