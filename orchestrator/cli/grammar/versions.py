"""The grammar of commands about versions. What they do is in `versions.py` of the folder above."""

# ruff: noqa: PLC0415  # a command imports what it needs when it is called, so that --help is quick

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.grammar.arguments import Json, WorkflowKey


def versions(workflow: WorkflowKey, *, as_json: Json = False) -> None:
    """List a workflow's versions, the new runs that each takes, and the runs that live on it."""
    from orchestrator.cli import versions as of_workflow
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_workflow.versions(output, workflow)


def traffic(
    workflow: WorkflowKey,
    weights: Annotated[
        list[str] | None, typer.Argument(metavar="[VERSION=WEIGHT]...", help="1.0.0=90 1.1.0=10")
    ] = None,
    *,
    by: Annotated[str | None, typer.Option("--by", metavar="EXPR", help="CEL: same value, same version.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Back to the highest stable version.")] = False,
    as_json: Json = False,
) -> None:
    """Share new runs out among versions, or show how they are."""
    from orchestrator.cli import versions as of_workflow
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_workflow.traffic(output, workflow, weights or [], by=by, clear=clear)


def deprecate(
    workflow: WorkflowKey,
    version: Annotated[str, typer.Argument(help="Such as 1.0.0.")],
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Take the mark off.")] = False,
    as_json: Json = False,
) -> None:
    """Take a version out of what new runs take by themselves; its runs go on."""
    from orchestrator.cli import versions as of_workflow
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_workflow.deprecate(output, workflow, version, undo=undo)
