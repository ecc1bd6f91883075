"""The database of an archive: connections, what is different about SQLite, and errors in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as NoConnection

from orchestrator.errors import InvalidSettings, Unreachable

_IMMEDIATE: Final = "orchestrator_immediate"
_WAIT_S: Final = 5
_STATEMENT_MS: Final = 60_000
_LOCK: Final = 0x0AC1_11FE
"""The advisory lock of who makes the tables."""


def open_engine(url: str) -> Engine:
    """The engine for the setting `archive_url`; InvalidSettings if it is not the URL of SQLite or PostgreSQL."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise InvalidSettings(f"`archive_url` is of {parsed.get_backend_name()}; use sqlite or postgresql+psycopg")
        arguments: dict[str, Any] = {"timeout": _WAIT_S}
        if parsed.get_backend_name() == "postgresql":
            arguments = {"connect_timeout": _WAIT_S, "options": f"-c statement_timeout={_STATEMENT_MS}"}
            arguments |= {name: value for name, value in parsed.query.items() if name in arguments}
        engine = create_engine(parsed, pool_pre_ping=True, pool_timeout=_WAIT_S, connect_args=arguments)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        example = "sqlite:///archive.sqlite or postgresql+psycopg://user:password@host/database"
        raise InvalidSettings(f"`archive_url` cannot be used ({error}); say {example}") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection to read by; Unreachable if the database does not answer."""
    with _in_our_words(), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction, committed in the end; Unreachable if the database does not answer."""
    with _in_our_words(), engine.connect().execution_options(**{_IMMEDIATE: True}) as connection, connection.begin():
        yield connection


@contextmanager
def changing_tables(engine: Engine) -> Iterator[Connection]:
    """A transaction in which nobody else changes the tables; it may take its time."""
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        yield connection


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except (DataError, IntegrityError):  # about what was to be written, not about the database
        raise
    except (DBAPIError, NoConnection) as error:
        raise Unreachable(f"the archive does not answer: {_told(error)}") from error


def _told(error: Exception) -> str:
    """The database's own words, without the statement and its values."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return " ".join(str(cause).split())


def _prepare(connection: Any, _: Any) -> None:
    """What was committed is on the disk, and readers do not wait for who writes."""
    connection.isolation_level = None  # transactions are begun below, those with changes of tables too
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    wanted = "BEGIN IMMEDIATE" if connection.get_execution_options().get(_IMMEDIATE) else "BEGIN"
    connection.exec_driver_sql(wanted)
