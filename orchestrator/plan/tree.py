"""The canvas of a whole plan as a tree: which chain a run begins with, and what is begun beside it on its way.

It is made with the function that makes the messages, so its chains are what is sent. Where a map has items, the tree
shows the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from orchestrator.plan.canvas import Chain, main_chain
from orchestrator.plan.graph import Container, Flow, Needs, Plan


@dataclass(frozen=True, slots=True)
class Fork:
    """What a container begins beside the message that comes to it."""

    container: str
    """Its address."""
    flows: tuple[FlowCanvas, ...]
    """Its branches; of a map, what each item goes through."""
    beside: int
    """How many steps become ready besides the one that the message goes on with, at most."""
    body: Chain | None
    """What follows the join, if it is a chord; None: the join is a gate, which the state decides."""
    loops: bool = False
    """Whether there may be later visits, whose join is a gate in any case."""

    @property
    def kind(self) -> str:
        """The Celery primitive: `chord`, `group`, or `chain` where there is nothing beside the message."""
        if self.beside == 0:
            return "chain"
        return "group" if self.body is None else "chord"

    def to_json(self) -> dict[str, Any]:
        """As `orchestrator plan --format json` prints it."""
        return {
            "container": self.container,
            "kind": self.kind,
            "beside": self.beside,
            "flows": [flow.to_json() for flow in self.flows],
            "body": None if self.body is None else self.body.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Segment:
    """A chain, and the forks along it."""

    chain: Chain
    forks: tuple[Fork, ...] = ()
    needs: Needs | None = None
    """In a needs flow: what its first step waits for."""

    def to_json(self) -> dict[str, Any]:
        """As `orchestrator plan --format json` prints it."""
        needs = {} if self.needs is None else {"needs": list(self.needs.needs)}
        return {**self.chain.to_json(), **needs, "forks": [fork.to_json() for fork in self.forks]}


@dataclass(frozen=True, slots=True)
class FlowCanvas:
    """The segments of one flow."""

    name: str
    """Of a branch; empty for the run's own flow and for a map's."""
    begins: tuple[Segment, ...]
    """What is sent when the flow begins."""
    others: tuple[Segment, ...] = ()
    """What is compiled when it is reached: behind a gate, off the main path, in a loop, behind a message's limit."""

    def to_json(self) -> dict[str, Any]:
        """As `orchestrator plan --format json` prints it: the first segment, and what there is besides."""
        first, *more = self.begins
        return {
            **({"flow": self.name} if self.name else {}),
            **first.to_json(),
            "beside": [segment.to_json() for segment in more],
            "others": [segment.to_json() for segment in self.others],
        }


def canvas_of(plan: Plan, *, message_bytes: int) -> FlowCanvas:
    """The canvas of the run's own flow, with those of the flows inside it."""
    return _Planner(plan, message_bytes).flow(plan.root, "", "")


class _Planner:
    def __init__(self, plan: Plan, message_bytes: int) -> None:
        self.plan = plan
        self.message_bytes = message_bytes
        self.follows = frozenset(plan.successors.values())

    def flow(self, flow: Flow, place: str, name: str) -> FlowCanvas:
        """`place`: the address that its steps begin with."""
        begins = tuple(self.segment(step, place) for step in flow.entries)
        return FlowCanvas(name, begins, tuple(self.others(flow, place, begins)))

    def others(self, flow: Flow, place: str, begins: tuple[Segment, ...]) -> Iterator[Segment]:
        """The steps that no chain has come to yet: the main path's, then those that begin a stretch."""
        shown = {step for segment in begins for step in _steps(segment)}
        path = self.plan.main_path(flow.entries[0])
        for step in (*path, *sorted(flow.steps, key=lambda step: step in self.follows)):
            if step not in shown:
                segment = self.segment(step, place)
                shown.update(_steps(segment))
                yield segment

    def segment(self, step: str, place: str) -> Segment:
        chain = main_chain(self.plan, f"{place}{step}", message_bytes=self.message_bytes)
        forks = [self.fork(signature.address) for signature in chain.signatures]
        return Segment(chain, tuple(fork for fork in forks if fork is not None), self.plan.nodes[step].needs)

    def fork(self, address: str) -> Fork | None:
        node = self.plan.nodes[address.rpartition("/")[2]]
        container = node.container
        if container is None:
            return None
        flows = tuple(
            self.flow(self.plan.flows[flow], f"{address}[{key}]/", key if container.branches else "")
            for flow, key in zip(container.flows, container.branches or ("0",), strict=True)
        )
        joins = node.flow == "" and container.join is None and self.beside(container) > 0
        body = main_chain(self.plan, address, message_bytes=self.message_bytes) if joins else None
        return Fork(address, flows, self.beside(container), body, node.loops)

    def beside(self, container: Container) -> int:
        entries = sum(len(self.plan.flows[flow].entries) for flow in container.flows)
        return entries * (container.max_concurrency if container.items is not None else 1) - 1


def _steps(segment: Segment) -> Iterator[str]:
    return (signature.address.rpartition("/")[2] for signature in segment.chain.signatures)
