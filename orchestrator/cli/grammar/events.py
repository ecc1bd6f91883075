"""The grammar of the commands about external events. What they do is in `intake.py`."""

# ruff: noqa: PLC0415  # a command imports what it needs when it is called, so that --help is quick

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.grammar.arguments import Json

events = typer.Typer(name="events", help="External events: emit them, see what came in, replay what was given up.")

Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the audit log.")]
Chosen = Annotated[str, typer.Argument(metavar="ID", help="The dead event's id, as `dead` has it, or `all`.")]


@events.command()
def emit(
    event: Annotated[
        str | None, typer.Argument(help="A CloudEvent, or a list of them, as JSON, @file, or - for stdin.")
    ] = None,
    *,
    type_: Annotated[str | None, typer.Option("--type", "-t", help="Its type, such as order.created.")] = None,
    data: Annotated[str | None, typer.Option("--data", "-d", help="Its data, as JSON, @file, or - for stdin.")] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="Where it is from; /orchestrator if not given.")
    ] = None,
    id_: Annotated[str | None, typer.Option("--id", help="Two events with one source and id are one.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="What it is about, within its source.")] = None,
    as_json: Json = False,
) -> None:
    """Take an event in, whole or by its attributes."""
    from orchestrator.cli import intake
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        intake.emit(output, event, data, {"type": type_, "source": source, "id": id_, "subject": subject})


@events.command()
def tail(
    *,
    count: Annotated[int, typer.Option("--count", "-n", min=0, help="How many that came before.")] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with those that come, until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show the newest events that came in; with --json one line each."""
    from orchestrator.cli import intake
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        intake.tail(output, count, follow=follow)


@events.command()
def dead(
    *, count: Annotated[int, typer.Option("--count", "-n", min=1, help="At most so many.")] = 50, as_json: Json = False
) -> None:
    """Show the events that were given up, oldest first, and why."""
    from orchestrator.cli import intake
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        intake.dead(output, count)


@events.command()
def misses(*, as_json: Json = False) -> None:
    """Show the last event that each trigger's filter had no answer for: it started nothing."""
    from orchestrator.cli import intake
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        intake.misses(output)


@events.command()
def replay(letter: Chosen, *, reason: Reason = "", as_json: Json = False) -> None:
    """Take an event in again that was given up, or all of them; what it has started it does not start again."""
    from orchestrator.cli import intake
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        intake.replay(output, letter, reason)


@events.command()
def discard(letter: Chosen, *, reason: Reason = "", as_json: Json = False) -> None:
    """Forget an event that was given up, or all of them."""
    from orchestrator.cli import intake
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        intake.discard(output, letter, reason)
