"""How much there is of something, in units that people read."""

from __future__ import annotations

from typing import Final

_KIB: Final = 1024
_MANY: Final = 100


def size(count: int | None) -> str:
    """Bytes: `212 MiB`; a dash, if nobody knows."""
    if count is None:
        return "–"
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < _KIB:
            return f"{amount:.0f} {unit}"
        amount /= _KIB
    return f"{amount:.1f} GiB"


def rate(per_s: float | None) -> str:
    """Of one second; few with what is behind the point."""
    if per_s is None:
        return "–"
    return f"{per_s:,.0f}" if per_s == 0 or per_s >= _MANY else f"{per_s:.1f}" if per_s >= 1 else f"{per_s:.2g}"
