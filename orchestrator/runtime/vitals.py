"""What the system tells of a worker's processes: memory, time on the processor, the machine's load."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from orchestrator.clock import elapsed_s

_PAGE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4_096
_TICKS: Final = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class Vitals:
    """Reads them, again and again: a share of the processor is that since the last time. Only Linux has `/proc`."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._last: tuple[float, dict[int, int]] = elapsed_s(), {}

    def read(self, pids: Iterable[int]) -> dict[str, float]:
        """`rss_bytes` and `cpu_percent` (of one processor) of these processes together, and `load` over a minute."""
        found: dict[str, float] = {}
        with suppress(OSError):
            found["load"] = round(os.getloadavg()[0], 2)
        pages, ticks = 0, dict[int, int]()
        for pid in pids:
            with suppress(OSError, ValueError, IndexError):  # it has ended, or there is no such thing here
                pages += int((self._proc / str(pid) / "statm").read_text().split()[1])
                ticks[pid] = _ticks((self._proc / str(pid) / "stat").read_text())
        if pages:
            found["rss_bytes"] = pages * _PAGE
        now_s = elapsed_s()
        before_s, before = self._last
        used = sum(count - before[pid] for pid, count in ticks.items() if pid in before)
        if before and now_s > before_s:
            found["cpu_percent"] = round(100 * used / _TICKS / (now_s - before_s), 1)
        self._last = now_s, ticks
        return found


def _ticks(stat: str) -> int:
    """User's and system's; the name in brackets before them may hold anything."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
