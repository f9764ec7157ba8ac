"""Run by Alembic: applies migrations within the transaction of the connection that is handed over."""

from __future__ import annotations

from alembic import context

from dapatlas.review.database.tables import Table
from dapatlas.review.database.upgrade import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,  # SQLite's too: the transaction was begun by us
    render_as_batch=True,  # SQLite changes columns by copying the table
)
context.run_migrations()
