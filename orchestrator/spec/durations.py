"""Durations as authors write them, and the whole milliseconds that they stand for."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

Duration = int | str | timedelta

_MS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_NUMBER: Final = r"(\d+(?:\.\d+)?)"
_SHORT: Final = re.compile("".join(rf"(?:{_NUMBER}{unit})?" for unit in _MS))
_ISO: Final = re.compile(rf"P(?:{_NUMBER}W)?(?:{_NUMBER}D)?(?:T(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?")
_ISO_MS: Final = (7 * _MS["d"], _MS["d"], _MS["h"], _MS["m"], _MS["s"])
_FORMS: Final = "milliseconds (30000), text such as 250ms, 30s, 1h30m or 7d, or ISO 8601 such as PT30S"


def parse_duration(value: object) -> timedelta:
    """The duration that an author wrote in any accepted form; ValueError says what is wrong with it."""
    if isinstance(value, timedelta):
        duration = value
    elif isinstance(value, str):
        duration = _from_text(value.strip())
    elif isinstance(value, int) and not isinstance(value, bool):
        duration = _of(value, value)
    else:
        raise _no_duration(value)
    if duration < timedelta(0):
        raise ValueError(f"a duration cannot be negative: {value}")
    if duration % timedelta(milliseconds=1):
        raise ValueError(f"a duration is a whole number of milliseconds: {value}")
    return duration


def milliseconds(duration: timedelta) -> int:
    """Whole milliseconds."""
    return duration // timedelta(milliseconds=1)


def format_duration(duration: timedelta | int) -> str:
    """The shortest text that `parse_duration` reads back as the same: `1h30m`, `250ms`; an integer is milliseconds."""
    left = milliseconds(duration) if isinstance(duration, timedelta) else duration
    parts = []
    for unit, size in _MS.items():
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _from_text(text: str) -> timedelta:
    for pattern, sizes in ((_SHORT, tuple(_MS.values())), (_ISO, _ISO_MS)):
        match = pattern.fullmatch(text)
        if match and any(match.groups()) and not text.endswith("T"):
            return _of(sum(float(n) * size for n, size in zip(match.groups("0"), sizes, strict=True)), text)
    if text.startswith("-"):
        raise ValueError(f"a duration cannot be negative: {text}")
    if re.fullmatch(r"\d+(\.\d+)?", text):
        raise ValueError(f"{text!r} does not say its unit; write {text}s or {text}ms")
    if re.fullmatch(r"P[\d.WD]*[\d.]+[YM].*", text):
        raise ValueError(f"{text!r}: years and months have no fixed length; write days")
    raise _no_duration(text)


def _no_duration(value: object) -> ValueError:
    return ValueError(f"{value!r} is not a duration; write {_FORMS}")


def _of(count_ms: float, written: object) -> timedelta:
    try:
        return timedelta(milliseconds=count_ms)
    except OverflowError:
        raise ValueError(f"{written} is too long for a duration") from None
