"""Opening the database of a review, new or old, and changing it in whole transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from sqlite3 import OperationalError as SqliteOperationalError
from time import monotonic, sleep
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from dapatlas.errors import DapatlasError
from dapatlas.locations import HIDDEN
from dapatlas.review.database.upgrade import UpgradeError, upgrade

FILE = Path(HIDDEN) / "review.sqlite"
WAIT_SECONDS = 10  # for a lock that another process holds, and for a server to answer

_WRITING = "dapatlas_writing"  # execution option of transactions that change something
_EXPECTED = "expected sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"


class DatabaseError(DapatlasError):
    """The database of a review cannot be used, or not just now."""


def default_url(dataset: Path) -> str:
    """Where the review of a data set is kept unless somebody says otherwise: beside it, in SQLite."""
    return URL.create("sqlite", database=str((dataset / FILE).absolute())).render_as_string(
        hide_password=False
    )


def connect(url: str) -> Engine:
    """Open a database; a new one gets its tables, one of an older dapatlas is brought up to date.

    Parameters
    ----------
    url
        ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST/DATABASE``.

    Raises
    ------
    DatabaseError
        The URL is none, the file is no database, the server does not answer, or the database was made by a
        newer dapatlas or by another program. The message never holds the password.
    """
    parsed = _parse(url)
    engine = create_engine(parsed, **_settings(parsed))
    try:
        _open(engine)
    except BaseException as error:
        engine.dispose()
        if isinstance(error, UpgradeError):
            raise DatabaseError(f"{shown(parsed)}: {error}") from None
        if isinstance(error, DBAPIError):
            raise DatabaseError(f"{shown(parsed)} cannot be opened: {_story(error, parsed)}") from None
        raise
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Look at the database as it stood at one moment.

    Raises
    ------
    DatabaseError
        It cannot be reached.
    """
    options: dict[str, Any] = {}
    if engine.dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    with _told(engine), Session(engine.execution_options(**options)) as session:
        yield session


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """Change the database in one transaction: wholly at the end of the block, or not at all.

    On SQLite the transaction takes the write lock at its start, so that it never has to give up half-way.

    Raises
    ------
    DatabaseError
        It cannot be reached, is locked for too long, or its disk is full.
    """
    with _told(engine), Session(engine.execution_options(**{_WRITING: True})) as session, session.begin():
        yield session


def shown(url: URL) -> str:
    """The URL without its password, and without options, which may hold another."""
    folder = {key: value for key, value in url.query.items() if key == "host"}  # of a server's socket
    plain = url.set(drivername=url.get_backend_name(), query=folder)
    return plain.render_as_string(hide_password=True)


def _open(engine: Engine) -> None:
    is_file = engine.dialect.name == "sqlite"
    if is_file:
        _make_folder(engine.url)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    with engine.execution_options(**{_WRITING: True}).begin() as connection:
        upgrade(connection)
    if is_file:
        _write_ahead(engine)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError):
        raise DatabaseError(f"the URL of the database cannot be read; {_EXPECTED}") from None
    if "\0" in url:
        raise DatabaseError(f"the URL of the database cannot be read: it holds a NUL; {_EXPECTED}")
    where = parsed.host or ""
    if where and "@" in where + (parsed.database or ""):  # then a part of the password is taken for the place
        raise DatabaseError(
            "the URL of the database has an @ too many; write it as %40, and / as %2F, in a password"
        )
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise DatabaseError(f"{shown(parsed)}: {backend} is not supported; {_EXPECTED}")
    if parsed.query or parsed.host:
        raise DatabaseError(f"{shown(parsed)}: a file takes no host and no options; expected sqlite:///FILE")
    if parsed.database in (None, "", ":memory:"):
        raise DatabaseError(f"{shown(parsed)}: verdicts in memory would be lost; expected sqlite:///FILE")
    return parsed.set(drivername="sqlite+pysqlite")


def _settings(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": WAIT_SECONDS}}
    return {"pool_pre_ping": True, "connect_args": {"connect_timeout": WAIT_SECONDS}}


def _make_folder(url: URL) -> None:
    folder = Path(url.database or "").parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise DatabaseError(f"{shown(url)}: its folder cannot be made: {error}") from None


def _prepare_sqlite(connection: SqliteConnection, _: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
    for pragma in (
        f"busy_timeout={WAIT_SECONDS * 1000}",
        "foreign_keys=ON",
        "synchronous=FULL",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _write_ahead(engine: Engine) -> None:
    """Let readers and a writer work at the same time; the file remembers it.

    Only once the file is known to be ours, and again while others, who may have just begun with it, have it locked:
    SQLite does not wait here.
    """
    deadline = monotonic() + WAIT_SECONDS
    with closing(engine.raw_connection()) as connection:
        while True:
            try:
                connection.cursor().execute("PRAGMA journal_mode=WAL")
            except SqliteOperationalError as error:
                if monotonic() > deadline:
                    raise DatabaseError(f"{shown(engine.url)}: {error}") from None
                sleep(0.05)
            else:
                return


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _told(engine: Engine) -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise DatabaseError(f"{shown(engine.url)} does not answer: {_story(error, engine.url)}") from None
    except PoolTimeoutError:
        raise DatabaseError(
            f"{shown(engine.url)}: too many want something of it at once; try again"
        ) from None


def _story(error: DBAPIError, url: URL) -> str:
    story = " ".join(str(error.orig).split())
    for secret in filter(None, (url.password, url.query.get("password"))):
        story = story.replace(str(secret), "***")
    return story
