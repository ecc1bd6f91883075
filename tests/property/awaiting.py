"""Workflows whose steps wait for events and signals, drawn at random, and what comes from outside meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.property.faults import ACTS, Act, Cancel
from tests.property.nested import Author
from tests.property.world import World

_SCHEMA = {"type": "object", "properties": {"n": {"maximum": 2}}}
_FILTER: dict[str, Any] = {"filter": "event.data.n > 1"}
_OF_RUN: dict[str, Any] = {"correlation": {"event": "event.data.n", "value": "input.n"}}
_OF_ITEM = {"correlation": {"event": "event.data.n", "value": "item"}}
_EVENTS: list[dict[str, Any]] = [
    {},
    {},
    _FILTER,
    {"source": "/test"},
    {"data_schema": _SCHEMA},
    _OF_RUN,
    {**_OF_RUN, **_FILTER},
]
_SIGNALS: list[dict[str, Any]] = [
    {"signal": "go"},
    {"signal": "go"},
    {"signal": ["go", "halt"]},
    {"signal": "halt", "data_schema": _SCHEMA},
]
_WAITED_FOR = [{"type": "came", **terms} for terms in _EVENTS] + _SIGNALS
NUMBERS = st.sampled_from([2, 2.0, "2"])
"""What the run is correlated to: one and the same."""


class _Waiting(Author):
    """Writes workflows of which many steps wait for something from outside."""

    def step(self, depth: int, seen: list[str]) -> dict[str, Any]:
        """One step: often one that waits."""
        if not self.draw(st.sampled_from([True, True, False])):
            return super().step(depth, seen)
        limit = {"timeout": self.draw(st.sampled_from(["1s", "20s"]))} if self.draw(_RARELY) else {}
        return {"id": self.name(), "event": self.draw(st.sampled_from(_WAITED_FOR)), **limit}

    def map(self, depth: int, seen: list[str]) -> dict[str, Any]:
        """A body for each item, which may wait for the item's own event."""
        written = super().map(depth, seen)
        if self.draw(st.booleans()):
            written["steps"] = [{"id": self.name(), "event": {"type": "came", **_OF_ITEM}}]
            written["items"] = self.draw(st.sampled_from(["[1, 2]", "[1, 2, 3]", "[2, 2]"]))
        return written


_RARELY = st.sampled_from([False, False, False, True])


@st.composite
def waiting_workflows(draw: st.DrawFn) -> dict[str, Any]:
    """What `plan_of` takes."""
    steps = _Waiting(draw).flow(0, [])
    workflow: dict[str, Any] = {"compensation": {"on_cancel": draw(st.sampled_from([True, True, False]))}}
    if draw(_RARELY):
        workflow["timeout"] = "40s"
    return {"steps": steps, **workflow}


@dataclass(frozen=True, slots=True)
class Note:
    """An event comes and is noted; nobody looks yet who waits for it."""

    n: int

    def do(self, world: World) -> None:
        """Let it happen."""
        world.note(self.n)


@dataclass(frozen=True, slots=True)
class Deliver:
    """A listener hands one of the events that have come to those that wait for it; it may die in between."""

    place: int
    at_most: int

    def do(self, world: World) -> None:
        """Let it happen."""
        world.deliver(self.place, at_most=self.at_most)


@dataclass(frozen=True, slots=True)
class Send:
    """Somebody sends a signal, or one again that was sent before."""

    name: str
    number: int

    def do(self, world: World) -> None:
        """Let it happen."""
        world.signal(self.name, f"s{self.number}", n=self.number % 4)


_OUTSIDE: st.SearchStrategy[Act] = st.one_of(
    st.builds(Note, st.sampled_from([1, 2, 2, 3])),
    st.builds(Deliver, st.integers(-3, 3), st.sampled_from([1, 2, 9])),
    st.builds(Send, st.sampled_from(["go", "go", "halt"]), st.integers(0, 12)),
)


@st.composite
def stories_from_outside(draw: st.DrawFn, least: int = 0, most: int = 60) -> list[Act]:
    """What happens to a run to which something comes; it is cancelled once at most."""
    acts = draw(st.lists(st.one_of(ACTS, ACTS, _OUTSIDE), min_size=least, max_size=most))
    cancelled = draw(st.sampled_from([False, False, False, True]))
    place = draw(st.integers(0, len(acts))) if cancelled else 0
    return [*acts[:place], Cancel(draw(st.booleans())), *acts[place:]] if cancelled else acts
