"""The results as a page."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from bench.measures import AT_LEAST_S, CHAINS, FANS, SINGLE_RUNS, STARTS, Round
from bench.meters import Memory
from bench.systems import STEPS, WIDTH

RESULTS = Path(__file__).parent / "RESULTS.md"
PACKAGES = ("celery", "kombu", "redis", "hiredis")


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of the table: what it is, where it stands in a round, and how it is written."""

    title: str
    name: str
    digits: int = 0


FIGURES = (
    Figure(f"chain of {STEPS} × {CHAINS} runs, steps/s", "steps_per_s"),
    Figure("CPU a step, workers and beat, ms", "worker_cpu_ms", 2),
    Figure("CPU a step, Redis, ms", "server_cpu_ms", 2),
    Figure("CPU a step, client, ms", "client_cpu_ms", 2),
    Figure("through Redis a step, KiB", "kib", 1),
    Figure(f"{WIDTH} in parallel + join × {FANS} runs, steps/s", "parallel_per_s"),
    Figure("CPU a step of that, all processes, ms", "parallel_cpu_ms", 2),
    Figure(f"map of {WIDTH} items + join × {FANS} runs, steps/s (plain: the same chord)", "map_per_s"),
    Figure("CPU a step of that, all processes, ms", "map_cpu_ms", 2),
    Figure(f"one run of {STEPS} steps on an idle system, p50 of {SINGLE_RUNS}, ms", "p50_ms", 1),
    Figure(f"the same, p99 of {SINGLE_RUNS}, ms", "p99_ms", 1),
    Figure(f"starts/s, one by one, {STARTS}", "starts_per_s"),
    Figure(f"starts/s, `start_many` of {STARTS} (plain: one by one)", "bulk_per_s"),
)


def page(rounds: Mapping[str, Sequence[Round]], idle: Mapping[str, Memory], server: str) -> str:
    """A part of RESULTS.md: medians, and the ratios of pairs with their range. The first system is the measure."""
    measure, *others = rounds
    pairs = len(rounds[measure])
    heads = [measure, *(cell for name in others for cell in (name, "ratio (range)"))]
    table = [["", *heads], ["---", *("--:" for _ in heads)]]
    for figure in FIGURES:
        values = {name: [float(getattr(one, figure.name)) for one in rounds[name]] for name in rounds}
        cells = [_written(values[measure], figure.digits)]
        for name in others:
            ratios = [ours / plain for ours, plain in zip(values[name], values[measure], strict=True)]
            cells += [_written(values[name], figure.digits), _ranged(ratios)]
        table.append([figure.title, *cells])
    for title, name in (("idle memory, RSS, MiB", "rss_mib"), ("idle memory, PSS, MiB", "pss_mib")):
        base = float(getattr(idle[measure], name))
        cells = [f"{base:.0f}"]
        for other in others:
            used = float(getattr(idle[other], name))
            cells += [f"{used:.0f}", f"{used / base:.2f}×"]
        table.append([title, *cells])
    rows = "\n".join(f"| {' | '.join(cells)} |" for cells in table)
    return _PAGE.format(
        pairs=pairs, rows=rows, seconds=round(AT_LEAST_S), machine=machine(server), date=datetime.now(UTC).date()
    )


def machine(server: str) -> str:
    """What this was measured on."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{os.cpu_count()} × {_processor()}, {memory_gib:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {sys.version.split()[0]}, {packages}, {server}"
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _written(values: Sequence[float], digits: int) -> str:
    return f"{median(values):,.{digits}f}"


def _ranged(ratios: Sequence[float]) -> str:
    return f"{median(ratios):.2f}× ({min(ratios):.2f}–{max(ratios):.2f})"


def write_part(title: str, text: str) -> None:
    """Put a part of RESULTS.md in the place of the one with the same title; the others stay."""
    written = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    parts = {part.partition("\n")[0]: part.partition("\n")[2] for part in f"\n{written}".split("\n# ")[1:]}
    parts[title] = text
    pages = (f"# {name}\n{parts[name].rstrip()}\n" for name in sorted(parts, reverse=True))
    RESULTS.write_text("\n".join(pages), encoding="utf-8")


_PAGE = """
Measured on {date}, by `make bench`: {machine}.

Each system has a Redis of its own (AOF every second), one prefork worker of two children, and beat. Client, workers and
server share the machine. Plain Celery is the same chain of immutable no-op tasks, with late acknowledgement, JSON and
results, sent one by one, or a chord of fifty with a body; ours are started by `start_many`, with an input of 100 bytes,
and every step of `write` is claimed and settled by a commit of its own; those of `read` share commits, as they are
quick and leave nothing outside. What became of each step is recorded in both.
Medians of {pairs} pairs, measured in turns; what many runs at a time do, for {seconds} s at least. Ratios are of one
pair. Ratios hold, absolute figures drift with the machine and its load.

{rows}

`read` is an operation with `effect: none`, `write` one with `effect: write`. Starts are of a producer alone, into a
database that no worker listens to. Memory is that of worker, children and beat after one run.
"""
