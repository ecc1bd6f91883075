"""The loop of one reader of the feed: of all processes that have it, one leads and reads; the others stand by."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Sequence
from typing import Final

from orchestrator import logs
from orchestrator.clock import elapsed_s
from orchestrator.errors import Unreachable
from orchestrator.monitor.feed import PAGE, Reader, batches
from orchestrator.store.port import FeedEntry, Store
from orchestrator.store.positions import START
from orchestrator.store.registry import Registry

log = logs.get("feed")

POLL_S: Final = 0.5
PAUSE_S: Final = 1.0
"""After Redis did not answer, or the reader failed."""
LEASE_MS: Final = 5_000
RENEWED_S: Final = 1.0
"""How often it is said who leads, or asked for: another process goes on within seconds."""


class Following:
    """One reader at the feeds of all shards, until it is told to stop."""

    def __init__(self, reader: Reader, store: Store, registry: Registry, shards: int) -> None:
        self._reader = reader
        self._store = store
        self._shards = shards
        self._leadership = registry.leadership_of(f"reader-{reader.name}")
        self._holder = f"{reader.name}-{os.getpid()}-{secrets.token_hex(3)}@{socket.gethostname()}"
        self._stopped = threading.Event()
        self._fence: int | None = None
        self._asked_s = float("-inf")
        self._positions: dict[int, str] | None = None
        self._behind = False

    def stop(self) -> None:
        """End after the batch in hand."""
        self._stopped.set()

    def run(self) -> None:
        """Read until `stop`; when Redis does not answer, or the reader fails, wait and go on."""
        while not self._stopped.is_set():
            self._stopped.wait(self._pass())
        try:
            self._leadership.resign(self._holder)
        except Unreachable as error:
            log.warning("not_resigned", reader=self._reader.name, error=error.message)

    def turn(self) -> int:
        """Give the reader what is new, if this process leads; how many events it took. Raises what the reader does."""
        if not self._leads():
            return 0
        if self._positions is None:
            self._positions = self._reader.positions()
        at = {shard: self._positions.get(shard, START) for shard in range(self._shards)}
        pages = self._store.feeds(at, PAGE)
        self._behind = any(len(page) == PAGE for page in pages.values())
        taken, failures = 0, list[Exception]()
        for shard, page in pages.items():
            try:
                taken += self._give(shard, at[shard], page)
            except Unreachable:
                raise
            except Exception as error:  # noqa: BLE001  # the other shards' events are no worse for it
                failures.append(error)
        if failures:
            raise failures[0]
        return taken

    def _give(self, shard: int, after: str, page: Sequence[FeedEntry]) -> int:
        """What is new in one shard; how many events were taken before the reader moved on elsewhere, or must end."""
        taken = 0
        for batch in batches(self._store, shard, after, page, looks_back=self._reader.looks_back):
            if self._positions is None or self._stopped.is_set() or not self._leads():
                break
            if not self._reader.take(batch):
                self._positions = None  # another process took it: read on from where that one is
                break
            self._positions[shard] = batch.upto
            taken += len(batch.entries)
        return taken

    def _pass(self) -> float:
        """One turn; how many seconds to wait before the next."""
        try:
            self.turn()
        except Unreachable as error:
            self._positions = None
            log.warning("feed_not_read", reader=self._reader.name, error=error.message)
            return PAUSE_S
        except Exception:
            self._positions = None  # it may have moved on before it failed
            log.exception("reader_failed", reader=self._reader.name)
            return PAUSE_S
        return 0.0 if self._behind and self._fence is not None else POLL_S

    def _leads(self) -> bool:
        now_s = elapsed_s()
        if now_s >= self._asked_s + RENEWED_S:
            self._asked_s = now_s
            fence = self._leadership.lead(self._holder, LEASE_MS)
            if fence != self._fence:
                self._fence, self._positions = fence, None
                log.info("reading" if fence else "not_reading", reader=self._reader.name)
        return self._fence is not None


class Followings:
    """Every reader in a thread of its own: none holds up another, or who started them."""

    def __init__(self, readers: Sequence[Reader], store: Store, registry: Registry, shards: int) -> None:
        self._all = [Following(reader, store, registry, shards) for reader in readers]
        self._threads = [
            threading.Thread(target=one.run, name=f"reader-{reader.name}", daemon=True)
            for one, reader in zip(self._all, readers, strict=True)
        ]

    def start(self) -> None:
        """Begin to read."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End after the batches in hand, or when the time is up."""
        for one in self._all:
            one.stop()
        ends_s = elapsed_s() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, ends_s - elapsed_s()))
