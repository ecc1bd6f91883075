"""E-mail over SMTP, or into a folder where there is no mail server.

ORCHESTRATOR_SMTP_URL    smtp://host:port, smtps://user:password@host; with a password, smtp:// insists on STARTTLS
ORCHESTRATOR_OUTBOX      without a server, messages become .eml files here; by default in the temporary folder
ORCHESTRATOR_MAIL_FROM   the sender; by default orchestrator@localhost
"""

from __future__ import annotations

import hashlib
import os
import re
import smtplib
import ssl
import tempfile
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from pathlib import Path
from string import Template
from typing import Any, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import Field

from orchestrator import OperationError, StepContext, operation
from workers.operations.gates import write_whole
from workers.operations.model import OperationModel

ERRORS = ["invalid_recipient", "message_refused", "smtp_unavailable", "template_data_missing"]
TemplateName = Literal["payment-receipt", "payment-failed", "admin-alert"]

_TEMPLATES: dict[TemplateName, tuple[str, str]] = {
    "payment-receipt": (
        "Your payment receipt",
        "Thank you. We have charged $amount cents to your payment method.\nReference: $chargeId\n",
    ),
    "payment-failed": (
        "Your payment could not be made",
        "We could not take your payment ($reason). You have not been charged.\n",
    ),
    "admin-alert": (
        "A workflow needs a look",
        "Run $runId failed: $reason\n",
    ),
}
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@(?P<domain>[A-Za-z0-9.-]+)")  # as HTML's type=email
_PERMANENT = 500
_TIMEOUT_S = 20.0


class Email(OperationModel):
    """One message; `data` fills the template's fields, and `subject` replaces the template's own."""

    to: str
    template: TemplateName
    data: dict[str, Any] = Field(default_factory=dict)
    subject: str | None = Field(None, min_length=1, max_length=200, pattern=r"^[^\r\n]*$")


class Sent(OperationModel):
    """A message that a mail server, or the outbox, has taken."""

    message_id: str


@operation("email.send", version="1.0.0", effect="write", idempotent=True, errors=ERRORS)
def SendEmail(email: Email, context: StepContext) -> Sent:
    """Send an e-mail whose Message-ID comes from the idempotency key.

    SMTP cannot take a message back or recognise one that it has seen. If a worker dies between the server's yes and
    ours, the message is sent again, with the same Message-ID: mailboxes that drop duplicates by it show it once, others
    twice. It is called idempotent all the same, because a receipt that comes twice does less harm than a payment
    that is refunded for want of one.
    """
    return deliver(email, context)


def deliver(email: Email, context: StepContext) -> Sent:
    """Send `email` on behalf of the step; what other operations that write to people are made of."""
    message = _compose(email, context.idempotency_key)
    if url := os.environ.get("ORCHESTRATOR_SMTP_URL"):
        _submit(message, urlsplit(url))
    else:
        _drop(message)
    return Sent(message_id=message["Message-ID"])


def _compose(email: Email, key: str) -> EmailMessage:
    address = _ADDRESS.fullmatch(email.to)
    if address is None or address["domain"].split(".")[-1] == "invalid":  # RFC 2606: a domain that never exists
        raise OperationError("invalid_recipient", f"Nobody can be reached at {email.to!r}.", retryable=False)
    subject, body = _TEMPLATES[email.template]
    try:
        text = Template(body).substitute(email.data)
    except KeyError as missing:
        raise OperationError(
            "template_data_missing", f"Template {email.template} needs data.{missing.args[0]}.", retryable=False
        ) from missing
    sender = os.environ.get("ORCHESTRATOR_MAIL_FROM") or "orchestrator@localhost"
    message = EmailMessage()
    message["From"] = sender
    message["To"] = email.to
    message["Subject"] = email.subject or subject
    message["Date"] = formatdate()
    message["Message-ID"] = (
        f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{parseaddr(sender)[1].partition('@')[2]}>"
    )
    message.set_content(text)
    return message


def _drop(message: EmailMessage) -> None:
    """Write the message to the outbox, under a name that follows from its Message-ID: sent twice, it is there once."""
    outbox = Path(os.environ.get("ORCHESTRATOR_OUTBOX") or Path(tempfile.gettempdir()) / "orchestrator-outbox")
    outbox.mkdir(parents=True, exist_ok=True)
    write_whole(outbox / f"{message['Message-ID'].strip('<>').partition('@')[0]}.eml", bytes(message))


def _submit(message: EmailMessage, url: SplitResult) -> None:
    """Hand the message to the server; a connection that breaks while it is handed over leaves the outcome unknown."""
    try:
        server = _connect(url)
    except (smtplib.SMTPException, OSError) as error:
        raise OperationError("smtp_unavailable", f"No mail server at {url.hostname}: {error}") from error
    try:
        server.send_message(message, to_addrs=[message["To"]])
    except smtplib.SMTPRecipientsRefused as error:
        status = max(status for status, _ in error.recipients.values())
        raise _refused("invalid_recipient", status, error) from error
    except smtplib.SMTPResponseException as error:
        raise _refused("message_refused", error.smtp_code, error) from error
    except (smtplib.SMTPException, OSError) as error:
        raise OperationError("smtp_unavailable", f"The mail server broke off: {error}", outcome="unknown") from error
    finally:
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
        server.close()


def _connect(url: SplitResult) -> smtplib.SMTP:
    host = url.hostname or "localhost"
    if url.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host, url.port or 465, timeout=_TIMEOUT_S, context=ssl.create_default_context()
        )
    else:
        server = smtplib.SMTP(host, url.port or 25, timeout=_TIMEOUT_S)
    try:
        if url.username and url.password:
            if url.scheme != "smtps":
                server.starttls(context=ssl.create_default_context())
            server.login(unquote(url.username), unquote(url.password))
    except BaseException:
        server.close()
        raise
    return server


def _refused(code: str, status: int, error: Exception) -> OperationError:
    """A reply 5xx is final; any other asks us to come again."""
    if status >= _PERMANENT:
        return OperationError(code, str(error), retryable=False)
    return OperationError("smtp_unavailable", str(error))
