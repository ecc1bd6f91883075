"""Sums of hours that are long over, put together once for all who look at the same span within some minutes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Final

from orchestrator.clock import elapsed_s

CLOSED_MS: Final = 900_000
"""So long after its end nothing is expected to be added to an hour; what comes later still is seen `KEPT_S` later."""
KEPT_S: Final = 300.0
_MOST: Final = 2_000

Sums = Mapping[str, int]


class ClosedSums:
    """Sums by what they are of; usable from any thread."""

    def __init__(self, now_s: Callable[[], float] = elapsed_s) -> None:
        self._now_s = now_s
        self._held: dict[Hashable, tuple[float, Sums]] = {}

    def get(self, name: Hashable) -> Sums | None:
        """What was put together; None if that is too long ago."""
        kept_s, sums = self._held.get(name, (0.0, None))
        return sums if sums is not None and self._now_s() - kept_s < KEPT_S else None

    def keep(self, name: Hashable, sums: Sums) -> None:
        """For whoever asks next."""
        if len(self._held) >= _MOST:
            self._held.clear()
        self._held[name] = self._now_s(), sums
