"""A store whose runs can still be read when Redis has deleted them: Redis is asked first, the archive for what is gone.

A run is deleted only when it is in the archive, so whoever looks in this order finds it in one of the two. What is
written, and what is found by an index, is Redis's alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.engine.commit import INCARNATION, Commit, Reply
from orchestrator.store.archive.port import Archive
from orchestrator.store.port import DueRun, FeedEntry, HistoryEntry, Server, Store


class WithArchive:
    """A store and an archive as one store."""

    def __init__(self, hot: Store, archive: Archive) -> None:
        self.hot = hot
        self.archive = archive

    def read(self, run_id: str, fields: Sequence[str]) -> tuple[int, dict[str, str | None]]:
        """The moment, and the values of these fields then; None: absent."""
        now_ms, values = self.hot.read(run_id, (*fields, INCARNATION))
        if values[INCARNATION] is None:
            (values,) = self.archive.read_many([run_id], fields)
        return now_ms, {name: values[name] for name in fields}

    def read_all(self, run_id: str) -> tuple[int, dict[str, str]]:
        """The moment, and every field of the run then; none if there is no such run."""
        now_ms, values = self.hot.read_all(run_id)
        return now_ms, values or self.archive.read_all(run_id)

    def read_many(self, run_ids: Sequence[str], fields: Sequence[str]) -> list[dict[str, str | None]]:
        """The values of the same fields of many runs, in their order; None: absent."""
        found = self.hot.read_many(run_ids, (*fields, INCARNATION))
        gone = [run_id for run_id, values in zip(run_ids, found, strict=True) if values[INCARNATION] is None]
        archived = dict(zip(gone, self.archive.read_many(gone, fields), strict=True)) if gone else {}
        merged = (archived.get(run_id, values) for run_id, values in zip(run_ids, found, strict=True))
        return [{name: values[name] for name in fields} for values in merged]

    def history(self, run_id: str, after: str = "0", limit: int = 1000) -> list[HistoryEntry]:
        """Events of a run that came after the one with this id, oldest first."""
        return self.hot.history(run_id, after, limit) or self._archived_history(run_id, after, limit)

    def wait_history(self, run_id: str, after: str, timeout_s: float) -> list[HistoryEntry]:
        """As `history`, but wait until there is one; empty if none came in time."""
        found = self.history(run_id, after) or self.hot.wait_history(run_id, after, timeout_s)
        return found or self._archived_history(run_id, after, 1000)

    def _archived_history(self, run_id: str, after: str, limit: int) -> list[HistoryEntry]:
        _, values = self.hot.read(run_id, (INCARNATION,))
        return self.archive.history(run_id, after, limit) if values[INCARNATION] is None else []

    def apply(self, commit: Commit) -> Reply:
        """Apply a commit atomically."""
        return self.hot.apply(commit)

    def apply_many(self, commits: Sequence[Commit]) -> list[Reply]:
        """Apply commits, each atomically and in this order; others' may come between them."""
        return self.hot.apply_many(commits)

    def entries(self, run_id: str) -> dict[str, float]:
        """The run's ledger: address → moment in ms, `inf` for never."""
        return self.hot.entries(run_id)

    def shard_entry(self, run_id: str) -> float | None:
        """When the sweeper will look at the run; None if it never has to."""
        return self.hot.shard_entry(run_id)

    def due(self, shard: int, limit: int) -> list[DueRun]:
        """Runs of a shard that are due, longest due first, with at most `limit` addresses in all."""
        return self.hot.due(shard, limit)

    def trim_history(self, run_id: str, length: int) -> None:
        """Let a history that goes on for ever keep about so many events, the newest."""
        self.hot.trim_history(run_id, length)

    def feed(self, shard: int, after: str = "0", limit: int = 1000) -> list[FeedEntry]:
        """Events of a shard that came after the one with this id, oldest first."""
        return self.hot.feed(shard, after, limit)

    def feeds(self, positions: Mapping[int, str], limit: int) -> dict[int, list[FeedEntry]]:
        """For each shard its events from the one with this id on, that one included, oldest first."""
        return self.hot.feeds(positions, limit)

    def histories(self, run_ids: Sequence[str], after: str, limit: int) -> list[list[HistoryEntry]]:
        """As `history`, of many runs, in their order."""
        found = self.hot.histories(run_ids, after, limit)
        empty = [run_id for run_id, entries in zip(run_ids, found, strict=True) if not entries]
        still = self.hot.read_many(empty, (INCARNATION,)) if empty else []
        gone = {run_id for run_id, values in zip(empty, still, strict=True) if values[INCARNATION] is None}
        return [
            self.archive.history(run_id, after, limit) if run_id in gone else entries
            for run_id, entries in zip(run_ids, found, strict=True)
        ]

    def index(self, name: str, shard: int, before: tuple[int, str] | None, limit: int) -> list[tuple[int, str]]:
        """(created_at, run id) of the runs in an index, newest first, from below `before`; of Redis's alone."""
        return self.hot.index(name, shard, before, limit)

    def newest(self, name: str, before: tuple[int, str] | None, limit: int) -> list[tuple[int, str]]:
        """(created_at, run id) of the runs in an index over all shards, newest first; of Redis's alone."""
        return self.hot.newest(name, before, limit)

    def oldest(self, name: str, after: tuple[int, str] | None, limit: int) -> list[tuple[int, str]]:
        """As `newest`, but oldest first, from above `after`."""
        return self.hot.oldest(name, after, limit)

    def ended(self, shard: int, before_ms: int, limit: int, skip: int = 0, since_ms: int = 0) -> list[tuple[int, str]]:
        """(ended_at, run id) of the runs of a shard that ended before a moment; of Redis's alone."""
        return self.hot.ended(shard, before_ms, limit, skip, since_ms)

    def index_sizes(self, names: Sequence[str]) -> dict[str, int]:
        """How many runs each index holds, over all shards; of Redis's alone."""
        return self.hot.index_sizes(names)

    def time_ms(self) -> int:
        """The clock that all moments are of."""
        return self.hot.time_ms()

    def server(self) -> Server:
        """What holds the state."""
        return self.hot.server()

    def ping(self) -> None:
        """Return if the store answers."""
        self.hot.ping()

    def sibling(self, name: str) -> Store:
        """The store of another kind of records beside this one; those are not archived."""
        return self.hot.sibling(name)
