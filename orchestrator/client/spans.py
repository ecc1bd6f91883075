"""Moments and spans in words."""

from __future__ import annotations

from typing import Final

from orchestrator.engine.roots import rfc3339

_UNITS: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"))


def span(ms: int) -> str:
    """As short as it can be read: `0 s`, `12 s`, `3 m 20 s`, `2 d 4 h`."""
    for place, (size, unit) in enumerate(_UNITS):
        if ms >= size:
            rest = ms % size // _UNITS[place + 1][0] if place + 1 < len(_UNITS) else 0
            return f"{ms // size} {unit}" + (f" {rest} {_UNITS[place + 1][1]}" if rest else "")
    return "0 s"


def moment_text(at_ms: int, now_ms: int) -> str:
    """`2026-01-31 12:00:00 UTC, in 3 m 20 s`; `…, 3 m 20 s ago`."""
    shown = rfc3339(at_ms)[:19].replace("T", " ")
    return f"{shown} UTC, " + (f"in {span(at_ms - now_ms)}" if at_ms >= now_ms else f"{span(now_ms - at_ms)} ago")
