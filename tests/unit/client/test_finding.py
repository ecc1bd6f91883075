"""Runs are found, shown and counted the same wherever they are kept."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.client.archiving import archive_status
from orchestrator.client.handle import RedisRunHandle
from orchestrator.client.shown import RunSummary
from orchestrator.engine.address import DRAIN
from orchestrator.engine.retention import forget
from orchestrator.engine.view import RunView
from orchestrator.errors import Archived, RunConflict, UnknownRun, Unreachable
from tests.unit.archived import WEEK_MS, ArchivedSurroundings
from tests.unit.surroundings import WORKFLOW

QUERIES: list[dict[str, Any]] = [
    {},
    {"oldest_first": True},
    {"workflow": WORKFLOW},
    {"workflow": "other.flow", "status": "completed"},
    {"status": "completed"},
    {"status": "cancelled", "oldest_first": True},
    {"status": "running"},
    {"version": "1.0.0"},
    {"tags": ["paid"], "where": {"customer": "ada"}},
    {"where": {"customer": "bob"}},
    {"text": "RUN-1"},
    {"text": "run-03"},
    {"text": "other"},
    {"since": "2023-11-14T22:13:25Z", "until": "2023-11-14T22:13:35Z"},
]


@pytest.fixture
def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ArchivedSurroundings]:
    """Two workflows, found by customer."""
    around = ArchivedSurroundings(tmp_path, monkeypatch)
    search = {"customer": "input.customer"}
    around.publish(search=search)
    around.publish(search=search, key="other.flow")
    yield around
    around.archive.close()


def begin(around: ArchivedSurroundings, number: int, *, workflow: str = WORKFLOW) -> RedisRunHandle:
    """A run, a second after the one before, some of them in one millisecond."""
    around.clock.move(1_000 if number % 4 else 0)
    customer = ("ada", "bob", "eve")[number % 3]
    return around.client.start(workflow, {"customer": customer}, run_id=f"run-{number:02}")


def finish(around: ArchivedSurroundings, run: RedisRunHandle, number: int) -> None:
    """End it: well, or by a cancel."""
    if number % 5 == 0:
        run.cancel("enough", "ada")
        around.work(run, DRAIN)
    else:
        around.work(run, "a")


def some_runs(around: ArchivedSurroundings, count: int = 24) -> list[RedisRunHandle]:
    """Runs of both workflows; each seventh goes on."""
    runs = [begin(around, number, workflow=WORKFLOW if number % 2 else "other.flow") for number in range(count)]
    for number, run in enumerate(runs):
        if number % 7:
            finish(around, run, number)
    return runs


def found(around: ArchivedSurroundings, limit: int = 5, **which: Any) -> list[RunSummary]:
    """The runs of all pages, as if they were kept in one place."""
    runs: list[RunSummary] = []
    cursor = None
    while True:
        page = around.client.search(**which, limit=limit, cursor=cursor)
        runs += page.runs
        cursor = page.cursor
        if cursor is None:
            return [replace(run, archived=False, duration_ms=run.duration_ms if run.ended_at else 0) for run in runs]


def forget_run(around: ArchivedSurroundings, run_id: str) -> None:
    """Delete a run whose time has come."""
    now_ms, values = around.store.read_all(run_id)
    commit = forget(RunView(run_id, values, now_ms), ended_before_ms=now_ms + 1, remembered_ms=60_000, archived=True)
    if commit is not None:
        assert around.store.apply(commit).first.stands


@pytest.mark.parametrize("seed", range(4))
def test_lists_are_the_same_wherever_runs_are_kept(around: ArchivedSurroundings, seed: int) -> None:
    """Every filter, both orders, pages of any size: before the archive has any of them, while it has some, and all."""
    chosen = random.Random(seed)
    some_runs(around)
    expected = [found(around, **query) for query in QUERIES]
    around.archive_all()

    for run_id in sorted(around.kept_here(), key=lambda _: chosen.random()):
        forget_run(around, run_id)
        query = chosen.randrange(len(QUERIES))
        assert found(around, chosen.randint(1, 9), **QUERIES[query]) == expected[query]

    assert len(around.kept_here()) == 4
    assert [found(around, **query) for query in QUERIES] == expected


@pytest.mark.parametrize("oldest_first", [False, True])
def test_a_run_that_moves_between_two_pages_is_on_one_of_them(around: ArchivedSurroundings, oldest_first: bool) -> None:
    """Not twice, not never, whatever moves when."""
    runs = some_runs(around)
    around.archive_all()
    seen: list[str] = []
    cursor = None
    moving = random.Random(1)

    while True:
        page = around.client.search(limit=3, cursor=cursor, oldest_first=oldest_first)
        seen += [run.run_id for run in page.runs]
        cursor = page.cursor
        for run_id in moving.sample(sorted(around.kept_here()), 4):
            forget_run(around, run_id)
        if cursor is None:
            break

    assert sorted(seen) == [run.run_id for run in runs]


@pytest.mark.parametrize("moment", ["newest", "read_many"])
def test_a_run_that_moves_while_a_page_is_made_is_on_it(
    around: ArchivedSurroundings, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """All of them are archived and deleted right after the first source was asked: for ids, or for what they are."""
    runs = [begin(around, number) for number in range(1, 5)]
    for number, run in enumerate(runs, 1):
        finish(around, run, number)

    def moving(asked: Callable[..., Any]) -> Callable[..., Any]:
        def and_then_move(*given: Any) -> Any:
            answer = asked(*given)
            monkeypatch.undo()
            around.move_all()
            return answer

        return and_then_move

    for source in (around.store, around.archive):
        monkeypatch.setattr(source, moment, moving(getattr(source, moment)))
    found_now = [run.run_id for run in around.client.search().runs]

    assert around.kept_here() == set()
    assert sorted(found_now) == [run.run_id for run in runs]


def test_a_run_that_was_retried_is_found_as_it_is(around: ArchivedSurroundings) -> None:
    """Not as the archive has it still."""
    run = begin(around, 0)
    finish(around, run, 0)
    around.archive_all()
    run.retry()

    assert found(around, status="cancelled") == []
    assert [one.status for one in found(around)] == ["running"]
    assert around.client.stats().runs["running"] == 1


def test_stats_count_both(around: ArchivedSurroundings) -> None:
    """Each run once, whether it is here, there, or in both."""
    some_runs(around)
    before = around.client.stats()
    around.archive_all()
    both = around.client.stats()
    around.clock.move(WEEK_MS + 1)
    around.expire()
    after = around.client.stats()

    assert before.runs == both.runs == after.runs
    assert (before.archived, both.archived, after.archived) == (0, 0, 20)


def test_an_archived_run_is_shown_as_before(around: ArchivedSurroundings) -> None:
    """Description, history with its ids, result, and what is followed; but for the word that it is archived."""
    run = begin(around, 1)
    finish(around, run, 1)
    before = run.describe(), run.history(), run.result(), list(run.follow())
    around.move_all()

    assert around.kept_here() == set()
    assert (replace(run.describe(), archived=False), run.history(), run.result(), list(run.follow())) == before
    assert run.describe().archived
    assert around.client.search(text=run.run_id).runs[0].archived
    assert run.history(after=before[1][1].id, limit=1) == before[1][2:3]
    assert run.undo_preview().undos == ()


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume", "retry", "undo", "skip", "waive", "signal"])
def test_nothing_can_be_done_to_an_archived_run(around: ArchivedSurroundings, verb: str) -> None:
    """Whatever state it ended in: `archived`."""
    run = begin(around, 0)
    finish(around, run, 0)
    around.move_all()
    arguments = ["a"] if verb in ("skip", "waive", "signal") else []

    with pytest.raises(Archived, match="not acted on"):
        getattr(run, verb)(*arguments)


def test_an_archived_runs_id_is_remembered_as_long_as_any(around: ArchivedSurroundings) -> None:
    """Then it may be used again, and the new run is the one that is found."""
    run = begin(around, 1)
    finish(around, run, 1)
    around.move_all()

    with pytest.raises(RunConflict, match="no longer kept"):
        begin(around, 1)
    around.clock.move(around.settings.tombstones_ms)
    again = begin(around, 1)

    assert again.status() == "running"
    assert [one.status for one in around.client.search().runs] == ["running"]
    finish(around, again, 2)
    around.move_all()
    assert around.archive.counts() == {"cancelled": 0, "completed": 1, "failed": 0}


def test_a_run_that_never_was_is_unknown(around: ArchivedSurroundings) -> None:
    """Here and there."""
    with pytest.raises(UnknownRun):
        around.client.get("no-such-run")


def test_without_the_archive_what_is_young_is_found_and_what_may_be_missing_is_said(
    around: ArchivedSurroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of runs that are too young to be archived alone goes on, and the next is an error, not an end."""
    some_runs(around, 8)
    around.move_all()
    begin(around, 50)
    around.lose_archive(monkeypatch)

    page = around.client.search()

    assert [run.run_id for run in page.runs] == ["run-50"]
    assert page.cursor is not None
    with pytest.raises(Unreachable):
        around.client.search(cursor=page.cursor)
    with pytest.raises(Unreachable):
        around.client.get("run-01")
    assert [run.run_id for run in around.client.search(since="1h").runs] == ["run-50"]
    assert around.client.stats().archived is None
    assert [one.code for one in around.client.doctor() if one.code.startswith("archive")] == ["archive_unreachable"]


def test_the_doctor_tells_of_an_archive_that_is_behind(around: ArchivedSurroundings) -> None:
    """Nobody archives, or it cannot be done."""
    some_runs(around, 8)
    around.clock.move(600_000)
    behind = [one.code for one in around.client.doctor() if one.code.startswith("archive")]
    around.archive_all()

    assert behind == ["archive_behind"]
    assert [one.code for one in around.client.doctor() if one.code.startswith("archive")] == ["archive"]
    status = archive_status(around.store, around.archive)
    assert (status.waiting, status.unreadable, status.error, status.lag_ms) == (0, 0, None, 0)
    assert sum(status.runs.values()) == 6
