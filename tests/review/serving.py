"""A review server to talk with, in this process or in one of its own."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi.testclient import TestClient

from dapatlas.dataset import Dataset
from dapatlas.review.accounts import Role
from dapatlas.review.server.app import create_app
from dapatlas.review.server.settings import LOOPBACK, Mode, Settings
from dapatlas.review.store import Store

LOCAL = "http://127.0.0.1:8090"
PASSWORD = "a password for tests"

SERVER = """
import sys
from pathlib import Path
from dapatlas.dataset import Dataset
from dapatlas.review.database.connect import connect
from dapatlas.review.server.app import create_app
from dapatlas.review.server.run import serve
from dapatlas.review.server.settings import Settings
from dapatlas.review.store import Store

folder, url = Path(sys.argv[1]), sys.argv[2]
settings = Settings(Dataset(folder), folder / ".dapatlas" / "review")
app = create_app(settings, Store(connect(url)))
serve(app, "127.0.0.1", 0, ready=lambda address: print(address, flush=True))
print("stopped", flush=True)
"""


@dataclass
class Browser:
    """A client that is logged in, with the token of its pages."""

    client: httpx.Client
    csrf: str = ""
    name: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"X-CSRF-Token": self.csrf}

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.client.get(path, **more)

    def post(self, path: str, body: Any = None) -> httpx.Response:
        return self.client.post(path, json=body, headers=self.headers)

    def put(self, path: str, body: Any) -> httpx.Response:
        return self.client.put(path, json=body, headers=self.headers)

    def patch(self, path: str, body: Any) -> httpx.Response:
        return self.client.patch(path, json=body, headers=self.headers)

    def delete(self, path: str) -> httpx.Response:
        return self.client.delete(path, headers=self.headers)

    def log_in(self, name: str, password: str | None = None) -> Browser:
        answer = self.client.post("/api/session", json={"name": name, "password": password})
        assert answer.status_code == 200, answer.text
        self.csrf, self.name = answer.json()["csrf"], name
        return self


@dataclass
class Site:
    """A server in this process, and its store."""

    folder: Path
    store: Store
    mode: Mode
    compare: Mapping[str, Path] = field(default_factory=dict)
    secure: bool = False
    hosts: tuple[str, ...] = LOOPBACK

    def __post_init__(self) -> None:
        settings = Settings(
            Dataset(self.folder),
            self.folder / ".dapatlas" / "review",
            mode=self.mode,
            compare=self.compare,
            secure=self.secure,
            hosts=self.hosts,
        )
        self.app = create_app(settings, self.store)

    def stranger(self, base: str = LOCAL) -> Browser:
        return Browser(TestClient(self.app, base_url=base, raise_server_exceptions=False))

    def browser(self, name: str, role: Role = Role.READER) -> Browser:
        """Somebody of this role, logged in."""
        if self.store.reader(name) is None:
            self.store.add_reader(name, role, PASSWORD)
        return self.stranger().log_in(name, PASSWORD if self.mode is Mode.ACCOUNTS else None)


def verdict_body(detail: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What a page sends to save a first reading."""
    body = {
        "kind": "reading",
        "version": 0,
        "map_sha256": detail["map_sha256"],
        "decision": "approve",
        "remarks": "",
        "marks": [],
    }
    return body | more


@contextmanager
def running(folder: Path, url: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its address."""
    environment = dict(os.environ, PYTHONWARNINGS="default")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder), url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], 60)
        address = process.stdout.readline().strip() if ready else ""
        assert re.match(r"http://127\.0\.0\.1:\d+/$", address), (address, process.poll())
        yield process, address.rstrip("/")
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@contextmanager
def visiting(address: str, name: str) -> Iterator[Browser]:
    """Somebody who is logged in at a server in another process."""
    with httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
        yield Browser(client).log_in(name)
