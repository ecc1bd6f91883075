"""Telling people that a workflow failed, by e-mail. `ORCHESTRATOR_ADMIN_EMAIL` is the administrators' address."""

from __future__ import annotations

import os

from orchestrator import StepContext, operation
from workers.operations.email import ERRORS, Email, Sent, deliver
from workers.operations.model import OperationModel


class UserNotice(OperationModel):
    """`to` is an address, or the id of the run's user, whose address is then `user_email` of the user context."""

    to: str
    reason: str


class AdminNotice(OperationModel):
    """Why the administrators should look."""

    reason: str


@operation("notify.user", version="1.0.0", effect="write", idempotent=True, errors=ERRORS)
def NotifyUser(notice: UserNotice, context: StepContext) -> Sent:
    """Tell the user that the payment failed; duplicates as with `email.send`."""
    address = notice.to if "@" in notice.to else str(context.user.get("user_email", notice.to))
    return deliver(Email(to=address, template="payment-failed", data={"reason": notice.reason}), context)


@operation("notify.admin", version="1.0.0", effect="write", idempotent=True, errors=ERRORS)
def NotifyAdmin(notice: AdminNotice, context: StepContext) -> Sent:
    """Tell the administrators which run failed, and why; duplicates as with `email.send`."""
    address = os.environ.get("ORCHESTRATOR_ADMIN_EMAIL") or "admin@localhost"
    data = {"reason": notice.reason, "runId": context.run_id}
    return deliver(Email(to=address, template="admin-alert", data=data), context)
