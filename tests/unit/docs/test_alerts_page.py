"""The page on alerts: its settings can be read, its receiver works, its tables are those of the code."""

from __future__ import annotations

import re
import tomllib
from typing import Any, get_args

import pytest

from orchestrator.client.webhooks import signed_headers
from orchestrator.clock import wall_ms
from orchestrator.monitor.delivering import Delivering
from orchestrator.settings import AlertChannel, AlertKind, Settings
from orchestrator.store.alerts import AlertRecord, Terms
from orchestrator.store.alerts_memory import MemoryAlerts
from tests.pages import ROOT, block
from tests.unit.surroundings import HandClock

PAGE = (ROOT / "docs/alerts.md").read_text()
(TOML,) = re.findall(r"^```toml\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_settings_of_the_page_can_be_read() -> None:
    """As they stand there."""
    channels = Settings(**tomllib.loads(TOML)).alerts

    assert [*channels] == ["team", "pager", "hook"]
    assert channels["hook"].is_webhook


def test_the_tables_name_what_there_is() -> None:
    """Every kind, whether it is sent without `on`, and the default of every setting."""
    kinds = dict(re.findall(r"^\| `(\w+)` \| [\w, ]+ \| .+? \| (yes|no) \|", PAGE, re.MULTILINE))
    settings = dict(re.findall(r"^\| `(alert\w*_ms)` \| `(.+?)` \|", PAGE, re.MULTILINE))
    default = AlertChannel.model_fields["on"].default

    assert kinds == {kind: "yes" if kind in default else "no" for kind in get_args(AlertKind)}
    assert settings == {name: str(getattr(Settings(), name)) for name in Settings.model_fields if name in settings}
    assert len(settings) == 4


def test_the_receiver_of_the_page_takes_each_message_once(capsys: pytest.CaptureFixture[str]) -> None:
    """And answers 401 to what is not signed."""
    secret = Settings(**tomllib.loads(TOML)).alerts["hook"].secret
    assert secret is not None
    page: dict[str, Any] = {}
    exec(block("docs/alerts.md", "receiver"), page)
    body = b'{"type": "alert.raised", "data": {"alerts": [{"level": "error", "title": "a.b: SLA breached"}]}}'
    headers, seen = signed_headers(secret.get_secret_value(), "m-1", wall_ms() // 1000, body), set[str]()

    answers = [page["receive"](headers, sent, secret.get_secret_value(), seen) for sent in (body, body, body + b" ")]

    assert answers == [204, 204, 401]
    assert capsys.readouterr().out == "error a.b: SLA breached\n"


def test_the_message_of_the_page_is_of_that_form() -> None:
    """The same names, in the same places."""
    (shown,) = re.findall(r"^```json\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    alerts, sent = MemoryAlerts(HandClock()), list[Any]()
    made = AlertRecord("a", "k", "sla", "error", "t", "x", 5, 5)
    alerts.raise_(made, "5-0", ["hook"], Terms(0, 10**9, 1))
    Delivering(Settings(**tomllib.loads(TOML)), alerts, lambda _, message, __: sent.append(message.payload)).turn()

    assert re.findall(r'"(\w+)":', shown) == re.findall(r"'(\w+)':", repr(sent[0]))
