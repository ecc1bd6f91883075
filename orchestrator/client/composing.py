"""External events made whole, and read again."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from orchestrator.clock import wall_ms
from orchestrator.errors import InvalidEvent
from orchestrator.spec.cloudevents import SPECVERSION, CloudEvent, parse_structured

DEFAULT_SOURCE: Final = "/orchestrator"


def composed(event: CloudEvent | Mapping[str, Any] | None, named: Mapping[str, Any]) -> CloudEvent:
    """The event with what it lacks; one that is a CloudEvent already stays as it is."""
    if isinstance(event, CloudEvent) and not named:
        return event
    given = event.to_json() if isinstance(event, CloudEvent) else event or {}
    made = {"id": secrets.token_hex(12), "source": DEFAULT_SOURCE, "time": _now()}
    return parse_structured({"specversion": SPECVERSION, **made, **given, **named})


def event_in(body: str) -> CloudEvent | None:
    """The event that an entry of the stream is, if it is one."""
    try:
        return parse_structured(body)
    except InvalidEvent:
        return None


def _now() -> str:
    """RFC 3339, in UTC."""
    moment = datetime.fromtimestamp(wall_ms() / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
