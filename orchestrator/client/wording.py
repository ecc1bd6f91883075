"""Durations, errors and numbers as they are written in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_SECOND_MS: Final = 1_000
_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 3_600_000


def took(duration_ms: int | None) -> str:
    """A duration as short as it can be read: `63 ms`, `1.2 s`, `3 m 20 s`."""
    if duration_ms is None:
        return ""
    if duration_ms < _SECOND_MS:
        return f"{duration_ms} ms"
    if duration_ms < _MINUTE_MS:
        return f"{duration_ms / 1000:.1f} s"
    if duration_ms < _HOUR_MS:
        return f"{duration_ms // _MINUTE_MS} m {duration_ms % _MINUTE_MS // 1000} s"
    return f"{duration_ms // _HOUR_MS} h {duration_ms % _HOUR_MS // _MINUTE_MS} m"


def error_text(error: Mapping[str, Any]) -> str:
    """`code: message`; the code alone if the message says nothing else."""
    code, message = error.get("code", ""), error.get("message", "")
    return code if message in {"", code} else f"{code}: {message}"


def several(number: int, one: str) -> str:
    """`1 flow`, `2,000 flows`."""
    return f"{number:,} {one}{'' if number == 1 else 's'}"
