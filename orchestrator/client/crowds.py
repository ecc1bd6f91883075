"""Many of a kind: what the items of a map and the visits of a loop have in common, so that it can be told once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from orchestrator.client.shown import StepDescription

FEW = 10
"""So many of a kind are shown one by one; more than that are a crowd."""

_VISIT = re.compile(r"#\d+")
_INDEX = re.compile(r"\[\d+\]")
_TELLING = ("failed", "lost", "running", "waiting", "ready", "cancelled", "skipped", "completed", "pending")
_NOTABLE = _TELLING[:4]


@dataclass(frozen=True, slots=True)
class Crowd:
    """Steps of one kind, counted by their states."""

    kind: str
    operation: str | None
    counted: tuple[tuple[str, int], ...]
    """(state, number), what one would ask about first."""

    @property
    def state(self) -> str:
        """The state of theirs that one would ask about first."""
        return self.counted[0][0]

    def __str__(self) -> str:
        return ", ".join(f"{number:,} {state}" for state, number in self.counted)


def kind_of(address: str) -> str:
    """What steps at many indexes and visits have in common: `ship[3]/poll#2` is one of `ship[*]/poll`."""
    return _INDEX.sub("[*]", _VISIT.sub("", address))


def with_crowds(steps: Sequence[StepDescription]) -> Iterator[StepDescription | Crowd]:
    """The steps, each crowd in the place of its first, and behind it a few of those that failed or go on."""
    sizes = Counter(kind_of(step.address) for step in steps)
    crowds: dict[str, list[StepDescription]] = {kind: [] for kind, size in sizes.items() if size > FEW}
    for step in steps:
        if (members := crowds.get(kind_of(step.address))) is not None:
            members.append(step)
    for step in steps:
        kind = kind_of(step.address)
        if kind not in crowds:
            yield step
        elif members := crowds[kind]:
            yield _crowd(kind, members)
            yield from islice(_notable(members), FEW)
            crowds[kind] = []


def is_told(number: int) -> bool:
    """Whether the so-manieth of a kind is told: the first few, then 20, 50, 100, 200, 500 and so on."""
    return number <= FEW or (str(number).rstrip("0") in ("1", "2", "5"))


def _crowd(kind: str, members: list[StepDescription]) -> Crowd:
    found = Counter(step.state for step in members)
    return Crowd(
        kind, members[0].operation or members[0].kind, tuple((one, found[one]) for one in _TELLING if found[one])
    )


def _notable(members: Iterable[StepDescription]) -> Iterator[StepDescription]:
    listed = list(members)
    return (step for state in _NOTABLE for step in listed if step.state == state)
