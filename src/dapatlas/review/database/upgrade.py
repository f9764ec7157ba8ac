"""Bringing the tables of a review up to date, by the migrations that come with this package."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from dapatlas.errors import DapatlasError
from dapatlas.review.database.tables import Table

VERSION_TABLE = (
    "dapatlas_review_version"  # a name of its own: other programs may use Alembic in this database
)

_ADVISORY_LOCK = (
    0x0DA9_A71A  # the number by which processes that upgrade one PostgreSQL database know each other
)
_alembic = Lock()  # Alembic keeps its context in module globals


class UpgradeError(DapatlasError):
    """The tables are not such that this dapatlas can use them."""


def upgrade(connection: Connection) -> None:
    """Make or upgrade the tables within the transaction of ``connection``; one process at a time.

    Raises
    ------
    UpgradeError
        The database was made by a newer dapatlas, or other programs' tables have our tables' names.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY_LOCK})
    config = settings()
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    found = set(context.get_current_heads())
    scripts = ScriptDirectory.from_config(config)
    if unknown := found - {script.revision for script in scripts.walk_revisions()}:
        raise UpgradeError(
            f"its tables have version {', '.join(sorted(unknown))}, which this dapatlas does not know: "
            "it was used with a newer one; upgrade dapatlas"
        )
    if not found and (foreign := _foreign_tables(connection)):
        raise UpgradeError(
            f"it has tables that no review made ({', '.join(sorted(foreign))}); name another database"
        )
    if found != set(scripts.get_heads()):
        config.attributes["connection"] = connection
        with _alembic:
            command.upgrade(config, "head")


def _foreign_tables(connection: Connection) -> set[str]:
    """What speaks against making our tables: on a server those in their place, in a file any at all."""
    tables = set(inspect(connection).get_table_names())
    return tables if connection.dialect.name == "sqlite" else tables & set(Table.metadata.tables)


def settings() -> Config:
    """What Alembic needs to know; there is no alembic.ini."""
    config = Config()
    folder = Path(__file__).with_name("migrations")
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
