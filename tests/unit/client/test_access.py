"""API keys: how they are made, what they are worth, and when no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.client.access import NewKey, Role, admit, create_key, may_see, revoke_key, shown_key
from orchestrator.client.audit import Actor, Audit
from orchestrator.errors import InvalidRequest, TooManyRequests, Unauthenticated, UnknownKey
from orchestrator.settings import Settings
from orchestrator.store.access import MemoryAccess
from tests.unit.surroundings import HandClock

SETTINGS = Settings(rate_per_s=10, rate_burst=2)


@pytest.fixture
def clock() -> HandClock:
    """Time, moved by hand."""
    return HandClock()


@pytest.fixture
def access(clock: HandClock) -> MemoryAccess:
    """No keys yet."""
    return MemoryAccess(clock)


def made(access: MemoryAccess, **options: object) -> NewKey:
    """A key of Ada's."""
    given: dict[str, object] = {"user": "ada", "role": "starter", **options}
    return create_key(access, Audit(access, Actor("root")), **given)  # type: ignore[arg-type]


def test_a_secret_is_in_the_token_and_nowhere_else(access: MemoryAccess) -> None:
    """Neither in what is kept nor in what is listed."""
    key = made(access)
    secret = key.token.rpartition("_")[2]

    assert key.token.startswith(f"orc_{key.record.id}_")
    assert len(secret) == 64
    assert secret not in repr(access.all_keys())
    assert "hash" not in shown_key(key.record)


def test_a_token_admits_its_key(access: MemoryAccess) -> None:
    """And no other does, whatever it looks like."""
    key = made(access)
    others = [key.token[:-1] + "g", key.token.replace("orc_", ""), "", key.token + "0", made(access).token[:-2] + "00"]

    assert admit(access, SETTINGS, key.token) == key.record
    for token in others:
        with pytest.raises(Unauthenticated):
            admit(access, SETTINGS, token)


def test_a_key_ends_when_it_expires_or_is_revoked(access: MemoryAccess, clock: HandClock) -> None:
    """From that moment on."""
    expiring, revoked = made(access, expires_in="1h"), made(access)
    admit(access, SETTINGS, expiring.token)

    clock.move(3_600_000)
    revoke_key(access, Audit(access), revoked.record.id)

    for key in (expiring, revoked):
        with pytest.raises(Unauthenticated):
            admit(access, SETTINGS, key.token)


def test_a_key_over_its_rate_is_told_when_to_come_again(access: MemoryAccess, clock: HandClock) -> None:
    """Then it is let in."""
    key = made(access)
    for _ in range(2):
        admit(access, SETTINGS, key.token)

    with pytest.raises(TooManyRequests) as refused:
        admit(access, SETTINGS, key.token)
    clock.move(refused.value.details["retry_after_ms"])

    assert admit(access, SETTINGS, key.token) == key.record


def test_making_and_revoking_is_audited(access: MemoryAccess) -> None:
    """Failures too."""
    key = made(access, reason="new shop")
    with pytest.raises(UnknownKey):
        revoke_key(access, Audit(access, Actor("root")), "nobody")

    denied, created = access.read(None, 10)
    assert (created.action, created.target, created.user) == ("create_key", f"keys/{key.record.id}", "root")
    assert (created.reason, created.outcome, denied.outcome) == ("new shop", "done", "unknown_key")


@pytest.mark.parametrize(
    "wrong", [{"role": "king"}, {"user": " "}, {"groups": ["\n"]}, {"expires_in": "soon"}, {"workflows": [""]}]
)
def test_a_key_that_makes_no_sense_is_refused(access: MemoryAccess, wrong: dict[str, object]) -> None:
    """Nothing is kept."""
    with pytest.raises(InvalidRequest):
        made(access, **wrong)

    assert access.all_keys() == []


def test_each_role_allows_what_those_before_it_do() -> None:
    """Viewer < starter < operator < admin."""
    assert [[role.allows(needed) for needed in Role] for role in Role] == [
        [True, False, False, False],
        [True, True, False, False],
        [True, True, True, False],
        [True, True, True, True],
    ]


def test_patterns_say_what_may_be_seen() -> None:
    """None: everything; the case counts."""
    assert may_see((), "any.thing")
    assert may_see(("pay.*", "ship.send"), "pay.flow")
    assert not may_see(("pay.*",), "Pay.flow")
    assert not may_see(("pay.*",), "ship.send")


def test_a_record_is_not_changed_by_showing_it(access: MemoryAccess) -> None:
    """Moments are shown as text, absent ones as null."""
    record = replace(made(access).record, expires_at=1_700_000_000_000)

    shown = shown_key(record)

    assert (shown["expires_at"], shown["revoked_at"]) == ("2023-11-14T22:13:20.000Z", None)
