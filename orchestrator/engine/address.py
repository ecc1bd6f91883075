"""Addresses: how a step of a run is named within maps, branches, visits and undos.

`charge` is a step of the run's own flow, `charge~` its undo, `poll#2` its second visit. A flow within a container is
named by the container and its branch or index, so `ship[3]/pack` is the step `pack` of the fourth item of `ship`. `$`
is the run itself. `~` is the undo of the whole run, `ship[3]/~` that of what lies inside one flow, `ship/~` that of
what lies inside a container. `read~~2` is a lane of the map `read`: what works off a batch of its items.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

RUN = "$"
DRAIN = "~"
"""The address that is made ready when a stopping flow has no live step left."""

_LANE = "~~"
_STEP = r"(?P<step>\$end|\$rest|[A-Za-z][A-Za-z0-9_-]*)(?:#(?P<visit>[0-9]+))?"
_ADDRESS = re.compile(rf"(?:(?P<flow>.+)/)?{_STEP}(?:~~[0-9]+)?(?P<undo>~)?")


@dataclass(frozen=True, slots=True)
class Address:
    """One step of one flow: which visit of it, and whether the step itself or its undo."""

    step: str
    flow: str = ""
    visit: int = 1
    undo: bool = False

    def __str__(self) -> str:
        visit = f"#{self.visit}" if self.visit > 1 else ""
        return f"{within(self.flow, self.step)}{visit}{DRAIN if self.undo else ''}"


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Address:
    """The parts of a step's address; ValueError if it is none (or is `$` or a flow's undo)."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError(f"not an address: {text!r}")
    return Address(
        step=match["step"], flow=match["flow"] or "", visit=int(match["visit"] or 1), undo=match["undo"] is not None
    )


def within(flow: str, step: str) -> str:
    """The address of a step of a flow."""
    return f"{flow}/{step}" if flow else step


def flow_of(address: str) -> str:
    """The flow that a step (or a container) stands in; the run's own is empty."""
    return address.rpartition("/")[0]


def member(container: str, key: str | int) -> str:
    """The flow of a branch or an item of a container."""
    return f"{container}[{key}]"


def container_of(flow: str) -> str:
    """The address of the container that a flow belongs to."""
    return flow[: flow.rindex("[")]


def key_of(flow: str) -> str:
    """The branch or the index of a flow within its container."""
    return flow[flow.rindex("[") + 1 : -1]


@lru_cache(maxsize=4096)
def scopes_around(address: str) -> tuple[str, ...]:
    """Every container and flow that an address lies inside of, outermost first; the run itself is left out."""
    ends = [place if sign == "[" else place + 1 for place, sign in enumerate(address) if sign in "[]"]
    own = (container_of_lane(address),) if is_lane(address) else ()
    return (*(address[:end] for end in ends), *own)


def lane_of(container: str, number: int) -> str:
    """The address of a lane of a map, from 0."""
    return f"{container}{_LANE}{number}"


def is_lane(address: str) -> bool:
    """Whether it is the address of a lane."""
    return _LANE in address.rpartition("/")[2]


def container_of_lane(lane: str) -> str:
    """The map that a lane belongs to."""
    return lane.rpartition(_LANE)[0]


def number_of_lane(lane: str) -> int:
    """Which lane of its map it is."""
    return int(lane.rpartition(_LANE)[2])


def visit_of(step: str, number: int) -> str:
    """The address of a step's visit, from the address of its first."""
    return step if number == 1 else f"{step}#{number}"


def undo_of(address: str) -> str:
    """The address of a step's undo."""
    return address + DRAIN


def undone_by(address: str) -> str:
    """The address of the step that an undo undoes."""
    return address.removesuffix(DRAIN)


def is_undo(address: str) -> bool:
    """Whether it is the address of a step's undo."""
    return address.endswith(DRAIN) and not is_drain(address)


def drain_of(scope: str) -> str:
    """The address of the undo of what lies inside a container or flow; the run's is `~`."""
    return within(scope, DRAIN)


def is_drain(address: str) -> bool:
    """Whether it is the undo of a whole flow."""
    return address == DRAIN or address.endswith("/~")


def scope_of(drain: str) -> str:
    """The container or flow whose undo it is; empty for the run."""
    return drain[:-2]
