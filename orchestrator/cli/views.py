"""How runs, steps and problems look in a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.client.awaited import missed, waited_for
from orchestrator.client.crowds import Crowd, with_crowds
from orchestrator.client.shown import RunDescription, RunSummary, SlaDescription, StepDescription
from orchestrator.client.wording import error_text, took
from orchestrator.engine.undoing import Kept, PlannedUndo
from orchestrator.errors import Problem

WIDE: Final = 110
"""From so many columns on there is room for the operations' names."""

_LOOKS: Final[Mapping[str, tuple[str, str]]] = {
    "pending": ("·", "dim"),
    "ready": ("○", "cyan"),
    "running": ("●", "bold cyan"),
    "waiting": ("◌", "yellow"),
    "paused": ("◌", "yellow"),
    "compensating": ("↩", "yellow"),
    "completed": ("✓", "green"),
    "failed": ("✗", "red"),
    "lost": ("✗", "red"),
    "skipped": ("–", "dim"),
    "cancelled": ("–", "magenta"),
}
LISTED: Final = 50
"""So many undos are shown of more."""
LONG: Final = 2_000
"""Characters of a value that are shown of more."""
_GAP: Final = 2
_NARROWEST: Final = 12
_NUMBERS: Final = frozenset({"attempt", "took"})


def style_of(state: str) -> str:
    """The colour of a step's state or a run's status."""
    return _LOOKS[state][1]


def state_text(state: str) -> Text:
    """A state with its sign and colour."""
    sign, style = _LOOKS[state]
    return Text(f"{sign} {state}", style=style)


def moment(rfc3339: str) -> str:
    """`2026-01-31 12:00:00`, as it is in UTC."""
    return rfc3339[:19].replace("T", " ")


def compact(value: Any) -> str:
    """JSON on one line."""
    return json.dumps(value, ensure_ascii=False)


def shortened(value: Any) -> str:
    """JSON on one line; of what is very long, the beginning and how long it is."""
    text = compact(value)
    return text if len(text) <= LONG else f"{text[:LONG]}… ({len(text):,} characters; --json has them all)"


def problem_line(problem: Problem) -> Text:
    """`file:line:column: error: message [rule]`, as editors find it."""
    place = ":".join(str(part) for part in (problem.file, problem.line or "", problem.column or "") if part)
    colour = "red" if problem.severity == "error" else "yellow"
    return Text.assemble(
        (f"{place}: " if place else "", "bold"),
        (problem.severity, colour),
        f": {problem.message}",
        (f" ({problem.where})" if problem.where else "", "dim"),
        (f" [{problem.rule}]", "dim"),
    )


def status_line(run: RunDescription, *, later_ms: int = 0) -> Text:
    """How a run stands, in one line; `later_ms` after the description was made."""
    line = Text.assemble(
        state_text(run.status), f" {'after' if run.ended_at else 'for'} {took(run.duration_ms + later_ms)}"
    )
    if run.compensation != "none":
        line.append(f", undo {run.compensation}", style=undo_style(run.compensation))
    if run.error:
        step = run.error.get("step")
        line.append(f"  {f'{step}: ' if step else ''}{error_text(run.error)}")
    return line


def run_facts(run: RunDescription) -> RenderableType:
    """What is known of a run, but its steps."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("run", Text(run.run_id, style="bold"))
    facts.add_row("workflow", f"{run.workflow} {run.version}")
    if run.parent:
        facts.add_row("child of", f"{run.parent}, step {run.parent_step}")
    facts.add_row("status", _status(run))
    facts.add_row("started", f"{moment(run.created_at)} UTC{f' by {run.started_by}' if run.started_by else ''}")
    facts.add_row("took" if run.ended_at else "runs for", took(run.duration_ms))
    if run.archived:
        facts.add_row("kept", "in the archive alone: it can be read, not acted on")
    if run.incarnation > 1:
        facts.add_row("incarnation", f"{run.incarnation}, after a retry or an undo by hand")
    facts.add_row("input", shortened(run.input))
    if run.ctx:
        facts.add_row("ctx", shortened(run.ctx))
    if run.sla is not None:
        facts.add_row("SLA", _sla(run.sla))
    if run.output is not None:
        facts.add_row("output", shortened(run.output))
    if run.error:
        step = run.error.get("step")
        facts.add_row("error", Text(f"{error_text(run.error)}{f', at {step}' if step else ''}", style="red"))
    if run.compensation != "none":
        facts.add_row("undo", _undo(run))
    if run.attention:
        facts.add_row("attention", Text(run.attention, style="bold red"))
    return facts


def steps_table(run: RunDescription, width: int, *, later_ms: int = 0, whole: bool = False) -> Table:
    """The steps of a run, its undos below them; `later_ms` after the description was made.

    The steps of many items or visits are one row with their number, unless the `whole` run is wanted.
    """
    shown = ["step", "operation", "state", "attempt", "took"]
    if width < WIDE:
        shown.remove("operation")
    listed = run.steps if whole else with_crowds(run.steps)
    rows = [_crowd_cells(one) if isinstance(one, Crowd) else _step_cells(one, later_ms) for one in listed]
    room = width - _GAP
    table = Table(box=None, padding=(0, _GAP, 0, 0), header_style="dim")
    for name in shown:
        table.add_column(name, no_wrap=True, justify="right" if name in _NUMBERS else "left")
        room -= max([len(name), *(len(row[name]) for row in rows)]) + _GAP
    table.add_column("result", no_wrap=True)
    for row in rows:
        row["result"].truncate(max(room, _NARROWEST), overflow="ellipsis")
        table.add_row(*(row[name] for name in [*shown, "result"]))
    return table


def undos_table(undos: Sequence[PlannedUndo], width: int) -> Table:
    """What would be undone, in that order."""
    columns = ("step", "operation", "outcome", "inputs")
    shown = [(undo.address.removesuffix("~"), undo.operation, undo.outcome, compact(undo.inputs)) for undo in undos]
    table = _table(columns, shown[:LISTED], width)
    if len(shown) > LISTED:
        table.add_row(f"… {len(shown) - LISTED:,} more", "", "", "")
    return table


def kept_table(kept: Sequence[Kept], width: int) -> Table:
    """What cannot be undone, and why."""
    table = _table(("step", "why"), [(one.address, _WHY_KEPT[one.why]) for one in kept[:LISTED]], width)
    if len(kept) > LISTED:
        table.add_row(f"… {len(kept) - LISTED:,} more", "")
    return table


_WHY_KEPT: Final[Mapping[str, str]] = {
    "no_compensation": "the step has no compensation",
    "behind_pivot": "a pivot that completed after it seals it",
    "in_flight": "it runs; its end is waited for before the undo begins",
    "undone": "it is undone already",
    "run_ended": "the run has ended without it",
}


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Table:
    """Columns of text, the last cut to the terminal's width."""
    table = Table(box=None, padding=(0, _GAP, 0, 0), header_style="dim")
    room = width - _GAP
    for number, name in enumerate(columns):
        table.add_column(name, no_wrap=True)
        if number < len(columns) - 1:
            room -= max([len(name), *(len(row[number]) for row in rows)]) + _GAP
    for *before, last in rows:
        cut = Text(last)
        cut.truncate(max(room, _NARROWEST), overflow="ellipsis")
        table.add_row(*before, cut)
    return table


def runs_table(runs: Sequence[RunSummary], width: int) -> Table:
    """Runs, one a line; where there is room, how long they took and why they failed."""
    shown = ["run", "workflow", "status", "started (UTC)", "took", "error"]
    if width < WIDE:
        shown = shown[:-2]
    rows = [_run_cells(run) for run in runs]
    widths = {name: max([len(name), *(len(row[name]) for row in rows)]) for name in shown}
    room = width - sum(widths[name] + _GAP for name in shown) + widths["workflow"]
    table = Table(box=None, padding=(0, _GAP, 0, 0), header_style="dim")
    for name in shown:
        kept = widths[name] if name in ("run", "status") else None
        table.add_column(name, no_wrap=True, min_width=kept, justify="right" if name in _NUMBERS else "left")
    for row in rows:
        row["workflow"].truncate(max(room, _NARROWEST), overflow="ellipsis")
        table.add_row(*(row[name] for name in shown))
    return table


def indented(renderable: RenderableType) -> RenderableType:
    """Two columns to the right."""
    grid = Table.grid(expand=True)
    grid.add_column(width=2)
    grid.add_column(ratio=1)
    grid.add_row("", renderable)
    return grid


def headed(title: str, renderable: RenderableType) -> RenderableType:
    """A part of a page, under its title."""
    return Group(Text(), Text(title, style="bold"), indented(renderable))


def _run_cells(run: RunSummary) -> dict[str, Text]:
    return {
        "run": Text(run.run_id),
        "workflow": Text(f"{run.workflow} {run.version}"),
        "status": state_text(run.status),
        "started (UTC)": Text(moment(run.created_at)),
        "took": Text(took(run.duration_ms)),
        "error": Text(str(run.error.get("code", "")) if run.error else "", style="red"),
    }


def _crowd_cells(crowd: Crowd) -> dict[str, Text]:
    undone = crowd.kind.removesuffix("~")
    return {
        "step": Text(crowd.kind) if undone == crowd.kind else Text.assemble(("undo ", "yellow"), undone),
        "operation": Text(crowd.operation or "", style="dim"),
        "state": state_text(crowd.state),
        "attempt": Text(),
        "took": Text(),
        "result": Text(str(crowd)),
    }


def _step_cells(step: StepDescription, later_ms: int) -> dict[str, Text]:
    reached = step.state != "pending"
    running = step.state == "running"
    duration = step.duration_ms
    late = {"breached": ("  late", "bold red"), "warned": ("  takes long", "yellow")}
    named = Text.assemble(("undo ", "yellow"), step.undoes) if step.undoes else Text(step.address)
    return {
        "step": named.append(*late[step.sla.state]) if step.sla is not None and step.sla.state in late else named,
        "operation": Text(step.operation or step.kind, style="dim"),
        "state": state_text(step.state),
        "attempt": Text(str(step.attempt) if reached and step.operation else ""),
        "took": Text(took(duration + later_ms if running and duration is not None else duration)),
        "result": _step_result(step),
    }


def _step_result(step: StepDescription) -> Text:
    until = f"until {step.waits_until[11:19]} UTC" if step.waits_until else ""
    if step.child_run and step.state == "waiting" and not until:
        return Text(f"run {step.child_run}", style="yellow")
    if step.waived_by:
        return Text(f"waived by {step.waived_by}", style="yellow")
    if step.state == "completed":
        return Text("" if step.output is None else compact(step.output), style="dim")
    if step.error:
        return Text(f"{until}{' after ' if until else ''}{error_text(step.error)}", style=style_of(step.state))
    if step.waits_for:
        return Text(f"for {waited_for(step.waits_for)}{_missed(step)}", style="yellow")
    return Text(until, style="yellow")


def _sla(sla: SlaDescription) -> Text:
    """`breached at 12:00:00, due 11:59:59; told: ops`."""
    since = {"breached": sla.breached_at, "warned": sla.warned_at}.get(sla.state)
    at, told = f" at {moment(since)}" if since else "", ", ".join(one.to for one in sla.escalations)
    style = {"breached": "bold red", "warned": "yellow", "met": "green"}.get(sla.state, "")
    return Text(f"{sla.state}{at}", style=style).append(
        f"; due {moment(sla.due_at)} UTC{f'; told: {told}' if told else ''}", style="dim"
    )


def _missed(step: StepDescription) -> str:
    return f"; {missed(step.near_miss)}" if step.near_miss else ""


def undo_style(compensation: str) -> str:
    """The colour of how an undo went."""
    return {"failed": "bold red", "completed": "green"}.get(compensation, "yellow")


def _status(run: RunDescription) -> Text:
    since = f" since {moment(run.paused_at)} UTC" if run.paused_at else ""
    return state_text(run.status).append(since)


def _undo(run: RunDescription) -> Text:
    told = {
        "pending": f"; make it:  orchestrator undo {run.run_id}",
        "failed": f"; make it again:  orchestrator undo {run.run_id}, or waive its steps" if run.ended_at else "",
    }
    shown = Text(run.compensation, style=undo_style(run.compensation))
    return shown.append(told.get(run.compensation, ""), style="dim")
