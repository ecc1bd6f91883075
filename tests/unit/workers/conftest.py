"""Every test has a provider, an outbox and gates of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import StepContext
from tests.unit.workers.mail_server import MailServer, running_mail_server
from workers.operations.provider import Provider


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment variables that operations read, pointed at the test's folder."""
    monkeypatch.setenv("ORCHESTRATOR_PROVIDER_DB", str(tmp_path / "provider.sqlite"))
    monkeypatch.setenv("ORCHESTRATOR_OUTBOX", str(tmp_path / "outbox"))
    monkeypatch.setenv("ORCHESTRATOR_GATES", str(tmp_path / "gates"))
    monkeypatch.delenv("ORCHESTRATOR_SMTP_URL", raising=False)
    monkeypatch.delenv("ORCHESTRATOR_MAIL_FROM", raising=False)
    monkeypatch.delenv("ORCHESTRATOR_ADMIN_EMAIL", raising=False)


@pytest.fixture
def provider() -> Provider:
    """The provider that the operations of this test use."""
    return Provider.from_environment()


@pytest.fixture
def context() -> StepContext:
    """The first attempt of a step."""
    return StepContext("run-1", "step-1", idempotency_key="run-1/step-1/1")


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """A mail server that the operations are told of."""
    with running_mail_server() as server:
        monkeypatch.setenv("ORCHESTRATOR_SMTP_URL", server.url)
        yield server
