"""Gates hold an operation at a known point, so that a fault can be put exactly there.

In the folder `ORCHESTRATOR_GATES`, an operation that has reached gate NAME writes its process id to `NAME.reached`; it
goes on once the file `NAME` exists. An open gate stays open.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from orchestrator import OperationError

DEADLINE_S = 60.0
_POLL_S = 0.01


def wait_at(name: str, *, deadline_s: float = DEADLINE_S) -> None:
    """Block until gate `name` is open; deaf to cancellation, as a call to a third party is."""
    folder = Path(os.environ.get("ORCHESTRATOR_GATES") or Path(tempfile.gettempdir()) / "orchestrator-gates")
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{name}.reached", str(os.getpid()).encode())
    give_up = time.monotonic() + deadline_s
    while not (folder / name).exists():
        if time.monotonic() > give_up:
            raise OperationError("gate_timeout", f"Gate {name} stayed shut.", retryable=False, outcome="unknown")
        time.sleep(_POLL_S)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that no reader ever sees a part of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)
