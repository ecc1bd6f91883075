"""Options that commands of every kind share."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="JSON on stdout, and nothing else.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]
StepAddress = Annotated[str, typer.Argument(metavar="STEP", help="The step's address, as `show` has it: ship[3]/pack.")]
