"""The two examples of the design, as written there."""

PAYMENT = """
from pydantic import BaseModel

from orchestrator.spec.operations import operation
from orchestrator.spec.policies import Retry, Sla
from orchestrator.spec.workflow import Meta, Step, define_workflow


def declared(key):
    @operation(key, version="1.0.0", effect="write", idempotent=True)
    def stand_in(given):
        return given

    return stand_in


ValidatePaymentMethod = declared("stand_in.validate")
ChargePayment = declared("stand_in.charge")
SendEmail = declared("stand_in.send")
RefundPayment = declared("stand_in.refund")
NotifyUser = declared("stand_in.notify_user")
NotifyAdmin = declared("stand_in.notify_admin")

class PaymentInput(BaseModel): amount: int; payment_method_id: str      # cents

PaymentFlow = define_workflow(
    meta=Meta(key="payment.flow", version="1.0.0", description="End-to-end payment processing",
              owners=["team-payments"], tags=["payments"], stability="stable"),
    input=PaymentInput,
    steps=[
        Step(id="validate-payment", operation=ValidatePaymentMethod,
             inputs=lambda ctx, input: {"userId": ctx.user_id, "paymentMethodId": input.payment_method_id},
             retry=Retry(max_attempts=3, backoff="exponential"), on_success="charge-payment", on_failure="notify-user"),
        Step(id="charge-payment", operation=ChargePayment,
             inputs=lambda ctx, input, steps: {"amount": input.amount, "paymentMethodId": input.payment_method_id},
             compensation="refund-payment", on_success="send-receipt", on_failure="notify-admin"),
        Step(id="send-receipt", operation=SendEmail,
             inputs=lambda ctx, input, steps: {"to": ctx.user_email, "template": "payment-receipt",
                                               "data": steps["charge-payment"].output}),
        Step(id="refund-payment", operation=RefundPayment, inputs=lambda undo: {"chargeKey": undo.idempotency_key}),
        Step(id="notify-user", operation=NotifyUser, inputs=lambda ctx, error: {"to": ctx.user_id, "reason": error.code}, on_success="$fail"),
        Step(id="notify-admin", operation=NotifyAdmin, inputs=lambda error: {"reason": error.code}, on_success="$fail"),
    ],
    sla=Sla(max_duration=30_000, alert_on_breach=True),
)
"""  # noqa: E501  # as the design has it

PAYMENT_YAML = """
meta:
  {workflowId: payment.flow, version: 1.0.0, description: End-to-end payment processing, owners: [team-payments], tags: [payments]}
input:
  title: PaymentInput
  type: object
  required: [amount, payment_method_id]
  properties:
    amount: {title: Amount, type: integer}
    payment_method_id: {title: Payment Method Id, type: string}
steps:
  - id: validate-payment
    operation: stand_in.validate
    inputs: {userId: "${ctx.user_id}", paymentMethodId: "${input.payment_method_id}"}
    retry: {maxAttempts: 3}
    onSuccess: charge-payment
    onFailure: notify-user
  - id: charge-payment
    operation: stand_in.charge
    inputs: {amount: "${input.amount}", paymentMethodId: "${input.payment_method_id}"}
    compensation: refund-payment
    on_success: send-receipt
    on_failure: notify-admin
  - id: send-receipt
    operation: stand_in.send
    inputs: {to: "${ctx.user_email}", template: payment-receipt, data: '${steps["charge-payment"].output}'}
  - {id: refund-payment, operation: stand_in.refund, inputs: {chargeKey: "${undo.idempotency_key}"}}
  - {id: notify-user, operation: stand_in.notify_user, inputs: {to: "${ctx.user_id}", reason: "${error.code}"}, on_success: $fail}
  - {id: notify-admin, operation: stand_in.notify_admin, inputs: {reason: "${error.code}"}, on_success: $fail}
sla: {max_duration: 30s}
"""  # noqa: E501

ORDER_YAML = """
meta: {key: order.fulfil, version: 1.2.0}
input: {type: object, required: [lines, total], properties: {lines: {type: array}, total: {type: number}}}
triggers: [{event: {name: placed, type: order.created, filter: 'event.data.total > 0'}}]
steps:
  - {id: large, transitions: [{when: 'input.total >= 1000', to: ask}], on_success: pack-all}
  - {id: ask, approval: {groups: [managers]}, timeout: 2d, on_success: pack-all, on_failure: [{errors: [rejected, wait_timeout], to: $fail}]}
  - id: pack-all
    map:
      items: 'input.lines'
      max_concurrency: 5
      tolerate: 10%
      steps:
        - {id: reserve, operation: stock.reserve, inputs: {sku: "${item.sku}"}, compensation: stock.release}
        - {id: pack, operation: stock.pack, inputs: {hold: "${steps.reserve.output.id}"}, retry: {max_attempts: 3, delay: 2s}}
    on_success: carrier
  - id: carrier
    parallel: {join: any, branches: {dhl: [{id: dhl, operation: ship.dhl}], ups: [{id: ups, operation: ship.ups}]}}
    on_success: bill
  - {id: bill, workflow: invoice.send@latest, inputs: {order: "${input}", packed: "${steps.pack_all.output}"}}
"""  # noqa: E501
