"""The grammar of commands that change a run. What they do is in `operate.py` of the folder above."""

# ruff: noqa: PLC0415  # a command imports what it needs when it is called, so that --help is quick

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.grammar.arguments import Json, Reason, RunId, StepAddress


def cancel(run: RunId, *, reason: Reason = "", as_json: Json = False) -> None:
    """Stop a run: nothing new starts, and what is done is undone."""
    from orchestrator.cli import operate
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        operate.cancel(output, run, reason=reason)


def pause(run: RunId, *, reason: Reason = "", as_json: Json = False) -> None:
    """Let nothing new begin in a run; steps that run end."""
    from orchestrator.cli import operate
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        operate.pause(output, run, reason=reason)


def resume(run: RunId, *, reason: Reason = "", as_json: Json = False) -> None:
    """Let a paused run go on; its time limits move by the pause."""
    from orchestrator.cli import operate
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        operate.resume(output, run, reason=reason)


def retry(
    run: RunId,
    *,
    given: Annotated[
        str | None, typer.Option("--input", "-i", metavar="JSON|@FILE|-", help="In place of the run's input.")
    ] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Let a failed or cancelled run go on from where it failed; what was undone runs again first."""
    from orchestrator.cli import operate
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        operate.retry(output, run, given=given, reason=reason)


def skip(
    run: RunId,
    step: StepAddress,
    *,
    result: Annotated[
        str | None, typer.Option("--output", metavar="JSON|@FILE|-", help="What later steps read of it.")
    ] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Go on behind a step that waits, as if it had succeeded."""
    from orchestrator.cli import operate
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        operate.skip(output, run, step, result=result, reason=reason)


def signal(
    run: RunId,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The signal's name, as the spec has it.")],
    *,
    data: Annotated[str | None, typer.Option("--data", "-d", metavar="JSON|@FILE|-", help="What it says.")] = None,
    signal_id: Annotated[str | None, typer.Option("--id", help="Two signals with one id are one.")] = None,
    as_json: Json = False,
) -> None:
    """Give a run a signal: to the step that waits for it, or to the first that will."""
    from orchestrator.cli import operate
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        operate.signal(output, run, name, data=data, signal_id=signal_id)


def undo(
    run: RunId,
    *,
    preview: Annotated[bool, typer.Option("--preview", help="Change nothing: show what would be undone now.")] = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Make the undos of a run that is over: those that failed, or all that wait for an operator."""
    from orchestrator.cli import operate
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        if preview:
            operate.preview_undo(output, run)
        else:
            operate.undo(output, run, reason=reason)


def waive(run: RunId, step: StepAddress, *, reason: Reason = "", as_json: Json = False) -> None:
    """Record that what a step did was undone by hand."""
    from orchestrator.cli import operate
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        operate.waive(output, run, step, reason=reason)
