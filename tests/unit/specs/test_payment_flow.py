"""specs/payment_flow.py."""

from datetime import timedelta

import pytest

from orchestrator.testing import Flow, Run, always, fail, ok
from tests.unit.specs.conftest import Shipped

CHARGED = {"chargeId": "ch_1", "chargeKey": "key", "amount": 1250}
SENT = ok({"messageId": "<1@localhost>"})


@pytest.fixture
def payment(shipped: Shipped) -> Flow:
    """The flow, with a payment method that is in order."""
    return shipped("payment_flow.py")


def run(flow: Flow) -> Run:
    """A payment of 12.50."""
    return flow.run(
        {"amount": 1250, "payment_method_id": "pm_1"}, ctx={"user_id": "u1", "user_email": "ada@example.com"}
    )


def test_a_payment_is_charged_and_receipted(payment: Flow) -> None:
    """The receipt shows the charge."""
    payment.script("validate-payment", ok({"paymentMethodId": "pm_1"}))
    payment.script("charge-payment", ok(CHARGED)).script("send-receipt", SENT)

    paid = run(payment)

    assert (paid.status, paid.path) == ("completed", ["validate-payment", "charge-payment", "send-receipt"])
    (receipt,) = paid.calls_of("email.send")
    assert receipt.input == {"to": "ada@example.com", "template": "payment-receipt", "data": CHARGED}


def test_a_declined_card_refunds_nothing(payment: Flow) -> None:
    """The administrators are told, and the run fails with the card's error."""
    payment.script("validate-payment", ok({"paymentMethodId": "pm_1"}))
    payment.script("charge-payment", fail("card_declined", retryable=False)).script("notify-admin", SENT)

    declined = run(payment)

    assert (declined.status, declined.error["code"]) == ("failed", "card_declined")
    assert declined.path == ["validate-payment", "charge-payment", "notify-admin"]
    assert (declined.attempts("charge-payment"), declined.undos) == (1, [])


def test_a_charge_without_a_receipt_is_refunded(payment: Flow) -> None:
    """By the key that it was made with."""
    payment.script("validate-payment", ok({"paymentMethodId": "pm_1"}))
    payment.script("charge-payment", ok(CHARGED)).script("send-receipt", fail("invalid_recipient", retryable=False))
    payment.script("refund-payment", ok({"chargeKey": "key", "chargeId": "ch_1", "amount": 1250}))

    refunded = run(payment)

    assert (refunded.status, refunded.undos) == ("failed", ["charge-payment"])
    (charge,), (refund,) = refunded.calls_of("charge-payment"), refunded.calls_of("payments.refund")
    assert refund.input == {"chargeKey": charge.idempotency_key}


def test_a_provider_that_is_away_is_asked_three_times(payment: Flow) -> None:
    """Then the user is told."""
    payment.script("validate-payment", always(fail("provider_unavailable"))).script("notify-user", SENT)

    failed = run(payment)

    assert failed.path == ["validate-payment", "notify-user"]
    assert (failed.attempts("validate-payment"), failed.duration) == (3, timedelta(seconds=3))
