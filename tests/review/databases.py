"""Databases to test a review on: SQLite, and a PostgreSQL server where Debian's binaries are there."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
from argon2 import PasswordHasher
from sqlalchemy import text, update

from dapatlas.review.accounts import Passwords
from dapatlas.review.database.connect import connect
from dapatlas.review.database.tables import PlanRow, Table

_CLUSTER = ("-U", "dapatlas", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync")
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # as weak as Argon2 can be


def quick_passwords() -> Passwords:
    return Passwords(QUICK)


def server_binaries() -> Path | None:
    """Folder with initdb and postgres: the newest of Debian's, or the one on the PATH."""
    debians = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    folders = [path.parent for path in sorted(debians, key=lambda path: int(path.parts[-3]), reverse=True)]
    if found := shutil.which("initdb"):
        folders.append(Path(found).resolve().parent)
    return next((folder for folder in folders if (folder / "postgres").is_file()), None)


@dataclass
class Server:
    """A PostgreSQL server that listens on a socket in a folder alone."""

    binaries: Path
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=count)

    def url(self, options: str = "") -> str:
        return f"postgresql://dapatlas:s3cret@/postgres?host={self.folder}{options}"

    def fresh(self) -> str:
        """URL of a new, empty database: a schema of its own, for that is made in no time."""
        name = f"review_{next(self._numbers)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return self.url(f"&options=-csearch_path%3D{name}")

    def start(self) -> None:
        log = (self.folder / "log").open("ab")
        off = (
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "listen_addresses=",
            "max_connections=60",
        )
        command = [self.binaries / "postgres", "-D", self.folder / "data", "-k", self.folder]
        for setting in off:
            command += ["-c", setting]
        self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, **_unprivileged())
        log.close()
        self._wait()

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(2)  # "fast": does not wait for clients
            self.process.wait(30)
            self.process = None

    def _wait(self) -> None:
        assert self.process is not None
        for _ in range(300):
            try:
                psycopg.connect(self.url()).close()
            except psycopg.OperationalError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
            else:
                return
        raise RuntimeError((self.folder / "log").read_text())


def empty(url: str) -> None:
    """Take everything out of a PostgreSQL database's tables and number what comes anew; the plan is the first again."""
    tables = ", ".join(sorted(Table.metadata.tables.keys() - {PlanRow.__tablename__}))
    engine = connect(url)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY"))
        connection.execute(update(PlanRow).values(order="worst", sample=None, seed=0, readings=1))
    engine.dispose()


@contextmanager
def postgres_server(binaries: Path) -> Iterator[Server]:
    """A server with empty databases, in a temporary folder with a short name (sockets have short names)."""
    with tempfile.TemporaryDirectory(prefix="dapatlas-pg-") as name:
        folder = Path(name)
        password = folder / "password"
        password.write_text("s3cret\n")
        owner = _unprivileged()
        if owner:
            for path in (folder, password):
                os.chown(path, owner["user"], owner["group"])
        subprocess.run(
            [binaries / "initdb", "-D", folder / "data", *_CLUSTER, "--pwfile", password],
            check=True,
            capture_output=True,
            cwd=folder,
            **owner,
        )
        server = Server(binaries, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _unprivileged() -> dict[str, int]:
    """PostgreSQL does not run as root."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid}
    raise RuntimeError("no unprivileged user to run PostgreSQL as")
