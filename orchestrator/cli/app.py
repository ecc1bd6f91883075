"""The grammar of the command line: every command with its arguments. What they do is in the modules beside this one."""

# ruff: noqa: PLC0415  # a command imports what it needs when it is called, so that --help is quick

from __future__ import annotations

from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(
    help="Spec-first, durable workflows on Celery and Redis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 the run or the input failed, 2 usage, 3 not reachable.",
)

_SPECS = "Specs"
_RUNS = "Runs"
_LOCAL = "On one machine"

Paths = Annotated[list[Path], typer.Argument(exists=True, help="Files (.py, .yaml, .json) and folders of them.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout, and nothing else.")]
Status = Literal["pending", "running", "compensating", "completed", "failed", "cancelled"]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"orchestrator {installed_version('celery-orchestrator')}")
        raise typer.Exit


@app.callback()
def orchestrator(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Spec-first, durable workflows on Celery and Redis."""


@app.command(rich_help_panel=_SPECS)
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


@app.command(rich_help_panel=_SPECS)
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


@app.command(rich_help_panel=_SPECS)
def publish(paths: Paths, *, as_json: Json = False) -> None:
    """Store workflow versions; a published version never changes."""
    from orchestrator.cli import specs
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        specs.publish(output, paths)


@app.command(rich_help_panel=_RUNS)
def start(
    workflow: Annotated[str, typer.Argument(help="The workflow's key, such as payment.flow.")],
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


@app.command("runs", rich_help_panel=_RUNS)
def list_runs(
    *,
    workflow: Annotated[str | None, typer.Option("--workflow", help="Only runs of this workflow.")] = None,
    status: Annotated[Status | None, typer.Option("--status", help="Only runs with this status.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")] = 20,
    as_json: Json = False,
) -> None:
    """List the newest runs."""
    from orchestrator.cli import runs
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        runs.list_runs(output, workflow=workflow, status=status, limit=limit)


@app.command(rich_help_panel=_RUNS)
def show(run: RunId, *, as_json: Json = False) -> None:
    """Show a run: its steps, its timeline, its undo."""
    from orchestrator.cli import runs
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        runs.show(output, run)


@app.command(rich_help_panel=_RUNS)
def watch(
    run: RunId,
    *,
    after: Annotated[str, typer.Option("--after", metavar="EVENT", help="Only events after this id.")] = "0",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document an event, each on a line.")] = False,
) -> None:
    """Show a run until it is over; stopping it does not touch the run."""
    from orchestrator.cli import runs
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        if not runs.watch(output, run, after=after):
            raise typer.Exit(1)


@app.command(rich_help_panel=_RUNS)
def cancel(
    run: RunId,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the run's history.")] = "",
    as_json: Json = False,
) -> None:
    """Stop a run: nothing new starts, and what is done is undone."""
    from orchestrator.cli import runs
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        runs.cancel(output, run, reason=reason)


@app.command(rich_help_panel=_LOCAL)
def dev(
    specs: Annotated[list[Path] | None, typer.Argument(exists=True, help="Specs to publish.")] = None,
    *,
    queue: Annotated[list[str] | None, typer.Option("--queue", "-q", help="Queues of the worker.")] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", "-c", min=1, help="Processes of the worker.")] = 2,
) -> None:
    """Run a worker and beat, and a Redis if none is there, until Ctrl-C."""
    from orchestrator.cli import dev as development
    from orchestrator.cli.output import answering

    with answering() as output:
        development.run(output, specs or [], queues=queue or ["default"], concurrency=concurrency)


@app.command(rich_help_panel=_LOCAL)
def demo() -> None:
    """Run the payment workflow three times, with a Redis and workers of its own."""
    from orchestrator.cli import demo as demonstration
    from orchestrator.cli.output import answering

    with answering() as output:
        demonstration.run(output)
