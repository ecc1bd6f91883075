"""What is over goes to the archive, whole and once, and only then is it deleted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from orchestrator.engine import fields
from orchestrator.engine.address import DRAIN
from orchestrator.engine.commit import Changes, Commit, Reply, Stage
from orchestrator.engine.stages import Timing
from orchestrator.engine.start import Parent, StartRequest, start
from orchestrator.errors import PayloadLost, Unreachable
from orchestrator.monitor import archiver as archivers
from orchestrator.store.archive.port import EndedRun
from orchestrator.store.archive.progress import RECORDS, read_progress
from tests.unit.archived import WEEK_MS, ArchivedSurroundings
from tests.unit.surroundings import WORKFLOW


@pytest.fixture
def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ArchivedSurroundings]:
    """A workflow of one step that can fail, and an archive."""
    around = ArchivedSurroundings(tmp_path, monkeypatch)
    around.publish()
    yield around
    around.archive.close()


def ended(around: ArchivedSurroundings, *run_ids: str) -> None:
    """Runs that are over, one after the other."""
    for run_id in run_ids:
        around.start(run_id=run_id)
        around.work(around.client.handle(run_id), "a")
        around.clock.move(1)


def cancelled(around: ArchivedSurroundings, run_id: str) -> None:
    """A run that was cancelled, and so can be retried."""
    around.start(run_id=run_id).cancel()
    around.work(around.client.handle(run_id), DRAIN)
    around.clock.move(1)


def archived(around: ArchivedSurroundings) -> set[str]:
    """The runs in the archive."""
    return {run_id for _, run_id in around.archive.newest("all", None, 1_000)}


def test_what_is_over_is_archived_at_once_and_deleted_in_time(around: ArchivedSurroundings) -> None:
    """A run that goes on is in the archive at no time."""
    around.start(run_id="going-on")
    ended(around, "over")

    first = around.archive_all(), around.archive_all()
    too_soon = around.expire()
    around.clock.move(WEEK_MS)

    assert first == (1, 0)
    assert archived(around) == {"over"}
    assert (too_soon, around.expire()) == (0, 1)
    assert around.kept_here() == {"going-on"}


def test_what_is_not_archived_is_not_deleted(around: ArchivedSurroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the archive is away; when it is back, all goes its way, and the archiver says how it does."""
    ended(around, "a", "b")
    with monkeypatch.context() as outage:
        around.lose_archive(outage)
        around.clock.move(10 * WEEK_MS)
        with pytest.raises(Unreachable):
            around.archiver.turn()
        deleted_meanwhile = around.expire()
        told = read_progress(around.store.sibling(RECORDS))

    assert deleted_meanwhile == 0
    assert told is not None
    assert "does not answer" in told.error
    assert (around.archive_all(), around.expire()) == (2, 2)


def test_a_run_that_is_retried_is_archived_again(around: ArchivedSurroundings) -> None:
    """Its mark is of what it was; until its new end is archived it is not deleted."""
    cancelled(around, "run")
    around.archive_all()
    around.client.get("run").retry()
    around.work(around.client.handle("run"), "a")
    around.clock.move(2 * WEEK_MS)

    deleted = around.expire()
    archived_again = around.archive_all()

    assert (deleted, archived_again, around.expire()) == (0, 1, 1)
    assert around.client.get("run").describe().status == "completed"
    assert around.client.get("run").describe().incarnation == 2


@pytest.mark.parametrize("what", ["waive", "late"])
def test_a_change_after_the_end_is_archived_too(around: ArchivedSurroundings, what: str) -> None:
    """Within its incarnation: the copy of before is not enough to delete the run."""
    ended(around, "run")
    around.archive_all()
    change = Changes(set={"a:late": f'"{what}"'}, number=(fields.TOUCHED,))
    around.store.apply(Commit("run", "1", (Stage({}, change),)))
    around.clock.move(2 * WEEK_MS)

    deleted = around.expire()
    around.archive_all()

    assert deleted == 0
    assert around.expire() == 1
    assert around.client.store.read_all("run")[1]["a:late"] == f'"{what}"'


def test_a_run_that_goes_on_while_it_is_put_is_not_marked(
    around: ArchivedSurroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive has its old end; Redis has it as it is, and keeps it."""
    cancelled(around, "run")
    put = around.archive.put

    def put_and_retry(runs: Sequence[EndedRun], now_ms: int) -> None:
        put(runs, now_ms)
        around.client.get("run").retry()

    monkeypatch.setattr(around.archive, "put", put_and_retry)
    marked = around.archive_all()

    assert marked == 0
    assert fields.ARCHIVED not in around.store.read_all("run")[1]
    assert around.client.search().runs[0].status == "running"


def test_dying_between_putting_and_marking_costs_nothing(
    around: ArchivedSurroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes next puts it again, and marks it."""
    ended(around, "a", "b")

    def die(_: Sequence[Commit]) -> list[Reply]:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(around.store, "apply_many", die)
        with pytest.raises(KeyboardInterrupt):
            around.archive_all()
    around.clock.move(archivers.LEASE_MS + 1)

    assert around.another_archiver().turn() == 2
    assert around.archive.counts()["completed"] == 2


def test_children_are_archived_as_runs_of_their_own(around: ArchivedSurroundings) -> None:
    """They go when their root has gone, and are read with the name of their parent."""
    request = StartRequest("root/ship:1", "{}", "{}", "", parent=Parent("root", "ship", "1", 1, waits=True))
    around.store.apply(start(around.client.catalogue.plan(WORKFLOW, "1.0.0"), request, Timing()))
    around.work(around.client.get(request.run_id), "a")
    ended(around, "root")

    around.move_all()
    around.expire()

    assert around.kept_here() == set()
    child = around.client.get(request.run_id).describe()
    assert (child.parent, child.status, child.archived) == ("root", "completed", True)


def test_one_of_many_archives(around: ArchivedSurroundings) -> None:
    """The others stand by, and take over when it is silent."""
    other = around.another_archiver()
    around.archive_all()
    ended(around, "a")

    assert (other.turn(), around.archive_all()) == (0, 1)
    ended(around, "b")
    around.clock.move(archivers.LEASE_MS + 1)
    assert (other.turn(), around.archive_all()) == (1, 0)


def test_a_pass_costs_what_has_ended_since(around: ArchivedSurroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what there is; every ten minutes all is looked through again."""
    ended(around, *(f"r{number}" for number in range(20)))
    around.archive_all()
    looked_at: list[int] = []
    read_many = around.store.read_many

    def noting(run_ids: Sequence[str], names: Sequence[str]) -> list[dict[str, str | None]]:
        looked_at.append(len(run_ids))
        return read_many(run_ids, names)

    monkeypatch.setattr(around.store, "read_many", noting)

    ended(around, "new")
    around.archive_all()
    since = sum(looked_at)
    around.clock.move(int(archivers.RESCAN_S * 1000) + 1)
    around.archive_all()

    assert since == 1
    assert sum(looked_at) - since == 21


def test_runs_that_end_together_are_all_found(around: ArchivedSurroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    """More in one millisecond than are looked at together."""
    monkeypatch.setattr(archivers, "LOOKED_AT", 3)
    for number in range(10):
        around.start(run_id=f"r{number}")
    for number in range(10):
        around.work(around.client.handle(f"r{number}"), "a")

    assert around.archive_all() == 10
    assert around.archiver.turn() == 0


def test_a_run_that_cannot_be_archived_holds_up_no_other(
    around: ArchivedSurroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told of, kept, and tried again later."""
    ended(around, "bad", "good", "unreadable")
    put, read_all = around.archive.put, around.store.read_all

    def refuse(runs: Sequence[EndedRun], now_ms: int) -> None:
        if any(run.run_id == "bad" for run in runs):
            raise ValueError("cannot be written")
        put(runs, now_ms)

    def lose(run_id: str) -> tuple[int, dict[str, str]]:
        if run_id == "unreadable":
            raise PayloadLost("is gone")
        return read_all(run_id)

    with monkeypatch.context() as trouble:
        trouble.setattr(around.archive, "put", refuse)
        trouble.setattr(around.store, "read_all", lose)
        assert around.archive_all() == 1
        told = read_progress(around.store.sibling(RECORDS))

    assert told is not None
    assert told.unreadable == 2
    around.clock.move(int(archivers.RESCAN_S * 1000) + 1)
    assert around.archive_all() == 2
    assert archived(around) == {"bad", "good", "unreadable"}


def test_the_archive_forgets_in_its_own_time(around: ArchivedSurroundings) -> None:
    """By `archive_retention_ms`, counted from the end; 0: never."""
    ended(around, "old")
    around.move_all()
    ended(around, "new")
    around.settings = around.settings.model_copy(update={"archive_retention_ms": WEEK_MS})
    around.clock.move(archivers.LEASE_MS)

    around.another_archiver().turn()

    assert archived(around) == {"new"}
