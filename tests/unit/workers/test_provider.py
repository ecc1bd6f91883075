from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from workers.operations.provider import Provider, Refused


def _charge_many(path: str) -> int:
    provider = Provider(path)
    for number in range(10):
        provider.charge(f"key-{number}", "pm_ok", 500)
    return os.getpid()


def test_a_key_is_charged_once_whoever_asks(provider: Provider) -> None:
    """Processes that charge the same keys of a new file at once make one charge a key; every call is kept."""
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        pids = set(pool.map(_charge_many, [str(provider.path)] * 8))

    assert sorted(charge.key for charge in provider.charges()) == [f"key-{number}" for number in range(10)]
    assert len(provider.calls("charge")) == 80
    assert {call.pid for call in provider.calls()} == pids


def test_a_repeated_key_gets_the_first_charge(provider: Provider) -> None:
    """The second request of a key changes nothing and gets the first answer."""
    first = provider.charge("k", "pm_ok", 500)

    assert provider.charge("k", "pm_ok", 500, attempt=2) == first
    assert provider.charges() == [first]


def test_a_key_stands_for_one_request(provider: Provider) -> None:
    """A key that comes back with another amount is refused, and the first charge stands."""
    first = provider.charge("k", "pm_ok", 500)

    with pytest.raises(Refused, match="idempotency_conflict"):
        provider.charge("k", "pm_ok", 501)

    assert provider.charges() == [first]


def test_a_refused_request_is_a_call_without_effect(provider: Provider) -> None:
    """What the provider declines is recorded as a call, with its attempt, and as nothing else."""
    with pytest.raises(Refused, match="card_declined"):
        provider.charge("k", "pm_declined", 500, attempt=3)

    assert provider.charges() == []
    assert [(call.kind, call.key, call.attempt) for call in provider.calls()] == [("charge", "k", 3)]


def test_flakiness_is_counted_by_key(provider: Provider) -> None:
    """`pm_flaky_2` fails twice for each key, and says that asking again may help."""
    for key in ("a", "b"):
        for _ in range(2):
            with pytest.raises(Refused, match="provider_unavailable") as refusal:
                provider.charge(key, "pm_flaky_2", 500)
            assert refusal.value.transient
        provider.charge(key, "pm_flaky_2", 500)

    assert [charge.key for charge in provider.charges()] == ["a", "b"]


def test_a_refund_happens_once(provider: Provider) -> None:
    """The second refund of a key gets the first answer."""
    charge = provider.charge("k", "pm_ok", 500)

    first, second = provider.refund("k"), provider.refund("k", attempt=2)

    assert first == second
    assert [refund.charge_id for refund in provider.refunds()] == [charge.id]


def test_a_charge_after_its_refund_is_refused(provider: Provider) -> None:
    """A refund that found nothing stands in the way of the charge that comes late."""
    provider.refund("k")

    with pytest.raises(Refused, match="already_refunded"):
        provider.charge("k", "pm_ok", 500)

    assert provider.charges() == []
    assert [refund.charge_id for refund in provider.refunds()] == [None]


def test_a_booking_after_its_cancellation_is_refused(provider: Provider) -> None:
    """A cancellation that found nothing stands in the way of the booking that comes late."""
    assert not provider.cancel("k")

    with pytest.raises(Refused, match="already_cancelled"):
        provider.book("k", "hotel", "Rome", "Ada")

    assert provider.bookings() == []


@pytest.mark.parametrize("method", ["", "pm_", "pm_slow", "pm_gate_../x", "pm_ok_1", "visa"])
def test_only_known_methods_exist(provider: Provider, method: str) -> None:
    """A method whose id says no known behaviour does not exist."""
    with pytest.raises(Refused, match="method_unknown"):
        provider.validate("k", method)
