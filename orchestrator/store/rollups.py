"""Sums that are kept a second time, in wider pieces, so that a long span is read in few of them.

The script that adds to the sums of an hour adds the same to its day, and to both without telling versions and steps
apart. So they agree at every moment, and what they say is never estimated: sums, and the buckets of sketches, add up.
Of all steps together it is counted what they did, and kept how long they waited; how long attempts took, only by step.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
EVER: Final = -1
"""In place of an hour: the sums since the beginning, of runs as a whole. They never fall."""
EVER_STEPS: Final = -2
"""The same, of steps."""
ALL: Final = "*"
"""In place of a workflow: the runs of all; in place of a step: all steps."""
_OF_ALL_STEPS: Final = "wait|"
"""The only distribution that is asked for of all steps as one."""

Sums = Mapping[str, int]
"""Field → its sum."""
Place = tuple[str, int]
"""A workflow and an hour or a day, by its first moment; or `EVER`, `EVER_STEPS`."""


class Kind(StrEnum):
    """What is told apart in a hash of sums, and how much time it is of."""

    SUMS = "sums"  # versions and steps, of an hour or ever: the others are sums of these
    DAYS = "days"  # versions and steps, of a day in UTC
    RUNS = "runs"  # runs of all versions, of an hour; also of `ALL` workflows
    STEPS = "steps"  # all steps of all versions as one, of an hour
    WHOLE_DAYS = "whole-days"  # runs, and all steps as one, of a day


@dataclass(frozen=True, slots=True)
class RolledUp:
    """From which moment on every hour, and every day, is in the wider pieces too; before, the hours alone are whole."""

    hours_since: int
    days_since: int


def roll_up(sums: Mapping[Place, Sums]) -> dict[tuple[Kind, Place], Counter[str]]:
    """What is added to the wider pieces with these sums of hours."""
    found: defaultdict[tuple[Kind, Place], Counter[str]] = defaultdict(Counter)
    for (workflow, hour), more in sums.items():
        if hour < 0 or not workflow:
            continue
        day = workflow, hour - hour % DAY_MS
        found[Kind.DAYS, day].update(more)
        runs, steps = _whole(more)
        found[Kind.RUNS, (workflow, hour)].update(runs)
        found[Kind.RUNS, (ALL, hour)].update(runs)
        found[Kind.STEPS, (workflow, hour)].update(steps)
        found[Kind.WHOLE_DAYS, day].update(runs)
        found[Kind.WHOLE_DAYS, day].update(steps)
    return {place: added for place, added in found.items() if added}


def _whole(sums: Sums) -> tuple[Counter[str], Counter[str]]:
    """What of these is of runs, and of steps: all versions, and all steps, as one."""
    runs, steps = Counter[str](), Counter[str]()
    for field, number in sums.items():
        _, step, name = field.split("|", 2)
        if not step:
            runs[f"||{name}"] += number
        elif "|" not in name or name.startswith(_OF_ALL_STEPS):
            steps[f"|{ALL}|{name}"] += number
    return runs, steps
