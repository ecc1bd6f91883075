"""A run as it goes: a live table in a terminal, lines elsewhere, JSON lines for programs."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.live import Live

from orchestrator.cli.output import Output
from orchestrator.cli.timeline import line
from orchestrator.cli.views import status_line, steps_table
from orchestrator.client.description import RunDescription
from orchestrator.client.handle import RunHandle
from orchestrator.clock import elapsed_s

FRAMES_A_SECOND = 10


class Progress:
    """What a live display shows: the run as it was described last, with the time since then."""

    def __init__(self, handle: RunHandle, width: int) -> None:
        self.handle = handle
        self.width = width
        self.look()

    def look(self) -> None:
        """Describe the run anew."""
        self.run = self.handle.describe()
        self._looked_s = elapsed_s()

    def __rich__(self) -> RenderableType:
        later_ms = 0 if self.run.ended_at else int((elapsed_s() - self._looked_s) * 1000)
        return Group(steps_table(self.run, self.width, later_ms=later_ms), "", status_line(self.run, later_ms=later_ms))


def show_progress(
    output: Output, handle: RunHandle, *, after: str = "0", timeout_s: float | None = None
) -> RunDescription:
    """Show the run until it is over, and describe it then; WaitTimeout after `timeout_s`."""
    if output.live:
        progress = Progress(handle, output.console.width)
        with Live(progress, console=output.console, refresh_per_second=FRAMES_A_SECOND):
            for _ in handle.follow(after, timeout_s):
                progress.look()
            progress.look()
        return progress.run
    first = handle.history(limit=1)
    began_ms = first[0].at_ms if first else 0
    for entry in handle.follow(after, timeout_s):
        output.say(line(entry, began_ms))
    run = handle.describe()
    output.say(status_line(run))
    return run


def stream(output: Output, handle: RunHandle, *, after: str = "0") -> RunDescription:
    """Write each event as a line of JSON until the run is over, and describe it then."""
    for entry in handle.follow(after):
        output.record({"id": entry.id, "at_ms": entry.at_ms, **entry.event})
    return handle.describe()
