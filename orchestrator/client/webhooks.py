"""Signed webhooks, as https://www.standardwebhooks.com has them: for who sends them, and for who receives them.

The signature is HMAC-SHA256 over `id.timestamp.body`, in base64 behind `v1,`. A receiver keeps the id for as long as it
takes messages, and so sees to each once: one that was not acknowledged comes again under the same id.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Final

from orchestrator.clock import wall_ms
from orchestrator.errors import InvalidSignature

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
TOLERANCE_S: Final = 300


def signed_headers(secrets: str, message_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """The headers that a message is sent with; of several secrets, by blanks, each signs it."""
    signatures = " ".join(_signature(one, message_id, str(at_s), body) for one in secrets.split())
    return {ID: message_id, TIMESTAMP: str(at_s), SIGNATURE: signatures}


def verify_webhook(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str,
    *,
    tolerance_s: float = TOLERANCE_S,
    now_s: float | None = None,
) -> dict[str, Any]:
    """What a webhook of ours says; InvalidSignature unless it was signed with the secret, not long ago.

    `body` is what came, untouched: parsed and written again it may be another text.
    """
    found = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in (ID, TIMESTAMP, SIGNATURE) if not found.get(name)]
    if missing:
        raise InvalidSignature(f"the header {missing[0]} is missing")
    raw = body.encode() if isinstance(body, str) else body
    given = found[SIGNATURE].split()
    own = [_signature(one, found[ID], found[TIMESTAMP], raw) for one in secret.split()]
    if not any(hmac.compare_digest(one.encode(), other.encode()) for one in own for other in given):
        raise InvalidSignature("the signature is not of this secret and this body")
    if abs((wall_ms() / 1000 if now_s is None else now_s) - int(found[TIMESTAMP])) > tolerance_s:
        raise InvalidSignature(f"it was signed more than {tolerance_s:g} s from now; it may come from who overheard it")
    said: dict[str, Any] = json.loads(raw)
    return said


def _signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    key = b64decode(secret.removeprefix("whsec_"))
    mac = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return f"v1,{b64encode(mac).decode()}"
