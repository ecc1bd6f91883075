"""A span of hours, read in the widest pieces that its sums are kept in: whole days within it, hours at its edges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from orchestrator.store.metrics import Metrics
from orchestrator.store.rollups import ALL, DAY_MS, HOUR_MS, Kind, Place

_AT_ONCE: Final = 500
"""So many hashes are asked for in one go: no more of them need be held at a time."""


class Pieces:
    """The sums of a span. Hours of before there were wider pieces are read one by one, versions, steps and all."""

    def __init__(self, metrics: Metrics, hours: range, now_ms: int) -> None:
        rolled = metrics.rolled_up(now_ms)
        first, end = hours[0], hours[-1] + HOUR_MS
        midnights = range(-(-first // DAY_MS) * DAY_MS, end - DAY_MS + 1, DAY_MS)
        days = [day for day in midnights if day >= rolled.days_since]
        within = range(days[0], days[-1] + DAY_MS, HOUR_MS) if days else range(0)
        edges = [hour for hour in hours if hour not in within]
        self._metrics = metrics
        self._early = [hour for hour in hours if hour < rolled.hours_since]
        self._hours = hours[len(self._early) :]
        self._everything = ((Kind.DAYS, days), (Kind.SUMS, edges))
        late = [hour for hour in edges if hour >= rolled.hours_since]
        self._whole = (
            (Kind.WHOLE_DAYS, days),
            (Kind.RUNS, late),
            (Kind.STEPS, late),
            (Kind.SUMS, edges[: len(edges) - len(late)]),
        )

    def everything(self, workflow: str) -> dict[str, int]:
        """What a workflow did in the span, with versions and steps."""
        return self._sum_of(workflow, self._everything)

    def whole(self, workflow: str) -> dict[str, int]:
        """What a workflow did in the span; versions and steps are told apart only where nothing else is kept."""
        return self._sum_of(workflow, self._whole)

    def by_hour(self, workflows: Sequence[str], *, are_all: bool = False) -> Iterator[dict[str, int]]:
        """What runs of these workflows did together, hour by hour; `are_all`: no others have been counted."""
        for kind, hours in ((Kind.SUMS, self._early), (Kind.RUNS, self._hours)):
            rows = [ALL] if are_all and kind is Kind.RUNS else workflows
            found = self._read(kind, [(workflow, hour) for hour in hours for workflow in rows])
            for _ in hours:
                yield summed(islice(found, len(rows)))

    def _sum_of(self, workflow: str, pieces: Iterable[tuple[Kind, Sequence[int]]]) -> dict[str, int]:
        return summed(sums for kind, at in pieces for sums in self._read(kind, [(workflow, one) for one in at]))

    def _read(self, kind: Kind, places: Sequence[Place]) -> Iterator[dict[str, int]]:
        for first in range(0, len(places), _AT_ONCE):
            yield from self._metrics.read(places[first : first + _AT_ONCE], kind)


def summed(found: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Sums field by field."""
    whole: dict[str, int] = {}
    for sums in found:
        if not whole:
            whole = dict(sums)
            continue
        held = whole.get
        for field, number in sums.items():
            whole[field] = held(field, 0) + number
    return whole
