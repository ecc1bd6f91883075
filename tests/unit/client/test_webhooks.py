"""Signed webhooks: what is signed, and what a receiver lets in."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
from standardwebhooks import Webhook

from orchestrator import verify_webhook
from orchestrator.client.webhooks import signed_headers
from orchestrator.clock import wall_ms
from orchestrator.errors import InvalidSignature

SECRET = "whsec_" + b64encode(b"k" * 32).decode()
OTHER = b64encode(b"o" * 32).decode()
BODY = json.dumps({"type": "alert.raised", "n": "é"}).encode()
AT_S = 1_700_000_000


def test_the_signature_is_the_reference_librarys() -> None:
    """Whoever has a library for Standard Webhooks needs none of ours."""
    headers = signed_headers(SECRET, "m-1", wall_ms() // 1000, BODY)

    assert Webhook(SECRET).verify(BODY, headers) == json.loads(BODY)


def test_a_receiver_reads_what_was_signed() -> None:
    """Whatever case its framework writes headers in."""
    headers = {name.title(): value for name, value in signed_headers(SECRET, "m-1", AT_S, BODY).items()}

    assert verify_webhook(BODY, headers, SECRET, now_s=AT_S + 299) == json.loads(BODY)
    assert verify_webhook(BODY.decode(), headers, SECRET, now_s=AT_S - 299) == json.loads(BODY)


def test_while_a_secret_takes_anothers_place_both_hold() -> None:
    """The sender signs with both, or the receiver takes both."""
    both = f"{OTHER} {SECRET}"

    for sender, receiver in ((both, SECRET), (both, OTHER), (SECRET, both)):
        assert verify_webhook(BODY, signed_headers(sender, "m", AT_S, BODY), receiver, now_s=AT_S)


@pytest.mark.parametrize(
    ("change", "body", "secret", "now_s"),
    [
        ({"webhook-id": "m-2"}, BODY, SECRET, AT_S),
        ({"webhook-timestamp": str(AT_S + 1)}, BODY, SECRET, AT_S),
        ({"webhook-signature": "v1,bm90aGluZw=="}, BODY, SECRET, AT_S),
        ({"webhook-signature": ""}, BODY, SECRET, AT_S),
        ({"webhook-id": ""}, BODY, SECRET, AT_S),
        ({}, BODY + b" ", SECRET, AT_S),
        ({}, BODY, OTHER, AT_S),
        ({}, BODY, SECRET, AT_S + 301),
        ({}, BODY, SECRET, AT_S - 301),
    ],
)
def test_what_is_not_as_it_was_signed_is_refused(change: dict[str, str], body: bytes, secret: str, now_s: int) -> None:
    """Another id, moment, body or secret; or it is too old."""
    headers = signed_headers(SECRET, "m-1", AT_S, BODY) | change

    with pytest.raises(InvalidSignature):
        verify_webhook(body, headers, secret, now_s=now_s)
