"""The fleet's Celery app, but whoever looks back into the log of events is held until the gate `recall` is open."""

import os
import threading
from pathlib import Path
from typing import Any

from orchestrator.store.events import RedisEvents
from workers.app import app

__all__ = ["app"]

_recall = RedisEvents.recall
_POLL_S = 0.02


def _held(self: RedisEvents, *args: Any, **options: Any) -> list[tuple[str, dict[str, Any]]]:
    gates, pause = Path(os.environ["ORCHESTRATOR_GATES"]), threading.Event()
    gates.mkdir(parents=True, exist_ok=True)
    (gates / "recall.reached").write_text(str(os.getpid()))
    while not (gates / "recall").exists():
        pause.wait(_POLL_S)
    return _recall(self, *args, **options)


RedisEvents.recall = _held  # type: ignore[method-assign]
