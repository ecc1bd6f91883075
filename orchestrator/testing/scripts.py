"""What operations do when they are called, as values that read like the story of a test."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from textwrap import shorten
from typing import Any, Literal

from orchestrator.errors import OperationError
from orchestrator.spec.durations import milliseconds, parse_duration

SHOWN_OUTPUT = 60
"""Characters of an output that complaints show."""
Duration = timedelta | str | int
"""A duration as in specs; a whole number is milliseconds."""


@dataclass(frozen=True, slots=True)
class Action:
    """What one call of an operation does. Made by `ok`, `fail` and the others, and changed by `delay` and its like."""

    kind: Literal["ok", "raises", "real", "nothing"]
    output: Any = None
    """What is returned, or a function of the input that returns it."""
    error: Exception | None = None
    lasts_ms: int = 0
    beats_ms: int | None = None
    """How often the operation says that it is alive."""
    dies: bool = False
    """Whether the worker is lost before it can tell what came of the call."""
    doubled: bool = False
    repeats: bool = False

    def __str__(self) -> str:
        told = self._told()
        if self.dies and self.kind != "nothing":
            told = f"effect_then_crash({'' if told == 'ok()' else told})"
        if self.lasts_ms:
            told = f"delay({str(timedelta(milliseconds=self.lasts_ms))!r}, {told})"
        if self.doubled:
            told = f"doubled({told})"
        return f"always({told})" if self.repeats else told

    def _told(self) -> str:
        if self.kind == "ok":
            return f"ok({_shown(self.output)})"
        if isinstance(self.error, OperationError):
            return f"fail({self.error.code!r})"
        return {"real": "real()", "nothing": "worker_lost()"}.get(self.kind, f"raises({self.error!r})")


def ok(output: Any = None) -> Action:
    """Return an output, or what a function makes of the input (as JSON); it has to fit the operation's output type."""
    return Action("ok", output=output)


def fail(
    code: str,
    message: str = "",
    *,
    retryable: bool = True,
    retry_after: float | None = None,
    outcome: Literal["failed", "unknown"] = "failed",
    details: dict[str, Any] | None = None,
) -> Action:
    """Raise an OperationError: the operation says that it failed, and how."""
    return raises(
        OperationError(
            code, message, retryable=retryable, retry_after=retry_after, outcome=outcome, details=details or {}
        )
    )


def raises(error: Exception) -> Action:
    """Raise any exception: of an operation that writes, nobody then knows what it did."""
    return Action("raises", error=error)


def real() -> Action:
    """Call the operation's own code."""
    return Action("real")


def worker_lost() -> Action:
    """The worker dies before anything happens; its lease runs out."""
    return Action("nothing", dies=True)


def effect_then_crash(then: Action | None = None) -> Action:
    """The operation does its work, and the worker dies before it can tell; its lease runs out."""
    return replace(then or ok(), dies=True)


def delay(duration: Duration, then: Action | None = None, *, heartbeat: Duration | None = None) -> Action:
    """Virtual time passes, then the call does what `then` says; a `heartbeat` is sent every so often meanwhile."""
    action = then or ok()
    beats_ms = action.beats_ms if heartbeat is None else _ms(heartbeat)
    return replace(action, lasts_ms=action.lasts_ms + _ms(duration), beats_ms=beats_ms)


def doubled(then: Action | None = None) -> Action:
    """The message that leads to this call is delivered a second time, while the call goes on."""
    return replace(then or ok(), doubled=True)


def always(then: Action | None = None) -> Action:
    """This call and every one after it do the same."""
    return replace(then or ok(), repeats=True)


def _ms(duration: Duration) -> int:
    return milliseconds(parse_duration(duration))


def _shown(output: Any) -> str:
    if output is None:
        return ""
    if callable(output):
        return str(getattr(output, "__name__", "…"))
    return shorten(json.dumps(output, default=str), SHOWN_OUTPUT, placeholder=" …")
