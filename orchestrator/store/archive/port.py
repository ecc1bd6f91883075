"""What the floors above see of the archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.store.port import HistoryEntry


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that is over, with everything that is known of it."""

    run_id: str
    fields: Mapping[str, str]
    history: Sequence[HistoryEntry]
    found_by: Sequence[str]
    """The names of the indexes that it is found by."""


@dataclass(frozen=True, slots=True)
class ArchiveState:
    """An archive, as it says itself."""

    url: str
    """Without its password."""
    revision: str | None
    """Of its tables; None: it has none yet."""
    wanted: str
    """The revision that this version works with."""

    @property
    def is_current(self) -> bool:
        """Whether it can be used."""
        return self.revision == self.wanted


class Archive(Protocol):
    """Keeps runs that are over. Every method raises Unreachable if it does not answer.

    Before `upgrade` that is ArchiveOutdated. What can be read has the names and meanings that stores have.
    """

    def put(self, runs: Sequence[EndedRun], now_ms: int) -> None:
        """Keep these, all or none, for good when this returns; a later state of a run stays as it is."""

    def read_all(self, run_id: str) -> dict[str, str]:
        """Every field of a run, and when it was archived; none if it is not here."""

    def read_many(self, run_ids: Sequence[str], fields: Sequence[str]) -> list[dict[str, str | None]]:
        """The values of the same fields of many runs, in their order; None: absent."""

    def history(self, run_id: str, after: str = "0", limit: int = 1000) -> list[HistoryEntry]:
        """Events of a run that came after the one with this id, oldest first."""

    def newest(self, name: str, before: tuple[int, str] | None, limit: int) -> list[tuple[int, str]]:
        """(created_at, run id) of the runs in an index, newest first, from below `before`."""

    def oldest(self, name: str, after: tuple[int, str] | None, limit: int) -> list[tuple[int, str]]:
        """As `newest`, but oldest first, from above `after`."""

    def index_sizes(self, names: Sequence[str]) -> dict[str, int]:
        """How many runs each index holds, counted no further than one needs to tell small from large."""

    def counts(self) -> dict[str, int]:
        """How many runs there are of each status."""

    def prune(self, ended_before_ms: int, limit: int) -> int:
        """Delete runs that ended before a moment, so many at most; how many were."""

    def state(self) -> ArchiveState:
        """Where it is, and whether its tables are those that are wanted."""

    def upgrade(self) -> None:
        """Make the tables, or bring them up to date; nothing if they are."""

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
