"""Where messages about alerts go: signed webhooks of ours, and whatever apprise knows.

What a channel's URL and secret are appears nowhere: neither in a log nor in why a message was not delivered.
"""

from __future__ import annotations

import json
import logging
import re
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from orchestrator.client.webhooks import signed_headers
from orchestrator.clock import wall_ms
from orchestrator.errors import NotDelivered
from orchestrator.monitor.messages import Message
from orchestrator.settings import WEBHOOK, AlertChannel

TIMEOUT_S: Final = 10.0
_LONGEST: Final = 300
_HIDDEN: Final = 4
"""Parts of a URL that are at least so long are masked in what is said."""


def deliver(channel: AlertChannel, message: Message, timeout_s: float = TIMEOUT_S) -> None:
    """Send a message; NotDelivered says why it was not taken."""
    try:
        if channel.is_webhook:
            _post(channel, message, timeout_s)
        else:
            _notify(channel, message)
    except NotDelivered as error:
        raise NotDelivered(_masked(error.message, channel)) from None


def _post(channel: AlertChannel, message: Message, timeout_s: float) -> None:
    """To a webhook. Only 2xx is a yes: a redirect is followed by nobody, for its target was never agreed on."""
    url = urlsplit(channel.url.get_secret_value().removeprefix(WEBHOOK))
    body = json.dumps(message.payload, ensure_ascii=False, separators=(",", ":")).encode()
    secret = channel.secret.get_secret_value() if channel.secret else ""
    headers = signed_headers(secret, message.id, wall_ms() // 1000, body)
    headers |= {"Content-Type": "application/json", "User-Agent": "orchestrator-alerts"}
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    try:
        connection = kind(url.hostname or "", url.port, timeout=timeout_s)
        try:
            connection.request("POST", path, body, headers)
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError) as error:  # ValueError: a port or a path that cannot be
        raise NotDelivered(f"{type(error).__name__}: {error}") from None
    if not 200 <= status < 300:  # noqa: PLR2004  # the classes of HTTP
        raise NotDelivered(f"it answered with the status {status}")


def _notify(channel: AlertChannel, message: Message) -> None:
    """By apprise, which is imported only now: it takes a while, and not every listener needs it."""
    apprise = _apprise()
    asset = apprise.AppriseAsset(app_id="Orchestrator", app_desc="Orchestrator", http_redirects=False)
    sender = apprise.Apprise(asset=asset)
    if not sender.add(channel.url.get_secret_value()):
        raise NotDelivered("apprise does not know such a URL, or it is not whole")
    urgency = {"warning": apprise.NotifyType.WARNING, "": apprise.NotifyType.INFO}
    kind = urgency.get(message.level, apprise.NotifyType.FAILURE)
    result = sender.notify(title=message.title, body=message.text, notify_type=kind, body_format="text")
    if not result:
        said = " ".join(entry.message for entry in result.logs() if entry.level in ("WARNING", "ERROR"))
        raise NotDelivered(f"apprise could not send it{': ' if said else ''}{said}")


def _apprise() -> Any:
    """What it and its sockets log goes nowhere: it may quote the URL."""
    for name in ("apprise", "urllib3"):
        logger = logging.getLogger(name)
        if logger.propagate:
            logger.addHandler(logging.NullHandler())
            logger.propagate = False
    try:
        import apprise  # noqa: PLC0415
    except ImportError:
        raise NotDelivered("apprise is not installed here: pip install 'celery-orchestrator[alerts]'") from None
    return apprise


def _masked(text: str, channel: AlertChannel) -> str:
    """The text without whatever of the channel it quotes."""
    for part in _parts(channel.url.get_secret_value(), webhook=channel.is_webhook):
        text = text.replace(part, "***")
    return " ".join(text.split())[:_LONGEST]


@lru_cache(maxsize=64)
def _parts(url: str, *, webhook: bool) -> tuple[str, ...]:
    """The URL, and its parts that may be secret, the longest first; the host of a webhook is none."""
    _, _, rest = url.partition("://")
    if webhook:
        parts = urlsplit(url.removeprefix(WEBHOOK))
        rest = f"{parts.path}?{parts.query}#{parts.username or ''}:{parts.password or ''}"
    found = {one for text in (rest, unquote(rest)) for one in re.split(r"[/:@?&=#,\s]+", text)}
    return tuple(sorted({url, *(one for one in found if len(one) >= _HIDDEN)}, key=len, reverse=True))
