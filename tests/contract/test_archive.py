"""What an archive promises, in SQLite and in PostgreSQL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import delete, event, text, update

from orchestrator.engine import fields
from orchestrator.engine.indexes import INDEXES
from orchestrator.errors import ArchiveOutdated, InvalidSettings, Unreachable
from orchestrator.store.archive.database import changing_tables, open_engine, reading, writing
from orchestrator.store.archive.packing import CHUNK
from orchestrator.store.archive.port import EndedRun
from orchestrator.store.archive.sql import SqlArchive
from orchestrator.store.archive.tables import OF_RUNS, VERSION_TABLE, metadata, runs
from orchestrator.store.archive.upgrading import HEAD_REVISION, config, revision_of, upgrade
from orchestrator.store.port import HistoryEntry
from tests.postgres import LocalPostgres

NOW_MS = 1_700_000_900_000
HEAD = (fields.STATUS, fields.WORKFLOW, fields.ENDED_AT, fields.ARCHIVED_AT)


@pytest.fixture(scope="module")
def postgres() -> Iterator[LocalPostgres]:
    """One server for all laws; each has a database of its own."""
    with LocalPostgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database; each law is tried on both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/archive.sqlite"
    server: LocalPostgres = request.getfixturevalue("postgres")
    return server.create()


@pytest.fixture
def archive(url: str) -> Iterator[SqlArchive]:
    """An archive with its tables."""
    archive = SqlArchive(url, "test")
    archive.upgrade()
    yield archive
    archive.close()


def run(
    run_id: str = "run", *, created_ms: int = 1_000, events: int = 3, tags: Sequence[str] = (), **more: str
) -> EndedRun:
    """A run that is over."""
    found_by = (
        "all",
        "workflow:test.flow",
        f"status:{more.get('status', 'completed')}",
        *(f"tag:{tag}" for tag in tags),
    )
    values = {
        fields.INCARNATION: "1",
        fields.CREATED_AT: str(created_ms),
        fields.ENDED_AT: str(created_ms + 500),
        fields.WORKFLOW: "test.flow",
        fields.VERSION: "1.0.0",
        fields.STATUS: "completed",
        INDEXES: json.dumps(["all", "workflow:test.flow"]),
        **more,
    }
    history = [
        HistoryEntry(f"{created_ms}-{number}", created_ms, {"type": "t", "n": number}) for number in range(events)
    ]
    return EndedRun(run_id, values, history, found_by)


def test_a_run_comes_back_as_it_was(archive: SqlArchive) -> None:
    """Every field and event, whatever is in them, and beside them when it was archived."""
    kept = run(output=json.dumps({"text": "\0 ü 🚲"}), started_by="ada\0", a_output=json.dumps("x" * 200_000))

    archive.put([kept], NOW_MS)

    assert archive.read_all("run") == {**kept.fields, fields.ARCHIVED_AT: str(NOW_MS)}
    assert archive.history("run") == kept.history
    assert archive.read_many(["no", "run"], ["output"]) == [{"output": None}, {"output": kept.fields["output"]}]


def test_what_is_not_here_is_empty(archive: SqlArchive) -> None:
    """As in stores."""
    assert archive.read_all("no") == {}
    assert archive.history("no") == []
    assert archive.read_many(["no"], HEAD) == [dict.fromkeys(HEAD)]
    assert archive.newest("all", None, 10) == []


@pytest.mark.parametrize("events", [0, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_a_history_is_read_in_pages(archive: SqlArchive, events: int) -> None:
    """Each event once, in order, however the pages lie to what is kept together."""
    kept = run(events=events)
    archive.put([kept], NOW_MS)
    found: list[HistoryEntry] = []

    while page := archive.history("run", found[-1].id if found else "0", 333):
        found += page

    assert found == kept.history


def test_ids_of_events_are_ordered_as_numbers(archive: SqlArchive) -> None:
    """9-10 comes after 9-9."""
    history = [HistoryEntry(f"9-{seq}", 9, {"n": seq}) for seq in (9, 10, 11)]
    archive.put([replace(run(), history=history)], NOW_MS)

    assert [entry.id for entry in archive.history("run", "9-9")] == ["9-10", "9-11"]


def test_pages_go_through_an_index_in_both_directions(archive: SqlArchive) -> None:
    """By creation and id, by code point: capitals first, whatever the database's locale."""
    ids = ["B", "a", "b", "A-1", "A.1", "é"]
    archive.put([run(run_id, created_ms=1_000 + 10 * (number // 3)) for number, run_id in enumerate(ids)], NOW_MS)
    placed = sorted((1_000 + 10 * (number // 3), run_id) for number, run_id in enumerate(ids))

    assert archive.oldest("all", None, 10) == placed
    assert archive.newest("all", None, 10) == placed[::-1]
    assert archive.oldest("all", placed[2], 2) == placed[3:5]
    assert archive.newest("all", placed[3], 2) == placed[1:3][::-1]


def test_a_run_is_found_by_its_indexes_and_counted_once(archive: SqlArchive) -> None:
    """Put twice as well."""
    archive.put([run("a", tags=["x"]), run("b", status="failed")], NOW_MS)
    archive.put([run("a", tags=["x"])], NOW_MS)

    assert archive.newest("tag:x", None, 5) == [(1_000, "a")]
    assert archive.index_sizes(["all", "tag:x", "tag:y"]) == {"all": 2, "tag:x": 1, "tag:y": 0}
    assert archive.counts() == {"cancelled": 0, "completed": 1, "failed": 1}


@pytest.mark.parametrize(
    "later",
    [
        {"incarnation": "2", "status": "failed"},
        {"touched": "9", "status": "failed"},
        {"created_ms": 2_000, "status": "failed"},
    ],
)
def test_a_later_state_replaces_an_earlier_one_and_never_the_other_way(archive: SqlArchive, later: Any) -> None:
    """A new incarnation, a change after the end, another run by the same id: with all that belonged to the old one."""
    old = run(tags=["old"], events=CHUNK * 2, a_output=json.dumps("x" * 100_000))
    new = run(tags=["new"], events=2, **later)

    archive.put([old], NOW_MS)
    archive.put([new], NOW_MS + 1)
    archive.put([old], NOW_MS + 2)

    assert archive.read_all("run") == {**new.fields, fields.ARCHIVED_AT: str(NOW_MS + 1)}
    assert archive.history("run") == new.history
    assert archive.index_sizes(["tag:old", "tag:new"]) == {"tag:old": 0, "tag:new": 1}
    assert archive.counts() == {"cancelled": 0, "completed": 0, "failed": 1}


def test_a_batch_is_kept_whole_or_not_at_all(archive: SqlArchive) -> None:
    """A run that the database cannot take leaves nothing of the others."""
    with pytest.raises(Exception, match=r".+"):
        archive.put([run("a"), run("b", incarnation=str(10**40))], NOW_MS)

    assert archive.index_sizes(["all"]) == {"all": 0}
    assert archive.read_all("a") == {}


def test_pruning_takes_the_first_to_end_and_leaves_nothing_of_them(archive: SqlArchive) -> None:
    """So many at a time."""
    archive.put([run(f"r{number}", created_ms=number, o="x" * 100_000) for number in range(5)], NOW_MS)

    pruned = archive.prune(504, 3), archive.prune(504, 3)

    assert pruned == (3, 1)
    assert [run_id for _, run_id in archive.newest("all", None, 5)] == ["r4"]
    with reading(archive._engine) as connection:
        for table in OF_RUNS:
            assert {one.run_id for one in connection.execute(table.select())} == {"r4"}


def test_another_namespace_is_refused(archive: SqlArchive, url: str) -> None:
    """Its runs would stand among ours."""
    archive.put([run()], NOW_MS)

    with closing(SqlArchive(url, "other")) as other, pytest.raises(InvalidSettings, match="'test'"):
        other.newest("all", None, 1)


@pytest.mark.parametrize("revision", [one.revision for one in ScriptDirectory.from_config(config()).walk_revisions()])
def test_from_each_revision_the_tables_become_those_of_the_code(url: str, revision: str) -> None:
    """And what was archived before is there."""
    engine = open_engine(url)
    with changing_tables(engine) as connection:
        upgrade(connection, revision)

    archive = SqlArchive(url, "test")
    archive.upgrade()
    archive.put([run()], NOW_MS)

    with reading(engine) as connection:
        assert revision_of(connection) == HEAD_REVISION
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()
    archive.close()


def test_the_newest_revision_is_the_one_that_the_code_works_with() -> None:
    """Processes compare with a constant."""
    assert ScriptDirectory.from_config(config()).get_current_head() == HEAD_REVISION


def test_tables_that_are_missing_or_newer_are_told_of(url: str) -> None:
    """SQLite's are made by whoever comes first; PostgreSQL's by `orchestrator archive upgrade`."""
    first = SqlArchive(url, "test")
    if url.startswith("sqlite"):
        assert first.newest("all", None, 1) == []
    else:
        with pytest.raises(ArchiveOutdated, match="archive upgrade"):
            first.newest("all", None, 1)
    first.upgrade()
    first.upgrade()
    with writing(first._engine) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))

    with closing(SqlArchive(url, "test")) as second, pytest.raises(ArchiveOutdated, match="newer"):
        second.newest("all", None, 1)
    first.close()


def test_lists_and_details_use_an_index(archive: SqlArchive) -> None:
    """With many runs a page reads its rows and no others: no plan goes through a table, and none of a list sorts."""
    archive.put([run(f"r{number:04}", created_ms=number) for number in range(2_000)], NOW_MS)
    asked: list[tuple[str, Any]] = []
    event.listen(archive._engine, "before_cursor_execute", lambda _, __, told, given, *___: asked.append((told, given)))
    with writing(archive._engine) as connection:
        connection.execute(text("ANALYZE"))
    asked.clear()

    archive.newest("all", (1_500, "r1500"), 50)
    archive.oldest("all", (1_500, "r1500"), 50)
    archive.read_many(["r0001", "r0002"], HEAD)
    archive.read_many(["r0001", "r0002"], ["output"])
    archive.history("r0001")
    archive.prune(100, 10)

    plans = [plan_of(archive, *one) for one in asked if one[0].startswith("SELECT")]
    assert len(plans) == 7
    for plan in plans:
        assert re.search("INDEX|Index", plan), plan
        assert not re.search("SCAN orch|Seq Scan", plan), plan
    assert not re.search("TEMP B-TREE|Sort", plans[0] + plans[1]), plans


def plan_of(archive: SqlArchive, statement: str, given: Any) -> str:
    """How the database would go about it with tables too large to be gone through."""
    is_sqlite = archive._engine.dialect.name == "sqlite"
    explain = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
    with reading(archive._engine) as connection:
        if not is_sqlite:
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        return "\n".join(str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {statement}", given))


def test_a_database_that_is_away_is_unreachable_and_found_again(postgres: LocalPostgres) -> None:
    """Without being told so: the connections of before are of no use any more."""
    archive = SqlArchive(postgres.create(), "test")
    archive.upgrade()
    archive.put([run()], NOW_MS)

    postgres.stop()
    with pytest.raises(Unreachable):
        archive.read_all("run")
    postgres.start()

    assert archive.read_all("run")[fields.STATUS] == "completed"
    archive.close()


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "sqlite+nothing:///x"])
def test_a_url_that_cannot_be_used_is_told_at_once(url: str) -> None:
    """With what to write instead."""
    with pytest.raises(InvalidSettings, match="sqlite"):
        SqlArchive(url, "test")


def test_a_payload_that_was_lost_is_told_of(archive: SqlArchive) -> None:
    """It does not read as something else."""
    archive.put([run(o=json.dumps("x" * 100_000))], NOW_MS)
    with writing(archive._engine) as connection:
        connection.execute(delete(metadata.tables["orchestrator_payloads"]))
        connection.execute(update(runs).values(touched=0))

    with pytest.raises(Exception, match="is gone"):
        archive.read_all("run")
