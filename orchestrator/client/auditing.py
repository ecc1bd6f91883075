"""Reading the audit log: who changed what, narrowed down, in pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.client.audit import DONE
from orchestrator.errors import Forbidden
from orchestrator.store.access import Access, AuditEntry

LOOKED_AT: Final = 5_000
"""Entries that one page looks at, at most; a page that found too little by then is short, and its `before` goes on."""
BATCH: Final = 500
DENIED: Final = "denied"
FAILED: Final = "failed"
OUTCOMES: Final = (DONE, DENIED, FAILED)
"""What can be asked for besides an error's code: what was not allowed is denied, any other error has failed."""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries; empty is not asked for. All are compared whole, but for parts as said."""

    user: str = ""
    action: str = ""
    outcome: str = ""
    """`done`, `denied`, `failed`, or the code of an error."""
    target: str = ""
    """A part of it, as `runs/4f1c`, in any case of its letters."""
    key: str = ""
    source: str = ""
    """The beginning of the address that it came from."""

    def matches(self, entry: AuditEntry) -> bool:
        """Whether it is one of these."""
        return (
            self.user in ("", entry.user)
            and self.action in ("", entry.action)
            and self.key in ("", entry.key)
            and entry.source.startswith(self.source)
            and self.target.casefold() in entry.target.casefold()
            and self._ended_so(entry.outcome)
        )

    def _ended_so(self, outcome: str) -> bool:
        if self.outcome == DENIED:
            return outcome == Forbidden.code
        if self.outcome == FAILED:
            return outcome not in (DONE, Forbidden.code)
        return self.outcome in ("", outcome)


def audit_page(
    access: Access, wanted: AuditFilter, *, limit: int, before: str | None = None
) -> tuple[Sequence[AuditEntry], str | None]:
    """Entries, newest first, from below the one with the id `before`, and where to go on; None: there are no more."""
    found: list[AuditEntry] = []
    looked_at = 0
    while looked_at < LOOKED_AT:
        entries = access.read(before, BATCH if wanted != AuditFilter() else limit, wanted.action)
        for entry in entries:
            before = entry.id
            if wanted.matches(entry):
                found.append(entry)
                if len(found) == limit:
                    return found, before
        if not entries:
            return found, None
        looked_at += len(entries)
    return found, before
