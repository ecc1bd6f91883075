"""Memory and processor, as Linux tells of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from orchestrator.runtime.vitals import Vitals
from tests.unit.surroundings import HandClock

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


def tell(proc: Path, pid: int, *, pages: int, ticks: int) -> None:
    """Write what Linux would show of a process whose name has a bracket and spaces."""
    folder = proc / str(pid)
    folder.mkdir(exist_ok=True)
    (folder / "statm").write_text(f"900 {pages} 3 4 5 6 7\n")
    (folder / "stat").write_text(f"{pid} (odd) 1 name) S {' '.join('0' * 10)} {ticks - 1} 1 0 0\n")


def test_memory_and_processor_are_those_of_all_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A share of the processor is that since the last look, so the first has none; who has ended is left out."""
    clock = HandClock()
    monkeypatch.setattr("orchestrator.runtime.vitals.elapsed_s", clock.elapsed_s)
    for pid in (1, 2):
        tell(tmp_path, pid, pages=100, ticks=50)
    vitals = Vitals(tmp_path)

    first = vitals.read((1, 2, 3))
    clock.move(2_000)
    tell(tmp_path, 1, pages=150, ticks=50 + TICKS)
    second = vitals.read((1, 3))

    assert (first["rss_bytes"], second["rss_bytes"]) == (200 * PAGE, 150 * PAGE)
    assert "cpu_percent" not in first
    assert second["cpu_percent"] == 50.0


def test_where_nothing_is_told_nothing_is_known(tmp_path: Path) -> None:
    """But for the load, which other systems tell too."""
    assert set(Vitals(tmp_path / "none").read((1,))) <= {"load"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_this_process_has_some_memory() -> None:
    """Of the real thing."""
    assert Vitals().read((os.getpid(),))["rss_bytes"] > 1_000_000
