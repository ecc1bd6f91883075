"""The tables of the archive. `migrations/` makes them; a test holds the two together.

Names are compared by code point, as Redis and Python do, whatever the database's locale: pages go on by (created_at,
run_id), and two orders would lose runs between them.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.dialects import postgresql

VERSION_TABLE: Final = "orchestrator_archive_version"

_NAME: Final = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

metadata: Final = MetaData()

owner: Final = Table(
    "orchestrator_archive_owner",
    metadata,
    Column("namespace", _NAME, primary_key=True),
)

runs: Final = Table(
    "orchestrator_runs",
    metadata,
    Column("run_id", _NAME, primary_key=True),
    Column("workflow", _NAME, nullable=False),
    Column("version", _NAME, nullable=False),
    Column("status", _NAME, nullable=False),
    Column("compensation", _NAME, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    Column("incarnation", Integer, nullable=False),
    Column("touched", Integer, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("error_code", Text),
    Column("attention", Text),
    Column("parent", _NAME),
    Column("archived_at", BigInteger, nullable=False),
    Column("head", Text, nullable=False),
    Column("fields", LargeBinary, nullable=False),
    Index("orchestrator_runs_by_end", "ended_at"),
)

index: Final = Table(
    "orchestrator_index",
    metadata,
    Column("name", _NAME, primary_key=True),
    Column("created_at", BigInteger, primary_key=True),
    Column("run_id", _NAME, primary_key=True),
    Index("orchestrator_index_by_run", "run_id"),
)

events: Final = Table(
    "orchestrator_events",
    metadata,
    Column("run_id", _NAME, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("until_ms", BigInteger, nullable=False),
    Column("until_seq", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

payloads: Final = Table(
    "orchestrator_payloads",
    metadata,
    Column("run_id", _NAME, primary_key=True),
    Column("digest", _NAME, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

OF_RUNS: Final = (index, events, payloads)
"""What belongs to a run, besides its own row."""
