"""Any synchronous client, awaited: each call in a thread of the client's own pool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import signature
from typing import Any, Final

from orchestrator.client.surface import Orchestrator
from orchestrator.clock import elapsed_s
from orchestrator.errors import WaitTimeout

THREADS: Final = 32
SLICE_S: Final = 2.0
"""What may wait for long is called again and again for so long, so that whoever gives up gets the thread back."""


@dataclass(frozen=True, slots=True)
class ThreadBackend:
    """Calls the methods of its target in threads."""

    target: Any
    pool: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, THREADS, "orchestrator"))

    def of(self, target: Any) -> ThreadBackend:
        """The same for another target."""
        return replace(self, target=target)

    async def call(self, verb: str, *args: Any, **options: Any) -> Any:
        """What a method returns; one with a `timeout` for its wait is waited for in slices."""
        method = getattr(self.target, verb)
        if verb != "result":
            return await self._in_thread(partial(method, *args, **options))
        given = signature(method).bind(*args, **options).arguments
        deadline = _Deadline(given.get("timeout"))
        while True:
            try:
                return await self._in_thread(partial(method, timeout=deadline.slice_s()))
            except WaitTimeout:
                if deadline.is_over():
                    raise

    async def stream(self, verb: str, *args: Any, **options: Any) -> AsyncIterator[Any]:
        """What a method gives, as it comes: slice by slice, each from behind the last that was given."""
        if verb == "tail":
            async for entry in self._tail(*args, **options):
                yield entry
            return
        method = getattr(self.target, verb)
        given = signature(method).bind(*args, **options)
        given.apply_defaults()
        after, deadline = given.arguments["after"], _Deadline(given.arguments["timeout"])
        while True:
            iterator = method(after=after, timeout=deadline.slice_s())
            try:
                while (entry := await self._in_thread(partial(next, iterator, None))) is not None:
                    after = entry.id
                    yield entry
            except WaitTimeout:
                if deadline.is_over():
                    raise
            else:
                return

    async def _tail(self, count: int = 10, *, follow: bool = False) -> AsyncIterator[Any]:
        entries = await self._in_thread(lambda: [*self.target.tail(count)])
        after = entries[-1].entry_id if entries else await self._in_thread(self.target.last)
        while True:
            for entry in entries:
                after = entry.entry_id
                yield entry
            if not follow:
                return
            entries = await self._in_thread(partial(self.target.since, after))

    async def close(self) -> None:
        """Close the target and its threads."""
        await self._in_thread(self.target.close)
        self.pool.shutdown(wait=False)

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.pool, copy_context().run, call)


class _Deadline:
    """When a wait is over; never, without a timeout."""

    def __init__(self, timeout_s: float | None) -> None:
        self._at = None if timeout_s is None else elapsed_s() + timeout_s

    def slice_s(self) -> float:
        """How long the next slice may be."""
        return SLICE_S if self._at is None else max(0.0, min(SLICE_S, self._at - elapsed_s()))

    def is_over(self) -> bool:
        """Whether the time has come."""
        return self._at is not None and elapsed_s() >= self._at


def in_threads(client: Orchestrator) -> ThreadBackend:
    """The methods of a client, in threads."""
    return ThreadBackend(client)
