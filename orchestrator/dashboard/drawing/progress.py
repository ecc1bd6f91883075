"""How far a run has come at each step of its plan: one address, the latest visit of many, or counts of items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator.client.shown import RunDescription, StepDescription
from orchestrator.engine.address import parse_address, undone_by

_WORST: Final = ("running", "waiting", "ready", "failed", "lost", "cancelled", "completed", "skipped", "pending")
"""What many are shown as: the first of these that one of them is."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of the plan in one run."""

    state: str
    counts: Mapping[str, int]
    visits: int = 1
    attempt: int = 1
    undo: str | None = None
    """The state of its undo, if it has been reached."""
    address: str = ""
    """The latest address; of many items, any."""

    @property
    def reached(self) -> bool:
        """Whether the run has come to it."""
        return self.state != "pending"

    @property
    def words(self) -> str:
        """What there is to say beside the state."""
        total = sum(self.counts.values())
        if total > 1:
            return ", ".join(f"{count} {state}" for state, count in sorted(self.counts.items(), key=_in_order))
        tries = [f"visit {self.visits}"] if self.visits > 1 else []
        return ", ".join([*tries, *([f"attempt {self.attempt}"] if self.attempt > 1 else [])])


def progress_of(run: RunDescription) -> dict[str, Progress]:
    """Step id → how far it has come."""
    steps: dict[str, list[StepDescription]] = {}
    undos: dict[str, list[str]] = {}
    for step in run.steps:
        name = parse_address(undone_by(step.address) if step.undoes else step.address).step
        if step.undoes:
            undos.setdefault(name, []).append(step.state)
        else:
            steps.setdefault(name, []).append(step)
    return {name: _progress(found, undos.get(name, [])) for name, found in steps.items()}


def _progress(found: list[StepDescription], undos: list[str]) -> Progress:
    latest = dict[str, StepDescription]()
    visits = 1
    for step in found:
        address = parse_address(step.address)
        key = address.flow
        before = latest.get(key)
        visits = max(visits, address.visit)
        if before is None or parse_address(before.address).visit < address.visit:
            latest[key] = step
    counts = Counter(step.state for step in latest.values())
    last = [*latest.values()][-1]
    return Progress(
        _worst(counts), counts, visits, last.attempt, _worst(Counter(undos)) if undos else None, last.address
    )


def _worst(counts: Mapping[str, int]) -> str:
    return next((state for state in _WORST if counts.get(state)), next(iter(counts)))


def _in_order(one: tuple[str, int]) -> int:
    return _WORST.index(one[0]) if one[0] in _WORST else len(_WORST)
