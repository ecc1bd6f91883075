"""Channels for alerts in the settings: what can be written, and that what is wrong is said without the secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.settings import AlertChannel, Settings

SECRET = "whsec_" + "c" * 40


def test_a_plain_url_is_a_channel() -> None:
    """Which wants what most do."""
    channel = AlertChannel.model_validate("mailto://ada:pw@example.com")

    assert (channel.on, channel.min_level) == (("sla", "compensation_failed", "attention"), "warning")


def test_channels_come_from_the_environment_and_the_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of both."""
    (tmp_path / "o.toml").write_text('[alerts]\nteam = "slack://a/b/c"\n')
    monkeypatch.setenv("ORCHESTRATOR_SETTINGS", str(tmp_path / "o.toml"))
    monkeypatch.setenv("ORCHESTRATOR_ALERTS", json.dumps({"hook": {"url": "webhook+http://h", "secret": SECRET}}))

    assert {*Settings().alerts} == {"team", "hook"}


@pytest.mark.parametrize(
    "channel",
    [
        "topsecret",
        "://topsecret",
        {"url": "slack://topsecret", "secret": SECRET},
        {"url": "webhook+https://h/topsecret"},
        {"url": "webhook+https://h/topsecret", "secret": ""},
        {"url": "webhook+https://h/topsecret", "secret": "c" * 8},
        {"url": "webhook+https://h/topsecret", "secret": f"{SECRET} not*base64"},
        {"url": "webhook+ftp://h/topsecret", "secret": SECRET},
        {"url": "webhook+https:///topsecret", "secret": SECRET},
        {"url": "slack://topsecret", "on": ["odd"]},
        {"url": "slack://topsecret", "min_level": "odd"},
        {"url": "slack://topsecret", "colour": "red"},
    ],
)
def test_a_channel_that_cannot_be_used_is_refused(channel: Any) -> None:
    """When it is read, not when the first alert comes; and what is said of it tells no secret."""
    with pytest.raises(ValidationError) as refused:
        Settings(alerts={"ops": channel})

    assert "topsecret" not in str(refused.value)
    assert "c" * 8 not in str(refused.value)


def test_a_channel_has_a_name_that_can_be_typed() -> None:
    """As ids of steps."""
    for name in ("", "1st", "a b", "a/b", "é", "a" * 65):
        with pytest.raises(ValidationError):
            Settings(alerts={name: "slack://a"})
