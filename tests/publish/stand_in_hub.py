"""A stand-in for the Hugging Face Hub: the part of its HTTP API that uploads need, in memory, on 127.0.0.1."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LFS_FROM = 300  # bytes; the limit of the Hub itself is larger, and it looks at names too


@dataclass
class Hub:
    """What the server holds, and how it is to misbehave."""

    token: str
    address: str = ""
    repos: dict[str, dict[str, Any]] = field(default_factory=dict)  # name to {private, files}
    blobs: dict[str, bytes] = field(default_factory=dict)  # LFS content by SHA-256
    commits: list[list[str]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    puts: int = 0
    refuse_commit: int | None = None  # number of the commit that fails with 503
    forbid: bool = False
    corrupt: bool = False
    echo_token: bool = False

    def content(self, repo: str) -> dict[str, bytes]:
        return {name: data for name, (data, _) in self.repos[repo]["files"].items()}


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        pass

    def answer(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for key, word in (headers or {}).items():
            self.send_header(key, word)
        self.end_headers()
        self.wfile.write(data)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def handle_any(self) -> None:
        body = self.body()
        path = self.path.partition("?")[0]
        self.hub.requests.append(f"{self.command} {path}")
        if self.command == "PUT" and path.startswith("/storage/"):  # a signed address, without a token
            self.hub.puts += 1
            self.hub.blobs[path.rsplit("/", 1)[-1]] = body
            self.answer({})
        elif self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            given = self.headers.get("Authorization", "") if self.hub.echo_token else ""
            self.answer({"error": f"Invalid credentials {given}"}, 401, {"X-Error-Message": f"no {given}"})
        elif path == "/api/whoami-v2":
            self.answer({"name": "tester", "type": "user", "orgs": []})
        elif path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif path == "/api/repos/create":
            self.create(json.loads(body))
        elif path.endswith(".git/info/lfs/objects/batch"):
            self.lfs_batch(json.loads(body))
        else:
            self.of_repo(path, body)

    do_GET = do_POST = do_PUT = handle_any  # noqa: N815 (the names that http.server calls)

    def create(self, wish: dict[str, Any]) -> None:
        name = f"{wish['organization']}/{wish['name']}"
        url = f"{self.hub.address}/datasets/{name}"
        if self.hub.forbid:
            self.answer({"error": "You don't have the rights to create a dataset"}, 403)
        elif name in self.hub.repos:
            self.answer({"error": "You already created this dataset repo", "url": url}, 409)
        else:
            assert wish["type"] == "dataset"
            private = wish.get("private") or wish.get("visibility") == "private"
            self.hub.repos[name] = {"private": bool(private), "files": {".gitattributes": (b"x", False)}}
            self.answer({"url": url, "name": name, "id": name})

    def lfs_batch(self, wish: dict[str, Any]) -> None:
        objects = []
        for thing in wish["objects"]:
            entry = dict(thing)
            if thing["oid"] not in self.hub.blobs:
                entry["actions"] = {"upload": {"href": f"{self.hub.address}/storage/{thing['oid']}"}}
            objects.append(entry)
        self.answer({"transfer": "basic", "objects": objects})

    def of_repo(self, path: str, body: bytes) -> None:
        parts = path.removeprefix("/api/datasets/").split("/")
        name, verb = "/".join(parts[:2]), parts[2] if len(parts) > 2 else ""
        repo = self.hub.repos.get(name)
        if repo is None:
            self.answer({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        elif verb in ("", "revision"):
            self.answer(
                {
                    "_id": "1",
                    "id": name,
                    "private": repo["private"],
                    "sha": "0" * 40,
                    "siblings": [],
                    "tags": [],
                }
            )
        elif verb == "tree":
            self.answer([tree_entry(path, *file) for path, file in sorted(repo["files"].items())])
        elif verb == "preupload":
            files = json.loads(body)["files"]
            modes = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["size"] >= LFS_FROM else "regular",
                    "shouldIgnore": False,
                }
                for file in files
            ]
            self.answer({"files": modes})
        else:
            assert verb == "commit", path
            self.commit(name, body)

    def commit(self, repo: str, body: bytes) -> None:
        if self.hub.refuse_commit == len(self.hub.commits):
            self.hub.refuse_commit = None
            self.answer({"error": "try later"}, 503)
            return
        names = []
        for line in body.splitlines():
            thing = json.loads(line)
            value = thing["value"]
            if thing["key"] == "file":
                data, large = base64.b64decode(value["content"]), False
            elif thing["key"] == "lfsFile":
                data, large = self.hub.blobs[value["oid"]], True
                assert hashlib.sha256(data).hexdigest() == value["oid"]
                if self.hub.corrupt:
                    data += b"?"
            else:
                assert thing["key"] == "header"
                continue
            self.hub.repos[repo]["files"][value["path"]] = (data, large)
            names.append(value["path"])
        self.hub.commits.append(names)
        oid = f"{len(self.hub.commits):040d}"
        url = f"{self.hub.address}/datasets/{repo}/commit/{oid}"
        self.answer({"commitUrl": url, "commitOid": oid})


def tree_entry(path: str, data: bytes, large: bool) -> dict[str, Any]:
    pointer = f"sha256:{hashlib.sha256(data).hexdigest()}".encode() if large else data
    entry: dict[str, Any] = {
        "type": "file",
        "path": path,
        "size": len(data),
        "oid": hashlib.sha1(b"blob %d\0" % len(pointer) + pointer).hexdigest(),
    }
    if large:
        entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    return entry


@contextmanager
def running(token: str) -> Iterator[Hub]:
    hub = Hub(token)
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
