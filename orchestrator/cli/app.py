"""The grammar of the command line: every command with its arguments. What they do is in the modules beside this one."""

# ruff: noqa: PLC0415  # a command imports what it needs when it is called, so that --help is quick

from __future__ import annotations

from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Literal

import typer

from orchestrator.cli.alerts import alerts
from orchestrator.cli.approvals import approvals
from orchestrator.cli.archive import archive
from orchestrator.cli.arguments import Json, RunId, StepAddress
from orchestrator.cli.events import events
from orchestrator.cli.keys import keys
from orchestrator.cli.schedules import schedules
from orchestrator.cli.workers import workers

app = typer.Typer(
    help="Spec-first, durable workflows on Celery and Redis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 the run or the input failed, 2 usage, 3 not reachable.",
)

_SPECS = "Specs"
_VERSIONS = "Versions"
_RUNS = "Runs"
_CHANGES = "Changes to a run"
_FLEET = "The fleet"
_API = "HTTP API"
_LOCAL = "On one machine"

Paths = Annotated[list[Path], typer.Argument(exists=True, help="Files (.py, .yaml, .json) and folders of them.")]
WorkflowKey = Annotated[str, typer.Argument(metavar="WORKFLOW", help="The workflow's key, such as payment.flow.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the run's history.")]
Whole = Annotated[bool, typer.Option("--all", help="Each step and event of large maps and long loops.")]
SlaStand = Literal["ok", "warned", "breached", "met"]
Status = Literal["pending", "running", "compensating", "paused", "completed", "failed", "cancelled"]


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


@app.command(rich_help_panel=_VERSIONS)
def versions(workflow: WorkflowKey, *, as_json: Json = False) -> None:
    """List a workflow's versions, the new runs that each takes, and the runs that live on it."""
    from orchestrator.cli import versions as of_workflow
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        of_workflow.versions(output, workflow)


@app.command(rich_help_panel=_VERSIONS)
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


@app.command(rich_help_panel=_VERSIONS)
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


@app.command(rich_help_panel=_RUNS)
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


@app.command("runs", rich_help_panel=_RUNS)
def list_runs(
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
    from orchestrator.cli import runs
    from orchestrator.cli.output import answering
    from orchestrator.client.search import Query

    with answering(as_json) as output:
        fields = runs.where_arguments(where or [])
        query = Query(workflow, version, status, since, until, tuple(tag or ()), fields, sla=sla)
        runs.list_runs(output, query, limit=limit, cursor=cursor)


@app.command(rich_help_panel=_RUNS)
def show(run: RunId, *, whole: Whole = False, as_json: Json = False) -> None:
    """Show a run: its steps, its timeline, its undo."""
    from orchestrator.cli import runs
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        runs.show(output, run, whole=whole)


@app.command(rich_help_panel=_RUNS)
def why(run: RunId, *, as_json: Json = False) -> None:
    """Say why a run does not move: what each live step waits for, and when it is looked at next."""
    from orchestrator.cli import runs
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        runs.why(output, run)


@app.command(rich_help_panel=_RUNS)
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


@app.command(rich_help_panel=_CHANGES)
def cancel(run: RunId, *, reason: Reason = "", as_json: Json = False) -> None:
    """Stop a run: nothing new starts, and what is done is undone."""
    from orchestrator.cli import operate
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        operate.cancel(output, run, reason=reason)


@app.command(rich_help_panel=_CHANGES)
def pause(run: RunId, *, reason: Reason = "", as_json: Json = False) -> None:
    """Let nothing new begin in a run; steps that run end."""
    from orchestrator.cli import operate
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        operate.pause(output, run, reason=reason)


@app.command(rich_help_panel=_CHANGES)
def resume(run: RunId, *, reason: Reason = "", as_json: Json = False) -> None:
    """Let a paused run go on; its time limits move by the pause."""
    from orchestrator.cli import operate
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        operate.resume(output, run, reason=reason)


@app.command(rich_help_panel=_CHANGES)
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


@app.command(rich_help_panel=_CHANGES)
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


@app.command(rich_help_panel=_CHANGES)
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


@app.command(rich_help_panel=_CHANGES)
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


@app.command(rich_help_panel=_CHANGES)
def waive(run: RunId, step: StepAddress, *, reason: Reason = "", as_json: Json = False) -> None:
    """Record that what a step did was undone by hand."""
    from orchestrator.cli import operate
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        operate.waive(output, run, step, reason=reason)


app.add_typer(approvals, rich_help_panel=_CHANGES)
app.add_typer(schedules, rich_help_panel=_FLEET)
app.add_typer(events, rich_help_panel=_FLEET)
app.add_typer(alerts, rich_help_panel=_FLEET)
app.add_typer(archive, rich_help_panel=_FLEET)


@app.command(rich_help_panel=_FLEET)
def listen() -> None:
    """Take external events in, count metrics, send alerts, fill the archive, until SIGTERM or Ctrl-C."""
    from orchestrator.cli import intake
    from orchestrator.cli.output import answering

    with answering() as output:
        intake.listen(output)


@app.command(rich_help_panel=_FLEET)
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


@app.command(rich_help_panel=_FLEET)
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


app.add_typer(workers, rich_help_panel=_FLEET)


@app.command(rich_help_panel=_FLEET)
def doctor(*, as_json: Json = False) -> None:
    """Look for what stands in the way of runs, and say what to do about it."""
    from orchestrator.cli import fleet
    from orchestrator.cli.output import answering

    with answering(as_json) as output:
        if not fleet.doctor(output):
            raise typer.Exit(1)


@app.command(rich_help_panel=_API)
def api(
    *,
    host: Annotated[
        str | None, typer.Option("--host", help="Where to listen; by default the setting `api_host`.")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65_535, help="The setting `api_port`.")] = None,
) -> None:
    """Serve the HTTP API until Ctrl-C."""
    from orchestrator.cli import api as http_api
    from orchestrator.cli.output import answering

    with answering():
        http_api.run(host, port)


app.add_typer(keys, rich_help_panel=_API)


@app.command(rich_help_panel=_LOCAL)
def dev(
    specs: Annotated[list[Path] | None, typer.Argument(exists=True, help="Specs to publish.")] = None,
    *,
    port: Annotated[int | None, typer.Option("--port", min=1, max=65_535, help="Of the API; else `api_port`.")] = None,
    queue: Annotated[list[str] | None, typer.Option("--queue", "-q", help="Queues of the worker.")] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", "-c", min=1, help="Processes of the worker.")] = 2,
) -> None:
    """Run a worker, beat, a listener and the HTTP API, and a Redis if none is there, until Ctrl-C."""
    from orchestrator.cli import dev as development
    from orchestrator.cli.output import answering

    with answering() as output:
        development.run(output, specs or [], queues=queue or ["default"], concurrency=concurrency, port=port)


@app.command(rich_help_panel=_LOCAL)
def demo() -> None:
    """Run the payment workflow three times, with a Redis and workers of its own."""
    from orchestrator.cli import demo as demonstration
    from orchestrator.cli.output import answering

    with answering() as output:
        demonstration.run(output)
