"""A span of hours, read in the widest pieces that its sums are kept in: whole days within it, hours at its edges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from orchestrator.client.closed import CLOSED_MS, ClosedSums
from orchestrator.store.metrics import Metrics
from orchestrator.store.rollups import ALL, DAY_MS, HOUR_MS, Kind, Place

_AT_ONCE: Final = 500
"""So many hashes are asked for in one go: no more of them need be held at a time."""


class Pieces:
    """The sums of a span. Hours of before there were wider pieces are read one by one, versions, steps and all."""

    def __init__(self, metrics: Metrics, hours: range, now_ms: int, closed: ClosedSums | None = None) -> None:
        rolled = metrics.rolled_up(now_ms)
        first, end = hours[0], hours[-1] + HOUR_MS
        midnights = range(-(-first // DAY_MS) * DAY_MS, end - DAY_MS + 1, DAY_MS)
        days = [day for day in midnights if day >= rolled.days_since]
        within = range(days[0], days[-1] + DAY_MS, HOUR_MS) if days else range(0)
        edges = [hour for hour in hours if hour not in within]
        self._metrics, self._now_ms = metrics, now_ms
        self._closed = closed or ClosedSums()
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
        return summed(
            sums for kind, at in self._everything for sums in self._read(kind, [(workflow, one) for one in at])
        )

    def whole(self, workflows: Sequence[str]) -> dict[str, dict[str, int]]:
        """What each workflow did in the span; versions and steps are told apart only where nothing else is kept."""
        over = [(kind, [one for one in at if self._is_over(kind, one)]) for kind, at in self._whole]
        recent = [(kind, at[len(before) :]) for (kind, at), (_, before) in zip(self._whole, over, strict=True)]
        span = tuple((kind, at[0], at[-1]) for kind, at in over if at)
        known = {workflow: self._closed.get((workflow, span)) for workflow in workflows}
        for workflow, sums in self._sums_of([one for one, held in known.items() if held is None], over).items():
            known[workflow] = sums
            self._closed.keep((workflow, span), sums)
        now = self._sums_of(workflows, recent)
        return {workflow: summed((known[workflow] or {}, now[workflow])) for workflow in workflows}

    def _is_over(self, kind: Kind, at: int) -> bool:
        return at + (DAY_MS if kind is Kind.WHOLE_DAYS else HOUR_MS) + CLOSED_MS <= self._now_ms

    def _sums_of(
        self, workflows: Sequence[str], pieces: Iterable[tuple[Kind, Sequence[int]]]
    ) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {workflow: {} for workflow in workflows}
        for kind, at in pieces:
            sums = self._read(kind, [(workflow, one) for workflow in workflows for one in at])
            found = {workflow: summed((before, *islice(sums, len(at)))) for workflow, before in found.items()}
        return found

    def by_hour(self, workflows: Sequence[str], *, are_all: bool = False) -> Iterator[dict[str, int]]:
        """What runs of these workflows did together, hour by hour; `are_all`: no others have been counted."""
        for kind, hours in ((Kind.SUMS, self._early), (Kind.RUNS, self._hours)):
            rows = [ALL] if are_all and kind is Kind.RUNS else workflows
            found = self._read(kind, [(workflow, hour) for hour in hours for workflow in rows])
            for _ in hours:
                yield summed(islice(found, len(rows)))

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
