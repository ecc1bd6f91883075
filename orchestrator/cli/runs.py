"""Commands about runs: start, runs, show, watch, cancel."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rich.text import Text

from orchestrator.cli.output import Output
from orchestrator.cli.progress import show_progress, stream
from orchestrator.cli.session import connect, object_argument, seconds_argument
from orchestrator.cli.timeline import timeline
from orchestrator.cli.views import headed, run_facts, runs_table, state_text, steps_table
from orchestrator.client.description import RunDescription
from orchestrator.client.sync import user_name
from orchestrator.engine.state import RunStatus

HISTORY_LIMIT = 100_000
_NOT_LISTED = ("input", "ctx", "output", "steps")


@dataclass(frozen=True, slots=True)
class StartOptions:
    """What `start` is given, as it was written."""

    workflow: str
    input: str = "{}"
    ctx: str = "{}"
    version: str | None = None
    run_id: str | None = None
    idempotency_key: str | None = None
    wait: bool = False
    timeout: str | None = None


def start(output: Output, options: StartOptions) -> bool:
    """Start a run; False if it was waited for and did not complete."""
    given, ctx = object_argument(options.input, "--input"), object_argument(options.ctx, "--ctx")
    timeout_s = seconds_argument(options.timeout, "--timeout")
    handle = connect().start(
        options.workflow,
        given,
        ctx=ctx,
        version=options.version,
        run_id=options.run_id,
        idempotency_key=options.idempotency_key,
    )
    if not options.wait:
        run = handle.describe()
        if output.as_json:
            output.document({name: getattr(run, name) for name in ("run_id", "workflow", "version", "status")})
        output.say(
            Text.assemble(("started  ", "green"), f"{run.workflow} {run.version}  run ", (run.run_id, "bold")),
            Text(f"follow it:  orchestrator watch {run.run_id}", style="dim"),
        )
        return True
    output.say(Text.assemble(("run ", "dim"), (handle.run_id, "bold")))
    run = show_progress(output, handle, timeout_s=timeout_s)
    if output.as_json:
        output.document(run.to_json())
    return run.status == RunStatus.COMPLETED


def list_runs(output: Output, *, workflow: str | None, status: str | None, limit: int) -> None:
    """Show the newest runs."""
    runs = [handle.describe() for handle in connect().runs(workflow=workflow, status=status, limit=limit)]
    if output.as_json:
        output.document([_listed(run) for run in runs])
    elif runs:
        output.say(runs_table(runs, output.console.width))
    else:
        output.say(Text("no runs", style="dim"))


def show(output: Output, run_id: str) -> None:
    """Show everything about a run."""
    handle = connect().get(run_id)
    run, history = handle.describe(), handle.history(limit=HISTORY_LIMIT)
    if output.as_json:
        events = [{"id": entry.id, "at_ms": entry.at_ms, **entry.event} for entry in history]
        output.document({"run": run.to_json(), "history": events})
    output.say(
        run_facts(run),
        headed("Steps", steps_table(run, output.console.width - 2)),
        headed("Timeline", timeline(history)),
    )


def watch(output: Output, run_id: str, *, after: str) -> bool:
    """Show a run until it is over; whether it completed."""
    handle = connect().get(run_id)
    show = stream if output.as_json else show_progress
    return show(output, handle, after=after).status == RunStatus.COMPLETED


def cancel(output: Output, run_id: str, *, reason: str) -> None:
    """Stop a run."""
    handle = connect().get(run_id)
    handle.cancel(reason, by=user_name())
    run = handle.describe()
    if output.as_json:
        output.document({"run_id": run.run_id, "status": run.status, "compensation": run.compensation})
    output.say(Text.assemble("run ", (run.run_id, "bold"), "  ", state_text(run.status)))
    if run.status == RunStatus.COMPENSATING:
        output.say(Text(f"what is done is being undone:  orchestrator watch {run_id}", style="dim"))


def _listed(run: RunDescription) -> dict[str, Any]:
    return {name: value for name, value in asdict(run).items() if name not in _NOT_LISTED}
