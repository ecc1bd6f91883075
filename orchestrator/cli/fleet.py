"""Commands about what runs where: stats, doctor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from orchestrator.cli.output import Output
from orchestrator.cli.session import connect
from orchestrator.cli.views import headed, moment, state_text
from orchestrator.client.shown import Finding, Level, QueueStats, WorkerStats

_SIGNS: Final[Mapping[Level, tuple[str, str]]] = {
    Level.OK: ("✓", "green"),
    Level.WARNING: ("!", "yellow"),
    Level.ERROR: ("✗", "red"),
}


def stats(output: Output) -> None:
    """Show what runs where."""
    found = connect().stats()
    if output.as_json:
        output.document(found.to_json())
    output.say(
        headed("Runs", _runs(found.runs)),
        headed("Queues", _queues(found.queues)),
        headed("Workers", _workers(found.workers)),
        headed("Beats", _beats(found.beats, found.leader)),
        headed("Listeners", _beats(found.listeners, None)),
    )


def doctor(output: Output) -> bool:
    """Show what was looked at and what to do; False if something has to be done."""
    findings = connect().doctor()
    healthy = all(finding.level is not Level.ERROR for finding in findings)
    if output.as_json:
        output.document({"healthy": healthy, "findings": [finding.to_json() for finding in findings]})
    for finding in findings:
        output.say(_finding(finding))
    output.say(_verdict(findings))
    return healthy


def _finding(finding: Finding) -> Text:
    sign, style = _SIGNS[finding.level]
    line = Text.assemble((sign, style), f" {finding.message}")
    if finding.level is not Level.OK:
        line.append(f" [{finding.code}]", style="dim")
        line.append(f"\n  {finding.advice}")
    return line


def _verdict(findings: Sequence[Finding]) -> Text:
    counts = {level: sum(finding.level is level for finding in findings) for level in (Level.ERROR, Level.WARNING)}
    told = [f"{count} {level}{'' if count == 1 else 's'}" for level, count in counts.items() if count]
    if not told:
        return Text("nothing stands in the way of runs", style="green")
    return Text(", ".join(told), style="red" if counts[Level.ERROR] else "yellow")


def _runs(counts: Mapping[str, int]) -> Table:
    return _table(("status", "runs"), ((state_text(status), str(count)) for status, count in counts.items()))


def _queues(queues: Iterable[QueueStats]) -> Table:
    rows = ((Text(queue.name), str(queue.waiting), ", ".join(queue.workers) or "none") for queue in queues)
    return _table(("queue", "waiting", "workers"), rows)


def _workers(workers: Sequence[WorkerStats]) -> Table | Text:
    if not workers:
        return Text("none", style="dim")
    return _table(
        ("name", "pid", "at once", "operations", "queues", "seen (UTC)"),
        (
            (
                Text(worker.name),
                str(worker.pid),
                str(worker.concurrency),
                str(len(worker.operations)),
                ", ".join(worker.queues),
                moment(worker.seen_at),
            )
            for worker in workers
        ),
    )


def _beats(beats: Sequence[WorkerStats], leader: str | None) -> Table | Text:
    if not beats:
        return Text("none", style="dim")
    rows = (
        (Text(beat.name), str(beat.pid), moment(beat.seen_at), "leads" if beat.name == leader else "") for beat in beats
    )
    return _table(("name", "pid", "seen (UTC)", ""), rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[Text | str]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
