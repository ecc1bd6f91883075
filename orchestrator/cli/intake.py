"""Commands about external events: emit, tail, dead, replay, discard; and the listener's process."""

from __future__ import annotations

import logging
import signal
from collections.abc import Mapping
from types import FrameType
from typing import Any

from rich.table import Table
from rich.text import Text

from orchestrator import logs
from orchestrator.cli.output import Output
from orchestrator.cli.session import connect, json_argument
from orchestrator.cli.views import moment
from orchestrator.client.redaction import mask_of_lines
from orchestrator.client.shown import DeadEvent, TakenIn
from orchestrator.errors import InvalidEvent
from orchestrator.monitor.alerting import Alerting
from orchestrator.monitor.archiver import archiving
from orchestrator.monitor.readers import followings_of
from orchestrator.triggers.listener import Listener


def listen(output: Output) -> None:
    """Listen, and read the feed, until SIGTERM or Ctrl-C; what is in hand then is finished."""
    client = connect()
    settings = client.settings
    mask = mask_of_lines(*settings.redact)
    logs.configure(json=settings.log_json, level=settings.log_level, mask=mask, standard=logging.WARNING)
    listener = Listener(client)

    def stop(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # the second one ends it at once
        listener.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    output.say(f"listening as {listener.name}")
    followings = followings_of(client)
    followings.start()
    alerting = Alerting(client)
    alerting.start()
    with archiving(client):
        listener.run()
    alerting.stop()
    followings.stop()


def emit(output: Output, event: str | None, data: str | None, attributes: Mapping[str, str | None]) -> None:
    """Take in an event, or a list of them."""
    named: dict[str, Any] = {name: value for name, value in attributes.items() if value is not None}
    if data is not None:
        named["data"] = json_argument(data, "--data")
    client = connect()
    given = None if event is None else json_argument(event, "EVENT")
    if isinstance(given, list):
        if named:
            raise InvalidEvent("give a list of events whole, without options")
        emitted = client.events.emit_many(given)
    else:
        emitted = [client.events.emit(given, **named)]
    if output.as_json:
        output.document([one.to_json() for one in emitted] if isinstance(given, list) else emitted[0].to_json())
    for one in emitted:
        output.say(Text.assemble("emitted ", (one.type, "bold"), f" {one.id} from {one.source}"))


def tail(output: Output, count: int, *, follow: bool) -> None:
    """Show what came in, and what comes."""
    try:
        for entry in connect().events.tail(count, follow=follow):
            if output.as_json:
                output.record(entry.to_json())
            output.say(_entry(entry))
    except KeyboardInterrupt:
        return


def dead(output: Output, count: int) -> None:
    """Show what was given up."""
    found = connect().events.dead(count)
    if output.as_json:
        output.document({"dead": [one.to_json() for one in found]})
    output.say(_table(found) if found else Text("none", style="dim"))


def misses(output: Output) -> None:
    """Show what filters had no answer for."""
    found = connect().events.misses()
    if output.as_json:
        output.document({"misses": [one.to_json() for one in found]})
    output.say(
        Text("\n".join(f"{one.trigger}  {one.entry_id}  {one.error}" for one in found))
        if found
        else Text("none", style="dim")
    )


def replay(output: Output, letter: str, reason: str) -> None:
    """Take in again what was given up."""
    _count(output, "replayed", connect().events.replay(letter, reason))


def discard(output: Output, letter: str, reason: str) -> None:
    """Forget what was given up."""
    _count(output, "discarded", connect().events.discard(letter, reason))


def _count(output: Output, what: str, count: int) -> None:
    if output.as_json:
        output.document({what: count})
    output.say(f"{what} {count} event{'' if count == 1 else 's'}")


def _entry(entry: TakenIn) -> Text:
    line = Text.assemble((moment(entry.received_at), "dim"), "  ")
    if entry.event is None:
        return line.append("no CloudEvent", style="red")
    line.append(entry.event.type, style="bold").append(f"  {entry.event.id}  {entry.event.source}")
    return line.append(f"  for {entry.only}", style="dim") if entry.only else line


def _table(found: list[DeadEvent]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("id", "given up (UTC)", "tries", "by", "reason"):
        table.add_column(name, overflow="fold")
    for one in found:
        table.add_row(one.id, moment(one.at), str(one.attempts), one.trigger or "", Text(one.reason))
    return table
