"""The command lines and the environment of our processes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

CELERY = (sys.executable, "-m", "celery", "-q", "-A", "workers")  # quiet: without its banner


def worker_command(
    queues: Sequence[str] = ("default",),
    *,
    concurrency: int = 2,
    name: str = "worker",
    pool: str = "prefork",
    extra: Sequence[str] = (),
) -> list[str]:
    """`celery worker`; prints a line with `ready.` once it takes messages."""
    # Nothing here asks the other workers anything: gossip and mingle only make each start a second longer.
    quiet = ("--without-gossip", "--without-mingle")
    options = ("-Q", ",".join(queues), "-c", str(concurrency), "-n", f"{name}@%h", "-P", pool, "-l", "INFO")
    return [*CELERY, "worker", *options, *quiet, *extra]


def beat_command(*, extra: Sequence[str] = ()) -> list[str]:
    """`celery beat`; prints a line with `beat: Starting` when it begins to sweep."""
    return [*CELERY, "beat", "-l", "INFO", *extra]


def api_command(host: str, port: int) -> list[str]:
    """The HTTP API and the dashboard; prints a line with `Uvicorn running` once it takes requests."""
    return [sys.executable, "-m", "orchestrator.server", host, str(port)]


def listener_command() -> list[str]:
    """`orchestrator listen`; prints a line with `listening` when it begins to take events in."""
    return [sys.executable, "-c", "from orchestrator.cli import main; main()", "listen"]


def environment(redis_url: str, **settings: object) -> dict[str, str]:
    """This process's environment with `ORCHESTRATOR_REDIS_URL` and each setting by its name: `lease_ms=1000`."""
    ours = {f"ORCHESTRATOR_{name.upper()}": _as_text(value) for name, value in settings.items()}
    return {**os.environ, "PYTHONUNBUFFERED": "1", "ORCHESTRATOR_REDIS_URL": redis_url, **ours}


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
