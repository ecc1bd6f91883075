"""The command line: parses, calls, renders."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """The console script `orchestrator`."""
    from orchestrator import logs  # noqa: PLC0415  # see below
    from orchestrator.cli.app import app  # noqa: PLC0415  # whoever imports this package needs no typer

    logs.configure(level="WARNING")
    if "" not in sys.path:
        sys.path.insert(0, "")  # as for `python -m`: operations and specs import what stands in the current folder
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # either way, what was started is stopped in good order
    app(prog_name="orchestrator")
