"""The archiver: puts runs that are over into the archive, and marks them, so that retention may delete them.

It does so at once, not when they are about to be deleted. So retention is never held up by the archive's pace, an
archive may be away for as long as Redis keeps runs without anything being held back, and what a lost Redis takes with
it is not what ended before the last few seconds. The price: a run that is retried is put there twice.

It goes through the runs of each shard by the moment of their end and keeps its place, so a pass costs what has ended
since. Runs that changed after their end, and whatever else was missed, are found when it begins from the start: when it
comes to lead, and every ten minutes. Dying anywhere costs nothing: what was put and not marked is put again, and is the
same. Two at once do each other's work twice.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from orchestrator import logs
from orchestrator.client.sync import RedisOrchestrator
from orchestrator.clock import elapsed_s
from orchestrator.engine import fields
from orchestrator.engine.retention import found_by, is_archived, mark
from orchestrator.engine.view import RunView
from orchestrator.errors import OrchestratorError, PayloadLost, Unreachable
from orchestrator.settings import Settings
from orchestrator.store.archive.port import Archive, EndedRun
from orchestrator.store.archive.progress import RECORDS, Progress, note_progress
from orchestrator.store.leadership import Leadership
from orchestrator.store.port import HistoryEntry, Store

log = logs.get("archiver")

NAME: Final = "archiver"
"""What is led in."""
LEASE_MS: Final = 5_000
PAUSE_S: Final = 1.0
"""Between two passes."""
AWAY_S: Final = 5.0
"""After the archive or Redis did not answer."""
RESCAN_S: Final = 600.0
NOTED_S: Final = 5.0
LOOKED_AT: Final = 500
"""Runs that are looked at together, most of them archived before."""
BATCH: Final = 100
"""Runs that are put together."""
BATCH_CHARACTERS: Final = 8_000_000
"""So long are they together, about, at most."""
PRUNED: Final = 500
"""Runs that a pass deletes from the archive, at most."""
_PAGE: Final = 5_000

_MARKS: Final = (fields.INCARNATION, fields.STATUS, fields.TOUCHED, fields.ARCHIVED)
_Ended = tuple[EndedRun, RunView]


class Archiver:
    """Archives what has ended; one `turn` is one pass over all shards. Of any number, one leads."""

    def __init__(self, settings: Settings, store: Store, archive: Archive, leadership: Leadership) -> None:
        self.name = f"archiver-{os.getpid()}-{secrets.token_hex(3)}@{socket.gethostname()}"
        self._settings = settings
        self._store = store
        self._records = store.sibling(RECORDS)
        self._archive = archive
        self._leadership = leadership
        self._stopped = threading.Event()
        self._reached: dict[int, int] = {}
        """Shard → every run of it that ended before is in the archive."""
        self._unreadable: set[str] = set()
        self._rescan_at_s = self._note_at_s = 0.0
        self._noted: Progress | None = None

    def stop(self) -> None:
        """End after the batch in hand."""
        self._stopped.set()

    def run(self) -> None:
        """Archive until `stop`; when something does not answer, wait and go on."""
        while not self._stopped.is_set():
            pause_s = PAUSE_S
            try:
                self.turn()
            except Unreachable as error:
                log.warning("archive_held_up", error=error.message)
                pause_s = AWAY_S
            except Exception:  # a database that is full, or was given other rights
                log.exception("archiving_failed")
                pause_s = AWAY_S
            self._stopped.wait(pause_s)
        self._resign()

    def turn(self) -> int:
        """One pass, if it leads; how many runs were archived."""
        if self._leadership.lead(self.name, LEASE_MS) is None:
            self._reached.clear()
            return 0
        if elapsed_s() >= self._rescan_at_s:
            self._reached.clear()
            self._unreadable.clear()
            self._rescan_at_s = elapsed_s() + RESCAN_S
        try:
            archived = sum(self._work_off(shard) for shard in range(self._settings.shards))
            self._prune()
        except OrchestratorError as error:
            self._note(error.message)
            raise
        except Exception as error:
            self._note(f"{type(error).__name__}: {error}"[:500])
            raise
        self._note("")
        if archived:
            log.info("runs_archived", runs=archived)
        return archived

    def _work_off(self, shard: int) -> int:
        """Archive what has ended in a shard since the last pass."""
        until_ms = self._store.time_ms()
        archived, held_back = 0, until_ms
        for batch in self._ended(shard, until_ms):
            for runs in _portions(self._read(batch)):
                stood, refused_ms = self._keep(runs)
                archived += stood
                held_back = min(held_back, refused_ms)
            if self._stopped.is_set() or self._leadership.lead(self.name, LEASE_MS) is None:
                return archived
        self._reached[shard] = held_back
        return archived

    def _ended(self, shard: int, until_ms: int) -> Iterator[list[RunView]]:
        """The runs that the archive has not got as they are, the first to end first."""
        at_ms, passed, begun_s = self._reached.get(shard, 0), 0, elapsed_s()
        while found := self._store.ended(shard, until_ms, LOOKED_AT, skip=passed, since_ms=at_ms):
            last_ms = found[-1][0]
            ids = [run_id for _, run_id in found]
            views = [
                RunView(run_id, values, until_ms)
                for run_id, values in zip(ids, self._store.read_many(ids, _MARKS), strict=True)
            ]
            yield [view for view in views if view.exists and view.over and not is_archived(view)]
            same = sum(moment == last_ms for moment, _ in found)
            passed = same + (passed if at_ms == last_ms else 0)
            at_ms = last_ms
            if len(found) == LOOKED_AT:  # there is much: leave as much time to the rest of the process
                self._stopped.wait(elapsed_s() - begun_s)
                begun_s = elapsed_s()

    def _read(self, views: Sequence[RunView]) -> Iterator[_Ended]:
        """Everything of these runs; those that are gone, or went on, meanwhile are left out."""
        for seen in views:
            run_id = seen.run_id
            try:
                now_ms, values = self._store.read_all(run_id)
            except PayloadLost as error:
                self._give_up(run_id, error)
                continue
            view = RunView(run_id, values, now_ms)
            if view.exists and view.over:
                yield EndedRun(run_id, values, self._history(run_id), found_by(view)), view

    def _history(self, run_id: str) -> list[HistoryEntry]:
        found: list[HistoryEntry] = []
        while page := self._store.history(run_id, found[-1].id if found else "0", _PAGE):
            found += page
            if len(page) < _PAGE:
                break
        return found

    def _keep(self, runs: Sequence[_Ended]) -> tuple[int, int]:
        """Put and mark these; how many are marked, and from when on the next pass is to look again."""
        kept = self._put(runs)
        replies = self._store.apply_many([mark(view) for view in kept]) if kept else []
        refused = [view for view, reply in zip(kept, replies, strict=True) if not reply.first.stands]
        again_ms = min((view.number(fields.ENDED_AT) for view in refused), default=self._store.time_ms())
        return len(kept) - len(refused), again_ms

    def _put(self, runs: Sequence[_Ended]) -> list[RunView]:
        """Those that the archive took; one that it cannot take does not hold up the others."""
        try:
            self._archive.put([run for run, _ in runs], self._store.time_ms())
        except Unreachable:
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, it is one run's, and told of that one
            if len(runs) == 1:
                self._give_up(runs[0][0].run_id, error)
                return []
            return [view for one in runs for view in self._put([one])]
        return [view for _, view in runs]

    def _give_up(self, run_id: str, error: Exception) -> None:
        """For now: it is tried again when all are looked through again. Until then it is not deleted."""
        self._unreadable.add(run_id)
        log.error("run_not_archived", run_id=run_id, error=str(error)[:500])

    def _prune(self) -> None:
        kept_ms = self._settings.archive_retention_ms
        pruned = self._archive.prune(self._store.time_ms() - kept_ms, PRUNED) if kept_ms else 0
        if pruned:
            log.info("runs_pruned", runs=pruned)

    def _note(self, error: str) -> None:
        """Say how far it is; when Redis does not answer, there is nobody to say it to."""
        reached = [self._reached.get(shard, 0) for shard in range(self._settings.shards)]
        progress = Progress(min(reached), unreadable=len(self._unreadable), error=error)
        before = self._noted
        news = before is None or (before.error, before.unreadable) != (error, progress.unreadable)
        if news or elapsed_s() >= self._note_at_s:
            try:
                note_progress(self._records, progress)
            except Unreachable:
                return
            self._noted, self._note_at_s = progress, elapsed_s() + NOTED_S

    def _resign(self) -> None:
        try:
            self._leadership.resign(self.name)
        except Unreachable as error:
            log.warning("not_resigned", error=error.message)


@contextmanager
def archiving(client: RedisOrchestrator) -> Iterator[None]:
    """Let a thread of this process archive meanwhile, if an archive is set."""
    if client.archive is None:
        yield
        return
    archiver = Archiver(client.settings, client.hot, client.archive, client.registry.leadership_of(NAME))
    thread = threading.Thread(target=archiver.run, name=NAME, daemon=True)
    thread.start()
    try:
        yield
    finally:
        archiver.stop()
        thread.join(AWAY_S)


def _portions(runs: Iterator[_Ended]) -> Iterator[list[_Ended]]:
    """Runs in portions that are not too large."""
    portion: list[_Ended] = []
    characters = 0
    for one in runs:
        portion.append(one)
        characters += sum(map(len, one[0].fields.values()))
        if len(portion) == BATCH or characters >= BATCH_CHARACTERS:
            yield portion
            portion, characters = [], 0
    if portion:
        yield portion
