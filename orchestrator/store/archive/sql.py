"""The archive in SQLite or PostgreSQL."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator.engine.indexes import status_index
from orchestrator.engine.state import OVER
from orchestrator.errors import ArchiveOutdated, InvalidSettings
from orchestrator.store.archive.database import changing_tables, open_engine, reading, writing
from orchestrator.store.archive.packing import HEAD, Row, entries_of, pack, place_of, storable, unpack
from orchestrator.store.archive.port import ArchiveState, EndedRun
from orchestrator.store.archive.tables import OF_RUNS, events, index, owner, payloads, runs
from orchestrator.store.archive.upgrading import HEAD_REVISION, revision_of, upgrade
from orchestrator.store.port import HistoryEntry

_COUNTED: Final = 10_000
"""How far the runs of an index are counted to tell whether it is smaller than another."""
_EDITION: Final = ("created_at", "incarnation", "touched")
"""By what a later state of a run is known; a run whose id was used again was created later."""


class SqlArchive:
    """The archive of one namespace, behind a URL of SQLAlchemy. Usable from any thread; connects on first use."""

    def __init__(self, url: str, namespace: str) -> None:
        self._engine = open_engine(url)
        self._namespace = namespace
        self._checked = False
        self._checking = threading.Lock()

    def put(self, runs_: Sequence[EndedRun], now_ms: int) -> None:
        """Keep these, all or none, for good when this returns; a later state of a run stays as it is."""
        self._check()
        packed = {run.run_id: pack(run, now_ms) for run in sorted(runs_, key=lambda one: one.run_id)}
        if not packed:
            return
        with writing(self._engine) as connection:
            self._take_possession(connection)
            written = self._put_runs(connection, [one.run for one in packed.values()])
            for table in OF_RUNS:
                connection.execute(delete(table).where(table.c.run_id.in_(written)))
            kept = [packed[run_id] for run_id in written]
            for table, rows in (
                (index, [row for one in kept for row in one.index]),
                (events, [row for one in kept for row in one.events]),
                (payloads, [row for one in kept for row in one.payloads]),
            ):
                if rows:
                    connection.execute(table.insert(), rows)

    def read_all(self, run_id: str) -> dict[str, str]:
        """Every field of a run, and when it was archived; none if it is not here."""
        return self._whole([run_id]).get(run_id, {})

    def read_many(self, run_ids: Sequence[str], fields: Sequence[str]) -> list[dict[str, str | None]]:
        """The values of the same fields of many runs, in their order; None: absent."""
        found = self._heads(run_ids) if HEAD.issuperset(fields) else self._whole(run_ids)
        return [{name: found.get(run_id, {}).get(name) for name in fields} for run_id in run_ids]

    def history(self, run_id: str, after: str = "0", limit: int = 1000) -> list[HistoryEntry]:
        """Events of a run that came after the one with this id, oldest first."""
        self._check()
        passed = place_of(after)
        until = tuple_(events.c.until_ms, events.c.until_seq)
        query = (
            select(events.c.content)
            .where(events.c.run_id == run_id, until > tuple_(*passed))
            .order_by(events.c.number)
            .limit(limit)
        )
        found: list[HistoryEntry] = []
        with reading(self._engine) as connection:
            for (content,) in connection.execute(query):
                found += [entry for entry in entries_of(content) if place_of(entry.id) > passed]
                if len(found) >= limit:
                    break
        return found[:limit]

    def newest(self, name: str, before: tuple[int, str] | None, limit: int) -> list[tuple[int, str]]:
        """(created_at, run id) of the runs in an index, newest first, from below `before`."""
        query = select(index.c.created_at, index.c.run_id).where(index.c.name == storable(name))
        if before is not None:
            query = query.where(tuple_(*before) > _PLACE)
        return self._places(query.order_by(index.c.created_at.desc(), index.c.run_id.desc()).limit(limit))

    def oldest(self, name: str, after: tuple[int, str] | None, limit: int) -> list[tuple[int, str]]:
        """As `newest`, but oldest first, from above `after`."""
        query = select(index.c.created_at, index.c.run_id).where(index.c.name == storable(name))
        if after is not None:
            query = query.where(tuple_(*after) < _PLACE)
        return self._places(query.order_by(index.c.created_at, index.c.run_id).limit(limit))

    def index_sizes(self, names: Sequence[str]) -> dict[str, int]:
        """How many runs each index holds, counted no further than one needs to tell small from large."""
        self._check()
        with reading(self._engine) as connection:
            return {name: self._count(connection, name, _COUNTED) for name in names}

    def counts(self) -> dict[str, int]:
        """How many runs there are of each status."""
        self._check()
        with reading(self._engine) as connection:
            return {status.value: self._count(connection, status_index(status)) for status in sorted(OVER)}

    def prune(self, ended_before_ms: int, limit: int) -> int:
        """Delete runs that ended before a moment, so many at most; how many were."""
        self._check()
        old = select(runs.c.run_id).where(runs.c.ended_at < ended_before_ms).order_by(runs.c.ended_at).limit(limit)
        with writing(self._engine) as connection:
            run_ids = list(connection.execute(old).scalars())
            for table in (*OF_RUNS, runs):
                connection.execute(delete(table).where(table.c.run_id.in_(run_ids)))
        return len(run_ids)

    def state(self) -> ArchiveState:
        """Where it is, and whether its tables are those that are wanted."""
        with reading(self._engine) as connection:
            found = revision_of(connection)
        return ArchiveState(self._engine.url.render_as_string(hide_password=True), found, HEAD_REVISION)

    def upgrade(self) -> None:
        """Make the tables, or bring them up to date; nothing if they are."""
        with changing_tables(self._engine) as connection:
            if revision_of(connection) != HEAD_REVISION:
                upgrade(connection)

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        self._engine.dispose()

    def _check(self) -> None:
        """See once that this is our archive, with the tables that are wanted; SQLite's are made."""
        with self._checking:
            if self._checked:
                return
            state = self.state()
            if not state.is_current and self._engine.dialect.name == "sqlite" and self._may_upgrade(state):
                self.upgrade()
                state = self.state()
            if not state.is_current:
                raise _outdated(state)
            with reading(self._engine) as connection:
                self._check_owner(connection)
            self._checked = True

    @staticmethod
    def _may_upgrade(state: ArchiveState) -> bool:
        return state.revision is None or state.revision < state.wanted

    def _check_owner(self, connection: Connection) -> bool:
        """Whether this namespace has put something here before."""
        found = connection.execute(select(owner.c.namespace)).scalars().first()
        if found not in (None, self._namespace):
            message = f"`archive_url` is the archive of namespace {found!r}; {self._namespace!r} needs one of its own"
            raise InvalidSettings(message)
        return found is not None

    def _take_possession(self, connection: Connection) -> None:
        if not self._check_owner(connection):
            connection.execute(self._insert(owner).values(namespace=self._namespace).on_conflict_do_nothing())

    def _put_runs(self, connection: Connection, rows: Sequence[Row]) -> list[str]:
        """The runs whose state here was none, or an earlier one."""
        insertion = self._insert(runs)
        new, old = insertion.excluded, runs.c
        statement = insertion.on_conflict_do_update(
            index_elements=[runs.c.run_id],
            set_={column.name: new[column.name] for column in runs.c if column.name != "run_id"},
            where=tuple_(*(new[name] for name in _EDITION)) >= tuple_(*(old[name] for name in _EDITION)),
        ).returning(runs.c.run_id)
        return [run_id for row in rows for run_id in connection.execute(statement, row).scalars()]

    def _insert(self, table: Any) -> Any:
        return (postgresql if self._engine.dialect.name == "postgresql" else sqlite).insert(table)

    def _heads(self, run_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        self._check()
        with reading(self._engine) as connection:
            found = connection.execute(select(runs.c.run_id, runs.c.head).where(runs.c.run_id.in_(run_ids)))
            return {run_id: json.loads(head) for run_id, head in found}

    def _whole(self, run_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """Every field of these runs."""
        self._check()
        beside: dict[str, dict[str, bytes]] = {}
        with reading(self._engine) as connection:
            found = connection.execute(select(runs.c.run_id, runs.c.fields).where(runs.c.run_id.in_(run_ids))).all()
            held = select(payloads.c.run_id, payloads.c.digest, payloads.c.content)
            for run_id, digest, content in connection.execute(held.where(payloads.c.run_id.in_(run_ids))):
                beside.setdefault(run_id, {})[digest] = content
        return {run_id: unpack(run_id, content, beside.get(run_id, {})) for run_id, content in found}

    def _places(self, query: Any) -> list[tuple[int, str]]:
        self._check()
        with reading(self._engine) as connection:
            return [(created_at, run_id) for created_at, run_id in connection.execute(query)]

    @staticmethod
    def _count(connection: Connection, name: str, most: int | None = None) -> int:
        held = select(index.c.run_id).where(index.c.name == storable(name)).limit(most).subquery()
        return connection.execute(select(func.count()).select_from(held)).scalar_one()


_PLACE = tuple_(index.c.created_at, index.c.run_id)


def _outdated(state: ArchiveState) -> ArchiveOutdated:
    if state.revision is not None and state.revision > state.wanted:
        message = f"the archive's tables are of revision {state.revision}, newer than {state.wanted}, which this knows"
    else:
        has = "has no tables yet" if state.revision is None else f"has tables of revision {state.revision}"
        message = f"the archive {has}, and needs {state.wanted}: run `orchestrator archive upgrade`"
    return ArchiveOutdated(message, revision=state.revision, wanted=state.wanted)
