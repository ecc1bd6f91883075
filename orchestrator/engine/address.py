"""Addresses: how a step of a run is named within maps, branches, visits and undos.

`charge` is a step of the run's own flow, `charge~` its undo, `poll#2` its second visit, `ship[3]/pack` a step of a
container's flow. `$` is the run itself, `~` the undo of a whole flow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

RUN = "$"
DRAIN = "~"
"""The address that is made ready when a stopping flow has no live step left."""

_ADDRESS = re.compile(r"(?:(?P<flow>.+)/)?(?P<step>[A-Za-z][A-Za-z0-9_-]*)(?:#(?P<visit>[0-9]+))?(?P<undo>~)?")


@dataclass(frozen=True, slots=True)
class Address:
    """One step of one flow: which visit of it, and whether the step itself or its undo."""

    step: str
    flow: str = ""
    visit: int = 1
    undo: bool = False

    def __str__(self) -> str:
        flow = f"{self.flow}/" if self.flow else ""
        visit = f"#{self.visit}" if self.visit > 1 else ""
        return f"{flow}{self.step}{visit}{DRAIN if self.undo else ''}"


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Address:
    """The parts of an address; ValueError if it is none (or is `$` or `~`)."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError(f"not an address: {text!r}")
    return Address(
        step=match["step"], flow=match["flow"] or "", visit=int(match["visit"] or 1), undo=match["undo"] is not None
    )


def undo_of(address: str) -> str:
    """The address of a step's undo."""
    return address + DRAIN


def undone_by(address: str) -> str:
    """The address of the step that an undo undoes."""
    return address.removesuffix(DRAIN)


def is_undo(address: str) -> bool:
    """Whether it is the address of a step's undo."""
    return address.endswith(DRAIN) and address != DRAIN
