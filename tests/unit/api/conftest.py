"""The API over state in memory, in this process."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from orchestrator.api.app import create_app
from orchestrator.client.access import create_key
from orchestrator.client.audit import Actor, Audit
from orchestrator.store.access import MemoryAccess
from tests.unit.surroundings import Surroundings

BASE = "http://127.0.0.1/api/v1/"


class Reception:
    """An API, and keys to it."""

    def __init__(self, **settings: object) -> None:
        self.around = Surroundings()
        self.access = MemoryAccess(self.around.clock)
        client = self.around.client
        client.settings = client.settings.model_copy(update=settings)
        client.audit = Audit(self.access, Actor("root"))
        self.app = _app()
        self.app.state.client = client

    def anybody(self) -> TestClient:
        """A client without a key."""
        return TestClient(self.app, BASE, raise_server_exceptions=False, client=("192.0.2.7", 1234))

    def as_role(self, role: str, **options: object) -> TestClient:
        """A client with a key of that role."""
        made = create_key(self.access, Audit(), user=f"{role}-user", role=role, **options)  # type: ignore[arg-type]
        client = self.anybody()
        client.headers["Authorization"] = f"Bearer {made.token}"
        return client


@cache
def _app() -> FastAPI:
    """One for all tests, for its first request takes half a second."""
    return create_app(Surroundings().client)


Receive = Callable[..., Reception]


@pytest.fixture
def receive() -> Receive:
    """Makes an API with settings of the test's own."""
    return Reception
