"""An answer that all who ask within some seconds share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from orchestrator.clock import elapsed_s

T = TypeVar("T")


class Lately(Generic[T]):
    """What a question was answered no longer ago than so many seconds; usable from any thread."""

    def __init__(self, seconds: float, now_s: Callable[[], float] = elapsed_s) -> None:
        self._seconds = seconds
        self._now_s = now_s
        self._lock = threading.Lock()
        self._answered: tuple[float, T] | None = None

    def ask(self, question: Callable[[], T]) -> T:
        """The latest answer, asked for anew if that is older; who comes while somebody asks gets that one."""
        with self._lock:
            if self._answered is None or self._now_s() - self._answered[0] >= self._seconds:
                began_s = self._now_s()
                self._answered = began_s, question()
            return self._answered[1]
