"""What a reader is given: every event once, in order, though the feed has lost some of them."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from orchestrator.engine.commit import Changes, Commit, Stage
from orchestrator.engine.indexes import ALL_RUNS
from orchestrator.errors import Unreachable
from orchestrator.monitor import following, gaps
from orchestrator.monitor.feed import PAGE, AtLeastOnce, Batch, batches
from orchestrator.monitor.following import Following
from orchestrator.settings import Settings
from orchestrator.store.memory import MemoryStore
from orchestrator.store.port import FeedEntry
from orchestrator.store.positions import START
from orchestrator.store.registry_memory import MemoryRegistry
from tests.unit.surroundings import HandClock


class Scene:
    """Runs that log events, in one shard whose feed keeps a hundred; and readers of it."""

    def __init__(self, shards: int = 1) -> None:
        self.clock = HandClock()
        self.settings = Settings(shards=shards, feed_length=100)
        self.store = MemoryStore(self.settings, self.clock)
        self.registry = MemoryRegistry(self.clock)
        self.logged = list[tuple[str, int]]()
        self.taken = list[tuple[str, int]]()
        self.batches = list[Batch]()

    def log(self, run_id: str, times: int = 1) -> None:
        """Let a run log events; it is created by the first."""
        for _ in range(times):
            number, fields = len(self.logged), self.store.read_all(run_id)[1]
            changes = Changes(
                set={"incarnation": "1"},
                stamp={} if fields else {"created_at": 0},
                index={ALL_RUNS: True},
                events=({"n": number},),
            )
            self.store.apply(Commit(run_id, "1" if fields else None, (Stage({}, changes),), ()))
            self.logged.append((run_id, number))

    def take(self, batch: Batch) -> None:
        """Note what is given."""
        self.batches.append(batch)
        self.taken += [(entry.run_id, entry.event["n"]) for entry in batch.entries]

    def reader(self, take: Callable[[Batch], object] | None = None, *, looks_back: bool = True) -> Following:
        """A process that follows as `tests`."""
        reader = AtLeastOnce("tests", take or self.take, self.registry.positions, looks_back)
        return Following(reader, self.store, self.registry, self.settings.shards)

    def page(self, after: str) -> list[FeedEntry]:
        """The feed from there on."""
        return self.store.feeds({0: after}, PAGE)[0]


@pytest.fixture(autouse=True)
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A scene by whose clock it is said who leads."""
    scene = Scene()
    monkeypatch.setattr("orchestrator.monitor.following.elapsed_s", scene.clock.elapsed_s)
    return scene


def test_events_are_given_once_in_their_order(scene: Scene) -> None:
    """Nothing new: no batch."""
    scene.log("a", 2)
    reader = scene.reader()
    assert reader.turn() == 2
    scene.log("b", 3)

    assert (reader.turn(), reader.turn()) == (3, 0)

    assert scene.taken == scene.logged
    assert [batch.after for batch in scene.batches] == [START, scene.batches[0].upto]


def test_what_the_feed_has_lost_comes_out_of_the_histories(scene: Scene) -> None:
    """Of runs that began before the gap, within it, and after it; then the feed goes on."""
    scene.log("a", 5)
    reader = scene.reader()
    reader.turn()
    for number in range(150):
        scene.clock.move(700)
        scene.log(f"r{number % 60}", 1 + number % 3)
    scene.log("a", 250)

    reader.turn()

    assert scene.taken == scene.logged


@pytest.mark.parametrize("seed", range(20))
def test_a_gap_anywhere_is_filled(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the pages are, and however runs overlap."""
    chance, scene = random.Random(seed), Scene()
    monkeypatch.setattr(gaps, "_EVENTS", chance.randint(1, 5))
    monkeypatch.setattr(gaps, "_RUNS", chance.randint(1, 5))
    for _ in range(400):
        scene.clock.move(chance.choice([0, 0, 1, 500, 5_000]))
        scene.log(f"r{chance.randint(0, 40)}")
    history = [entry for page in scene.store.histories([f"r{n}" for n in range(41)], "0", 999) for entry in page]
    after = sorted((entry.id for entry in history), key=gaps.id_key)[chance.randint(0, 250)]

    given = list(batches(scene.store, 0, after, scene.page(after), looks_back=True))

    numbers = [entry.event["n"] for batch in given for entry in batch.entries]
    assert numbers == list(range(numbers[0], 400))
    assert gaps.id_key(given[0].entries[0].id) > gaps.id_key(after)
    assert numbers[0] == sum(gaps.id_key(entry.id) <= gaps.id_key(after) for entry in history)
    assert [batch.after for batch in given] == [after, *(batch.upto for batch in given[:-1])]


def test_a_reader_that_looks_back_begins_with_the_histories(scene: Scene) -> None:
    """One that does not begins with what the feed still has."""
    scene.log("a", 300)

    scene.reader().turn()
    assert scene.taken == scene.logged

    scene.registry, scene.taken = MemoryRegistry(scene.clock), []
    scene.reader(looks_back=False).turn()
    assert scene.taken == scene.logged[-100:]


def test_one_process_reads_and_another_goes_on_when_it_is_gone(scene: Scene) -> None:
    """From where the first one was."""
    first, second = scene.reader(), scene.reader()
    scene.log("a", 3)
    assert (first.turn(), second.turn()) == (3, 0)
    scene.log("a", 2)

    scene.clock.move(following.LEASE_MS + 1)

    assert second.turn() == 2
    assert scene.taken == scene.logged


def test_two_processes_that_both_take_themselves_for_the_leader_move_on_once(scene: Scene) -> None:
    """The position is compared: who is late reads on from where the other one is."""

    def take(batch: Batch) -> None:
        scene.take(batch)
        scene.registry.positions.advance("tests", batch.shard, batch.after, batch.upto)

    slow = scene.reader(take)
    scene.log("a", 3)

    assert slow.turn() == 0
    assert slow.turn() == 0
    assert scene.taken == scene.logged


def test_a_batch_that_fails_is_given_again() -> None:
    """And the other shards' events are taken all the same."""
    scene, broken = Scene(shards=2), True

    def take(batch: Batch) -> None:
        if broken and batch.shard == 0:
            raise ValueError("it cannot")
        scene.take(batch)

    for run_id in "abcdefgh":
        scene.log(run_id)
    reader = scene.reader(take)

    with pytest.raises(ValueError, match="it cannot"):
        reader.turn()
    assert 0 < len(scene.taken) < len(scene.logged)
    broken = False
    reader.turn()
    assert sorted(scene.taken) == sorted(scene.logged)


def test_a_reader_that_fails_goes_on_and_ends_when_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it raises, also that Redis does not answer."""
    failures = [Unreachable("away"), ValueError("broken")]

    def take(batch: Batch) -> None:
        if failures:
            raise failures.pop()
        scene.take(batch)
        reader.stop()

    reader = scene.reader(take)
    scene.log("a", 3)

    monkeypatch.setattr(following, "PAUSE_S", 0.0)
    reader.run()

    assert scene.taken == scene.logged
    assert scene.registry.leadership_of("reader-tests").leader() is None
