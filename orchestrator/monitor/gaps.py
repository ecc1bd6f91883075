"""What a reader missed: the events of a shard that its feed has no more, out of the histories, in their order.

The histories are merged by id as they are read, page by page. A run has no event before its creation, so the runs are
opened in the order of their creation as the merge comes to it; held at once are the pages of runs that overlap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Final

from orchestrator.engine.indexes import ALL_RUNS
from orchestrator.store.port import FeedEntry, HistoryEntry, Store

_RUNS: Final = 200
"""Runs opened together."""
_EVENTS: Final = 100
"""Events of a run read together."""
_LISTED: Final = 10_000
_SLACK_MS: Final = 1_000
"""A run is opened so long before its creation: a server's clock may be set back a little."""


def missed(store: Store, shard: int, after: str, before: str, size: int) -> Iterator[list[FeedEntry]]:
    """The events with ids between these, in lists of at most `size`, none of them empty."""
    found = list[FeedEntry]()
    for entry in _Merge(store, shard, after).entries(before):
        found.append(entry)
        if len(found) == size:
            yield found
            found = []
    if found:
        yield found


class _Merge:
    """The events of a shard's runs after a moment, by id."""

    def __init__(self, store: Store, shard: int, after: str) -> None:
        self._store = store
        self._after = after
        self._unopened = deque(_runs(store, shard))
        self._pages: dict[str, deque[HistoryEntry]] = {}
        self._cut = set[str]()
        self._firsts: list[tuple[tuple[int, int], str]] = []

    def entries(self, before: str) -> Iterator[FeedEntry]:
        """Those with an id below `before`."""
        end = id_key(before)
        while (run_id := self._next(end)) is not None:
            page = self._pages[run_id]
            entry = page.popleft()
            yield FeedEntry(entry.id, entry.at_ms, run_id, entry.event)
            self._after = entry.id
            if page:
                self._put(run_id)
            elif run_id in self._cut:
                self._open([run_id])

    def _next(self, end: tuple[int, int]) -> str | None:
        """The run whose event is the next one."""
        while self._unopened and self._unopened[0][0] <= self._reached(end) + _SLACK_MS:
            count = min(_RUNS, len(self._unopened))
            self._open([self._unopened.popleft()[1] for _ in range(count)])
        if not self._firsts or self._firsts[0][0] >= end:
            return None
        return heappop(self._firsts)[1]

    def _reached(self, end: tuple[int, int]) -> int:
        return self._firsts[0][0][0] if self._firsts and self._firsts[0][0] < end else end[0]

    def _open(self, run_ids: list[str]) -> None:
        """Read what comes next in these histories; each is at an event before `_after`, or at it."""
        pages = self._store.histories(run_ids, self._after, _EVENTS)
        for run_id, page in zip(run_ids, pages, strict=True):
            self._cut.discard(run_id)
            if page:
                self._pages[run_id] = deque(page)
                self._put(run_id)
            if len(page) == _EVENTS:
                self._cut.add(run_id)

    def _put(self, run_id: str) -> None:
        heappush(self._firsts, (id_key(self._pages[run_id][0].id), run_id))


def id_key(entry_id: str) -> tuple[int, int]:
    """What ids are ordered by."""
    ms, _, sequence = entry_id.partition("-")
    return int(ms), int(sequence or 0)


def _runs(store: Store, shard: int) -> list[tuple[int, str]]:
    """Every run of a shard with the moment of its creation, oldest first."""
    found = list[tuple[int, str]]()
    while page := store.index(ALL_RUNS, shard, found[-1] if found else None, _LISTED):
        found += page
    return found[::-1]
