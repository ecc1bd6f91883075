"""Commands about alerts: list, show, acknowledge, resolve, channels, test, dead, replay."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from orchestrator.cli.output import Output
from orchestrator.cli.session import connect, seconds_argument
from orchestrator.cli.views import moment
from orchestrator.client.shown import AlertDescription, DeliveryDescription
from orchestrator.client.sync import user_name
from orchestrator.clock import elapsed_s

_STYLES: Final = {"warning": "yellow", "error": "red", "critical": "bold red"}
_POLL_S: Final = 0.2


def list_alerts(output: Output, wanted: Mapping[str, str | None], *, limit: int, cursor: str | None) -> None:
    """Show alerts."""
    page = connect().alerts.list(**wanted, limit=limit, cursor=cursor)
    if output.as_json:
        output.document({"alerts": [one.to_json() for one in page.alerts], "cursor": page.cursor})
    output.say(_table(page.alerts) if page.alerts else Text("no such alerts", style="dim"))
    if page.cursor:
        output.say(Text(f"more: --cursor {page.cursor}", style="dim"))


def show(output: Output, alert_id: str) -> None:
    """Show one alert."""
    _answer(output, connect().alerts.get(alert_id))


def acknowledge(output: Output, alert_id: str, comment: str) -> None:
    """Say that somebody sees to it."""
    _answer(output, connect().alerts.acknowledge(alert_id, comment, by=user_name()))


def resolve(output: Output, alert_id: str, comment: str) -> None:
    """Say that it is over."""
    _answer(output, connect().alerts.resolve(alert_id, comment, by=user_name()))


def channels(output: Output) -> None:
    """Show where alerts go."""
    found = connect().alerts.channels()
    if output.as_json:
        output.document([one.to_json() for one in found])
    table = _columns("channel", "where", "on", "from")
    for one in found:
        table.add_row(one.name, one.url, ", ".join(one.on), one.min_level)
    output.say(table if found else Text("the setting `alerts` has no channels", style="dim"))


def test(output: Output, channel: str, timeout: str) -> bool:
    """Have a test message sent; whether it was."""
    desk, pause = connect().alerts, threading.Event()
    made = desk.test(channel)
    deadline = elapsed_s() + (seconds_argument(timeout, "--timeout") or 0)
    found = desk.delivery(made)
    while found.state not in ("sent", "dead") and elapsed_s() < deadline:
        pause.wait(_POLL_S)
        found = desk.delivery(made)
    if output.as_json:
        output.document(found.to_json())
    if found.state == "sent":
        output.say(Text.assemble("sent to ", (channel, "bold")))
    elif found.state == "dead":
        output.say(Text.assemble("not sent to ", (channel, "bold"), f": {found.error}"))
    else:
        output.say("nobody has sent it yet; does a listener run? `orchestrator doctor` tells")
    return found.state == "sent"


def dead(output: Output, limit: int) -> None:
    """Show the messages that were given up."""
    found = connect().alerts.dead(limit=limit)
    if output.as_json:
        output.document({"dead": [one.to_json() for one in found]})
    output.say(_deliveries(found) if found else Text("none", style="dim"))


def replay(output: Output, delivery: str) -> None:
    """Send again what was given up."""
    count = connect().alerts.replay(delivery)
    if output.as_json:
        output.document({"replayed": count})
    output.say(f"replayed {count} message{'' if count == 1 else 's'}")


def _answer(output: Output, one: AlertDescription) -> None:
    if output.as_json:
        output.document(one.to_json())
    output.say(Text.assemble((one.title, "bold"), "  ", _level(one), f"  {one.state}"), one.text)
    facts = Table.grid(padding=(0, 2))
    times = "" if one.count == 1 else f", {one.count} times by {moment(one.last_at)}"
    told = {"alert": one.id, "run": one.run_id, "step": one.step, "since": f"{moment(one.first_at)} UTC{times}"}
    for name in ("acknowledged", "resolved"):
        if at := getattr(one, f"{name}_at"):
            told[name] = f"{moment(at)} UTC by {getattr(one, f'{name}_by')}"
    for name, value in {**told, "comment": one.comment}.items():
        if value:
            facts.add_row(Text(name, style="dim"), Text(value))
    output.say(facts)
    if one.deliveries:
        output.say("", _deliveries(one.deliveries))


def _table(found: Sequence[AlertDescription]) -> Table:
    table = _columns("id", "since (UTC)", "level", "what", "run", "×", "state")
    for one in found:
        row = one.id, moment(one.first_at), _level(one), Text(one.title), one.run_id or "", str(one.count)
        table.add_row(*row, one.state)
    return table


def _deliveries(found: Sequence[DeliveryDescription]) -> Table:
    table = _columns("message", "channel", "alerts", "state", "tries", "when (UTC)", "why")
    for one in found:
        when = moment(one.sent_at or one.due_at or one.created_at)
        table.add_row(one.id, one.channel, str(one.count), one.state, str(one.attempts), when, Text(one.error or ""))
    return table


def _columns(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name, overflow="fold", no_wrap=name in ("id", "message"))
    return table


def _level(one: AlertDescription) -> Text:
    return Text(one.level, style=_STYLES.get(one.level, ""))
