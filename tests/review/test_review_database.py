"""Opening databases: new ones, old ones, and what is none; tables and migrations say the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from databases import Server, quick_passwords
from savers import Newcomer, assert_whole, in_processes, in_threads
from sqlalchemy import Engine, create_engine, inspect, text

from dapatlas.errors import DapatlasError
from dapatlas.review.accounts import Role
from dapatlas.review.database.connect import DatabaseError, connect, default_url, writing
from dapatlas.review.database.tables import PlanRow, Table
from dapatlas.review.database.upgrade import VERSION_TABLE, settings
from dapatlas.review.store import Store


def test_migrations_make_the_tables_that_the_code_means(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True},
        )
        assert compare_metadata(context, Table.metadata) == []


def test_constraints_have_the_names_that_the_code_gives_them(engine: Engine) -> None:
    found = inspect(engine)
    for name, table in Table.metadata.tables.items():
        made = {each["name"] for each in found.get_unique_constraints(name)}
        made |= {each["name"] for each in found.get_foreign_keys(name)}
        made |= {each["name"] for each in found.get_check_constraints(name)}
        meant = {str(each.name) for each in table.constraints if each is not table.primary_key}
        assert made == meant


def test_there_is_one_newest_migration_and_it_is_reached(engine: Engine) -> None:
    scripts = ScriptDirectory.from_config(settings())
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert list(context.get_current_heads()) == scripts.get_heads()
    assert len(scripts.get_heads()) == 1


def test_opening_again_changes_nothing(store: Store, review_url: str) -> None:
    store.add_reader("r-01")
    again = Store(connect(review_url), quick_passwords())
    assert [reader.name for reader in again.readers()] == ["r-01"]
    again.close()


@pytest.mark.parametrize("run", [in_threads, in_processes])
def test_those_who_start_at_once_share_a_new_database(
    database_url: str, run: Callable[[list[Any]], list[Any]]
) -> None:
    names = ["r-0", "r-1", "r-2", "r-3"]
    assert run([Newcomer(database_url, name) for name in names]) == names
    store = Store(connect(database_url), quick_passwords())
    assert [reader.name for reader in store.readers()] == names
    assert_whole(store.engine)
    store.close()


def test_a_database_of_a_newer_dapatlas_is_left_alone(database_url: str) -> None:
    engine = connect(database_url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = 'from-tomorrow'"))
    engine.dispose()
    with pytest.raises(DatabaseError, match=r"from-tomorrow.*newer.*upgrade dapatlas"):
        connect(database_url)


def test_a_migration_that_fails_leaves_nothing_behind(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic.operations import Operations  # the last step of the first migration

    def fail(*_: object) -> None:
        raise DapatlasError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(Operations, "bulk_insert", fail)
        with pytest.raises(DapatlasError, match="the power went"):
            connect(database_url)
    opened = connect(database_url)
    assert Store(opened, quick_passwords()).plan().readings == 1
    opened.dispose()


def test_tables_of_other_programs_are_left_alone(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "review").mkdir()
    theirs = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    with theirs.begin() as connection:
        connection.execute(text("CREATE TABLE readers (a INTEGER)"))
    with pytest.raises(DatabaseError, match=r"tables that no review made \(readers\)"):
        connect(database_url)
    assert inspect(theirs).get_table_names() == ["readers"]
    theirs.dispose()


def test_other_programs_may_have_tables_beside_ours_on_a_server(postgres_url: str) -> None:
    theirs = create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    with theirs.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('theirs')"))
    connect(postgres_url).dispose()
    theirs.dispose()


def test_the_file_of_another_program_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE stages (a)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match="stages"):
        connect(f"sqlite:///{path}")
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["journal.sqlite"]


def test_sqlite_is_set_up_to_lose_nothing(sqlite_store: Store) -> None:
    with sqlite_store.engine.connect() as connection:
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        found = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in pragmas]
    assert found == ["wal", 2, 1, 10_000]  # 2 is FULL


def test_the_default_lies_beside_the_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    connect(default_url(Path("50% done"))).dispose()
    assert (tmp_path / "50% done" / ".dapatlas" / "review.sqlite").is_file()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "cannot be read"),
        ("review.sqlite", "expected sqlite:///FILE or postgresql://"),
        ("sqlite://", "would be lost"),
        ("sqlite:///:memory:", "would be lost"),
        ("sqlite:///a\0b", "cannot be read"),
        ("sqlite:///{tmp}/x.sqlite?mode=ro", "no options"),
        ("sqlite:///{tmp}", "unable to open"),
        ("sqlite:///{tmp}/file/review.sqlite", "folder cannot be made"),
        ("sqlite:///{tmp}/file", "not a database"),
        ("mysql://a:hunter22@localhost/d", "mysql is not supported"),
        ("postgresql://a:hunter22@localhost:port/d", "cannot be read"),
        ("postgresql://a:hunter22@127.0.0.1:1/d", "Connection refused"),
        ("postgresql://a@127.0.0.1:1/d?password=hunter22", "Connection refused"),
        ("postgresql://a:hunter22@127.0.0.1:1/d?nonsense=hunter22", "invalid connection option"),
        ("postgresql://a:x@hunter22@127.0.0.1:1/d", "%40"),
        ("postgresql://a:/hunter22@127.0.0.1/d", "cannot be"),
    ],
)
def test_what_is_no_database_is_told_without_the_password(url: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("This was never a database. " * 40)
    with pytest.raises(DatabaseError) as error:
        connect(url.replace("{tmp}", str(tmp_path)))
    assert said in str(error.value)
    assert "hunter22" not in str(error.value)
    assert "hunter22" not in repr(error.value.__cause__)


def test_a_wrong_password_for_the_server_is_told_without_it(postgres: Server) -> None:
    with pytest.raises(DatabaseError, match="password authentication failed") as error:
        connect(postgres.url().replace("s3cret", "hunter22"))
    assert "hunter22" not in str(error.value)


def test_a_server_that_was_restarted_is_found_again(postgres: Server, postgres_url: str) -> None:
    store = Store(connect(postgres_url), quick_passwords())
    postgres.stop()
    with pytest.raises(DatabaseError, match="does not answer") as error:
        store.plan()
    assert "s3cret" not in str(error.value)
    postgres.start()
    assert store.plan().readings == 1
    store.close()


def test_a_file_that_somebody_keeps_locked_is_told(
    sqlite_store: Store, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dapatlas.review.database.connect.WAIT_SECONDS", 0.2)
    other = connect(sqlite_url)
    with writing(sqlite_store.engine) as session:
        session.get_one(PlanRow, 1)
        with pytest.raises(DatabaseError, match="locked"):
            Store(other, quick_passwords()).add_reader("r-01", Role.READER)
        assert Store(other, quick_passwords()).plan().readings == 1  # readers need not wait
    other.dispose()
