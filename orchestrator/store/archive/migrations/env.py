"""Run by alembic: the revisions are applied on the connection that `upgrading` gives."""

from __future__ import annotations

from alembic import context

from orchestrator.store.archive.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
