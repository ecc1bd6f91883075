"""Runs that have been over for long enough go, whoever looks; the others stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from orchestrator.client.handle import RedisRunHandle
from orchestrator.engine.commit import Commit, Reply
from orchestrator.engine.stages import Timing
from orchestrator.engine.start import Parent, StartRequest, start
from orchestrator.errors import RunConflict, UnknownRun
from orchestrator.runtime import retention as retentions
from orchestrator.runtime.retention import Retention
from orchestrator.settings import Settings
from orchestrator.store.memory import MemoryStore
from tests.unit.surroundings import WORKFLOW, Surroundings

WEEK_MS = 7 * 86_400_000


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    """A workflow of one step, and a process whose clock stands still."""
    around = Surroundings()
    around.publish()
    monkeypatch.setattr("orchestrator.runtime.retention.elapsed_s", around.clock.elapsed_s)
    return around


def completed(around: Surroundings, count: int = 1, **options: Any) -> list[RedisRunHandle]:
    """Runs that are over now."""
    runs = [around.start(**options) for _ in range(count)]
    for run in runs:
        around.work(run, "a")
    return runs


def child_of(root: str, around: Surroundings) -> RedisRunHandle:
    """A run that is over, as a step of another would have started it."""
    run_id = f"{root}/ship:{around.store.time_ms()}"
    around.clock.move(1)
    request = StartRequest(run_id, "{}", "{}", "", parent=Parent(root, "ship", "1", 1, waits=True))
    around.store.apply(start(around.client.catalogue.plan(WORKFLOW, "1.0.0"), request, Timing()))
    around.work(run := around.client.get(run_id), "a")
    return run


def retention(around: Surroundings, **changed: int) -> Retention:
    """With the settings' week, unless a test wants another time."""
    return Retention(around.settings.model_copy(update=changed), around.store)


def exists(around: Surroundings, run: RedisRunHandle) -> bool:
    """Whether the run is known."""
    try:
        around.client.get(run.run_id)
    except UnknownRun:
        return False
    return True


def test_a_run_is_deleted_when_it_has_been_over_for_a_week(around: Surroundings) -> None:
    """Not before; one that goes on is kept, however old it is."""
    going_on, (run,) = around.start(), completed(around)

    around.clock.move(WEEK_MS)
    on_the_moment = retention(around).expire()
    around.clock.move(1)

    assert (on_the_moment, retention(around).expire()) == (0, 1)
    assert not exists(around, run)
    assert exists(around, going_on)


def test_a_deleted_run_is_in_no_list(around: Surroundings) -> None:
    """Nor does any index count it."""
    completed(around, 3)
    around.clock.move(WEEK_MS + 1)

    retention(around).expire()

    assert around.client.search().runs == ()
    assert set(around.client.stats().runs.values()) == {0}
    assert not any(around.store._state.indexes.values())


def test_the_id_of_a_deleted_run_is_not_free_at_once(around: Surroundings) -> None:
    """A caller's key that comes again late is refused, and starts nothing (RULES 19)."""
    run = around.start(idempotency_key="order-7")
    around.work(run, "a")
    around.clock.move(WEEK_MS + 1)
    retention(around).expire()

    with pytest.raises(RunConflict, match="no longer kept"):
        around.start(idempotency_key="order-7")

    assert not exists(around, run)
    around.clock.move(around.settings.tombstones_ms)
    assert around.start(idempotency_key="order-7") == run


def test_a_retention_of_zero_keeps_everything(around: Surroundings) -> None:
    """For ever."""
    (run,) = completed(around)
    around.clock.move(100 * WEEK_MS)

    assert retention(around, retention_ms=0).expire() == 0
    assert exists(around, run)


def test_a_pass_that_takes_too_long_is_gone_on_with(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it stopped: sweeps come in between, and no run is left."""
    monkeypatch.setattr(retentions, "BATCH", 2)
    ticks = iter(range(1_000))
    monkeypatch.setattr(retentions, "elapsed_s", lambda: float(next(ticks)))
    completed(around, 9)
    around.clock.move(WEEK_MS + 1)
    one = retention(around)

    passes = list(_until_nothing(one))

    assert max(passes) <= 2
    assert sum(passes) == 9


def test_a_child_is_kept_as_long_as_its_root(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it has been over, and however many of them stand before what may be deleted."""
    monkeypatch.setattr(retentions, "BATCH", 2)
    children = [child_of("root", around) for _ in range(5)]
    around.clock.move(10)
    (root,) = completed(around, run_id="root")
    (other,) = completed(around)
    around.clock.move(WEEK_MS - 5)

    first = retention(around).expire()
    kept = [exists(around, one) for one in (*children, root, other)]
    around.clock.move(10)
    passes = [retention(around).expire() for _ in range(2)]

    assert (first, kept) == (0, [True] * 7)
    assert sum(passes) == 7
    assert not any(exists(around, one) for one in (*children, root, other))


def test_two_of_them_delete_each_run_once(around: Surroundings) -> None:
    """What the other has deleted in between is gone, which harms nobody."""
    completed(around, 5)
    around.clock.move(WEEK_MS + 1)
    one, other = retention(around), RacingStore(around)

    seen_by_other = Retention(around.settings, other).expire()

    assert seen_by_other + one.expire() + other.deleted_meanwhile == 5
    assert other.deleted_meanwhile > 0


class RacingStore(MemoryStore):
    """The same state, in which another deletes everything between this one's look and its commits."""

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around.settings, around.clock, _state=around.store._state)
        self.around = around
        self.deleted_meanwhile = 0

    def apply_many(self, commits: Sequence[Commit]) -> list[Reply]:
        """Come too late."""
        self.deleted_meanwhile += Retention(self.around.settings, self.around.store).expire()
        return super().apply_many(commits)


def _until_nothing(one: Retention) -> Iterator[int]:
    while deleted := one.expire():
        yield deleted


def test_the_settings_keep_ids_longer_than_runs() -> None:
    """So that what comes again late meets the tombstone."""
    settings = Settings()

    assert settings.retention_ms == WEEK_MS
    assert settings.tombstones_ms > settings.retention_ms
