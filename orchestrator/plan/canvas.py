"""The canvas of a plan: the Celery primitives that it compiles to, as a plain tree.

Every message is the one task `STEP_TASK` with two arguments, run id and address. A flow's main path is a chain of
immutable signatures, each with its own Celery options and the compensation errback. The same function makes the canvas
of any frontier, so start, resume, retry and repair are one path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.plan.graph import Plan, RetryPolicy, Work
from orchestrator.plan.plan import DEFAULT_QUEUE
from orchestrator.spec.policies import DEFAULT_PRIORITY

STEP_TASK: Final = "orchestrator.step"
DRAIN_ADDRESS: Final = "~"
BACKSTOP_S: Final = 60
"""Celery's hard limit stands so far behind the longest timeout of its message."""

_BASE_BYTES: Final = 1_100
_STEP_BYTES: Final = 900
"""Upper bounds of what a message and each further signature in it weigh, measured on Celery 5.7 with our headers."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One message: the address to look at, and its Celery options."""

    address: str
    queue: str
    priority: int
    shadow: str
    headers: Mapping[str, Any] = field(default_factory=dict)
    time_limit: int | None = None
    errback: str | None = None
    """The address that the errback looks at: the undo of the flow."""

    def to_json(self) -> dict[str, Any]:
        """As `orchestrator plan --format json` prints it."""
        return {
            "task": STEP_TASK,
            "address": self.address,
            "queue": self.queue,
            "priority": self.priority,
            "shadow": self.shadow,
            "headers": dict(self.headers),
            "time_limit": self.time_limit,
            "errback": self.errback,
        }


@dataclass(frozen=True, slots=True)
class Chain:
    """Signatures that follow each other; `cut` if the path goes on behind a message's limit."""

    signatures: tuple[Signature, ...]
    cut: bool = False

    def to_json(self) -> dict[str, Any]:
        """As `orchestrator plan --format json` prints it."""
        return {"kind": "chain", "signatures": [one.to_json() for one in self.signatures], "cut": self.cut}


def main_chain(plan: Plan, start: str, *, message_bytes: int) -> Chain:
    """The chain of the main path from a step on, as long as a message may be."""
    path = plan.main_path(start)
    kept = path[: _longest(message_bytes)]
    works = [plan.nodes[step].work for step in kept]
    return Chain(tuple(_signatures(plan, kept, works, errback=DRAIN_ADDRESS)), cut=len(kept) < len(path))


def undo_chain(plan: Plan, undos: Sequence[str], *, message_bytes: int) -> Chain:
    """The chain of undos (addresses `step~`), newest first."""
    kept = undos[: _longest(message_bytes)]
    works = [plan.nodes[undo.removesuffix("~")].undo for undo in kept]
    return Chain(tuple(_signatures(plan, kept, works, errback=DRAIN_ADDRESS)), cut=len(kept) < len(undos))


def drain_signature(plan: Plan) -> Signature:
    """The compensation errback: the message that asks for the undo of the run's flow."""
    return Signature(
        address=DRAIN_ADDRESS,
        queue=_entry_queue(plan),
        priority=DEFAULT_PRIORITY,
        shadow=f"{plan.name}/{DRAIN_ADDRESS}",
    )


def retry_headers(retry: RetryPolicy) -> dict[str, Any]:
    """The step's Celery retry options: Celery keeps retry policy on the task class, so they travel as headers."""
    options: dict[str, Any] = {
        "max_retries": retry.max_attempts - 1,
        "backoff": retry.backoff,
        "delay_ms": retry.delay_ms,
        "max_delay_ms": retry.max_delay_ms,
    }
    if retry.backoff == "exponential":
        options["multiplier"] = retry.multiplier
    if retry.full_jitter or retry.jitter_ms:
        options["jitter"] = "full" if retry.full_jitter else retry.jitter_ms
    return options


def _signatures(
    plan: Plan, addresses: Sequence[str], works: Sequence[Work | None], *, errback: str | None
) -> list[Signature]:
    limit = max((work.timeout_ms for work in works if work is not None), default=None)
    time_limit = None if limit is None else -(-limit // 1000) + BACKSTOP_S
    return [
        Signature(
            address=address,
            queue=_queue(plan, works[place:]),
            priority=work.priority if work else DEFAULT_PRIORITY,
            shadow=f"{plan.name}/{address}",
            headers={"workflow": plan.name, **({"retry": retry_headers(work.retry)} if work else {})},
            time_limit=time_limit,
            errback=errback,
        )
        for place, (address, work) in enumerate(zip(addresses, works, strict=True))
    ]


def _queue(plan: Plan, works: Sequence[Work | None]) -> str:
    """The queue of a step's operation; a step without one goes where the next operation goes, else where runs begin."""
    return next((work.queue for work in works if work is not None), _entry_queue(plan))


def _longest(message_bytes: int) -> int:
    return max(1, (message_bytes - _BASE_BYTES) // _STEP_BYTES)


def _entry_queue(plan: Plan) -> str:
    """The queue of the first operation of the main path: some worker of the workflow is there."""
    works = (plan.nodes[step].work for step in plan.main_path())
    return next((work.queue for work in works if work is not None), DEFAULT_QUEUE)
