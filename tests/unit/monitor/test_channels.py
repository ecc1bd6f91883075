"""Channels: what reaches a receiver, what counts as a no, and that nothing tells a secret."""

from __future__ import annotations

import io
import logging
import socket
import sys
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace

import pytest
from standardwebhooks import Webhook

from orchestrator.errors import NotDelivered
from orchestrator.monitor.channels import deliver
from orchestrator.monitor.messages import Message
from orchestrator.settings import AlertChannel
from tests.receiver import Receiver, receiving

SECRET = b64encode(b"s" * 32).decode()
MESSAGE = Message("m-1", "error", "[error] a.b: run failed", "The run failed", {"type": "alert.raised", "é": 1})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """One that takes everything."""
    with receiving() as made:
        yield made


def webhook(url: str) -> AlertChannel:
    """A signed webhook."""
    return AlertChannel.model_validate({"url": f"webhook+{url}", "secret": SECRET})


def by_apprise(url: str) -> AlertChannel:
    """A channel that apprise knows."""
    return AlertChannel.model_validate(url)


def test_a_webhook_is_signed(receiver: Receiver) -> None:
    """A receiver checks it with the reference library; the id is the message's."""
    deliver(webhook(receiver.url("/in?team=7")), MESSAGE)

    (request,) = receiver.received
    assert request.path == "/in?team=7"
    assert request.headers["webhook-id"] == "m-1"
    assert Webhook(SECRET).verify(request.body, request.headers) == MESSAGE.payload


def test_apprise_sends_what_it_knows(receiver: Receiver) -> None:
    """Title, text, and how bad it is."""
    deliver(by_apprise(f"json://127.0.0.1:{receiver.port}/in"), MESSAGE)
    deliver(by_apprise(f"json://127.0.0.1:{receiver.port}/in"), replace(MESSAGE, level="warning"))

    first, second = receiver.received
    assert b'"title": "[error] a.b: run failed"' in first.body
    assert b'"type": "failure"' in first.body
    assert b'"type": "warning"' in second.body


@pytest.mark.parametrize("status", [300, 302, 307, 400, 410, 500])
@pytest.mark.parametrize("kind", ["webhook", "apprise"])
def test_only_2xx_is_a_yes(status: int, kind: str) -> None:
    """A redirect is followed by nobody."""
    with receiving() as elsewhere, receiving(status) as receiver:
        receiver.headers["Location"] = elsewhere.url()
        channel = webhook(receiver.url()) if kind == "webhook" else by_apprise(f"json://127.0.0.1:{receiver.port}/in")

        with pytest.raises(NotDelivered):
            deliver(channel, MESSAGE)

        assert elsewhere.received == []


def test_a_receiver_that_keeps_silent_is_given_up() -> None:
    """After ten seconds, unless the settings say otherwise."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]

        with pytest.raises(NotDelivered, match="TimeoutError"):
            deliver(webhook(f"http://127.0.0.1:{port}/"), MESSAGE, 0.05)


@pytest.mark.parametrize(
    "url",
    [
        "json://user:topsecret@127.0.0.1:1/tokentoken?pass=hiddenword",
        "nonsense://topsecret/tokentoken?hiddenword",
        "slack://topsecret/hiddenword",
    ],
)
def test_why_it_was_not_delivered_tells_no_secret(url: str) -> None:
    """Nor does any log: what apprise says of a URL goes no further."""
    logged = io.StringIO()
    handler, level = logging.StreamHandler(logged), logging.root.level
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.DEBUG)

    with pytest.raises(NotDelivered) as refused:
        deliver(by_apprise(url), MESSAGE)

    logging.root.removeHandler(handler)
    logging.root.setLevel(level)
    told = refused.value.message + logged.getvalue()
    assert not [word for word in ("topsecret", "tokentoken", "hiddenword") if word in told]


def test_of_a_webhook_only_the_host_is_told() -> None:
    """Neither path nor query, which may be secret; nor the secret."""
    channel = webhook("http://127.0.0.1:1/topsecret and?key=hiddenword")

    with pytest.raises(NotDelivered, match="InvalidURL") as refused:
        deliver(channel, MESSAGE)

    told = f"{refused.value.message} {channel!r} {channel.shown}"
    assert channel.shown == "webhook+http://127.0.0.1/***"
    assert not [word for word in ("topsecret", "hiddenword", SECRET) if word in told]


def test_without_apprise_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "apprise", None)

    with pytest.raises(NotDelivered, match=r"celery-orchestrator\[alerts\]"):
        deliver(by_apprise("json://127.0.0.1:1"), MESSAGE)
