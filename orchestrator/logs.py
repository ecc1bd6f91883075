"""Structured logs: one line per fact, JSON in production, readable on a terminal.

Our own lines, those of operations and those that go through `logging` (Celery's, libraries', users') look alike, say
which run, step and attempt they are about, and within which span they were written. structlog, and rich for its
tracebacks, take some megabytes, so a process has them from its first line of ours on.
"""

from __future__ import annotations

import json as json_text
import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from logging.handlers import WatchedFileHandler
from types import ModuleType
from typing import Any, Final, TextIO

Line = dict[str, Any]
Mask = Callable[[Line], Line]
"""Hides what is not to be logged of a line's fields."""

_chosen: dict[str, Any] = {}
_KEPT: Final = frozenset({"event", "level", "timestamp", "logger_name", "exception"})
"""What a mask leaves alone."""


@dataclass(slots=True)
class About:
    """What lines are about that are written meanwhile, and what hides more of them than those of others."""

    fields: Mapping[str, Any]
    mask: Mask | None = None


_about: ContextVar[About | None] = ContextVar("orchestrator_logs_about", default=None)


class Logger:
    """A structlog logger, made when its first line is written."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, method: str) -> Any:
        return getattr(_structlog().get_logger(logger_name=self._name), method)


def configure(
    *,
    json: bool | None = None,
    level: str = "INFO",
    mask: Mask | None = None,
    standard: int | None = None,
    file: str | None = None,
) -> None:
    """Send logs to stderr, or a file; JSON unless stderr is a terminal, or as `json` says.

    `standard`: the level from which on lines of `logging` are written as well, in place of whatever wrote them before.
    Without a call of this: as structlog and `logging` have it.
    """
    as_json = (file is not None or not sys.stderr.isatty()) if json is None else json
    handler = None
    if standard is not None:
        handler = WatchedFileHandler(file) if file else logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Json() if as_json else _Readable())
        root = logging.getLogger()
        root.handlers = [handler]
        root.setLevel(standard)
    stream = sys.stderr if handler is None else handler.stream
    _chosen.update(json=as_json, level=level.upper(), mask=mask, stream=stream)
    _structlog.cache_clear()


def get(name: str) -> Any:
    """A logger bound to `logger_name=name`; a constant event name, then fields: `log.info("step_lost", run_id=…)`."""
    return Logger(name)


class about:  # noqa: N801  # used like a function; a generator would cost a step four times as much
    """Every line that is written meanwhile, here and in what is awaited from here, is about this."""

    __slots__ = ("_one", "_token")

    def __init__(self, one: About) -> None:
        self._one = one

    def __enter__(self) -> None:
        self._token = _about.set(self._one)

    def __exit__(self, *_: object) -> None:
        _about.reset(self._token)


def _with_context(_logger: object, _method: str, line: MutableMapping[str, Any]) -> Line:
    """A line with what it is about, and masked; its own fields go before those."""
    here = _about.get()
    found: Line = {**(here.fields if here else {}), **_span(), **line}
    masks = [mask for mask in (_chosen.get("mask"), here.mask if here else None) if mask is not None]
    for mask in masks:
        hidden = mask({name: value for name, value in found.items() if name not in _KEPT})
        found = {name: hidden.get(name, value) for name, value in found.items()}
    return found


def _span() -> Line:
    """The ids of the span that is current, if anything in this process has ever had to do with traces."""
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return {}
    span = trace.get_current_span().get_span_context()
    return {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"} if span.is_valid else {}


class _Json(logging.Formatter):
    """A record of `logging` as one of our lines."""

    def format(self, record: logging.LogRecord) -> str:
        line: Line = {
            "event": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _RECORD},
            "logger_name": record.name,
            "level": record.levelname.lower(),
            "timestamp": _moment(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json_text.dumps(_with_context(None, "", line), default=repr, ensure_ascii=False)


class _Readable(logging.Formatter):
    """The same for people."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"event": record.getMessage(), "level": record.levelname.lower(), "timestamp": _moment(record)}
        line["logger_name"] = record.name
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return str(_console()(None, "", _with_context(None, "", line)))


_RECORD: Final = frozenset(
    # Celery's `data` and uvicorn's `color_message` tell what the message tells.
    (*vars(logging.makeLogRecord({})), "message", "asctime", "data", "color_message")
)


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@cache
def _console() -> Any:
    return _structlog().dev.ConsoleRenderer()


@cache
def _structlog() -> ModuleType:
    """The module, configured as chosen."""
    import structlog  # noqa: PLC0415  # see above

    if _chosen:
        renderer: Any = structlog.processors.JSONRenderer() if _chosen["json"] else structlog.dev.ConsoleRenderer()
        stream: TextIO = _chosen["stream"]
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.processors.format_exc_info,
                _with_context,
                renderer,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[_chosen["level"]]),
            logger_factory=structlog.PrintLoggerFactory(stream),
        )
    return structlog
