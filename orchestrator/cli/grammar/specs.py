"""The grammar of commands about specs. What they do is in `specs.py` of the folder above."""

# ruff: noqa: PLC0415  # a command imports what it needs when it is called, so that --help is quick

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from orchestrator.cli.grammar.arguments import Json, Paths


def validate(
    paths: Paths,
    *,
    as_json: Json = False,
    digests: Annotated[bool, typer.Option("--digests", help="Only print each workflow's digest.")] = False,
) -> None:
    """Show all problems of specs at once; needs no Redis."""
    from orchestrator.cli import specs
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        if digests:
            specs.digests(output, paths)
        elif not specs.validate(output, paths):
            raise typer.Exit(1)


def plan(
    spec: Annotated[Path, typer.Argument(exists=True, metavar="SPEC", help="A file with a workflow.")],
    *,
    form: Annotated[Literal["text", "mermaid", "json"], typer.Option("--format", help="How to show it.")] = "text",
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Show the steps and the Celery canvas that a spec compiles to; needs no Redis."""
    from orchestrator.cli import specs
    from orchestrator.cli.output import answering

    with answering(as_json or form == "json") as output:
        specs.plan(output, spec, "json" if as_json else form)


def publish(paths: Paths, *, as_json: Json = False) -> None:
    """Store workflow versions; a published version never changes."""
    from orchestrator.cli import specs
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        specs.publish(output, paths)
