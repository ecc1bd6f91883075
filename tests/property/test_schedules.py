"""Schedules under faults: leaders that die, sleep and meet at every step; each slot has one fate (RULES 19)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.client.firing import Fire, Firing
from orchestrator.engine import fields
from orchestrator.engine.commit import Commit, Reply
from orchestrator.engine.overlap import Turn, run_id_of
from orchestrator.engine.schedule import Backfill, Schedule
from orchestrator.engine.scheduling import backfill, define, pause, resume
from orchestrator.engine.verbs import Wish
from orchestrator.settings import Settings
from orchestrator.store.memory import MemoryStore

pytestmark = pytest.mark.property

RECORD = "test.flow:tick"
T0 = 1_700_000_000_000
SECOND = 1_000
CATCH_UP_MS = 20_000
OVERLAPS = ("skip", "buffer_one", "allow_all", "cancel_other")


class Killed(BaseException):
    """A leader dies here."""


@dataclass
class Runs:
    """The runs that were started; none comes into being twice, and a deleted one is remembered."""

    started: list[str] = field(default_factory=list)
    live: set[str] = field(default_factory=set)
    most: int = 0
    beside: dict[str, set[str]] = field(default_factory=dict)
    """For each run, those that were not over when it started."""

    def start(self, fire: Fire) -> bool:
        """Start a run, unless it exists or has been."""
        if fire.run_id in self.started:
            return False
        self.started.append(fire.run_id)
        self.beside[fire.run_id] = set(self.live)
        self.live.add(fire.run_id)
        self.most = max(self.most, len(self.live))
        return True

    def cancel(self, run_id: str, _reason: str, _by: str) -> None:
        """Let a run end."""
        self.live.discard(run_id)

    def read_many(self, run_ids: Sequence[str], _fields: Sequence[str]) -> list[dict[str, str | None]]:
        """Their statuses."""
        return [{fields.STATUS: "running" if run_id in self.live else "completed"} for run_id in run_ids]


class Steps:
    """The records' store as one leader uses it: before each step something may happen to that leader."""

    def __init__(self, store: MemoryStore, before: Callable[[], None], after: Callable[[], None]) -> None:
        self._store, self._before, self._after = store, before, after

    def apply(self, commit: Commit) -> Reply:
        """A commit, and what happens before and after it."""
        self._before()
        reply = self._store.apply(commit)
        self._after()
        return reply

    def read_all(self, run_id: str) -> tuple[int, dict[str, str]]:
        """A read, and what happens before and after it."""
        self._before()
        found = self._store.read_all(run_id)
        self._after()
        return found

    def trim_history(self, run_id: str, length: int) -> None:
        """Nothing here goes on for so long."""


class World:
    """One schedule of every second, two leaders, a clock."""

    def __init__(self, overlap: str) -> None:
        self.now_ms = T0
        self.store = MemoryStore(Settings(shards=1), lambda: self.now_ms)
        self.runs = Runs()
        self.fence = 0
        self.pauses: list[list[int]] = []
        definition = {"name": "tick", "every": SECOND, "overlap": overlap, "catch_up": CATCH_UP_MS}
        self.change(lambda one: define(one, "test.flow", "tick", definition, self.now_ms))

    def change(self, decide: Callable[[Schedule | None], Turn | None]) -> None:
        """What an operator does."""
        firing = self.firing(iter(()))
        _, before = firing.read(RECORD)
        turn = decide(before)
        if turn is not None:
            assert firing.write(RECORD, before, turn)

    def visit(self, fate: Sequence[str]) -> None:
        """A new leader looks; at each of its steps the next thing of `fate` happens to it."""
        self.fence += 1
        try:
            self.firing(iter(fate)).visit(RECORD, self.fence)
        except Killed:
            return

    def firing(self, fate: Iterator[str]) -> Firing:
        """The hands of one leader."""

        def happens() -> None:
            match next(fate, "nothing"):
                case "dies":
                    raise Killed
                case "sleeps":  # another one leads meanwhile, as far as it comes
                    self.now_ms += 700
                    self.fence += 1
                    self.firing(fate).visit(RECORD, self.fence)
                case "a run ends":
                    self.end_a_run()

        steps: Any = Steps(self.store, happens, happens)
        runs: Any = self.runs

        def start(fire: Fire) -> bool:
            happens()
            new = self.runs.start(fire)
            happens()
            return new

        return Firing(steps, runs, 1_000, start=start, cancel=self.runs.cancel)

    def end_a_run(self) -> None:
        """The one that has run for the longest."""
        for run_id in self.runs.started:
            if run_id in self.runs.live:
                self.runs.live.remove(run_id)
                return

    def hold(self) -> None:
        """Pause, or resume."""
        if not self.pauses or self.pauses[-1][1]:
            self.pauses.append([self.now_ms, 0])
            self.change(lambda one: pause(one, Wish(), self.now_ms) if one else None)
        else:
            self.pauses[-1][1] = self.now_ms
            self.change(lambda one: resume(one, Wish(), self.now_ms) if one else None)

    @property
    def schedule(self) -> Schedule:
        """The record now."""
        found = Schedule.from_fields(self.store.read_all(RECORD)[1])
        assert found is not None
        return found

    def slots(self) -> list[int]:
        """Every slot until now, but those of pauses."""
        every = range(T0 + SECOND, self.now_ms + 1, SECOND)
        held = [(since, until or self.now_ms) for since, until in self.pauses]
        return [slot for slot in every if not any(since < slot <= until for since, until in held)]


FATE = st.lists(st.sampled_from(["nothing", "nothing", "nothing", "sleeps", "dies", "a run ends"]), max_size=12)
ACTION = st.one_of(
    st.tuples(st.just("visit"), FATE),
    st.tuples(st.just("pass"), st.sampled_from([300, 1_000, 2_500, 30_000])),
    st.tuples(st.just("end"), st.none()),
    st.tuples(st.just("hold"), st.none()),
)


def play(world: World, actions: Sequence[tuple[str, Any]]) -> None:
    """Let all of this happen, then let a leader come to the end of what is to be done."""
    for kind, what in actions:
        match kind:
            case "visit":
                world.visit(what)
            case "pass":
                world.now_ms += what
            case "end":
                world.end_a_run()
            case _:
                world.hold()
    if world.pauses and not world.pauses[-1][1]:
        world.hold()
    for _ in range(4):
        world.visit([])


def fates(world: World) -> Mapping[str, list[str]]:
    """What the history says of each slot; a slot that waited has two entries, a missed one is in a range."""
    found: dict[str, list[str]] = {}
    for entry in world.store.history(RECORD, limit=100_000):
        if "slot" in entry.event:
            found.setdefault(entry.event["slot"], []).append(entry.event["type"])
    return found


@given(st.sampled_from(OVERLAPS), st.lists(ACTION, max_size=25))
def test_each_slot_has_one_fate_and_no_run_comes_twice(overlap: str, actions: list[tuple[str, Any]]) -> None:
    """Whoever dies, sleeps and wakes where; and whatever is started is over before the next, if that is the policy."""
    world = World(overlap)

    play(world, actions)

    one, told = world.schedule, fates(world)
    missed = sum(entry.event["slots"] for entry in world.store.history(RECORD) if entry.event["type"] == "slots_missed")
    assert len(told) + missed == len(world.slots())
    assert one.pending == ()
    for happened in told.values():
        assert Counter(happened) <= Counter(["slot_started"]) or happened in (
            ["slot_skipped"],
            ["slot_buffered", "slot_started"],
            ["slot_buffered", "slot_skipped"],
            ["slot_skipped", "slot_buffered"],
            ["slot_buffered"],
        )
    started = sum("slot_started" in happened for happened in told.values())
    waiting = sum(happened == ["slot_buffered"] for happened in told.values())
    assert started == len(world.runs.started) == len(set(world.runs.started)) == one.counts.get("started", 0)
    assert waiting == (one.waiting_ms is not None)
    if overlap != "allow_all":
        assert world.runs.most <= 1


@given(st.lists(ACTION, max_size=25))
def test_slots_start_in_their_order(actions: list[tuple[str, Any]]) -> None:
    """Also those that are caught up with."""
    world = World("allow_all")

    play(world, actions)

    events = [entry.event for entry in world.store.history(RECORD, limit=100_000)]
    slots = [event["slot"] for event in events if event["type"] == "slot_started"]
    assert all(before < after for before, after in pairwise(slots))


@given(st.sampled_from(OVERLAPS), st.lists(ACTION, max_size=15))
def test_a_schedule_always_has_its_one_entry(overlap: str, actions: list[tuple[str, Any]]) -> None:
    """Never later than the fire of its next slot, so that it is never forgotten."""
    world = World(overlap)

    for action in actions:
        play_one = [action]
        for kind, what in play_one:
            if kind == "visit":
                world.visit(what)
            elif kind == "hold":
                world.hold()
            else:
                world.now_ms += what or 0
        one = world.schedule
        entries = world.store.entries(RECORD)
        assert list(entries) == ["$"]
        if one.pending:
            assert entries["$"] <= world.now_ms
        elif one.pause is None:
            assert entries["$"] <= one.fires_ms(one.next_slot() or 0)


CREATED_AND_DIED = ("visit", ["nothing", "nothing", "nothing", "dies"])
"""A leader that finds a decision, creates its run and dies before it can say so."""


@example(True, [CREATED_AND_DIED, CREATED_AND_DIED])
@given(st.booleans(), st.lists(ACTION, max_size=15))
def test_a_backfill_starts_each_slot_of_its_range_once(one_by_one: bool, actions: list[tuple[str, Any]]) -> None:
    """Whoever dies meanwhile; one by one, each when no run of the schedule is under way."""
    world = World("skip")
    wanted = Backfill(after_ms=T0 - 5 * SECOND - 1, until_ms=T0 - SECOND, one_by_one=one_by_one)
    world.change(lambda one: backfill(one, wanted, 5, Wish()) if one else None)

    play(world, actions)
    for _ in range(6):
        world.runs.live.clear()
        world.visit([])

    expected = [run_id_of("test.flow", "tick", T0 - number * SECOND) for number in (5, 4, 3, 2, 1)]
    assert [run_id for run_id in world.runs.started if run_id in expected] == expected
    counts = world.schedule.counts  # whoever created a run and died has not said so: it is found there
    assert world.schedule.backfills == ()
    assert counts.get("backfill_started", 0) + counts.get("backfill_existed", 0) == 5
    if one_by_one:
        assert [world.runs.beside[run_id] for run_id in expected] == [set()] * 5
