from __future__ import annotations

import email
from email.message import Message
from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator import OperationError, StepContext
from tests.unit.workers.mail_server import MailServer
from workers.operations.email import Email, SendEmail
from workers.operations.notify import AdminNotice, NotifyAdmin, NotifyUser, UserNotice

RECEIPT = Email(to="ada@example.com", template="payment-receipt", data={"amount": 1250, "chargeId": "ch_1"})


def parsed(mail: MailServer) -> Message:
    """The one message that the server has taken."""
    (message,) = mail.messages
    return email.message_from_string(message)


def test_receipt_reaches_the_server(mail: MailServer, context: StepContext) -> None:
    """The message has its recipient, the template's subject, and the data filled in."""
    sent = SendEmail(RECEIPT, context)

    message = parsed(mail)
    assert (message["To"], message["Subject"]) == ("ada@example.com", "Your payment receipt")
    assert message["Message-ID"] == sent.message_id
    assert "1250 cents" in str(message.get_payload())
    assert "ch_1" in str(message.get_payload())


def test_attempts_share_a_message_id_and_steps_do_not(mail: MailServer, context: StepContext) -> None:
    """A receiver can drop what is sent twice, because the Message-ID follows from the idempotency key alone."""
    other = StepContext("run-1", "step-2", idempotency_key="run-1/step-2/1")

    first, again, another = (SendEmail(RECEIPT, each).message_id for each in (context, context, other))

    assert first == again
    assert first != another


def test_without_a_server_the_outbox_has_the_message_once(context: StepContext, tmp_path: Path) -> None:
    """The same key writes the same .eml file, however often it is sent."""
    SendEmail(RECEIPT, context)
    SendEmail(RECEIPT, context)

    (file,) = (tmp_path / "outbox").iterdir()
    assert file.suffix == ".eml"
    assert email.message_from_bytes(file.read_bytes())["To"] == "ada@example.com"


@pytest.mark.parametrize(
    "address",
    ["nobody@invalid", "nobody@mail.invalid", "nobody", "", "a@b@c", "a@b\r\nBcc: c@d", "Ada <ada@example.com>"],
)
def test_an_address_that_cannot_exist_is_refused_for_good(address: str, context: StepContext, mail: MailServer) -> None:
    """Such an address never reaches a server, with whatever retry policy."""
    with pytest.raises(OperationError) as failure:
        SendEmail(Email(to=address, template="payment-receipt", data=RECEIPT.data), context)

    assert (failure.value.code, failure.value.retryable) == ("invalid_recipient", False)
    assert mail.messages == []


@pytest.mark.parametrize(
    ("command", "reply", "code", "retryable", "outcome"),
    [
        ("RCPT", "550 no such user", "invalid_recipient", False, "failed"),
        ("RCPT", "450 come again", "smtp_unavailable", True, "failed"),
        ("MAIL", "530 not you", "message_refused", False, "failed"),
        ("END", "554 spam", "message_refused", False, "failed"),
        ("END", "452 disk full", "smtp_unavailable", True, "failed"),
        ("END", "", "smtp_unavailable", True, "unknown"),
    ],
)
def test_answers_of_the_server(
    command: str, reply: str, code: str, retryable: bool, outcome: str, mail: MailServer, context: StepContext
) -> None:
    """5xx is final, 4xx is not; a server that breaks off after it had the message may have taken it."""
    mail.replies[command] = reply

    with pytest.raises(OperationError) as failure:
        SendEmail(RECEIPT, context)

    error = failure.value
    assert (error.code, error.retryable, error.outcome) == (code, retryable, outcome)


def test_no_server_is_a_reported_failure(context: StepContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody listens, nothing was sent, and it may be tried again."""
    monkeypatch.setenv("ORCHESTRATOR_SMTP_URL", "smtp://127.0.0.1:1")

    with pytest.raises(OperationError) as failure:
        SendEmail(RECEIPT, context)

    assert (failure.value.code, failure.value.retryable, failure.value.outcome) == ("smtp_unavailable", True, "failed")


def test_a_password_is_never_sent_in_the_clear(
    mail: MailServer, context: StepContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With credentials, a server that has no STARTTLS is not used."""
    monkeypatch.setenv("ORCHESTRATOR_SMTP_URL", f"smtp://user:secret@127.0.0.1:{mail.port}")

    with pytest.raises(OperationError, match="STARTTLS"):
        SendEmail(RECEIPT, context)

    assert mail.messages == []


def test_missing_template_data_is_named(context: StepContext) -> None:
    """A template that lacks a field fails for good, and says which."""
    with pytest.raises(OperationError, match="chargeId") as failure:
        SendEmail(Email(to="ada@example.com", template="payment-receipt", data={"amount": 1}), context)

    assert (failure.value.code, failure.value.retryable) == ("template_data_missing", False)


def test_unknown_templates_and_broken_subjects_are_invalid_input() -> None:
    """They do not pass the operation's input schema."""
    for wrong in ({"template": "love-letter"}, {"template": "admin-alert", "subject": "a\r\nBcc: b@c"}):
        with pytest.raises(ValidationError):
            SendEmail.validate_input({"to": "ada@example.com", **wrong})


@pytest.mark.parametrize("to", ["u-1", "ada@example.com"])
def test_user_is_told_at_the_address_of_the_user_context(to: str, mail: MailServer, context: StepContext) -> None:
    """A user id is resolved by `user_email` of the run's context; an address is used as it is."""
    context.user = {"user_id": "u-1", "user_email": "ada@example.com"}

    NotifyUser(UserNotice(to=to, reason="method_expired"), context)

    assert parsed(mail)["To"] == "ada@example.com"
    assert "method_expired" in str(parsed(mail).get_payload())


def test_admin_is_told_which_run_failed(
    mail: MailServer, context: StepContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alert goes to the configured address, and names run and reason."""
    monkeypatch.setenv("ORCHESTRATOR_ADMIN_EMAIL", "ops@example.com")

    NotifyAdmin(AdminNotice(reason="card_declined"), context)

    assert parsed(mail)["To"] == "ops@example.com"
    assert "Run run-1 failed: card_declined" in str(parsed(mail).get_payload())
