from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from orchestrator import OperationError, StepContext
from workers.operations import gates
from workers.operations.payments import (
    ChargePayment,
    ChargeRequest,
    PaymentMethod,
    RefundPayment,
    RefundRequest,
    ValidatePaymentMethod,
)
from workers.operations.provider import Provider


def charge(method: str, context: StepContext, amount: int = 1250) -> Any:
    """Charge a payment method in this step."""
    return ChargePayment(ChargeRequest(amount=amount, payment_method_id=method), context)


def wait_until(holds: Callable[[], bool]) -> None:
    """Block until a condition holds; fail after 10 s."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, "it did not happen within 10 s"
        threading.Event().wait(0.005)


def test_charge_speaks_camel_case_and_names_its_key(context: StepContext) -> None:
    """The receipt has the fields that the receipt e-mail and the refund read."""
    receipt = charge("pm_ok", context)

    assert receipt.model_dump(by_alias=True) == {
        "chargeId": "ch_1",
        "chargeKey": context.idempotency_key,
        "amount": 1250,
    }


def test_attempts_share_one_charge(context: StepContext, provider: Provider) -> None:
    """A second attempt with the same idempotency key gets the first one's charge."""
    context.attempt = 2

    assert charge("pm_ok", context) == charge("pm_ok", context)
    assert len(provider.charges()) == 1
    assert [call.attempt for call in provider.calls("charge")] == [2, 2]


@pytest.mark.parametrize(
    ("method", "code", "retryable"),
    [
        ("pm_declined", "card_declined", False),
        ("pm_flaky_1", "provider_unavailable", True),
        ("visa", "method_unknown", False),
    ],
)
def test_refusals_of_a_charge_are_reported_failures(
    method: str, code: str, retryable: bool, context: StepContext
) -> None:
    """A refusal has the provider's code, says whether to retry, and that nothing happened."""
    with pytest.raises(OperationError) as failure:
        charge(method, context)

    error = failure.value
    assert (error.code, error.retryable, error.outcome) == (code, retryable, "failed")
    assert code in ChargePayment.errors


@pytest.mark.parametrize(
    ("method", "code"), [("pm_expired", "method_expired"), ("pm_flaky_validate_1", "provider_unavailable")]
)
def test_validation_refuses_what_cannot_be_charged(method: str, code: str, context: StepContext) -> None:
    """An expired method fails validation, and a flaky one its first attempt; both codes are declared."""
    with pytest.raises(OperationError) as failure:
        ValidatePaymentMethod(PaymentMethod(user_id="u", payment_method_id=method), context)

    assert failure.value.code == code
    assert code in ValidatePaymentMethod.errors


def test_refund_of_nothing_succeeds_and_says_so(context: StepContext, provider: Provider) -> None:
    """The undo of a charge that never happened is a success that gives back nothing."""
    receipt = RefundPayment(RefundRequest(charge_key="never"), context)

    assert (receipt.charge_id, receipt.amount) == (None, 0)
    assert [refund.key for refund in provider.refunds()] == ["never"]


def test_refund_gives_back_the_whole_charge(context: StepContext, provider: Provider) -> None:
    """A refund names the charge that it gives back, and its amount."""
    made = charge("pm_ok", context)

    receipt = RefundPayment(RefundRequest(charge_key=made.charge_key), context)

    assert (receipt.charge_id, receipt.amount) == (made.charge_id, 1250)
    assert len(provider.refunds()) == 1


def test_refund_can_be_refused(context: StepContext, provider: Provider) -> None:
    """`pm_norefund` makes an undo that fails for good."""
    made = charge("pm_norefund", context)

    with pytest.raises(OperationError, match="refund_refused") as failure:
        RefundPayment(RefundRequest(charge_key=made.charge_key), context)

    assert not failure.value.retryable
    assert provider.refunds() == []


def test_slow_charge_tells_of_its_progress(context: StepContext, provider: Provider) -> None:
    """A slow charge sends heartbeats while it takes its time, and is then made."""
    progress: list[Any] = []
    context.on_heartbeat = progress.append

    charge("pm_slow_120", context)

    assert len(progress) >= 2
    assert len(provider.charges()) == 1


def test_cancelled_charge_is_not_made(context: StepContext, provider: Provider) -> None:
    """A slow charge that is cancelled reports a failure, and the provider has never heard of it."""
    beats: list[Any] = []
    context.on_heartbeat = beats.append
    context.is_cancelled = lambda: bool(beats)

    with pytest.raises(OperationError) as failure:
        charge("pm_slow_60000", context)

    assert (failure.value.code, failure.value.outcome) == ("charge_abandoned", "failed")
    assert provider.calls() == []


@pytest.mark.parametrize(("method", "charged_at_gate"), [("pm_pregate_a", 0), ("pm_gate_a", 1)])
def test_gate_holds_the_charge_where_its_name_says(
    method: str, charged_at_gate: int, context: StepContext, provider: Provider, tmp_path: Path
) -> None:
    """A charge that has reached its gate says which process it is in, and goes on when the gate opens."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(charge, method, context)
        wait_until((tmp_path / "gates" / "a.reached").exists)
        charged = len(provider.charges())
        (tmp_path / "gates" / "a").touch()
        receipt = waiting.result(timeout=10)

    assert charged == charged_at_gate
    assert receipt.charge_key == context.idempotency_key
    assert (tmp_path / "gates" / "a.reached").read_text() == str(os.getpid())


def test_refund_gate_stands_after_the_refund(context: StepContext, provider: Provider, tmp_path: Path) -> None:
    """The undo of `pm_refundgate_b` waits once the money is back."""
    made = charge("pm_refundgate_b", context)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(RefundPayment, RefundRequest(charge_key=made.charge_key), context)
        wait_until((tmp_path / "gates" / "b.reached").exists)
        refunded = len(provider.refunds())
        (tmp_path / "gates" / "b").touch()
        waiting.result(timeout=10)

    assert refunded == 1


def test_gate_that_stays_shut_leaves_the_outcome_unknown() -> None:
    """Nobody knows what a charge did that never came back from its gate."""
    with pytest.raises(OperationError, match="stayed shut") as failure:
        gates.wait_at("never", deadline_s=0.02)

    assert failure.value.outcome == "unknown"
