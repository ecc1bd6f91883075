"""What the runs of a workflow, or of all, did: numbers, rates and times, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from orchestrator.cli.output import Output
from orchestrator.cli.session import connect
from orchestrator.cli.views import headed, moment
from orchestrator.client.measures import Hour, Measures, Spread, StepMeasures
from orchestrator.errors import InvalidRequest

_BARS: Final = " ▁▂▃▄▅▆▇█"
_SECOND_MS: Final = 1_000
_MINUTE_MS: Final = 60_000
_BESIDE: Final = 4
"""So many workflows stand side by side."""
_Row = tuple[str, Callable[[Measures], str]]

_RUNS: Final[Sequence[_Row]] = (
    ("runs started", lambda one: f"{one.started:,}"),
    ("completed", lambda one: f"{one.completed:,}"),
    ("failed", lambda one: f"{one.failed:,}"),
    ("cancelled", lambda one: f"{one.cancelled:,}"),
    ("success rate", lambda one: _percent(one.success_rate)),
    ("took p50 / p95 / p99", lambda one: _times(one.duration)),
    ("waited p50 / p95 / p99", lambda one: _times(one.queue_wait)),
    ("attempts made again", lambda one: f"{one.retries:,}  {_percent(one.retry_rate)}".rstrip()),
    ("workers lost in mid-attempt", lambda one: f"{one.lost_attempts:,}"),
    ("late results", lambda one: f"{one.late:,}"),
    (
        "undone",
        lambda one: f"{one.compensated + one.compensation_failed:,}  {_percent(one.compensation_rate)}".rstrip(),
    ),
    ("undos that failed", lambda one: f"{one.undo_failed:,}"),
    ("SLA met", lambda one: _percent(one.sla_compliance)),
)


_UNCOUNTED = "no run was counted in this time; a listener counts them: `orchestrator listen`"


def stats(output: Output, workflow: str, since: str | None, until: str | None, by: str | None) -> None:
    """Show what a workflow did."""
    if by not in (None, "version", "step"):
        raise InvalidRequest(f"--by: {by!r} is neither version nor step")
    found = connect().metrics(workflow, since=since, until=until)
    if output.as_json:
        output.document(found.to_json())
    output.say(Text.assemble((found.workflow, "bold"), f"  {moment(found.since)} to {moment(found.until)} UTC"))
    if by == "step":
        output.say(_steps(found.steps) if found.steps else Text("nothing yet", style="dim"))
        return
    if not found.total.started:
        output.say(Text(_UNCOUNTED, style="dim"))
    columns = {one.version or "": one for one in (found.versions if by == "version" else (found.total,))}
    output.say(_columns(columns))
    if by is None:
        output.say(headed("Runs started and p95, hour by hour", _hours(found.hours)))


def overall(output: Output, since: str | None, until: str | None) -> None:
    """Show what all workflows did."""
    found = connect().overall(since=since, until=until)
    if output.as_json:
        output.document(found.to_json())
    output.say(Text.assemble(("all workflows", "bold"), f"  {moment(found.since)} to {moment(found.until)} UTC"))
    if not found.total.started:
        output.say(Text(_UNCOUNTED, style="dim"))
    output.say(_columns({"": found.total}), headed("Runs started and p95, hour by hour", _hours(found.hours)))
    for place in range(0, len(found.workflows), _BESIDE):
        output.say(_columns(dict([*found.workflows.items()][place : place + _BESIDE])))


def _columns(measures: Mapping[str, Measures]) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim", show_header=any(measures))
    table.add_column("")
    for title in measures:
        table.add_column(title, justify="right", overflow="fold")
    for title, cell in _RUNS:
        table.add_row(Text(title, style="dim"), *map(cell, measures.values()))
    return table


def _steps(steps: Sequence[StepMeasures]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("step", overflow="fold")
    for title in ("completed", "failed", "again", "lost", "late", "undone", "took p50 / p95 / p99", "waited"):
        table.add_column(title, justify="right")
    for one in steps:
        counts = one.completed, one.failed, one.retries, one.lost_attempts, one.late, one.undone
        table.add_row(Text(one.step), *(f"{count:,}" for count in counts), _times(one.duration), _times(one.queue_wait))
    return table


def _hours(hours: Sequence[Hour]) -> Text:
    started = [float(hour.started) for hour in hours]
    slowest = [hour.p95_ms or 0.0 for hour in hours]
    return Text("\n").join(
        (
            Text(f"{_bars(started)}  most {max(started):,.0f} an hour"),
            Text(f"{_bars(slowest)}  slowest {_time(max(slowest))}"),
            Text(_span(hours), style="dim"),
        )
    )


def _span(hours: Sequence[Hour]) -> str:
    return f"{len(hours)} hours, the last from {moment(hours[-1].at)[11:16]} UTC"


def _bars(values: Sequence[float]) -> str:
    """A bar for each value, up to the highest; what is above zero can be seen."""
    most = max(values) or 1.0
    return "".join(_BARS[max(round(value / most * 8), 1 if value else 0)] for value in values)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.1f} %"


def _times(spread: Spread | None) -> str:
    return "" if spread is None else " / ".join(map(_time, (spread.p50_ms, spread.p95_ms, spread.p99_ms)))


def _time(value_ms: float) -> str:
    if value_ms < _SECOND_MS:
        return f"{value_ms:.3g} ms"
    return f"{value_ms / 1000:.1f} s" if value_ms < _MINUTE_MS else f"{value_ms / _MINUTE_MS:.1f} m"
