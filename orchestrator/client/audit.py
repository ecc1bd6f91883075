"""The audit of what is changed: who, what, which, from where, why, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from orchestrator import logs
from orchestrator.errors import OrchestratorError, Unreachable
from orchestrator.store.access import Access, AuditEntry

log = logs.get("audit")

DONE = "done"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and from where."""

    user: str = ""
    key: str = ""
    """The id of the API key, if one was used."""
    source: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Audit:
    """Notes what one actor does. Without an access store nothing is kept: for what runs in memory."""

    access: Access | None = None
    actor: Actor = field(default_factory=Actor)

    @contextmanager
    def acting(self, action: str, target: str, reason: str = "", by: str = "") -> Iterator[None]:
        """What happens inside is noted when it is over: done, or the code of the error that ended it."""
        try:
            yield
        except OrchestratorError as error:
            self.note(action, target, error.code, reason, by)
            raise
        self.note(action, target, DONE, reason, by)

    def note(self, action: str, target: str, outcome: str, reason: str = "", by: str = "") -> None:
        """Write an entry. What was done stays done if it cannot be written: then the log has it."""
        self.write(self.entry(action, target, outcome, reason, by))

    def write(self, entry: AuditEntry) -> str:
        """Write an entry; its id, if it was written."""
        if self.access is None:
            return ""
        with self._written(entry):
            return self.access.write(entry)
        return ""

    def amend(self, entry_id: str, entry: AuditEntry) -> None:
        """Say otherwise what came of something, if it was noted with this id before that was known."""
        if self.access is None:
            return
        with self._written(entry):
            self.access.amend(entry_id, entry)

    def entry(self, action: str, target: str, outcome: str = DONE, reason: str = "", by: str = "") -> AuditEntry:
        """What there is to note of something that this actor does."""
        actor = self.actor
        return AuditEntry(action, target, by or actor.user, outcome, actor.key, actor.source, actor.agent, reason)

    @contextmanager
    def _written(self, entry: AuditEntry) -> Iterator[None]:
        try:
            yield
        except Unreachable:
            told = {"action": entry.action, "target": entry.target, "user": entry.user, "outcome": entry.outcome}
            log.exception("audit_not_written", **told)
