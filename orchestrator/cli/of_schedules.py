"""Commands about schedules that are published: list, show, pause, resume, trigger, backfill."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from orchestrator.cli.output import Output
from orchestrator.cli.session import connect
from orchestrator.cli.views import headed, moment
from orchestrator.client.shown import ScheduleDescription
from orchestrator.client.sync import user_name
from orchestrator.client.wording import error_text
from orchestrator.spec.durations import format_duration

_STATES: Final[Mapping[str, str]] = {"active": "green", "paused": "yellow", "retired": "dim"}
_RESULTS: Final[Mapping[str, str]] = {"failed": "red", "missed": "yellow", "skipped": "yellow", "buffered": "cyan"}


def list_schedules(output: Output, workflow: str | None, *, limit: int, cursor: str | None) -> None:
    """List the schedules, by workflow and name."""
    page = connect().schedules.page(workflow, limit=limit, cursor=cursor)
    found = page.schedules
    if output.as_json:
        output.document({"schedules": [one.to_json() for one in found], "cursor": page.cursor})
    elif not found:
        output.say(Text("no workflow that new runs take has a schedule", style="dim"))
    else:
        rows = ((one.workflow, one.name, _when(one), _state(one), _next(one), _counts(one)) for one in found)
        output.say(_table(("workflow", "name", "when", "state", "next (UTC)", "slots"), rows))
    if page.cursor:
        output.say(Text(f"more: --cursor {page.cursor}", style="dim"))


def show(output: Output, workflow: str, name: str, *, fires: int) -> None:
    """Show one schedule."""
    _show(output, connect().schedules.describe(workflow, name, fires=fires))


def pause(output: Output, workflow: str, name: str, *, reason: str) -> None:
    """Let a schedule start no runs."""
    schedules = connect().schedules
    schedules.pause(workflow, name, reason, by=user_name())
    _answer(output, schedules.describe(workflow, name))


def resume(output: Output, workflow: str, name: str, *, reason: str) -> None:
    """Let a schedule go on."""
    schedules = connect().schedules
    schedules.resume(workflow, name, reason, by=user_name())
    _answer(output, schedules.describe(workflow, name))


def trigger(output: Output, workflow: str, name: str, *, reason: str) -> None:
    """Start a run now."""
    run_id = connect().schedules.trigger(workflow, name, reason, by=user_name())
    if output.as_json:
        output.document({"workflow": workflow, "name": name, "run_id": run_id})
    output.say(Text.assemble("run ", (run_id, "bold"), f"  of {name}"))
    output.say(Text(f"follow it:  orchestrator watch {run_id}", style="dim"))


def backfill(
    output: Output, workflow: str, name: str, *, since: str, until: str | None, at_once: bool, reason: str
) -> None:
    """Start the runs of past slots."""
    schedules = connect().schedules
    slots = schedules.backfill(workflow, name, since, until, reason, by=user_name(), one_by_one=not at_once)
    if output.as_json:
        output.document({"workflow": workflow, "name": name, "slots": slots, "one_by_one": not at_once})
    how = "beside each other" if at_once else "one by one"
    output.say(
        f"{slots} slot{'' if slots == 1 else 's'} of {name}, {how}; those that have had their run are passed over"
    )
    output.say(Text(f"follow it:  orchestrator schedules show {workflow} {name}", style="dim"))


def slots(output: Output, workflow: str, name: str, *, since: str, until: str | None) -> None:
    """Show what a backfill would be about."""
    found = connect().schedules.slots(workflow, name, since, until)
    if output.as_json:
        output.document({"workflow": workflow, "name": name, **found.to_json()})
    rows = ((moment(one.slot), one.run_id or "to be started") for one in found.slots)
    output.say(headed("Slots (UTC)", _table(("slot", "run"), rows)))
    if (more := found.count - len(found.slots)) > 0:
        output.say(Text(f"and {more:,} more", style="dim"))


def _answer(output: Output, found: ScheduleDescription) -> None:
    if output.as_json:
        output.document(found.to_json())
    output.say(Text.assemble("schedule ", (found.name, "bold"), f" of {found.workflow}  ", _state(found)))


def _show(output: Output, found: ScheduleDescription) -> None:
    if output.as_json:
        output.document(found.to_json())
        return
    definition = found.definition
    output.say(Text.assemble((found.name, "bold"), f" of {found.workflow}  ", _state(found)))
    facts = {
        "when": _when(found),
        "version": definition.get("version", "latest"),
        "overlap": definition.get("overlap", "skip"),
        "catch up": format_duration(definition.get("catch_up", 600_000)),
        "jitter": format_duration(definition["jitter"]) if "jitter" in definition else "",
        "paused": " ".join(filter(None, _paused(found.paused))),
        "waiting": moment(found.waiting or ""),
        "backfills": str(found.backfills or ""),
        "slots": _counts(found),
    }
    output.say(*(Text.assemble((f"{name:<10}", "dim"), str(value)) for name, value in facts.items() if value))
    if found.next:
        output.say(headed("Next fires (UTC)", Text("\n".join(map(moment, found.next)))))
    if found.recent:
        rows = ((moment(one["slot"]), _kind(one), _result(one), _why(one)) for one in found.recent)
        output.say(headed("Last slots (UTC)", _table(("slot", "", "", ""), rows)))


def _paused(paused: Mapping[str, str] | None) -> tuple[str, ...]:
    if paused is None:
        return ()
    by, reason = paused["by"], paused["reason"]
    return f"since {moment(paused['since'])}", f"by {by}" if by else "", f"({reason})" if reason else ""


def _when(found: ScheduleDescription) -> str:
    definition = found.definition
    if "every" in definition:
        return f"every {format_duration(definition['every'])}"
    zone = definition.get("zone", "UTC")
    return str(definition["at"]) if "at" in definition else f"{definition['cron']} {zone}"


def _state(found: ScheduleDescription) -> Text:
    return Text(found.state, style=_STATES[found.state])


def _next(found: ScheduleDescription) -> str:
    return moment(found.next[0]) if found.next else "–"


def _counts(found: ScheduleDescription) -> str:
    return ", ".join(f"{number:,} {result.replace('_', ' ')}" for result, number in found.counts.items())


def _kind(one: Mapping[str, Any]) -> str:
    return "" if one["kind"] == "slot" else str(one["kind"])


def _result(one: Mapping[str, Any]) -> Text:
    return Text(one["result"], style=_RESULTS.get(one["result"], ""))


def _why(one: Mapping[str, Any]) -> str:
    return error_text(one["error"]) if one["error"] else one["run_id"] or ""


def _table(columns: Iterable[str], rows: Iterable[Iterable[str | Text]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
