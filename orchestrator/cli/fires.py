"""The command that shows when an expression fires: schedules next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from rich.table import Table
from rich.text import Text

from orchestrator.cli.output import Output
from orchestrator.clock import wall_ms
from orchestrator.errors import InvalidRequest, InvalidSchedule
from orchestrator.spec.calendar import Calendar
from orchestrator.spec.triggers import ScheduleTrigger

_EVERY: Final = "every "
_LAST_MOMENT: Final = datetime.max.replace(tzinfo=UTC)


def next_fires(output: Output, expression: str, *, zone: str, start: str | None, count: int) -> None:
    """Show the first so many fires that are not before `start`, else not before now."""
    calendar = Calendar.of(_schedule(expression, zone))
    begin = _moment(start, ZoneInfo(zone))
    try:
        fires = list(islice(calendar.between(begin - timedelta(microseconds=1), _LAST_MOMENT), count))
    except OverflowError as error:
        raise InvalidRequest(f"--from {start} is before the calendar begins") from error
    local = [fire.astimezone(ZoneInfo(zone)) for fire in fires]
    if output.as_json:
        shown = [{"utc": _rfc3339(fire), "local": there.isoformat()} for fire, there in zip(fires, local, strict=True)]
        output.document({"expression": expression, "zone": zone, "from": _rfc3339(begin), "fires": shown})
    output.say(_table(fires, local, zone) if fires else Text(f"none from {_rfc3339(begin)} on", style="yellow"))


def _schedule(expression: str, zone: str) -> ScheduleTrigger:
    text = expression.strip()
    if text.lower().startswith(_EVERY):
        fields = {"every": text[len(_EVERY) :].strip()}
    elif len(text.split()) > 1 or text.startswith("@"):
        fields = {"cron": text}
    else:
        fields = {"at" if "-" in text else "every": text}
    try:
        return ScheduleTrigger.model_validate({"name": "next", "zone": zone, **fields})
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        if "cron" not in fields and not text[:1].isdigit() and not text.lower().startswith(_EVERY):
            raise InvalidSchedule(f"`{text}` is neither cron, such as '0 6 * * MON-FRI', nor `every 15m`") from error
        raise InvalidSchedule("; ".join(one["msg"] for one in found), rules=[one["type"] for one in found]) from error


def _moment(text: str | None, zone: ZoneInfo) -> datetime:
    """The moment of an option; without an offset it is a time of the zone, the first of two that are the same."""
    if text is None:
        return datetime.fromtimestamp(wall_ms() // 1000, UTC)
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(f"--from: `{text}` is not a moment such as 2026-01-31T12:00:00Z or 2026-01-31") from error


def _table(fires: Sequence[datetime], local: Sequence[datetime], zone: str) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for name in ("UTC", zone):
        table.add_column(name, no_wrap=True)
    for fire, there in zip(fires, local, strict=True):
        table.add_row(_plain(fire), f"{there:%a} {_plain(there)} {there:%z}")
    return table


def _plain(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(" ")


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
