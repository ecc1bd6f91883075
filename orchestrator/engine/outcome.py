"""How an attempt ended, as values."""

from __future__ import annotations

from dataclasses import field, replace
from typing import Any

from orchestrator.engine.values import value

UNRETRIED = frozenset(
    {
        "worker_lost",
        "invalid_input",
        "invalid_output",
        "payload_too_large",
        "expression_error",
        "no_transition",
        "max_visits",
        "wait_timeout",
        "rejected",
        "changes_requested",
        "join_failed",
        "child_cancelled",
        "depth_exceeded",
        "run_timeout",
        "cancelled",
    }
)
"""Codes of ours that no policy retries."""


@value
class Failure:
    """Why an attempt, a step or a run did not succeed."""

    code: str
    message: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    retryable: bool = True
    retry_after_ms: int | None = None
    reported: bool = True
    """Whether the operation itself says that nothing happened outside."""
    returned: bool = False
    """Whether the operation returned, so that its effect is there, and the step failed after it."""
    took_ms: float | None = None
    """How long the operation was executed, if it was."""

    def timed(self, took_ms: float) -> Failure:
        """The same, of an operation that was executed for so long."""
        return replace(self, took_ms=took_ms)

    def to_json(self, step: str) -> dict[str, Any]:
        """The `error` root of expressions and the record of the step."""
        error = {"code": self.code, "message": self.message, "step": _id(step), "address": step}
        return {**error, "details": self.details} if self.details else error


def _id(address: str) -> str:
    """The step's id, without flow, visit and undo."""
    return address.rpartition("/")[2].rstrip("~").partition("#")[0]


@value
class Success:
    """What an operation returned, as JSON text."""

    output: str
    took_ms: float | None = None
    """How long the operation was executed, if it was."""

    def timed(self, took_ms: float) -> Success:
        """The same, of an operation that was executed for so long."""
        return Success(self.output, took_ms)


Outcome = Success | Failure
