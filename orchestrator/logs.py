"""Structured logs: one line per fact, JSON in production, readable on a terminal.

structlog, and rich for its tracebacks, take some megabytes, so a process has them from its first line on.
"""

from __future__ import annotations

import logging
import sys
from functools import cache
from types import ModuleType
from typing import Any

_chosen: dict[str, Any] = {}


class Logger:
    """A structlog logger, made when its first line is written."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, method: str) -> Any:
        return getattr(_structlog().get_logger(logger_name=self._name), method)


def configure(*, json: bool | None = None, level: str = "INFO") -> None:
    """Send logs to stderr; JSON unless stderr is a terminal, or as `json` says. Without it: as structlog has it."""
    _chosen.update(json=not sys.stderr.isatty() if json is None else json, level=level.upper())
    _structlog.cache_clear()


def get(name: str) -> Any:
    """A logger bound to `logger_name=name`; a constant event name, then fields: `log.info("step_lost", run_id=…)`."""
    return Logger(name)


@cache
def _structlog() -> ModuleType:
    """The module, configured as chosen."""
    import structlog  # noqa: PLC0415  # see above

    if _chosen:
        renderer: Any = structlog.processors.JSONRenderer() if _chosen["json"] else structlog.dev.ConsoleRenderer()
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.processors.format_exc_info,
                renderer,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[_chosen["level"]]),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        )
    return structlog
