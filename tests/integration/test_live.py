"""What pages of the dashboard are told: everything from the moment they begin to read, whatever Redis does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import redis

from orchestrator.dashboard import live
from orchestrator.dashboard.live import Live
from orchestrator.local import LocalRedis
from orchestrator.settings import Settings
from orchestrator.store.keys import Keys
from tests.integration.system import DEADLINE_S

pytestmark = pytest.mark.integration

ROUNDS = 20


def test_whatever_happens_once_a_page_watches_is_told(server: LocalRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    """To those of that run and of any; also of the first that looks after a while in which nobody did."""
    monkeypatch.setattr(live, "PAUSE_S", 0.0)
    settings = Settings(redis_url=server.url(9), namespace="live", shards=2)
    happens = _happening(settings)

    async def look() -> None:
        feed = Live(settings)
        for number in range(ROUNDS):
            mine, other, every = asyncio.Event(), asyncio.Event(), asyncio.Event()
            watched = ((mine, f"run-{number}"), (other, "another"), (every, None))
            ends = [await feed.watch(one.set, run_id) for one, run_id in watched]
            happens(number % 2, f"run-{number}")
            await asyncio.wait_for(asyncio.gather(mine.wait(), every.wait()), DEADLINE_S)
            assert not other.is_set()
            for end in ends:
                end()
        await feed.close()

    asyncio.run(look())


def test_after_an_interruption_everybody_looks_again(server: LocalRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a Redis that is away; what was missed meanwhile is not asked about, so all are told."""
    monkeypatch.setattr(live, "RETRY_S", 0.01)
    settings = Settings(redis_url=server.url(9), namespace="live")
    lost = Settings(redis_url="redis://127.0.0.1:1/0", namespace="live")

    async def look() -> None:
        feed, told = Live(lost), asyncio.Event()
        await asyncio.wait_for(feed.watch(told.set, "run"), DEADLINE_S)
        assert not told.is_set()
        await feed.close()
        feed = Live(settings)
        await feed.watch(told.set, "run")
        with redis.Redis.from_url(server.url(9)) as client:
            client.client_kill_filter(_type="normal", skipme=True)
        await asyncio.wait_for(told.wait(), DEADLINE_S)
        await feed.close()

    asyncio.run(look())


def _happening(settings: Settings) -> Callable[[int, str], None]:
    keys = Keys(settings.namespace, settings.shards)
    client = redis.Redis.from_url(settings.redis_url)

    def happens(shard: int, run_id: str) -> None:
        client.xadd(keys.feed(shard), {"run": run_id})

    return happens
