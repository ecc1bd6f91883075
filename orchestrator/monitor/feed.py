"""What a reader of the feed is given, and what it owes for it.

The feed of a shard is cut at its old end, so a reader that was away for long may find that what it wants is gone. Every
event has one id, in the feed and in its run's history, so the reader is given exactly what it missed out of the
histories (`gaps`), and goes on in the feed. What is lost for it is only what runs had that were deleted meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.monitor.gaps import missed
from orchestrator.store.port import FeedEntry, Store
from orchestrator.store.positions import START, Positions

PAGE = 500
"""Events of a shard that are read, and given to a reader, together."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of a shard that follow each other: every one that came after `after`, up to `upto`, in their order."""

    shard: int
    after: str
    upto: str
    entries: Sequence[FeedEntry]


class Reader(Protocol):
    """Somebody who wants every event, by name; of one name any number may read, and each event is taken once."""

    @property
    def name(self) -> str:
        """Under which its positions are kept, and its leadership."""

    @property
    def looks_back(self) -> bool:
        """Whether it begins, the very first time, with all histories there are; else with what the feed still has."""

    def positions(self) -> dict[int, str]:
        """Shard → the id of the last event taken; no shard of which it has seen nothing."""

    def take(self, batch: Batch) -> bool:
        """See to the events and move on from `after` to `upto`, if the position is still `after`; else False.

        What it does stands even if this is never answered, and it is given the batch again if it raises: a reader that
        counts does so in the commit that moves its position; one that acts outside does it so that twice is once.
        """


@dataclass(frozen=True, slots=True)
class AtLeastOnce:
    """A reader that sees to events by a function, and moves on when that returns: after a crash it is called again."""

    name: str
    handle: Callable[[Batch], object]
    held: Positions
    looks_back: bool = False

    def positions(self) -> dict[int, str]:
        """Shard → the id of the last event taken; no shard of which it has seen nothing."""
        return self.held.of(self.name)

    def take(self, batch: Batch) -> bool:
        """See to the events, then move on; False if somebody else has moved on meanwhile."""
        self.handle(batch)
        return self.held.advance(self.name, batch.shard, batch.after, batch.upto)


def batches(store: Store, shard: int, after: str, page: Sequence[FeedEntry], *, looks_back: bool) -> Iterator[Batch]:
    """What a reader at `after` is to be given, in order; `page`: the feed from `after` on, that entry included."""
    if not page:
        return
    if page[0].id == after:
        page = page[1:]
    elif after != START or looks_back:
        for entries in missed(store, shard, after, page[0].id, PAGE):
            yield Batch(shard, after, entries[-1].id, entries)
            after = entries[-1].id
    if page:
        yield Batch(shard, after, page[-1].id, page)
