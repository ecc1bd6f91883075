"""The surface of external events: `orchestrator.events`. It imports neither Redis nor Celery."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.client.shown import DeadEvent, TakenIn, TriggerMiss
from orchestrator.client.surface_words import ALL
from orchestrator.spec.cloudevents import CloudEvent


class ExternalEvents(ABC):
    """Takes events in, shows those that came in, and those that were given up."""

    @abstractmethod
    def emit(
        self,
        /,
        event: CloudEvent | Mapping[str, Any] | None = None,
        *,
        type: str | None = None,  # noqa: A002  # the words of CloudEvents
        data: Any = None,
        source: str | None = None,
        id: str | None = None,  # noqa: A002
        **attributes: Any,
    ) -> CloudEvent:
        """Take in one event, given as a whole or by its attributes; what it became.

        An `id`, a `source` and a `time` are made if there are none. To emit the same again, give it the same id:
        two events with one source and id are one to each workflow. InvalidEvent tells all that is wrong.
        """

    @abstractmethod
    def emit_many(self, events: Iterable[CloudEvent | Mapping[str, Any]]) -> list[CloudEvent]:
        """Take in events, pipelined, in this order; if one is refused, none is taken in."""

    @abstractmethod
    def tail(self, count: int = 10, *, follow: bool = False) -> Iterator[TakenIn]:
        """The newest events that came in, oldest of them first; with `follow` also those that come, without end."""

    @abstractmethod
    def dead(self, count: int | None = None) -> list[DeadEvent]:
        """The events that were given up, oldest first."""

    @abstractmethod
    def misses(self) -> Sequence[TriggerMiss]:
        """For each trigger whose filter had no answer for an event, the last of those events; it started nothing."""

    @abstractmethod
    def replay(self, letter_id: str = ALL, reason: str = "") -> int:
        """Take a dead event in again, or all of them; how many. What it has started already, it does not start again.

        One that a single trigger gave up goes to that trigger alone.
        """

    @abstractmethod
    def discard(self, letter_id: str, reason: str = "") -> int:
        """Forget a dead event, or all of them; how many."""
