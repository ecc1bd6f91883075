"""Reading the audit log by who, what, which, and what came of it."""

from __future__ import annotations

import pytest

from orchestrator.client import auditing
from orchestrator.client.auditing import AuditFilter, audit_page
from orchestrator.store.access import AuditEntry, MemoryAccess

ENTRIES = (
    AuditEntry("cancel", "runs/Abc", "ada", "done", "k1", "10.0.0.1"),
    AuditEntry("cancel", "runs/def", "bob", "forbidden", "k2", "10.0.0.2"),
    AuditEntry("publish", "workflows/a.b/versions/1", "ada", "invalid_spec", "", "192.0.2.7"),
)


@pytest.fixture
def access() -> MemoryAccess:
    """A log with three entries."""
    access = MemoryAccess(lambda: 1_000)
    for entry in ENTRIES:
        access.write(entry)
    return access


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (AuditFilter(), [2, 1, 0]),
        (AuditFilter(user="ada"), [2, 0]),
        (AuditFilter(user="ada", action="cancel"), [0]),
        (AuditFilter(outcome="done"), [0]),
        (AuditFilter(outcome="denied"), [1]),
        (AuditFilter(outcome="failed"), [2]),
        (AuditFilter(outcome="invalid_spec"), [2]),
        (AuditFilter(target="RUNS/a"), [0]),
        (AuditFilter(key="k2"), [1]),
        (AuditFilter(source="10.0."), [1, 0]),
        (AuditFilter(user="ad"), []),
    ],
)
def test_filters_narrow_each_other_down(access: MemoryAccess, wanted: AuditFilter, found: list[int]) -> None:
    """Newest first; what is denied is none of what failed."""
    entries, before = audit_page(access, wanted, limit=10)

    assert [entry.target for entry in entries] == [ENTRIES[place].target for place in found]
    assert before is None


def test_pages_go_on_where_the_last_one_ended(access: MemoryAccess) -> None:
    """No entry twice, none left out."""
    first, before = audit_page(access, AuditFilter(source="10."), limit=1)
    second, end = audit_page(access, AuditFilter(source="10."), limit=1, before=before)
    third = audit_page(access, AuditFilter(source="10."), limit=1, before=end)

    assert [one.user for one in (*first, *second)] == ["bob", "ada"]
    assert third == ([], None)


def test_a_page_looks_at_no_more_than_it_may(access: MemoryAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is short, and says where to go on."""
    monkeypatch.setattr(auditing, "LOOKED_AT", 1)
    monkeypatch.setattr(auditing, "BATCH", 2)

    entries, before = audit_page(access, AuditFilter(target="abc", user="ada"), limit=10)

    assert entries == []
    assert [one.target for one in audit_page(access, AuditFilter(user="ada"), limit=10, before=before)[0]] == [
        "runs/Abc"
    ]
