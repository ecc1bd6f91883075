"""Durations, moments and values as they are written in requests."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from orchestrator.client.surface_words import Moment
from orchestrator.spec.durations import milliseconds

if TYPE_CHECKING:
    from orchestrator.engine.indexes import Scalar


def duration_text(given: timedelta | str | int | None) -> str | None:
    """A duration as a spec may have it."""
    if isinstance(given, timedelta):
        return f"{milliseconds(given)}ms"
    return f"{given}ms" if isinstance(given, int) else given


def moment_text(given: Moment | None) -> str | None:
    """A moment, or how long ago."""
    return given.isoformat() if isinstance(given, datetime) else duration_text(given)


def value_text(value: Scalar) -> str:
    """What a search field is compared with."""
    return value if isinstance(value, str) else json.dumps(value)
