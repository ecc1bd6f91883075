"""Deletes runs that have been over for longer than the settings keep them. Any number may run, without harm.

Where an archive is set, those that it has not are passed over: nothing is deleted while it cannot be written to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator import logs
from orchestrator.clock import elapsed_s
from orchestrator.engine import fields
from orchestrator.engine.retention import FIELDS, forget, root_of
from orchestrator.engine.view import RunView
from orchestrator.settings import Settings
from orchestrator.store.port import Store

log = logs.get("retention")

BATCH = 100
"""Runs deleted together."""
LONGEST_PASS_S = 0.2
"""A pass ends after so long, so that sweeps are not kept waiting; the next one goes on where it stopped."""


class Retention:
    """Looks through the ended runs of the shards; one `expire` is one pass."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._next_shard = 0
        self._held = 0
        """How many ended runs of that shard were passed over, because their root is still kept."""

    def expire(self) -> int:
        """Delete what is due, as far as a pass goes; the number of runs. Unreachable if Redis does not answer."""
        if not self._settings.retention_ms:
            return 0
        ends_s = elapsed_s() + LONGEST_PASS_S
        ended_before_ms = self._store.time_ms() - self._settings.retention_ms
        deleted = sum(self._batches(ended_before_ms, ends_s))
        if deleted:
            log.info("runs_expired", runs=deleted)
        return deleted

    def _batches(self, ended_before_ms: int, ends_s: float) -> Iterator[int]:
        for _ in range(self._settings.shards):
            while (deleted := self._delete_batch(self._next_shard, ended_before_ms)) is not None:
                yield deleted
                if elapsed_s() >= ends_s:
                    return
            self._next_shard, self._held = (self._next_shard + 1) % self._settings.shards, 0

    def _delete_batch(self, shard: int, ended_before_ms: int) -> int | None:
        """The number of runs that were deleted; None if the shard has no more that ended before."""
        ended = [run_id for _, run_id in self._store.ended(shard, ended_before_ms, BATCH, skip=self._held)]
        if not ended:
            return None
        run_ids = self._without_root(ended)
        found = zip(run_ids, self._store.read_many(run_ids, FIELDS), strict=True)
        views = [RunView(run_id, values, ended_before_ms) for run_id, values in found]
        terms = {"ended_before_ms": ended_before_ms, "remembered_ms": self._settings.tombstones_ms}
        archived = bool(self._settings.archive_url)
        decided = [forget(view, **terms, archived=archived) for view in views]
        replies = self._store.apply_many([commit for commit in decided if commit is not None])
        deleted = sum(reply.first.stands for reply in replies)
        self._held += len(ended) - deleted
        return deleted

    def _without_root(self, run_ids: Sequence[str]) -> list[str]:
        """Those that are nobody's child, or whose root is gone: a tree is kept as long as its root."""
        roots = list(dict.fromkeys(root_of(run_id) for run_id in run_ids if root_of(run_id) != run_id))
        found = self._store.read_many(roots, (fields.INCARNATION,)) if roots else []
        kept = {root for root, values in zip(roots, found, strict=True) if values[fields.INCARNATION] is not None}
        return [run_id for run_id in run_ids if root_of(run_id) == run_id or root_of(run_id) not in kept]
