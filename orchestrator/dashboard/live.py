"""What tells pages that something happened: one reader of the feed for all of them, and none while nobody looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from orchestrator import logs
from orchestrator.errors import Unreachable
from orchestrator.settings import Settings
from orchestrator.store.tail import FeedTail

log = logs.get("dashboard")

PAUSE_S: Final = 0.5
"""Between two looks, however much happens: no person reads faster."""
RETRY_S: Final = 2.0

OnNews = Callable[[], None]


class Live:
    """Calls back whoever watches a run, or all of them, when something happened there."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._watchers: dict[OnNews, str | None] = {}
        self._task: asyncio.Task[None] | None = None
        self._stands = asyncio.Event()
        """Whether the reader knows where the feed ended; it tells of all that comes behind."""

    async def watch(self, on_news: OnNews, run_id: str | None = None) -> Callable[[], None]:
        """Be called after each change of the run, or of any, from when this returns; what it returns ends that."""
        self._watchers[on_news] = run_id
        if self._task is None:
            self._stands.clear()
            self._task = asyncio.get_running_loop().create_task(self._follow(), name="dashboard-live")
        await self._stands.wait()

        def end() -> None:
            self._watchers.pop(on_news, None)

        return end

    async def close(self) -> None:
        """Read no more."""
        self._watchers.clear()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _follow(self) -> None:
        tail, missed = FeedTail(self._settings.redis_url, self._settings), False
        try:
            while self._watchers:
                try:
                    news = await tail.wait()
                except Unreachable as error:
                    log.warning("live_interrupted", error=error.message)
                    missed = True
                    self._stands.set()  # whoever waits is told by their own reading that Redis is away
                    await asyncio.sleep(RETRY_S)
                    continue
                self._stands.set()
                if missed or news.runs or news.more:
                    self._tell(None if missed or news.more else news.runs)
                    missed = False
                    await asyncio.sleep(PAUSE_S)
        finally:
            self._task = None
            await tail.close()

    def _tell(self, runs: frozenset[str] | None) -> None:
        for on_news, run_id in list(self._watchers.items()):
            if runs is None or run_id is None or run_id in runs:
                on_news()
