"""How work is retried, limited, measured and undone."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from orchestrator.spec.durations import milliseconds
from orchestrator.spec.fields import (
    Count,
    Duration,
    DurationOrPercentage,
    Flag,
    PositiveDuration,
    Priority,
    SpecModel,
    Template,
    Texts,
    read_duration,
)

DEFAULT_OPERATION_TIMEOUT = timedelta(minutes=10)
DEFAULT_UNDO_TIMEOUT = timedelta(minutes=10)
DEFAULT_PRIORITY = 5

_RATE = re.compile(r"[1-9]\d*/(?:[1-9]\d*)?(?:ms|s|m|h|d)")


def _read_jitter(value: Any, info: ValidationInfo) -> Any:
    return value if value in ("none", "full") else read_duration(value, info)


def _jitter_as_written(value: timedelta | str) -> int | str:
    return value if isinstance(value, str) else milliseconds(value)


def _read_rate(value: Any) -> Any:
    if isinstance(value, str) and not _RATE.fullmatch(value):
        raise PydanticCustomError("invalid_rate", f"`{value}` is not a rate; write `10/s`, `500/m` or `3/15m`")
    return value


Jitter = Annotated[
    Literal["none", "full"] | timedelta,
    PlainValidator(_read_jitter),
    PlainSerializer(_jitter_as_written, return_type=int | str),
]


class Retry(SpecModel):
    """When a failed attempt is followed by another."""

    max_attempts: Count
    backoff: Literal["constant", "linear", "exponential"] = "exponential"
    delay: Duration = timedelta(seconds=1)
    multiplier: float = Field(2.0, strict=True, ge=1, allow_inf_nan=False)
    max_delay: Duration = timedelta(minutes=5)
    jitter: Jitter = "none"
    max_elapsed: PositiveDuration | None = None
    retry_on: Texts = ()
    give_up_on: Texts = ()


class EscalationRung(SpecModel):
    """Whom to tell next, so long after the breach."""

    after: Duration
    to: str


class Sla(SpecModel):
    """How long something may take before somebody is told; it never ends anything."""

    max_duration: PositiveDuration
    warn_at: DurationOrPercentage | None = None
    alert_on_breach: Flag = True
    escalate: tuple[EscalationRung, ...] = ()


class Limit(SpecModel):
    """So many at once (`max`), or so many in a time (`rate`), for each value of `key`."""

    key: Template
    max: Count | None = None
    rate: Annotated[str, BeforeValidator(_read_rate)] | None = None


class RunCompensation(SpecModel):
    """How a run is undone, and the policy of every undo that does not say."""

    trigger: Literal["automatic", "manual"] = "automatic"
    on_cancel: Flag = True
    retry: Retry = Retry(max_attempts=5, max_delay=timedelta(minutes=1))
    timeout: PositiveDuration = DEFAULT_UNDO_TIMEOUT


class Defaults(SpecModel):
    """For every operation step that does not say."""

    retry: Retry | None = None
    timeout: PositiveDuration | None = None
    queue: str | None = None
    priority: Priority | None = None
