"""Structured logs: one line per fact, JSON in production, readable on a terminal."""

from __future__ import annotations

import logging
import sys
from typing import Any

if "rich" in sys.modules:
    import structlog
else:
    sys.modules["rich"] = None  # type: ignore[assignment]  # for its tracebacks, structlog would take 3 MB a process
    import structlog

    del sys.modules["rich"]


def configure(*, json: bool | None = None, level: str = "INFO") -> None:
    """Send structlog to stderr; JSON unless stderr is a terminal, or as `json` says."""
    as_json = not sys.stderr.isatty() if json is None else json
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def get(name: str) -> Any:
    """A logger bound to `logger_name=name`; a constant event name, then fields: `log.info("step_lost", run_id=…)`."""
    return structlog.get_logger(logger_name=name)
