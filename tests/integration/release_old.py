"""The operations of a fleet before it is deployed anew."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from orchestrator import OperationError, operation


@operation("rolling.mark", version="1.0.0", effect="write", idempotent=True)
def mark(given: dict[str, Any]) -> str:
    """Tell who executed the step."""
    return f"old {given['run']}"


@operation("rolling.held", version="1.0.0", effect="none")
def held(given: dict[str, Any]) -> None:
    """Fail until a gate is open."""
    if not (Path(os.environ["ORCHESTRATOR_GATES"]) / given["gate"]).exists():
        raise OperationError("not_yet")
