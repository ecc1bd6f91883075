"""The grammar of commands that look at the fleet. What they do is in `fleet.py` and its like of the folder above."""

# ruff: noqa: PLC0415  # a command imports what it needs when it is called, so that --help is quick

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.grammar.arguments import Json


def stats(
    workflow: Annotated[str | None, typer.Argument(metavar="KEY", help="A workflow: what its runs did.")] = None,
    *,
    since: Annotated[str | None, typer.Option("--since", "--from", help="A moment, or how long ago: 24h, 7d.")] = None,
    until: Annotated[str | None, typer.Option("--until", "--to", help="A moment; now if not given.")] = None,
    by: Annotated[str | None, typer.Option("--by", help="version or step: each by itself.")] = None,
    as_json: Json = False,
) -> None:
    """Show runs by status, queues, workers, beats and listeners; or what the runs of a workflow did.

    With `--since` or `--until` and no workflow: what those of all workflows did.
    """
    from orchestrator.cli import fleet, measured
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        if workflow is None and since is until is None:
            fleet.stats(output)
        elif workflow is None:
            measured.overall(output, since, until)
        else:
            measured.stats(output, workflow, since, until, by)


def queues(
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show them until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show queues: what waits and since when, what comes and goes, who takes from them and who sends to them."""
    from orchestrator.cli import of_fleet
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_fleet.queues(output, watch=watch)


def doctor(*, as_json: Json = False) -> None:
    """Look for what stands in the way of runs, and say what to do about it."""
    from orchestrator.cli import fleet
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        if not fleet.doctor(output):
            raise typer.Exit(1)
