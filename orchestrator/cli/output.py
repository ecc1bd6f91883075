"""Where a command writes: what was asked for on stdout, as text or JSON; everything else on stderr."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.text import Text

from orchestrator.cli.views import problem_line
from orchestrator.errors import OrchestratorError, SpecInvalid, Unreachable

UNREACHABLE_HINT = "ORCHESTRATOR_REDIS_URL says where it is; `orchestrator dev` starts one on this machine"


@dataclass(frozen=True, slots=True)
class Output:
    """One command's stdout and stderr. With `as_json`, stdout has nothing but JSON."""

    as_json: bool = False
    console: Console = field(default_factory=lambda: Console(highlight=False, markup=False))
    errors: Console = field(default_factory=lambda: Console(stderr=True, highlight=False, markup=False))

    @property
    def live(self) -> bool:
        """Whether somebody watches: a terminal, and no JSON."""
        return self.console.is_terminal and not self.as_json

    def say(self, *lines: RenderableType) -> None:
        """Show text, line by line; nothing if JSON is wanted."""
        if not self.as_json:
            for line in lines:
                self.console.print(line, soft_wrap=isinstance(line, (str, Text)))

    def document(self, value: Any) -> None:
        """Write the one JSON document of this command."""
        self.console.out(json.dumps(value, indent=2, ensure_ascii=False), highlight=False)

    def record(self, value: Any) -> None:
        """Write one line of a stream of JSON."""
        self.console.out(json.dumps(value, ensure_ascii=False), highlight=False)

    def warn(self, message: str) -> None:
        """Say on stderr what may not be as it was meant."""
        self.errors.print(Text.assemble(("warning: ", "yellow"), message), soft_wrap=True)

    def report(self, error: OrchestratorError) -> None:
        """Say what went wrong, on stderr."""
        if self.as_json:
            self.errors.out(json.dumps(error.as_dict(), ensure_ascii=False, default=str), highlight=False)
            return
        message = error.message
        if isinstance(error, SpecInvalid):
            for problem in error.problems:
                self.errors.print(problem_line(problem), soft_wrap=True)
            count = sum(problem.severity == "error" for problem in error.problems)
            message = f"{count} problem{'' if count == 1 else 's'} to mend"
        self.errors.print(Text.assemble(("error: ", "bold red"), message, (f" [{error.code}]", "dim")), soft_wrap=True)
        if isinstance(error, Unreachable):
            self.errors.print(Text(UNREACHABLE_HINT, style="dim"), soft_wrap=True)


@contextmanager
def answering(as_json: bool = False) -> Iterator[Output]:
    """The output of a command; an error of ours is reported, and ends the process with the error's exit code."""
    output = Output(as_json)
    try:
        yield output
    except OrchestratorError as error:
        output.report(error)
        raise typer.Exit(error.exit_code) from error
