"""Where this process reads time; nothing below the runtime does.

Moments that are stored come from Redis, in whole milliseconds since the Unix epoch, so workers' clocks do not matter.
"""

from __future__ import annotations

import time


def elapsed_s() -> float:
    """Seconds on a clock that goes on while the machine or the process is asleep (CLOCK_BOOTTIME where it exists)."""
    return time.clock_gettime(_CLOCK)


def wall_ms() -> int:
    """The moment by this machine's own clock, in ms since the Unix epoch: to compare it with others, no more."""
    return time.time_ns() // 1_000_000


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
