"""Moments and durations: in the browser's zone there, in UTC in the tooltip and wherever no script runs."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from orchestrator.dashboard.look.markup import tag

_SECOND: Final = 1_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_EXACT: Final = 10 * _SECOND


def moment(at: str | None, *, empty: str = "–") -> Markup:
    """A moment (RFC 3339) as local time."""
    if at is None:
        return tag("span", empty, class_="none")
    return tag("local-time", tag("time", at.replace("T", " ").replace("Z", " UTC"), datetime=at), at=at)


def lasted(duration_ms: int | None, *, since: str | None = None, empty: str = "–") -> Markup:
    """A duration; with `since`, the moment that it began at, it goes on growing in the browser."""
    if duration_ms is None:
        return tag("span", empty, class_="none")
    if since is not None:
        return tag("live-duration", in_words(duration_ms), ms=duration_ms)
    return tag("span", in_words(duration_ms), class_="number", title=f"{duration_ms:,} ms")


def in_words(duration_ms: float) -> str:
    """Two units at most: `850 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    if duration_ms < _SECOND:
        return f"{duration_ms:.0f} ms"
    if duration_ms < _EXACT:
        return f"{duration_ms / _SECOND:.1f} s"
    if duration_ms < _MINUTE:
        return f"{duration_ms / _SECOND:.0f} s"
    for large, small, names in ((_MINUTE, _SECOND, "min s"), (_HOUR, _MINUTE, "h min"), (_DAY, _HOUR, "d h")):
        if large == _DAY or duration_ms < large * (60 if large == _MINUTE else 24):
            whole, rest = divmod(int(duration_ms), large)
            left = rest // small
            first, second = names.split()
            return f"{whole} {first} {left} {second}" if left else f"{whole} {first}"
    raise AssertionError
