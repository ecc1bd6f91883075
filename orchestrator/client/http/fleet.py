"""The verbs of queues and workers over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from orchestrator.client.http.exchange import PREFIX, Request, Steps, ask, tell
from orchestrator.client.shown_fleet import Queues, QueueSample, WorkerDescription


@dataclass(frozen=True, slots=True)
class _Samples:
    samples: list[QueueSample]


@dataclass(frozen=True, slots=True)
class _Workers:
    workers: list[WorkerDescription]


@dataclass(frozen=True, slots=True)
class _Inspection:
    inspected: dict[str, Any]


class FleetVerbs:
    """What can be done with queues and workers."""

    def queues(self) -> Steps[Queues]:
        """GET `/queues`."""
        return (yield from ask(Request("GET", f"{PREFIX}/queues"), Queues))

    def samples(self, queue: str) -> Steps[Sequence[QueueSample]]:
        """GET `/samples` of a queue."""
        request = Request("GET", f"{PREFIX}/queues/{quote(queue, safe='')}/samples")
        return (yield from ask(request, _Samples)).samples

    def workers(self) -> Steps[Sequence[WorkerDescription]]:
        """GET `/workers`."""
        return (yield from ask(Request("GET", f"{PREFIX}/workers"), _Workers)).workers

    def worker(self, name: str) -> Steps[WorkerDescription]:
        """GET the worker."""
        return (yield from ask(Request("GET", _worker(name)), WorkerDescription))

    def inspect(self, name: str) -> Steps[Mapping[str, Any]]:
        """GET `/inspection`."""
        return (yield from ask(Request("GET", f"{_worker(name)}/inspection"), _Inspection)).inspected

    def grow(self, name: str, count: int = 1, reason: str = "") -> Steps[None]:
        """POST `/pool/grow`."""
        yield from tell(Request("POST", f"{_worker(name)}/pool/grow", body={"count": count, "reason": reason}))

    def shrink(self, name: str, count: int = 1, reason: str = "") -> Steps[None]:
        """POST `/pool/shrink`."""
        yield from tell(Request("POST", f"{_worker(name)}/pool/shrink", body={"count": count, "reason": reason}))

    def add_consumer(self, name: str, queue: str, reason: str = "") -> Steps[None]:
        """PUT the queue."""
        yield from tell(Request("PUT", _of(name, "queues", queue), body={"reason": reason}))

    def cancel_consumer(self, name: str, queue: str, reason: str = "") -> Steps[None]:
        """DELETE the queue."""
        yield from tell(Request("DELETE", _of(name, "queues", queue), params={"reason": reason}))

    def drain(self, name: str, reason: str = "") -> Steps[None]:
        """POST `/drain`."""
        yield from tell(Request("POST", f"{_worker(name)}/drain", body={"reason": reason}))

    def resume(self, name: str, reason: str = "") -> Steps[None]:
        """POST `/resume`."""
        yield from tell(Request("POST", f"{_worker(name)}/resume", body={"reason": reason}))

    def shutdown(self, name: str, reason: str = "") -> Steps[None]:
        """POST `/shutdown`."""
        yield from tell(Request("POST", f"{_worker(name)}/shutdown", body={"reason": reason}))

    def limit_time(
        self, name: str, task: str, *, soft_s: float | None = None, hard_s: float | None = None, reason: str = ""
    ) -> Steps[None]:
        """PUT `/time-limit`."""
        body = {"soft_s": soft_s, "hard_s": hard_s, "reason": reason}
        yield from tell(Request("PUT", f"{_of(name, 'tasks', task)}/time-limit", body=body))

    def limit_rate(self, name: str, task: str, rate: str, reason: str = "") -> Steps[None]:
        """PUT `/rate-limit`."""
        body = {"rate": rate, "reason": reason}
        yield from tell(Request("PUT", f"{_of(name, 'tasks', task)}/rate-limit", body=body))

    def forget(self, name: str, reason: str = "") -> Steps[None]:
        """DELETE the worker."""
        yield from tell(Request("DELETE", _worker(name), params={"reason": reason}))


def _worker(name: str) -> str:
    return f"{PREFIX}/workers/{quote(name, safe='')}"


def _of(name: str, what: str, which: str) -> str:
    return f"{_worker(name)}/{what}/{quote(which, safe='')}"
