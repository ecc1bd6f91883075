"""Payments, at the pretend provider of `workers.operations.provider`, which says how each payment method behaves."""

from __future__ import annotations

import time

from pydantic import Field

from orchestrator import OperationError, StepContext, operation
from workers.operations import gates
from workers.operations.model import OperationModel
from workers.operations.provider import Behaviour, Provider, Refused

_TICK_S = 0.05


class PaymentMethod(OperationModel):
    """A user's payment method."""

    user_id: str = Field(min_length=1)
    payment_method_id: str = Field(min_length=1)


class ValidatedMethod(OperationModel):
    """A payment method that could be charged when it was asked."""

    payment_method_id: str


class ChargeRequest(OperationModel):
    """`amount` is in cents."""

    amount: int = Field(gt=0)
    payment_method_id: str = Field(min_length=1)


class ChargeReceipt(OperationModel):
    """A charge that was made. `charge_key` is what a refund names."""

    charge_id: str
    charge_key: str
    amount: int


class RefundRequest(OperationModel):
    """The key of the charge to give back: its idempotency key."""

    charge_key: str = Field(min_length=1)


class RefundReceipt(OperationModel):
    """What was given back; `charge_id` is null and `amount` 0 if the key was never charged."""

    charge_key: str
    charge_id: str | None
    amount: int


@operation(
    "payments.validate_method",
    version="1.0.0",
    effect="none",
    errors=["method_expired", "method_unknown", "provider_unavailable"],
)
def ValidatePaymentMethod(request: PaymentMethod, context: StepContext) -> ValidatedMethod:
    """Check that a payment method can be charged."""
    try:
        Provider.from_environment().validate(context.idempotency_key, request.payment_method_id, context.attempt)
    except Refused as refusal:
        raise _reported(refusal) from refusal
    return ValidatedMethod(payment_method_id=request.payment_method_id)


@operation(
    "payments.charge",
    version="1.0.0",
    effect="write",
    idempotent=True,
    errors=[
        "already_refunded",
        "card_declined",
        "charge_abandoned",
        "idempotency_conflict",
        "method_unknown",
        "provider_unavailable",
    ],
)
def ChargePayment(request: ChargeRequest, context: StepContext) -> ChargeReceipt:
    """Charge a payment method, once for an idempotency key, however often it is asked."""
    method, key = request.payment_method_id, context.idempotency_key
    try:
        behaviour = Behaviour.of(method)
        if behaviour.word == "slow":
            _take(behaviour.number / 1000, context)
        if behaviour.word == "pregate":
            gates.wait_at(behaviour.gate)
        charge = Provider.from_environment().charge(key, method, request.amount, context.attempt)
    except Refused as refusal:
        raise _reported(refusal) from refusal
    if behaviour.word == "gate":
        gates.wait_at(behaviour.gate)
    return ChargeReceipt(charge_id=f"ch_{charge.id}", charge_key=key, amount=charge.amount)


@operation(
    "payments.refund",
    version="1.0.0",
    effect="write",
    idempotent=True,
    errors=["refund_refused"],
)
def RefundPayment(request: RefundRequest, context: StepContext) -> RefundReceipt:
    """Give a charge back.

    A key that was never charged is no error: whoever undoes a charge of unknown outcome cannot tell. The refund is
    noted, and a charge of that key that arrives later is refused.
    """
    try:
        _, charge = Provider.from_environment().refund(request.charge_key, context.attempt)
    except Refused as refusal:
        raise _reported(refusal) from refusal
    if charge is None:
        return RefundReceipt(charge_key=request.charge_key, charge_id=None, amount=0)
    behaviour = Behaviour.of(charge.method)
    if behaviour.word == "refundgate":
        gates.wait_at(behaviour.gate)
    return RefundReceipt(charge_key=request.charge_key, charge_id=f"ch_{charge.id}", amount=charge.amount)


def _reported(refusal: Refused) -> OperationError:
    """The provider's no, in the orchestrator's words: nothing happened, and whether to ask again."""
    return OperationError(refusal.code, retryable=refusal.transient)


def _take(seconds: float, context: StepContext) -> None:
    """Let time pass before the charge, telling the orchestrator of it and giving up when it says so."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        if context.cancelled:
            raise OperationError("charge_abandoned", "Cancelled before the charge was made.", retryable=False)
        context.heartbeat({"waited_ms": round(passed * 1000)})
        time.sleep(min(_TICK_S, seconds - passed))
