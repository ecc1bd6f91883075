"""How far the archiver has got: noted in Redis, so that every process can tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from orchestrator.engine.commit import INCARNATION, Changes, Commit, Stage
from orchestrator.store.port import Store

RECORDS: Final = "archiver"
"""The name of the store beside the runs' own."""
_RECORD: Final = "progress"
_FIELDS: Final = (INCARNATION, "up_to", "at", "unreadable", "error")


@dataclass(frozen=True, slots=True)
class Progress:
    """What the leading archiver said last. Moments in ms."""

    up_to_ms: int
    """Every run that ended before is in the archive, but those that cannot be read."""
    at_ms: int = 0
    """When it was said; filled in as it is noted."""
    unreadable: int = 0
    """Runs that could not be read or written, and are kept in Redis."""
    error: str = ""
    """Why it does not get on."""


def note_progress(records: Store, progress: Progress) -> None:
    """Say how far it has got."""
    said = {"up_to": str(progress.up_to_ms), "unreadable": str(progress.unreadable), "error": progress.error}
    changes = Changes(set=said, stamp={"at": 0})
    if records.apply(Commit(_RECORD, "1", (Stage({}, changes),))).first.stands:
        return
    records.apply(Commit(_RECORD, None, (Stage({}, changes | Changes(set={INCARNATION: "1"})),)))


def read_progress(records: Store) -> Progress | None:
    """What was said last; None if nothing ever was."""
    _, found = records.read(_RECORD, _FIELDS)
    if found[INCARNATION] is None:
        return None
    up_to_ms, at_ms, unreadable = (int(found[name] or 0) for name in ("up_to", "at", "unreadable"))
    return Progress(up_to_ms, at_ms, unreadable, found["error"] or "")
