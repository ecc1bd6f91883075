"""Commands about runs: start, runs, show, watch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from orchestrator.cli.output import Output
from orchestrator.cli.progress import show_progress, stream
from orchestrator.cli.reasons import why_lines
from orchestrator.cli.session import connect, object_argument, seconds_argument
from orchestrator.cli.timeline import timeline
from orchestrator.cli.views import headed, run_facts, runs_table, steps_table
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.search import Query
from orchestrator.engine.indexes import Scalar
from orchestrator.engine.state import RunStatus
from orchestrator.errors import InvalidRequest
from orchestrator.store.port import HistoryEntry

PAGE = 10_000
"""Events of a history that are read at once."""


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


def list_runs(output: Output, query: Query, *, limit: int, cursor: str | None) -> None:
    """Show a page of the runs that are asked for."""
    page = connect().find(query, limit=limit, cursor=cursor)
    if output.as_json:
        output.document({"runs": [run.to_json() for run in page.runs], "cursor": page.cursor})
    output.say(runs_table(page.runs, output.console.width) if page.runs else Text("no runs", style="dim"))
    if page.cursor is not None:
        output.say(Text(f"older ones:  --cursor {page.cursor}", style="dim"))


def where_arguments(given: Sequence[str]) -> dict[str, Scalar]:
    """The search fields of options such as `customer=42`; InvalidRequest if one has no value."""
    where: dict[str, Scalar] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise InvalidRequest(f"--where: {text!r} is not NAME=VALUE")
        where[name] = value
    return where


def show(output: Output, run_id: str, *, whole: bool) -> None:
    """Show everything about a run; what happened to many items or visits is counted, unless the `whole` is wanted."""
    handle = connect().get(run_id)
    run, history = handle.describe(), _history(handle)
    if output.as_json:
        events = [{"id": entry.id, "at_ms": entry.at_ms, **entry.event} for entry in history]
        output.document({"run": run.to_json(), "history": events})
    output.say(
        run_facts(run),
        headed("Steps", steps_table(run, output.console.width - 2, whole=whole)),
        headed("Timeline", timeline(history, whole=whole)),
    )


def _history(handle: RedisRunHandle) -> list[HistoryEntry]:
    """All that happened."""
    entries: list[HistoryEntry] = []
    while page := handle.history(entries[-1].id if entries else "0", PAGE):
        entries += page
    return entries


def why(output: Output, run_id: str) -> None:
    """Show why a run does not move."""
    found = connect().get(run_id).why()
    if output.as_json:
        output.document(found.to_json())
    output.say(*why_lines(found))


def watch(output: Output, run_id: str, *, after: str, whole: bool) -> bool:
    """Show a run until it is over; whether it completed."""
    handle = connect().get(run_id)
    if output.as_json:
        return stream(output, handle, after=after).status == RunStatus.COMPLETED
    return show_progress(output, handle, after=after, whole=whole).status == RunStatus.COMPLETED
