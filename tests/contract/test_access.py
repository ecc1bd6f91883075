"""Keys, rates and the audit log, on both stores."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.errors import UnknownKey
from orchestrator.store.access import Access, AuditEntry, KeyRecord

KEY = KeyRecord("k1", "hash", "ada", "operator", ("ops",), ("pay.*",), expires_at=5)


def test_a_key_is_kept_as_it_was_made(access: Access) -> None:
    """With the moment of it."""
    made = access.add(KEY)

    assert made.created_at > 0
    assert access.all_keys() == [made] == [replace(KEY, created_at=made.created_at)]


def test_a_key_is_admitted_with_its_own_secret_only(access: Access) -> None:
    """Of a wrong one nothing is told, and it costs the key none of its rate."""
    made = access.add(KEY)

    wrong = [access.admit(key_id, secret, 1, 1) for key_id, secret in (("k1", "other"), ("k2", "hash"))]
    right = access.admit("k1", "hash", 1, 1)

    assert [found.record for found in wrong] == [None, None]
    assert (right.record, right.wait_ms) == (made, 0)


def test_a_key_over_its_rate_is_told_how_long_to_wait(access: Access) -> None:
    """As many at once as the bucket holds, then one in the time that a token takes."""
    access.add(KEY)

    waits = [access.admit("k1", "hash", 0.1, 3).wait_ms for _ in range(5)]

    assert waits[:3] == [0, 0, 0]
    assert all(9_000 < wait <= 10_000 for wait in waits[3:])


def test_an_address_without_a_key_has_a_rate_of_its_own(access: Access) -> None:
    """Whatever keys and other addresses do."""
    access.add(KEY)
    access.admit("k1", "hash", 0.1, 1)

    waits = [access.take(source, 0.1, 1) for source in ("192.0.2.1", "192.0.2.2", "192.0.2.1")]

    assert waits[:2] == [0, 0]
    assert 9_000 < waits[2] <= 10_000


def test_a_revoked_key_stays_listed(access: Access) -> None:
    """Twice is once; what is not there cannot be revoked."""
    access.add(KEY)

    first, second = access.revoke("k1"), access.revoke("k1")

    assert first == second
    assert first.revoked_at is not None
    assert access.admit("k1", "hash", 1, 1).record == first
    with pytest.raises(UnknownKey):
        access.revoke("k2")


def test_the_audit_log_is_read_newest_first_in_pages(access: Access) -> None:
    """Without a gap and without a double."""
    for number in range(7):
        access.write(AuditEntry("cancel", f"runs/{number}", "ada", "done", reason="why"))

    first = access.read(None, 4)
    rest = access.read(first[-1].id, 4)

    assert [entry.target for entry in (*first, *rest)] == [f"runs/{number}" for number in reversed(range(7))]
    assert first[0].at_ms > 0
    assert (first[0].user, first[0].reason, first[0].outcome) == ("ada", "why", "done")


def test_a_session_that_was_ended_stays_so(access: Access) -> None:
    """And no other with it."""
    access.end_session("one", 60)

    assert (access.has_ended("one"), access.has_ended("other")) == (True, False)


def test_starts_and_events_push_nothing_else_out_of_the_log(access: Access) -> None:
    """They are read in between all others, in the order of their moments, page by page; or by themselves."""
    for number in range(4):
        access.write(AuditEntry("cancel", f"runs/c{number}", "ada", "done"))
        access.write(AuditEntry("start" if number % 2 else "emit", f"runs/s{number}", "ada", "done"))
    whole = access.read(None, 100)

    paged = [*access.read(None, 1)]
    while page := access.read(paged[-1].id, 1):
        paged += page

    assert paged == whole
    assert access.read("0", 1) == access.read("0-0", 1) == []
    assert sorted(one.target for one in whole) == [f"runs/{kind}{number}" for kind in "cs" for number in range(4)]
    assert [one.target for one in whole if one.action == "cancel"] == [f"runs/c{number}" for number in (3, 2, 1, 0)]
    assert {one.action for one in access.read(None, 100, "start")} >= {"start"}
    assert {one.action for one in access.read(None, 100, "cancel")} == {"cancel"}


def test_an_entry_is_amended_when_it_is_known_what_came_of_it(access: Access) -> None:
    """There is one then, not two."""
    entry = AuditEntry("start", "runs/1", "ada", "done")
    access.write(entry)
    access.amend(access.write(replace(entry, target="runs/2")), replace(entry, target="runs/2", outcome="run_conflict"))

    assert [(one.target, one.outcome) for one in access.read(None, 10)] == [
        ("runs/2", "run_conflict"),
        ("runs/1", "done"),
    ]
