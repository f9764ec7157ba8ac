"""A stand-in for the Hugging Face Hub: as much of its HTTP API as reading a data set takes, on 127.0.0.1."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

REPO = "someone/atlas"


@dataclass
class Hub:
    """Serves one folder as the repository ``someone/atlas``, and keeps what ranges it was asked for."""

    folder: Path
    address: str = ""
    ranges: list[str] = field(default_factory=list)
    served: int = 0


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        pass

    def answer(self, data: bytes, status: int = 200) -> None:
        self.hub.served += len(data)
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        tree, files = f"/api/datasets/{REPO}/tree/main", f"/datasets/{REPO}/resolve/main/"
        if path == f"/api/datasets/{REPO}":
            known = {"_id": "1", "id": REPO, "private": False, "sha": "0" * 40, "siblings": [], "tags": []}
            self.answer(json.dumps(known).encode())
        elif path.startswith(tree):
            below = sorted((self.hub.folder / path.removeprefix(tree).strip("/")).iterdir())
            self.answer(json.dumps([self.entry(each) for each in below]).encode())
        elif path.startswith(files):
            self.ranges(self.hub.folder / path.removeprefix(files))
        else:
            self.answer(b"{}", 404)

    def ranges(self, path: Path) -> None:
        self.hub.ranges.append(f"{path.name} {self.headers['Range']}")
        first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        self.answer(path.read_bytes()[first : last + 1], 206)

    def entry(self, path: Path) -> dict[str, object]:
        name = path.relative_to(self.hub.folder).as_posix()
        if path.is_dir():
            return {"type": "directory", "path": name, "oid": "1" * 40, "size": 0}
        data = path.read_bytes()
        return {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}


@contextmanager
def hub_of(folder: Path) -> Iterator[Hub]:
    """A Hub that serves this folder as long as the block lasts."""
    hub = Hub(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
