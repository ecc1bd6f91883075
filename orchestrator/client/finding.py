"""Finding runs in Redis and in the archive as if they were in one place.

Both are looked through in one order, by when a run was created and its id, which never change: a run that moves from
one to the other between two pages stays at its position, and a cursor is a position. Redis is read first. A run is
deleted there only when the archive has it, so one that was not seen there any more is in the archive by the time that
it is read. What Redis still has is taken from there alone: the archive may have an earlier state of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator import logs
from orchestrator.client.search import Found, Position, Query, Span, look
from orchestrator.client.shown import Page, RunSummary
from orchestrator.engine import fields
from orchestrator.errors import Unreachable
from orchestrator.store.archive.port import Archive
from orchestrator.store.port import Store

log = logs.get("client")


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds runs wherever they are kept."""

    hot: Store
    archive: Archive | None
    retention_ms: int

    def find(self, query: Query, *, limit: int, cursor: str | None = None) -> Page:
        """The first runs that the query describes, from behind the cursor; InvalidRequest if it cannot be asked."""
        now_ms = self.hot.time_ms()
        here = look(self.hot, query, now_ms, limit=limit, cursor=cursor)
        if self.archive is None or _is_one_by_id(query, cursor, here):
            return here.page()
        try:
            there = look(self.archive, query, now_ms, limit=limit, cursor=cursor)
        except Unreachable as error:
            return self._without_archive(query, now_ms, here, error).page()
        if _is_one_by_id(query, cursor, there):
            here = Found((), None)
        return _merged(query, here, self._only_archived(here, there), limit).page()

    def _only_archived(self, here: Found, there: Found) -> Found:
        """What the archive has and Redis has not."""
        seen = {position for position, _ in here.runs}
        unseen = [(position, run) for position, run in there.runs if position not in seen]
        ids = [run.run_id for _, run in unseen]
        still = self.hot.read_many(ids, (fields.INCARNATION,)) if ids else []
        gone = (one for one, values in zip(unseen, still, strict=True) if values[fields.INCARNATION] is None)
        return Found(tuple(gone), there.reached)

    def _without_archive(self, query: Query, now_ms: int, here: Found, error: Unreachable) -> Found:
        """While the archive does not answer: the runs that are too young to be there alone, or its error.

        The page says that it goes on, so that nobody takes it for all.
        """
        border = now_ms - self.retention_ms if self.retention_ms else 0
        if Span.of(query, now_ms).since_ms >= border:
            return here
        young = tuple(one for one in here.runs if one[0][0] >= border)
        if query.oldest_first or not young:
            raise error
        log.warning("archive_not_searched", error=error.message)
        return Found(young, young[-1][0]) if here.reached is None or len(young) < len(here.runs) else here


def _is_one_by_id(query: Query, cursor: str | None, found: Found) -> bool:
    """Whether the text that was looked for is a run's whole id, and this is that run."""
    return cursor is None and query.text is not None and any(run.run_id == query.text for _, run in found.runs)


def _merged(query: Query, here: Found, there: Found, limit: int) -> Found:
    """One page of both, as far as both were looked through."""
    oldest_first = query.oldest_first
    ends = [found.reached for found in (here, there) if found.reached is not None]
    end: Position | None = (min(ends) if oldest_first else max(ends)) if ends else None
    both: list[tuple[Position, RunSummary]] = sorted(
        (*here.runs, *there.runs), key=lambda one: one[0], reverse=not oldest_first
    )
    known = [one for one in both if end is None or (one[0] <= end if oldest_first else one[0] >= end)]
    if len(known) > limit:
        return Found(tuple(known[:limit]), known[limit - 1][0])
    return Found(tuple(known), end)
