"""Where the API listens."""

from __future__ import annotations

import pytest

from orchestrator.api.access import is_loopback
from orchestrator.errors import InvalidSettings
from orchestrator.server import main


def test_without_keys_it_listens_on_loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reaches the port may do everything."""
    monkeypatch.setenv("ORCHESTRATOR_ACCESS", "false")

    with pytest.raises(InvalidSettings, match="loopback"):
        main("0.0.0.0", 8000)


def test_loopback_is_this_machine_for_itself() -> None:
    """By address, or by the one name that is always its."""
    own = ("127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost")
    others = ("0.0.0.0", "::", "localhost.evil.example", "10.0.0.1", "")

    assert [host for host in (*own, *others) if is_loopback(host)] == list(own)
