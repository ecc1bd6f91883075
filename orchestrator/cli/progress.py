"""A run as it goes: a live table in a terminal, lines elsewhere, JSON lines for programs."""

from __future__ import annotations

from contextlib import suppress
from threading import Lock

from rich.console import Group, RenderableType
from rich.live import Live

from orchestrator.cli.output import Output
from orchestrator.cli.timeline import line
from orchestrator.cli.views import status_line, steps_table
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.shown import RunDescription
from orchestrator.client.telling import Narrator
from orchestrator.clock import elapsed_s
from orchestrator.errors import Unreachable

FRAMES_A_SECOND = 10
REST = 4
"""A display rests so many times as long as its last look at the run took."""


class Progress:
    """What a live display shows: the run as it was described last, with the time since then.

    Something has happened since then if it is `stale`; however much happens, a look costs a part of the time only.
    """

    def __init__(self, handle: RedisRunHandle, width: int, *, whole: bool = False) -> None:
        self.handle = handle
        self.width = width
        self.whole = whole
        self._looking = Lock()
        self.look()

    def look(self) -> None:
        """Describe the run anew."""
        with self._looking:
            self.stale = False
            began_s = elapsed_s()
            self.run = self.handle.describe()
            self._looked_s = elapsed_s()
            self._next_s = self._looked_s + max(1 / FRAMES_A_SECOND, REST * (self._looked_s - began_s))

    def __rich__(self) -> RenderableType:
        if self.stale and elapsed_s() >= self._next_s:
            with suppress(Unreachable):  # whoever follows the run will say so
                self.look()
        later_ms = 0 if self.run.ended_at else int((elapsed_s() - self._looked_s) * 1000)
        steps = steps_table(self.run, self.width, later_ms=later_ms, whole=self.whole)
        return Group(steps, "", status_line(self.run, later_ms=later_ms))


def show_progress(
    output: Output, handle: RedisRunHandle, *, after: str = "0", timeout_s: float | None = None, whole: bool = False
) -> RunDescription:
    """Show the run until it is over, and describe it then; WaitTimeout after `timeout_s`."""
    if output.live:
        progress = Progress(handle, output.console.width, whole=whole)
        with Live(progress, console=output.console, refresh_per_second=FRAMES_A_SECOND):
            for _ in handle.follow(after, timeout_s):
                progress.stale = True
            progress.look()
        return progress.run
    first = handle.history(limit=1)
    narrator = Narrator(first[0].at_ms if first else 0, whole=whole)
    for entry in handle.follow(after, timeout_s):
        told = narrator.tell(entry)
        if told is not None:
            output.say(line(entry, told))
    run = handle.describe()
    output.say(status_line(run))
    return run


def stream(output: Output, handle: RedisRunHandle, *, after: str = "0") -> RunDescription:
    """Write each event as a line of JSON until the run is over, and describe it then."""
    for entry in handle.follow(after):
        output.record({"id": entry.id, "at_ms": entry.at_ms, **entry.event})
    return handle.describe()
