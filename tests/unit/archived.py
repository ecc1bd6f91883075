"""Surroundings with an archive: a client that reads it, an archiver and a retention, all on one clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.client.sync import RedisOrchestrator
from orchestrator.errors import Unreachable
from orchestrator.monitor import archiver as archivers
from orchestrator.monitor.archiver import Archiver
from orchestrator.runtime import retention as retentions
from orchestrator.runtime.retention import Retention
from orchestrator.store.archive.sql import SqlArchive
from tests.unit.surroundings import Surroundings

WEEK_MS = 7 * 86_400_000


class ArchivedSurroundings(Surroundings):
    """A client of Redis's runs and of those in an SQLite file."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__({})
        url = f"sqlite:///{folder}/archive.sqlite"
        self.settings = self.settings.model_copy(update={"archive_url": url})
        self.archive = SqlArchive(url, self.settings.namespace)
        parts = self.settings, self.store, self.registry, self.dispatcher, self.events
        self.client = RedisOrchestrator(*parts, sums=self.sums, alert_store=self.alerts, archive=self.archive)
        self.archiver = self.another_archiver()
        for module in (archivers, retentions):
            patch.setattr(module, "elapsed_s", self.clock.elapsed_s)

    def another_archiver(self) -> Archiver:
        """One more, for the same lead."""
        return Archiver(self.settings, self.store, self.archive, self.registry.leadership_of("archiver"))

    def archive_all(self) -> int:
        """Archive what has ended before now; how many."""
        self.clock.move(1)
        return self.archiver.turn()

    def expire(self) -> int:
        """Delete what is a week old; how many."""
        return Retention(self.settings, self.store).expire()

    def move_all(self) -> None:
        """Let everything that is over be in the archive alone."""
        self.archive_all()
        self.clock.move(WEEK_MS + 1)
        self.expire()

    def kept_here(self) -> set[str]:
        """The runs that are still in Redis."""
        return set(self.store._state.runs)

    def lose_archive(self, patch: pytest.MonkeyPatch) -> None:
        """Let the archive answer no more."""

        def away(*_: object, **__: object) -> None:
            raise Unreachable("the archive does not answer")

        for name in ("put", "read_all", "read_many", "history", "newest", "oldest", "index_sizes", "counts", "state"):
            patch.setattr(self.archive, name, away)
