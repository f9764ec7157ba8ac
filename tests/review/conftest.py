"""A tiny data set to review, and databases to keep the review in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import Server, empty, postgres_server, quick_passwords, server_binaries
from sqlalchemy import Engine

from dapatlas.phantom import ErrorKind, make_cohort
from dapatlas.pipeline.checking import check_dataset
from dapatlas.review.database.connect import connect
from dapatlas.review.store import Store


@pytest.fixture(scope="session")
def checked_atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four synthetic cases of three persons, with swapped sides and stray islands, checked. Not to be written to."""
    folder = tmp_path_factory.mktemp("review") / "atlas"
    errors = (ErrorKind.SWAPPED_SIDES, ErrorKind.STRAY_ISLANDS)
    dataset = make_cohort(folder, 3, seed=3, shape=(48, 44, 72), orientations=("LPS", "RAS"), errors=errors)
    check_dataset(dataset, jobs=1)
    return folder


@pytest.fixture
def atlas(checked_atlas: Path, tmp_path: Path) -> Path:
    """A copy of it, to do with as one likes."""
    return Path(shutil.copytree(checked_atlas, tmp_path / "atlas"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server."""
    binaries = server_binaries()
    if binaries is None:
        pytest.skip(
            "needs a PostgreSQL server: initdb and postgres in /usr/lib/postgresql/*/bin or on the PATH"
        )
    with postgres_server(binaries) as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Server) -> str:
    """An empty database on it."""
    return postgres.fresh()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Where no database is yet."""
    return f"sqlite:///{tmp_path}/review/review.sqlite"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database, of one kind and the other."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(scope="session")
def made_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the tables of a review and nothing in them. Not to be written to."""
    path = tmp_path_factory.mktemp("made") / "review.sqlite"
    connect(f"sqlite:///{path}").dispose()
    return path


@pytest.fixture(scope="session")
def made_postgres(postgres: Server) -> str:
    """The same on the server; to be emptied before it is used."""
    url = postgres.fresh()
    connect(url).dispose()
    return url


@pytest.fixture
def sqlite_review_url(made_sqlite: Path, sqlite_url: str) -> str:
    """A review that nobody has begun, its tables made."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    path.parent.mkdir()
    shutil.copyfile(made_sqlite, path)
    return sqlite_url


@pytest.fixture
def postgres_review_url(made_postgres: str) -> str:
    """The same on the server."""
    empty(made_postgres)
    return made_postgres


@pytest.fixture(params=["sqlite", "postgres"])
def review_url(request: pytest.FixtureRequest) -> str:
    """A review that nobody has begun, its tables made, on both kinds of database."""
    url: str = request.getfixturevalue(f"{request.param}_review_url")
    return url


@pytest.fixture
def engine(review_url: str) -> Iterator[Engine]:
    """The database of ``review_url``."""
    opened = connect(review_url)
    yield opened
    opened.dispose()


@pytest.fixture
def store(engine: Engine) -> Store:
    """The review of ``review_url``; its passwords are hashed quickly."""
    return Store(engine, quick_passwords())


@pytest.fixture
def sqlite_store(sqlite_review_url: str) -> Iterator[Store]:
    """An empty review on SQLite alone, for tests that are about something else."""
    opened = connect(sqlite_review_url)
    yield Store(opened, quick_passwords())
    opened.dispose()
