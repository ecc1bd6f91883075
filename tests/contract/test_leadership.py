"""Which beat leads, and the other things that schedules ask of a store; in memory and in Redis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from orchestrator.local.redis_server import LocalRedis
from orchestrator.settings import Settings
from orchestrator.store.leadership import Leadership
from orchestrator.store.registry import RedisRegistry
from orchestrator.store.registry_memory import MemoryRegistry
from tests.contract.arena import Arena
from tests.contract.conftest import MovableClock


@dataclass
class Lease:
    """A leadership, and a way to let time pass."""

    of: Leadership
    pass_ms: Callable[[int], None]


@pytest.fixture(params=["memory", "redis"])
def lease(request: pytest.FixtureRequest, settings: Settings, arena: Arena) -> Lease:
    """Each law is tried on both."""
    if request.param == "memory":
        clock = MovableClock()
        return Lease(MemoryRegistry(clock).leadership, clock.move)
    server: LocalRedis = request.getfixturevalue("redis_server")
    waits: Arena = Arena(request.getfixturevalue("redis_store"), settings, lambda _: None)

    def pass_ms(ms: int) -> None:
        until = waits.store.time_ms() + ms
        while waits.store.time_ms() < until:
            pass

    return Lease(RedisRegistry(server.url(), settings).leadership, pass_ms)


def test_one_of_many_leads(lease: Lease) -> None:
    """As long as it says so in time, with the same number."""
    first = lease.of.lead("one", 60_000)

    assert first == 1
    assert lease.of.lead("two", 60_000) is None
    assert lease.of.lead("one", 60_000) == first
    leader = lease.of.leader()
    assert leader is not None
    assert (leader.holder, leader.fence) == ("one", 1)


def test_who_is_silent_leads_no_more(lease: Lease) -> None:
    """Another one does, with a higher number; who wakes up later does not."""
    lease.of.lead("one", 30)
    lease.pass_ms(31)
    assert lease.of.leader() is None

    assert lease.of.lead("two", 60_000) == 2
    assert lease.of.lead("one", 60_000) is None


def test_who_leads_again_has_another_number(lease: Lease) -> None:
    """Somebody may have led in between."""
    lease.of.lead("one", 30)
    lease.pass_ms(31)

    assert lease.of.lead("one", 60_000) == 2


def test_who_resigns_lets_another_lead_at_once(lease: Lease) -> None:
    """And only who leads can."""
    lease.of.lead("one", 60_000)
    lease.of.resign("two")
    assert lease.of.lead("two", 60_000) is None

    lease.of.resign("one")

    assert lease.of.leader() is None
    assert lease.of.lead("two", 60_000) == 2


def test_a_sibling_holds_records_of_its_own(arena: Arena) -> None:
    """Of the same name the same, in one shard; the runs' store knows nothing of them."""
    arena.start("run")
    beside = Arena(arena.store.sibling("others"), arena.settings, arena.pass_ms)
    beside.start("run", set={"a": "1"}, index={"all": True})

    assert arena.store.sibling("others").read("run", ["a"])[1] == {"a": "1"}
    assert [run_id for _, run_id in beside.store.index("all", 0, None, 9)] == ["run"]
    assert "a" not in arena.fields("run")


def test_a_trimmed_history_keeps_its_newest_events(arena: Arena) -> None:
    """About so many: Redis cuts where it costs nothing."""
    arena.start()
    for _ in range(6):
        arena.change(events=tuple({"type": "x"} for _ in range(50)))
    newest = arena.store.history("run")[-20:]

    arena.store.trim_history("run", 20)

    left = arena.store.history("run")
    assert left[-20:] == newest
    assert len(left) < 300
