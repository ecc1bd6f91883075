"""What may happen to a run, drawn at random: each act is a value, so that a failing story shrinks to its few acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from hypothesis import strategies as st

from orchestrator.engine.address import DRAIN, is_lane
from tests.property.behaviours import (
    BREAKS_OFF,
    DECLINES,
    NEVER_CONNECTS,
    OK,
    OVERRUNS,
    REFUSES,
    RETURNS_RUBBISH,
    Behaviour,
)
from tests.property.specs import plan_of
from tests.property.world import World


class Act(Protocol):
    """Something that happens in a world."""

    def do(self, world: World) -> None:
        """Let it happen."""


@dataclass(frozen=True, slots=True)
class Go:
    """A worker lets so many effects happen."""

    worker: int
    effects: int
    behaviour: Behaviour

    def do(self, world: World) -> None:
        """Let it happen."""
        world.go(self.worker, self.effects, self.behaviour)


@dataclass(frozen=True, slots=True)
class Hold:
    """A worker that is free takes one of the messages and executes what it finds, and tells nobody yet."""

    worker: int
    place: int
    behaviour: Behaviour

    def do(self, world: World) -> None:
        """Let it happen."""
        if world.messages:
            world.take(self.worker, world.messages[self.place % len(world.messages)])
            world.begin(self.worker, self.behaviour)


@dataclass(frozen=True, slots=True)
class LoseReply:
    """A worker's commit is applied and its reply lost."""

    worker: int

    def do(self, world: World) -> None:
        """Let it happen."""
        world.lose_reply(self.worker)


@dataclass(frozen=True, slots=True)
class Crash:
    """A worker dies."""

    worker: int
    redelivered: bool

    def do(self, world: World) -> None:
        """Let it happen."""
        world.crash(self.worker, redelivered=self.redelivered)


@dataclass(frozen=True, slots=True)
class Beat:
    """A worker renews its lease, or its operation reports."""

    worker: int
    report: str | None

    def do(self, world: World) -> None:
        """Let it happen."""
        if self.report is None:
            world.beat(self.worker)
        else:
            world.report(self.worker, self.report)


@dataclass(frozen=True, slots=True)
class Message:
    """A message is lost, doubled or put last; or somebody looks at an address for no reason."""

    fault: str
    place: int

    def do(self, world: World) -> None:
        """Let it happen."""
        if self.fault == "stray":
            known = sorted(set(world.view().addresses()) | set(world.plan.nodes))
            undos = [f"{step}~" for step in known if not step.endswith(DRAIN) and not is_lane(step)]
            addresses = [DRAIN, *known, *undos]
            world.messages.append(addresses[self.place % len(addresses)])
        elif world.messages:
            place = self.place % len(world.messages)
            message = world.messages[place] if self.fault == "double" else world.messages.pop(place)
            if self.fault != "lose":
                world.messages.append(message)


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweeper decides, or commits what it decided; it may die before it sends, or send its commit twice."""

    sweeper: int
    place: int
    what: str

    def do(self, world: World) -> None:
        """Let it happen."""
        if self.what in ("decides", "both"):
            world.decide(self.sweeper, self.place)
        if self.what != "decides":
            world.commit(self.sweeper, sends=self.what != "silent", twice=self.what == "twice")


@dataclass(frozen=True, slots=True)
class Pass:
    """Time passes: so many ms, or until the next entry falls due."""

    ms: int | None

    def do(self, world: World) -> None:
        """Let it happen."""
        if self.ms is None:
            world.to_next_entry()
        else:
            world.pass_ms(self.ms)


@dataclass(frozen=True, slots=True)
class Dawdle:
    """From now on operations take so long."""

    pace_ms: float

    def do(self, world: World) -> None:
        """Let it happen."""
        world.pace_ms = self.pace_ms


@dataclass(frozen=True, slots=True)
class Cancel:
    """Somebody cancels the run."""

    drops: bool

    def do(self, world: World) -> None:
        """Let it happen."""
        world.cancel(drops=self.drops)


@dataclass(frozen=True, slots=True)
class Pause:
    """Somebody pauses the run, or lets it go on."""

    on: bool

    def do(self, world: World) -> None:
        """Let it happen."""
        world.pause(on=self.on)


_SEATS = st.integers(0, 2)
_BEHAVIOURS = st.sampled_from(
    [*[OK] * 12, DECLINES, DECLINES, REFUSES, BREAKS_OFF, NEVER_CONNECTS, RETURNS_RUBBISH, OVERRUNS]
)
_GOES = st.builds(Go, _SEATS, st.integers(1, 10), _BEHAVIOURS)

ACTS: st.SearchStrategy[Act] = st.one_of(
    *[_GOES] * 6,
    *[st.builds(Hold, _SEATS, st.integers(0, 5), _BEHAVIOURS)] * 2,
    st.builds(
        Sweep, st.integers(0, 1), st.integers(0, 2), st.sampled_from(["both", "both", "decides", "silent", "twice"])
    ),
    st.builds(Pass, st.sampled_from([None, None, None, 500, 4_000, 16_000])),
    st.builds(LoseReply, _SEATS),
    st.builds(Crash, _SEATS, st.booleans()),
    st.builds(Message, st.sampled_from(["lose", "double", "last", "stray"]), st.integers(0, 20)),
    st.builds(Beat, _SEATS, st.sampled_from([None, "half"])),
    st.builds(Dawdle, st.sampled_from([0, 30, 60])),
    st.builds(Pause, st.sampled_from([True, False, False])),
)


@st.composite
def stories(draw: st.DrawFn, least: int = 0, most: int = 60) -> list[Act]:
    """What happens to a run, one after the other; it is cancelled once at most."""
    acts = draw(st.lists(ACTS, min_size=least, max_size=most))
    cancelled = draw(st.sampled_from([False, False, True]))
    place = draw(st.integers(0, len(acts))) if cancelled else 0
    return [*acts[:place], Cancel(draw(st.booleans())), *acts[place:]] if cancelled else acts


def live_through(
    workflow: Mapping[str, Any],
    acts: Sequence[Act],
    *,
    flag: bool,
    fuses: bool,
    habits: Mapping[str, Behaviour] = MappingProxyType({}),
    n: float | str = 2,
) -> World:
    """A run of that workflow, after all that happened to it and its end, held against every law."""
    terms = {name: value for name, value in workflow.items() if name != "steps"}
    world = World(plan_of(*workflow["steps"], **terms), {"flag": flag, "n": n}, fuses=fuses, habits=habits)
    for act in acts:
        act.do(world)
    world.settle_down()
    return world
