"""Runs with their indexes, histories and payloads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NAME = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table("orchestrator_archive_owner", sa.Column("namespace", _NAME, primary_key=True))
    op.create_table(
        "orchestrator_runs",
        sa.Column("run_id", _NAME, primary_key=True),
        sa.Column("workflow", _NAME, nullable=False),
        sa.Column("version", _NAME, nullable=False),
        sa.Column("status", _NAME, nullable=False),
        sa.Column("compensation", _NAME, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
        sa.Column("incarnation", sa.Integer, nullable=False),
        sa.Column("touched", sa.Integer, nullable=False),
        sa.Column("started_by", sa.Text, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("attention", sa.Text),
        sa.Column("parent", _NAME),
        sa.Column("archived_at", sa.BigInteger, nullable=False),
        sa.Column("head", sa.Text, nullable=False),
        sa.Column("fields", sa.LargeBinary, nullable=False),
    )
    op.create_index("orchestrator_runs_by_end", "orchestrator_runs", ["ended_at"])
    op.create_table(
        "orchestrator_index",
        sa.Column("name", _NAME, primary_key=True),
        sa.Column("created_at", sa.BigInteger, primary_key=True),
        sa.Column("run_id", _NAME, primary_key=True),
    )
    op.create_index("orchestrator_index_by_run", "orchestrator_index", ["run_id"])
    op.create_table(
        "orchestrator_events",
        sa.Column("run_id", _NAME, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
        sa.Column("until_seq", sa.BigInteger, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "orchestrator_payloads",
        sa.Column("run_id", _NAME, primary_key=True),
        sa.Column("digest", _NAME, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Not provided: what is archived is not deleted by a change of tables."""
    raise NotImplementedError("the archive is not downgraded; restore a backup")
