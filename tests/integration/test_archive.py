"""Runs move to a PostgreSQL while everything goes on: none is ever out of sight, and none is lost."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from orchestrator import Orchestrator
from orchestrator.client.handle import RedisRunHandle
from orchestrator.engine import fields
from orchestrator.errors import Archived
from tests.integration.conftest import MakeSystem
from tests.integration.system import System, ended, server_of, token, until
from tests.postgres import LocalPostgres

pytestmark = pytest.mark.integration

PAGE = 7


@pytest.fixture(scope="module")
def postgres() -> Iterator[LocalPostgres]:
    """One server for these tests."""
    with LocalPostgres() as server:
        yield server


@pytest.fixture
def archived_system(make_system: MakeSystem, postgres: LocalPostgres) -> System:
    """A system that keeps runs for a second and a half, and then in PostgreSQL alone; without a listener yet."""
    system = make_system(retention_ms=1_500, archive_url=postgres.create())
    assert system.client.archive is not None
    system.client.archive.upgrade()
    system.publish()
    system.start_worker()
    system.start_beat()
    return system.ready()


def start(system: System, count: int) -> list[RedisRunHandle]:
    """Some short runs."""
    return [system.client.start("examples.sequence", {"name": f"ada-{number}"}) for number in range(count)]


def is_here(system: System, run: RedisRunHandle) -> bool:
    """Whether Redis still has it."""
    _, values = system.client.hot.read(run.run_id, (fields.INCARNATION,))
    return values[fields.INCARNATION] is not None


def listed(system: System, **which: object) -> Counter[str]:
    """How often each run stands in a list that is paged through to its end."""
    seen: Counter[str] = Counter()
    cursor = None
    while True:
        page = system.client.search(limit=PAGE, cursor=cursor, **which)  # type: ignore[arg-type]  # as a test says
        seen.update(run.run_id for run in page.runs)
        cursor = page.cursor
        if cursor is None:
            return seen


def all_moved(system: System, runs: list[RedisRunHandle]) -> None:
    """Wait until all of them are in the archive alone."""
    until(lambda: not any(is_here(system, run) for run in runs), "all runs have moved to the archive", 60)


def test_lists_show_each_run_once_at_every_moment(archived_system: System) -> None:
    """While runs start, end, are archived and are deleted: whoever pages through sees each run, and none twice."""
    system = archived_system
    system.start_listener()
    system.ready()
    started, wrong, looks = list[RedisRunHandle](), list[Counter[str]](), 0
    done = threading.Event()

    def look() -> None:
        nonlocal looks
        while not done.is_set():
            for way in ({}, {"oldest_first": True}, {"workflow": "examples.sequence"}):
                known = [run.run_id for run in started]
                seen = listed(system, **way)
                if any(seen[run_id] != 1 for run_id in known) or max(seen.values(), default=0) > 1:
                    wrong.append(seen)
                looks += 1

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(8):
            batch = start(system, 10)
            started += batch
            for run in batch:
                ended(run)
        all_moved(system, started)
    finally:
        done.set()
        looking.join()

    assert wrong == []
    assert looks > 20
    assert listed(system, status="completed") == Counter({run.run_id: 1 for run in started})
    assert system.client.stats().runs["completed"] == system.client.stats().archived == 80


def test_a_listener_that_is_killed_while_it_archives_loses_nothing(archived_system: System) -> None:
    """Another goes on where it was; each run reads as it did before."""
    system = archived_system
    runs = start(system, 250)
    before = {run.run_id: (ended(run), run.history()) for run in runs}
    archive = system.client.archive
    assert archive is not None

    system.start_listener()
    for had in (0, 100, 200):
        until(lambda had=had: archive.counts()["completed"] > had, "something more was archived")  # type: ignore[misc]
        system.fleet["listener"].kill()
        system.ready()
    all_moved(system, runs)

    for run in runs:
        shown, history = before[run.run_id]
        assert replace(run.describe(), archived=False) == shown
        assert run.history() == history
    assert archive.counts()["completed"] == len(runs)


def test_nothing_is_deleted_while_postgresql_is_away(archived_system: System, postgres: LocalPostgres) -> None:
    """Runs end meanwhile, and are kept for as long as it takes; it comes back, and they go."""
    system = archived_system
    system.start_listener()
    system.ready()
    first = start(system, 5)
    all_moved(system, first)

    postgres.stop()
    try:
        later = start(system, 5)
        for run in later:
            ended(run)
        system.fleet["listener"].wait_for_line("archive_held_up")
        until(lambda: system.client.hot.time_ms() > max_ended(system, later) + 6_000, "retention has passed")
        assert all(is_here(system, run) for run in later)
        assert "archive_unreachable" in {one.code for one in system.client.doctor()}
    finally:
        postgres.start()
    all_moved(system, later)

    assert listed(system) == Counter(run.run_id for run in (*first, *later))


def max_ended(system: System, runs: list[RedisRunHandle]) -> int:
    """When the last of these runs ended."""
    found = system.client.hot.read_many([run.run_id for run in runs], (fields.ENDED_AT,))
    return max(int(values[fields.ENDED_AT] or 0) for values in found)


def test_over_http_an_archived_run_is_read_and_not_acted_on(archived_system: System) -> None:
    """The same as over Redis: lists, description, history, stream, result; `archived` for what is done to it."""
    system = archived_system
    system.start_listener()
    system.start_api()
    system.ready()
    (run,) = start(system, 1)
    before = ended(run), run.history()
    all_moved(system, [run])

    with Orchestrator.connect(server_of(system), api_key=token(system, "admin")) as remote:
        there = remote.get(run.run_id)
        shown = there.describe()
        assert shown.archived
        assert (replace(shown, archived=False), there.history()) == before
        assert list(there.follow()) == before[1]
        assert there.result() == run.result()
        assert [one.run_id for one in remote.search(status="completed").runs] == [run.run_id]
        with pytest.raises(Archived):
            there.cancel()
