"""What one message works off besides the step that it is at, and gives away when that takes long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from orchestrator.clock import elapsed_s

PATIENCE_S = 0.01
"""Where one step takes longer than this, what waits behind it is sent as messages of its own."""


class Backlog:
    """Addresses that are ready, the next one first. A thread gives them away when a step takes long."""

    def __init__(self, give_away: Callable[[list[str]], None]) -> None:
        self._give_away = give_away
        self._waiting: list[str] = []
        self._lent: list[str] = []
        self._lock = threading.Lock()
        self._executing_since_s: float | None = None
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def add(self, addresses: Sequence[str]) -> None:
        """Put addresses behind those that wait."""
        with self._lock:
            self._waiting += addresses

    def lend(self, addresses: Sequence[str]) -> None:
        """What others may help with: given away if this message takes long, never taken here."""
        with self._lock:
            self._lent += addresses
        self._begin()

    def take(self) -> str | None:
        """The next address."""
        with self._lock:
            return self._waiting.pop(0) if self._waiting else None

    def take_all(self) -> list[str]:
        """Everything that waits."""
        with self._lock:
            taken, self._waiting = self._waiting, []
            return taken

    def watch(self) -> None:
        """A step begins: give away what waits behind it if it takes long."""
        self._executing_since_s = elapsed_s()
        if self._waiting:
            self._begin()

    def rest(self) -> None:
        """The step is executed; however long it takes to tell the store, that is no reason to give anything away."""
        self._executing_since_s = None

    def end(self) -> None:
        """The message is over."""
        self._ended.set()

    def _begin(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._watch, name="backlog", daemon=True)
            self._thread.start()

    def _watch(self) -> None:
        while (self._waiting or self._lent) and not self._ended.wait(PATIENCE_S):
            with self._lock:
                given, self._lent = self._lent, []
            since_s = self._executing_since_s
            if since_s is not None and elapsed_s() - since_s >= PATIENCE_S:
                given += self.take_all()
            if given:
                self._give_away(given)
