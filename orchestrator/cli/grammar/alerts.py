"""The grammar of `orchestrator alerts`. What they do is in `of_alerts.py`."""

# ruff: noqa: PLC0415  # a command imports what it needs when it is called, so that --help is quick

from __future__ import annotations

from typing import Annotated, Literal

import typer

from orchestrator.cli.grammar.arguments import Json

alerts = typer.Typer(name="alerts", help="What a person should know of: SLAs, failed undos, and what else is wrong.")

AlertId = Annotated[str, typer.Argument(metavar="ALERT", help="The alert's id, as `list` has it.")]
Comment = Annotated[str, typer.Option("--comment", "-m", help="Kept with the alert.")]
State = Literal["open", "acknowledged", "resolved", "any"]


@alerts.command("list")
def list_alerts(
    *,
    state: Annotated[State, typer.Option("--state", help="Only those.")] = "open",
    kind: Annotated[str | None, typer.Option("--kind", help="Such as sla or failed.")] = None,
    level: Annotated[str | None, typer.Option("--level", help="warning, error or critical.")] = None,
    workflow: Annotated[str | None, typer.Option("--workflow", help="Only of this workflow.")] = None,
    run: Annotated[str | None, typer.Option("--run", help="Only of this run.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="At most so many.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where a page ended.")] = None,
    as_json: Json = False,
) -> None:
    """List alerts, newest first: those that are open, unless it says others."""
    from orchestrator.cli import of_alerts
    from orchestrator.cli.output import answering

    wanted = {"state": None if state == "any" else state, "kind": kind, "level": level, "workflow": workflow}
    with answering(as_json) as output:
        of_alerts.list_alerts(output, {**wanted, "run": run}, limit=limit, cursor=cursor)


@alerts.command()
def show(alert: AlertId, *, as_json: Json = False) -> None:
    """Show an alert, who has seen to it, and where it was sent."""
    from orchestrator.cli import of_alerts
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_alerts.show(output, alert)


@alerts.command()
def ack(alert: AlertId, *, comment: Comment = "", as_json: Json = False) -> None:
    """Acknowledge an alert: somebody sees to it."""
    from orchestrator.cli import of_alerts
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_alerts.acknowledge(output, alert, comment)


@alerts.command()
def resolve(alert: AlertId, *, comment: Comment = "", as_json: Json = False) -> None:
    """Say that it is over; what happens again is a new alert."""
    from orchestrator.cli import of_alerts
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_alerts.resolve(output, alert, comment)


@alerts.command()
def channels(*, as_json: Json = False) -> None:
    """Show where alerts go, as the settings say."""
    from orchestrator.cli import of_alerts
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_alerts.channels(output)


@alerts.command("test")
def send_test(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="Its name in the settings.")],
    *,
    timeout: Annotated[str, typer.Option("--timeout", metavar="DURATION", help="Wait so long for it.")] = "30s",
    as_json: Json = False,
) -> None:
    """Let a listener send a test message, and wait for what comes of it."""
    from orchestrator.cli import of_alerts
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        if not of_alerts.test(output, channel, timeout):
            raise typer.Exit(1)


@alerts.command()
def dead(
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """Show the messages that were given up, and why."""
    from orchestrator.cli import of_alerts
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_alerts.dead(output, limit)


@alerts.command()
def replay(
    delivery: Annotated[str, typer.Argument(metavar="DELIVERY", help="Its id, as `dead` has it, or `all`.")],
    *,
    as_json: Json = False,
) -> None:
    """Send a message again that was given up, or all of them."""
    from orchestrator.cli import of_alerts
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_alerts.replay(output, delivery)
