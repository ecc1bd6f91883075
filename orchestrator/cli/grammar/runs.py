"""The grammar of commands that start and show runs. What they do is in `runs.py` of the folder above."""

# ruff: noqa: PLC0415  # a command imports what it needs when it is called, so that --help is quick

from __future__ import annotations

from typing import Annotated, Literal

import typer

from orchestrator.cli.grammar.arguments import Json, RunId, Whole, WorkflowKey

SlaStand = Literal["ok", "warned", "breached", "met"]
Status = Literal["pending", "running", "compensating", "paused", "completed", "failed", "cancelled"]


def start(
    workflow: WorkflowKey,
    *,
    given: Annotated[str, typer.Option("--input", "-i", metavar="JSON|@FILE|-", help="The run's input.")] = "{}",
    ctx: Annotated[str, typer.Option("--ctx", metavar="JSON|@FILE|-", help="The run's user context.")] = "{}",
    version: Annotated[str | None, typer.Option("--version", help="Not the highest stable version, but this.")] = None,
    run_id: Annotated[str | None, typer.Option("--run-id", help="The run's id; again: the same run.")] = None,
    idempotency_key: Annotated[str | None, typer.Option("--idempotency-key", help="Same key, same run.")] = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Show the run until it is over.")] = False,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="DURATION", help="Give up waiting, as 30s.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Start a run."""
    from orchestrator.cli import runs
    from orchestrator.cli.output import answering

    options = runs.StartOptions(workflow, given, ctx, version, run_id, idempotency_key, wait, timeout)
    with answering(as_json) as output:
        if not runs.start(output, options):
            raise typer.Exit(1)


def runs(
    *,
    workflow: Annotated[str | None, typer.Option("--workflow", help="Only runs of this workflow.")] = None,
    version: Annotated[str | None, typer.Option("--version", help="Only runs of this version.")] = None,
    status: Annotated[Status | None, typer.Option("--status", help="Only runs with this status.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="Started then or later: 2026-01-31T12:00Z, or 90m.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Started then or earlier.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Only workflows with this tag; repeatable.")] = None,
    where: Annotated[
        list[str] | None, typer.Option("--where", metavar="NAME=VALUE", help="By a search field; repeatable.")
    ] = None,
    sla: Annotated[SlaStand | None, typer.Option("--sla", help="Only runs that do so by their own SLA.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")] = 20,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where a page ended.")] = None,
    as_json: Json = False,
) -> None:
    """List the newest runs, or search for some."""
    from orchestrator.cli import runs as of_runs
    from orchestrator.cli.output import answering
    from orchestrator.client.search import Query

    with answering(as_json) as output:
        fields = of_runs.where_arguments(where or [])
        query = Query(workflow, version, status, since, until, tuple(tag or ()), fields, sla=sla)
        of_runs.list_runs(output, query, limit=limit, cursor=cursor)


def show(run: RunId, *, whole: Whole = False, as_json: Json = False) -> None:
    """Show a run: its steps, its timeline, its undo."""
    from orchestrator.cli import runs
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        runs.show(output, run, whole=whole)


def why(run: RunId, *, as_json: Json = False) -> None:
    """Say why a run does not move: what each live step waits for, and when it is looked at next."""
    from orchestrator.cli import runs
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        runs.why(output, run)


def watch(
    run: RunId,
    *,
    after: Annotated[str, typer.Option("--after", metavar="EVENT", help="Only events after this id.")] = "0",
    whole: Whole = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document an event, each on a line.")] = False,
) -> None:
    """Show a run until it is over; stopping it does not touch the run."""
    from orchestrator.cli import runs
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        if not runs.watch(output, run, after=after, whole=whole):
            raise typer.Exit(1)
