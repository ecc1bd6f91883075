"""Options that commands of every kind share."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="JSON on stdout, and nothing else.")]
