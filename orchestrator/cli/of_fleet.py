"""Commands about queues and workers: shown once, or again and again until Ctrl-C."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.cli.output import Output, answering
from orchestrator.cli.session import connect
from orchestrator.cli.views import headed, moment
from orchestrator.client.fleet_surface import Fleet
from orchestrator.client.shown_fleet import QueueDescription, Queues, WorkerDescription, WorkerState
from orchestrator.errors import OrchestratorError, Unreachable

EVERY_S: Final = 1.0

_STATES: Final[Mapping[WorkerState, tuple[str, str]]] = {
    WorkerState.ONLINE: ("●", "green"),
    WorkerState.DRAINING: ("◐", "yellow"),
    WorkerState.STOPPING: ("◌", "yellow"),
    WorkerState.LOST: ("✗", "red"),
}
_MEGABYTE: Final = 1_048_576


def queues(output: Output, *, watch: bool) -> None:
    """Show every queue."""
    fleet = connect().fleet
    _show(output, fleet.queues, _of_queues, lambda found: found.to_json(), watch=watch)


def workers(output: Output, *, watch: bool) -> None:
    """Show every worker."""
    fleet = connect().fleet
    _show(output, fleet.workers, _of_workers, lambda found: [one.to_json() for one in found], watch=watch)


def worker(output: Output, name: str, *, watch: bool) -> None:
    """Show one worker."""
    fleet = connect().fleet
    _show(output, lambda: fleet.worker(name), of_worker, lambda found: found.to_json(), watch=watch)


def inspect(output: Output, name: str) -> None:
    """Show what a worker answers to Celery's `inspect`."""
    output.document(connect().fleet.inspect(name))


def tell(what: str, name: str, do: Callable[[Fleet], None], *, as_json: bool) -> None:
    """Have a worker told something, and say that it was."""
    with answering(as_json) as output:
        do(connect().fleet)
        if as_json:
            output.document({"worker": name, "told": what})
        output.say(Text.assemble((f"{what}  ", "green"), name))


def _show(
    output: Output,
    ask: Callable[[], Any],
    render: Callable[[Any], RenderableType],
    to_json: Callable[[Any], Any],
    *,
    watch: bool,
) -> None:
    """What is asked for, once; with `watch` every second: live in a terminal, elsewhere a table or a line of JSON."""
    if not watch:
        found = ask()
        if output.as_json:
            output.document(to_json(found))
        output.say(render(found))
        return
    with suppress(KeyboardInterrupt):
        if output.live:
            with Live(render(ask()), console=output.console, auto_refresh=False) as live:
                _again(
                    lambda: live.update(render(ask()), refresh=True),
                    lambda error: live.update(_away(error), refresh=True),
                )
        else:
            _again(lambda: output.record(to_json(ask())) if output.as_json else output.say(render(ask())), None)


def _again(show: Callable[[], object], away: Callable[[Unreachable], object] | None) -> None:
    """Every second, for ever. Where somebody looks on, what is away for a while is waited for."""
    pause = threading.Event()
    while True:
        try:
            show()
        except Unreachable as error:
            if away is None:
                raise
            away(error)
        pause.wait(EVERY_S)


def _away(error: OrchestratorError) -> Text:
    return Text(f"{error.message}; trying again", style="yellow")


def _of_queues(found: Queues) -> RenderableType:
    head = ("queue", "waiting", "oldest", "held", "in/s", "out/s", "workers", "sent by")
    table = _table(head, map(_queue_row, found.queues), numbers=range(1, 6))
    dead = found.dead.get("events", 0)
    told = f"{dead} external events were given up: `orchestrator events dead`"
    return Group(table, Text(told, style="yellow")) if dead else table


def _queue_row(queue: QueueDescription) -> Sequence[Text | str]:
    count = len(queue.workers)
    lonely = not count and (queue.waiting or queue.workflows)
    taken = Text("none", style="red" if lonely else "dim") if not count else Text(_few(queue.workers))
    return (
        Text(queue.name),
        _waiting(queue),
        "" if queue.oldest_ms is None else _span(queue.oldest_ms / 1000),
        str(queue.unacknowledged),
        _rate(queue.in_per_s),
        _rate(queue.out_per_s),
        taken,
        Text(_few(queue.workflows), style="dim"),
    )


def _waiting(queue: QueueDescription) -> str:
    """How much waits, and of which priorities if it is not all of the usual one."""
    counts = {band: count for band, count in (queue.by_priority or {}).items() if count}
    if len(counts) < 2:  # noqa: PLR2004  # of one kind
        return str(queue.waiting)
    return f"{queue.waiting} ({', '.join(f'{count} of {band}' for band, count in counts.items())})"


def _of_workers(found: Sequence[WorkerDescription]) -> RenderableType:
    if not found:
        return Text("no workers", style="dim")
    head = ("worker", "state", "pool", "at work", "reserved", "done", "memory", "cpu", "queues")
    return _table(head, map(_worker_row, found), numbers=range(3, 8))


def _worker_row(one: WorkerDescription) -> Sequence[Text | str]:
    lost = one.state is WorkerState.LOST
    return (
        Text(one.name),
        _state(one),
        one.pool,
        "" if lost else f"{len(one.active)}/{one.concurrency}",
        "" if lost else str(one.prefetched),
        str(one.processed),
        "" if one.rss_bytes is None else f"{one.rss_bytes / _MEGABYTE:,.0f} MB",
        "" if one.cpu_percent is None else f"{one.cpu_percent:.0f} %",
        Text(", ".join(one.queues) or ", ".join(one.paused_queues), style="" if one.queues else "dim"),
    )


def _state(one: WorkerDescription) -> Text:
    sign, style = _STATES[one.state]
    since = f" since {moment(one.lost_since)}" if one.lost_since else ""
    return Text.assemble((sign, style), f" {one.state}{since}")


def of_worker(one: WorkerDescription) -> RenderableType:
    """One worker, with what it works off and holds."""
    facts: dict[str, Text | str] = {
        "state": _state(one),
        "where": f"{one.host}, process {one.pid}, {one.software}",
        "seen": f"{moment(one.seen_at)} UTC" + (f", ready since {moment(one.started_at)}" if one.started_at else ""),
        "pool": f"{one.pool} of {one.concurrency}",
        "messages": f"{len(one.active)} at work, {one.prefetched} prefetched, {one.processed} processed",
        "queues": ", ".join(one.queues) or "none",
        "drained of": ", ".join(one.paused_queues),
        "machine": ", ".join(_vitals(one)),
        "operations": ", ".join(one.operations),
        "serves": ", ".join(one.serves or ()),
    }
    table = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        if value:
            table.add_row(Text(name, style="dim"), value)
    active = ((Text(each.name), each.run_id or "", moment(each.since) if each.since else "") for each in one.active)
    leases = ((each.step, each.run_id, moment(each.since), moment(each.until)) for each in one.leases)
    return Group(
        headed(one.name, table),
        *([headed("At work", _table(("began with", "run", "since (UTC)"), active))] if one.active else ()),
        *([headed("Leases", _table(("step", "run", "since (UTC)", "until"), leases))] if one.leases else ()),
    )


def _vitals(one: WorkerDescription) -> Iterable[str]:
    if one.rss_bytes is not None:
        yield f"{one.rss_bytes / _MEGABYTE:,.0f} MB"
    if one.cpu_percent is not None:
        yield f"{one.cpu_percent:.0f} % of a processor"
    if one.load is not None:
        yield f"load {one.load:.2f}"


def _rate(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.1f}"


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.1f}{unit}"
    return f"{seconds:.1f}s"


def _few(names: Sequence[str]) -> str:
    most = 3
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _table(columns: Sequence[str], rows: Iterable[Sequence[Text | str]], numbers: Iterable[int] = ()) -> Table:
    right = set(numbers)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for at, column in enumerate(columns):
        table.add_column(column, overflow="fold", justify="right" if at in right else "left")
    for row in rows:
        table.add_row(*row)
    return table
