"""The revisions of the archive's tables: which one a database has, and bringing it up to the newest."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, inspect, text

from orchestrator.store.archive.tables import VERSION_TABLE

HEAD_REVISION: Final = "0001"
"""The newest revision, which this version works with. Reading it here spares every process alembic."""
MIGRATIONS: Final = Path(__file__).with_name("migrations")


def revision_of(connection: Connection) -> str | None:
    """The revision of a database's tables; None if it has none."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one_or_none()  # noqa: S608
    return None if found is None else str(found)


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring a database's tables to a revision."""
    from alembic import command  # noqa: PLC0415  # only who upgrades needs it

    command.upgrade(config(connection), revision)


def config(connection: Connection | None = None) -> Any:
    """How alembic finds the revisions, and the database whose tables it changes."""
    from alembic.config import Config  # noqa: PLC0415

    found = Config(stdout=io.StringIO())
    found.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    found.attributes["connection"] = connection
    return found
