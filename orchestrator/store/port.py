"""What the floors above see of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from orchestrator.engine.commit import Commit, Reply

SEQUENCE = "sequence"
"""The run's field from which `Changes.number` takes its numbers."""


@dataclass(frozen=True, slots=True)
class DueRun:
    """A run that must be looked at, and which of its addresses are due."""

    run_id: str
    addresses: tuple[str, ...]
    now_ms: int


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """An event of a run's history. Ids are `ms-seq` and grow; in the shard's feed it has the same one."""

    id: str
    at_ms: int
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """An event of any run of a shard."""

    id: str
    at_ms: int
    run_id: str
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Server:
    """What a server says of itself."""

    name: str
    """`redis`, `valkey` or `memory`."""
    version: tuple[int, ...]
    eviction: str
    """Its `maxmemory-policy`: what it deletes when memory is short."""
    persists: bool
    """Whether it writes to an append-only file."""


class Store(Protocol):
    """Holds runs and applies commits. Every method raises Unreachable if the state cannot be reached."""

    def apply(self, commit: Commit) -> Reply:
        """Apply a commit atomically."""

    def apply_many(self, commits: Sequence[Commit]) -> list[Reply]:
        """Apply commits, each atomically and in this order; others' may come between them."""

    def read(self, run_id: str, fields: Sequence[str]) -> tuple[int, dict[str, str | None]]:
        """The moment, and the values of these fields then; None: absent."""

    def read_all(self, run_id: str) -> tuple[int, dict[str, str]]:
        """The moment, and every field of the run then; none if there is no such run."""

    def read_many(self, run_ids: Sequence[str], fields: Sequence[str]) -> list[dict[str, str | None]]:
        """The values of the same fields of many runs, in their order; None: absent."""

    def entries(self, run_id: str) -> dict[str, float]:
        """The run's ledger: address → moment in ms, `inf` for never."""

    def shard_entry(self, run_id: str) -> float | None:
        """When the sweeper will look at the run; None if it never has to."""

    def due(self, shard: int, limit: int) -> list[DueRun]:
        """Runs of a shard that are due, longest due first, with at most `limit` addresses in all."""

    def history(self, run_id: str, after: str = "0", limit: int = 1000) -> list[HistoryEntry]:
        """Events of a run that came after the one with this id, oldest first."""

    def wait_history(self, run_id: str, after: str, timeout_s: float) -> list[HistoryEntry]:
        """As `history`, but wait until there is one; empty if none came in time."""

    def trim_history(self, run_id: str, length: int) -> None:
        """Let a history that goes on for ever keep about so many events, the newest."""

    def feed(self, shard: int, after: str = "0", limit: int = 1000) -> list[FeedEntry]:
        """Events of a shard that came after the one with this id, oldest first."""

    def feeds(self, positions: Mapping[int, str], limit: int) -> dict[int, list[FeedEntry]]:
        """For each shard its events from the one with this id on, that one included, oldest first."""

    def histories(self, run_ids: Sequence[str], after: str, limit: int) -> list[list[HistoryEntry]]:
        """As `history`, of many runs, in their order."""

    def index(self, name: str, shard: int, before: tuple[int, str] | None, limit: int) -> list[tuple[int, str]]:
        """(created_at, run id) of the runs in an index, newest first, from below `before`."""

    def newest(self, name: str, before: tuple[int, str] | None, limit: int) -> list[tuple[int, str]]:
        """(created_at, run id) of the runs in an index over all shards, newest first, from below `before`.

        At most `limit`, perhaps fewer; none only if there are no more.
        """

    def oldest(self, name: str, after: tuple[int, str] | None, limit: int) -> list[tuple[int, str]]:
        """As `newest`, but oldest first, from above `after`."""

    def ended(self, shard: int, before_ms: int, limit: int, skip: int = 0, since_ms: int = 0) -> list[tuple[int, str]]:
        """(ended_at, run id) of the runs of a shard that ended before a moment, the first to end first.

        `skip`: how many of them are passed over; `since_ms`: only those that ended then or later.
        """

    def index_sizes(self, names: Sequence[str]) -> dict[str, int]:
        """How many runs each index holds, over all shards."""

    def time_ms(self) -> int:
        """The clock that all moments are of."""

    def server(self) -> Server:
        """What holds the state."""

    def ping(self) -> None:
        """Return if the store answers."""

    def sibling(self, name: str) -> Store:
        """The store of another kind of records beside this one, in one shard; the same name, the same records."""
