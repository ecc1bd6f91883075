"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="JSON on stdout, and nothing else.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]
StepAddress = Annotated[str, typer.Argument(metavar="STEP", help="The step's address, as `show` has it: ship[3]/pack.")]
Paths = Annotated[list[Path], typer.Argument(exists=True, help="Files (.py, .yaml, .json) and folders of them.")]
WorkflowKey = Annotated[str, typer.Argument(metavar="WORKFLOW", help="The workflow's key, such as payment.flow.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the run's history.")]
Whole = Annotated[bool, typer.Option("--all", help="Each step and event of large maps and long loops.")]
