from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest

from orchestrator.local.redis_server import LocalRedis
from orchestrator.settings import Settings
from orchestrator.store.access import Access, MemoryAccess, RedisAccess
from orchestrator.store.memory import MemoryStore
from orchestrator.store.port import Store
from orchestrator.store.redis import RedisStore
from orchestrator.store.registry import RedisRegistry, Registry
from orchestrator.store.registry_memory import MemoryRegistry
from tests.contract.arena import Arena


class MovableClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

    def __call__(self) -> int:
        """The moment in ms."""
        return self.now_ms

    def move(self, ms: int) -> None:
        """Let so many milliseconds pass."""
        self.now_ms += ms


@pytest.fixture(scope="session")
def redis_server() -> Iterator[LocalRedis]:
    """One server for all laws; each has a namespace of its own."""
    with LocalRedis() as server:
        yield server


@pytest.fixture
def settings() -> Settings:
    """Settings with a namespace that no other test has."""
    return Settings(namespace=f"test-{secrets.token_hex(6)}", feed_length=100)


@pytest.fixture
def redis_store(redis_server: LocalRedis, settings: Settings) -> Iterator[RedisStore]:
    """The store on Redis."""
    store = RedisStore(redis_server.url(), settings)
    yield store
    store.close()


@pytest.fixture(params=["memory", "redis"])
def arena(request: pytest.FixtureRequest, settings: Settings) -> Arena:
    """Each law is tried on both stores."""
    if request.param == "memory":
        clock = MovableClock()
        return Arena(MemoryStore(settings, clock), settings, clock.move)
    store: Store = request.getfixturevalue("redis_store")
    return Arena(store, settings, _waiting(store))


@pytest.fixture(params=["memory", "redis"])
def registry(request: pytest.FixtureRequest, settings: Settings) -> Registry:
    """Each law is tried on both registries."""
    if request.param == "memory":
        return MemoryRegistry(MovableClock())
    server: LocalRedis = request.getfixturevalue("redis_server")
    return RedisRegistry(server.url(), settings)


@pytest.fixture(params=["memory", "redis"])
def access(request: pytest.FixtureRequest, settings: Settings) -> Access:
    """Each law is tried on both stores of keys."""
    if request.param == "memory":
        return MemoryAccess(MovableClock())
    server: LocalRedis = request.getfixturevalue("redis_server")
    return RedisAccess(server.url(), settings)


def _waiting(store: Store) -> Callable[[int], None]:
    def pass_ms(ms: int) -> None:
        until = store.time_ms() + ms
        while store.time_ms() < until:
            pass

    return pass_ms
