"""The output of several processes in one terminal: `worker │ …`, each name in a colour of its own."""

from __future__ import annotations

from itertools import cycle

from rich.console import Console
from rich.text import Text

from orchestrator.local.processes import OnLine

COLOURS = ("cyan", "magenta", "green", "yellow", "blue")


def labelled(console: Console, *, width: int = 8) -> OnLine:
    """A callback that prints each line behind its process's name; colours in the line itself are kept."""
    unused = cycle(COLOURS)
    colours: dict[str, str] = {}

    def show(name: str, line: str) -> None:
        if name not in colours:
            colours[name] = next(unused)
        label = Text(f"{name:<{width}} │ ", style=colours[name])
        console.print(label + Text.from_ansi(line), soft_wrap=True)

    return show
