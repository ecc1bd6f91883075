"""The surface of queues and workers: `orchestrator.fleet`. It imports neither Redis nor Celery."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.client.shown_fleet import Queues, QueueSample, WorkerDescription


class Fleet(ABC):
    """Queues and workers: looking at them, and telling workers what to do.

    Whatever tells a worker something raises UnknownWorker if there is none of that name, WorkerSilent if it is lost or
    does not answer within 2 s, and WorkerRefused if it will not.
    """

    @abstractmethod
    def queues(self) -> Queues:
        """Every queue, by name; the broker is asked once a second at most."""

    @abstractmethod
    def samples(self, queue: str) -> Sequence[QueueSample]:
        """What waited in a queue in the last hour, and what came and went, oldest first."""

    @abstractmethod
    def workers(self) -> Sequence[WorkerDescription]:
        """Every worker, by name; the lost of the last day too."""

    @abstractmethod
    def worker(self, name: str) -> WorkerDescription:
        """One worker; UnknownWorker if there is none of that name."""

    @abstractmethod
    def inspect(self, name: str) -> Mapping[str, Any]:
        """What Celery's `inspect` has of it: `stats`, `active_queues`, `active`, `reserved`, `scheduled`, … ."""

    @abstractmethod
    def grow(self, name: str, count: int = 1, reason: str = "") -> None:
        """Add so many processes to its pool; PoolFixed if the pool cannot change its size."""

    @abstractmethod
    def shrink(self, name: str, count: int = 1, reason: str = "") -> None:
        """Take so many processes out of its pool, of which one stays; PoolFixed as above."""

    @abstractmethod
    def add_consumer(self, name: str, queue: str, reason: str = "") -> None:
        """Have it take from a queue as well."""

    @abstractmethod
    def cancel_consumer(self, name: str, queue: str, reason: str = "") -> None:
        """Have it take from a queue no more."""

    @abstractmethod
    def drain(self, name: str, reason: str = "") -> None:
        """Have it finish what it has and take nothing new, until it is resumed or ends. Twice is once."""

    @abstractmethod
    def resume(self, name: str, reason: str = "") -> None:
        """Have it take from its queues again."""

    @abstractmethod
    def shutdown(self, name: str, reason: str = "") -> None:
        """Have it finish what it has begun, and end."""

    @abstractmethod
    def limit_time(
        self, name: str, task: str, *, soft_s: float | None = None, hard_s: float | None = None, reason: str = ""
    ) -> None:
        """Limit how long a task of the app's own may take there; no limit: it may take for ever.

        InvalidRequest for the task that steps are executed by: their limits are `timeout`s of the specs.
        """

    @abstractmethod
    def limit_rate(self, name: str, task: str, rate: str, reason: str = "") -> None:
        """Limit how often a task is begun there, as `100/m`; `0` is no limit. Messages over it wait in the worker."""

    @abstractmethod
    def forget(self, name: str, reason: str = "") -> None:
        """Take a lost worker off the list; Conflict if it lives."""
