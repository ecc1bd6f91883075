"""The canvas of a plan: the Celery primitives that it compiles to, as a plain tree.

Every message is the one task `STEP_TASK` with two arguments, run id and address. A flow's main path is a chain of
immutable signatures, each with its own Celery options and the compensation errback. The same function makes the canvas
of any frontier, so start, resume, retry and repair are one path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any, Final

from orchestrator.plan.graph import Plan, RetryPolicy, Work
from orchestrator.plan.plan import DEFAULT_QUEUE
from orchestrator.spec.policies import DEFAULT_PRIORITY

STEP_TASK: Final = "orchestrator.step"
DRAIN_ADDRESS: Final = "~"
SEPARATOR: Final = ","
"""Between the addresses of a message that looks at several, one after the other."""
BACKSTOP_S: Final = 60
"""Celery's hard limit stands so far behind the longest timeout of its message."""

_NUMBERS: Final = re.compile(r"\[\d+\]|#\d+|~~\d+")

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


@dataclass(frozen=True, slots=True)
class Region:
    """What runs beside each other: a chord if something follows once all of it is over, else a group."""

    header: tuple[Chain, ...]
    body: Chain | None = None

    def to_json(self) -> dict[str, Any]:
        """As `orchestrator plan --format json` prints it."""
        header = [chain.to_json() for chain in self.header]
        if self.body is None:
            return {"kind": "group", "header": header}
        return {"kind": "chord", "header": header, "body": self.body.to_json()}


def main_chain(plan: Plan, start: str, *, message_bytes: int) -> Chain:
    """The chain of a flow's main path from an address on, as long as a message may be."""
    flow, _, step = start.rpartition("/")
    first, *others = plan.main_path(_step_of(step)) or (step,)
    once = list(takewhile(lambda name: not plan.nodes[name].loops, others))
    addresses = [start, *(f"{flow}/{name}" if flow else name for name in once)]
    kept = addresses[: _longest(message_bytes)]
    works = [first_work(plan, name) for name in (first, *once)[: len(kept)]]
    return Chain(tuple(_signatures(plan, kept, works, errback=DRAIN_ADDRESS)), cut=len(kept) < len(addresses))


def region(
    plan: Plan, lanes: Sequence[Sequence[str]], container: str | None, *, message_bytes: int, whole: bool
) -> Region:
    """The canvas of steps that are ready beside each other, each lane one message.

    The branches or items of a container that stands in the run's own flow, and waits for all of them, are the header
    of a chord; its body looks at the container. Anything else is a group, whose join is a gate: the state decides it.
    `whole`: whether the lanes are all that the container waits for.
    """
    chains = tuple(lane_chain(plan, lane, message_bytes=message_bytes) for lane in lanes)
    node = plan.nodes.get(container) if container is not None else None
    outer = node is not None and node.container is not None and node.container.join is None
    body = main_chain(plan, node.id, message_bytes=message_bytes) if node is not None and outer and whole else None
    return Region(chains, body)


def deal(plan: Plan, addresses: Sequence[str], lanes: int) -> list[list[str]]:
    """Steps that are ready, dealt out to at most so many messages for each queue, in turn."""
    queues: dict[str, list[str]] = {}
    for address in addresses:
        queues.setdefault(queue_of(plan, address), []).append(address)
    return [steps[lane::lanes] for steps in queues.values() for lane in range(min(lanes, len(steps)))]


def queue_of(plan: Plan, address: str) -> str:
    """The queue of what is executed first at an address."""
    return main_chain(plan, address, message_bytes=_BASE_BYTES).signatures[0].queue


def undo_chain(plan: Plan, undos: Sequence[str], *, message_bytes: int) -> Chain:
    """The chain of undos (addresses `step~`), newest first."""
    kept = undos[: _longest(message_bytes)]
    works = [plan.nodes[_step_of(undo)].undo for undo in kept]
    return Chain(tuple(_signatures(plan, kept, works, errback=DRAIN_ADDRESS)), cut=len(kept) < len(undos))


def drain_signature(plan: Plan, address: str = DRAIN_ADDRESS) -> Signature:
    """The message that asks for the undo of a flow; that of the run's is the compensation errback."""
    return Signature(
        address=address,
        queue=_entry_queue(plan),
        priority=DEFAULT_PRIORITY,
        shadow=f"{plan.name}/{_shown(address)}",
    )


def first_work(plan: Plan, step: str) -> Work | None:
    """The operation that a step begins with: its own, or the first within a container."""
    node = plan.nodes.get(step)
    if node is None or node.container is None:
        return None if node is None else node.work
    entries = (entry for flow in node.container.flows for entry in plan.flows[flow].entries)
    return next((work for work in (first_work(plan, entry) for entry in entries) if work is not None), None)


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
            shadow=f"{plan.name}/{_shown(address)}",
            headers={"workflow": plan.name, **({"retry": retry_headers(work.retry)} if work else {})},
            time_limit=time_limit,
            errback=errback,
        )
        for place, (address, work) in enumerate(zip(addresses, works, strict=True))
    ]


def _queue(plan: Plan, works: Sequence[Work | None]) -> str:
    """The queue of a step's operation; a step without one goes where the next operation goes, else where runs begin."""
    return next((work.queue for work in works if work is not None), _entry_queue(plan))


def lane_chain(plan: Plan, addresses: Sequence[str], *, message_bytes: int) -> Chain:
    """One address is its flow's chain; several are one message that looks at each in turn."""
    chain = main_chain(plan, addresses[0], message_bytes=message_bytes)
    if len(addresses) == 1:
        return chain
    return Chain((replace(chain.signatures[0], address=SEPARATOR.join(addresses)),))


def _step_of(address: str) -> str:
    return address.rpartition("/")[2].partition("~")[0].partition("#")[0]


def _shown(address: str) -> str:
    """The address as messages show it: without the indexes of items and visits, so that they can be counted."""
    return _NUMBERS.sub("", address)


def _longest(message_bytes: int) -> int:
    return max(1, (message_bytes - _BASE_BYTES) // _STEP_BYTES)


def _entry_queue(plan: Plan) -> str:
    """The queue of the first operation of the main path: some worker of the workflow is there."""
    works = (first_work(plan, step) for step in plan.main_path())
    return next((work.queue for work in works if work is not None), DEFAULT_QUEUE)
