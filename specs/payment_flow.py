"""Take a payment: check the method, charge it, send a receipt. A charge whose receipt cannot be sent is refunded."""

from pydantic import BaseModel

from orchestrator import Meta, Retry, Sla, Step, define_workflow
from workers.operations.email import SendEmail
from workers.operations.notify import NotifyAdmin, NotifyUser
from workers.operations.payments import ChargePayment, RefundPayment, ValidatePaymentMethod


class PaymentInput(BaseModel):
    amount: int  # cents
    payment_method_id: str


PaymentFlow = define_workflow(
    meta=Meta(
        key="payment.flow",
        version="1.0.0",
        description="End-to-end payment processing",
        owners=["team-payments"],
        tags=["payments"],
        stability="stable",
    ),
    input=PaymentInput,
    steps=[
        Step(
            id="validate-payment",
            operation=ValidatePaymentMethod,
            inputs=lambda ctx, input: {"userId": ctx.user_id, "paymentMethodId": input.payment_method_id},
            retry=Retry(max_attempts=3, backoff="exponential"),
            on_success="charge-payment",
            on_failure="notify-user",
        ),
        Step(
            id="charge-payment",
            operation=ChargePayment,
            inputs=lambda ctx, input, steps: {
                "amount": input.amount,
                "paymentMethodId": input.payment_method_id,
            },
            compensation="refund-payment",
            on_success="send-receipt",
            on_failure="notify-admin",
        ),
        Step(
            id="send-receipt",
            operation=SendEmail,
            inputs=lambda ctx, input, steps: {
                "to": ctx.user_email,
                "template": "payment-receipt",
                "data": steps["charge-payment"].output,
            },
        ),
        Step(
            id="refund-payment",
            operation=RefundPayment,
            inputs=lambda undo: {"chargeKey": undo.idempotency_key},
        ),
        Step(
            id="notify-user",
            operation=NotifyUser,
            inputs=lambda ctx, error: {"to": ctx.user_id, "reason": error.code},
            on_success="$fail",
        ),
        Step(
            id="notify-admin",
            operation=NotifyAdmin,
            inputs=lambda error: {"reason": error.code},
            on_success="$fail",
        ),
    ],
    sla=Sla(max_duration=30_000, alert_on_breach=True),
)
