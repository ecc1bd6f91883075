"""How the archive does: whether it answers, what it has, and how far behind it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator.client.plain import Plain
from orchestrator.client.shown import Finding, Level
from orchestrator.engine.indexes import archived_index, status_index
from orchestrator.engine.roots import rfc3339
from orchestrator.engine.state import OVER
from orchestrator.errors import ArchiveOutdated, Unreachable
from orchestrator.store.archive.port import Archive
from orchestrator.store.archive.progress import RECORDS, read_progress
from orchestrator.store.port import Store

BEHIND_MS: Final = 300_000
"""An archive that is further behind than this is told of."""


@dataclass(frozen=True, slots=True)
class ArchiveStatus(Plain):
    """The archive at one moment. Moments are RFC 3339 in UTC, durations in ms."""

    url: str | None
    """Without its password; null if it does not answer."""
    revision: str | None
    """Of its tables."""
    wanted: str | None
    """The revision that this version works with."""
    error: str | None
    """Why it cannot be used."""
    runs: Mapping[str, int]
    """What it has, by status; those that Redis still has as well are among them."""
    waiting: int
    """Runs that are over and have yet to be archived, about."""
    archived_up_to: str | None
    """Every run that ended before is in the archive; null if no archiver has got through all."""
    lag_ms: int | None
    unreadable: int
    """Runs that could not be archived, each for a reason of its own, which the listener's log tells."""
    archiver_error: str | None
    """Why the archiver does not get on, as it said last."""


def archive_status(store: Store, archive: Archive) -> ArchiveStatus:
    """What the archive and the archiver say now; Unreachable if Redis does not answer."""
    progress, now_ms = read_progress(store.sibling(RECORDS)), store.time_ms()
    state, counts, error = None, dict[str, int](), None
    try:
        state = archive.state()
        counts = archive.counts()
    except Unreachable as unreachable:
        error = unreachable.message
    up_to_ms = progress.up_to_ms if progress is not None else 0
    return ArchiveStatus(
        url=None if state is None else state.url,
        revision=None if state is None else state.revision,
        wanted=None if state is None else state.wanted,
        error=error,
        runs=counts,
        waiting=waiting(store),
        archived_up_to=rfc3339(up_to_ms) if up_to_ms else None,
        lag_ms=max(0, now_ms - up_to_ms) if up_to_ms else None,
        unreadable=0 if progress is None else progress.unreadable,
        archiver_error=(progress.error or None) if progress is not None else None,
    )


def waiting(store: Store) -> int:
    """How many runs are over and have yet to be archived, about: a run that was retried may be counted as archived."""
    over = store.index_sizes([status_index(status) for status in OVER])
    copies = store.index_sizes([archived_index(status) for status in OVER])
    return max(0, sum(over.values()) - sum(copies.values()))


def check_archive(store: Store, archive: Archive | None) -> Iterator[Finding]:
    """It answers, and keeps up: what it has not is not deleted."""
    if archive is None:
        return
    try:
        archive.counts()
    except ArchiveOutdated as error:
        message = f"{error.message}; until then no run is deleted"
        yield Finding(Level.ERROR, "archive_outdated", message, "run `orchestrator archive upgrade`")
    except Unreachable as error:
        message = f"{error.message}; until it does no run is deleted, and older runs cannot be read"
        advice = "start it, or say where it is: setting `archive_url` (ORCHESTRATOR_ARCHIVE_URL)"
        yield Finding(Level.ERROR, "archive_unreachable", message, advice)
    else:
        yield from _check_pace(store)


def _check_pace(store: Store) -> Iterator[Finding]:
    progress, left = read_progress(store.sibling(RECORDS)), waiting(store)
    lag_ms = store.time_ms() - (0 if progress is None else progress.up_to_ms)
    if progress is not None and progress.unreadable:
        message = f"{progress.unreadable} runs could not be archived, and are not deleted"
        advice = "look in the listener's log for `run_not_archived`"
        yield Finding(Level.WARNING, "runs_not_archived", message, advice)
    if left and lag_ms > BEHIND_MS:
        message = f"the archive is behind: {left} runs that are over have yet to get there"
        message += f"; the archiver said last: {progress.error}" if progress is not None and progress.error else ""
        advice = "keep a listener running, with the setting `archive_url`: `orchestrator listen`"
        yield Finding(Level.WARNING, "archive_behind", message, advice)
    else:
        yield Finding(Level.OK, "archive", "the archive answers and keeps up")
