"""A stand-in for the servers that data sets are fetched from, on 127.0.0.1: it can stumble in every way that they do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass
class Served:
    """One file, and how the server gives it."""

    content: bytes
    etag: str = '"one"'
    modified: str = ""
    kind: str = "application/octet-stream"
    ranges: bool = True
    chunked: bool = False  # no Content-Length, as servers do that make a zip while they send it
    stumbles: list[int | tuple[int, dict[str, str]]] = field(
        default_factory=list
    )  # a request each: bytes before the line drops, or a status
    redirect: str = ""


@dataclass
class Web:
    """What the server has, and what it was asked."""

    address: str = ""
    files: dict[str, Served] = field(default_factory=dict)  # by path and sorted query
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def url(self, name: str) -> str:
        return f"{self.address}{name}"

    def ranges(self, name: str) -> list[str]:
        return [headers.get("Range", "") for path, headers in self.asked if path == name]


class Handler(BaseHTTPRequestHandler):
    web: Web
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = "&".join(f"{key}={value[0]}" for key, value in sorted(parse_qs(parts.query).items()))
        name = f"{parts.path}?{query}" if query else parts.path
        self.web.asked.append((name, dict(self.headers)))
        served = self.web.files.get(name)
        if served is None:
            self.say(404)
        elif served.redirect:
            self.say(302, {"Location": served.redirect})
        elif served.stumbles and isinstance(served.stumbles[0], tuple):
            self.say(*served.stumbles.pop(0))  # type: ignore[misc]
        else:
            self.give(served)

    def say(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": "0", **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()

    def give(self, served: Served) -> None:
        start, size = self.start(served), len(served.content)
        if start >= size > 0:
            self.say(416, {"Content-Range": f"bytes */{size}"})
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        for key, value in (("ETag", served.etag), ("Last-Modified", served.modified)):
            if value:
                self.send_header(key, value)
        self.send_header("Content-Type", served.kind)
        length = ("Transfer-Encoding", "chunked") if served.chunked else ("Content-Length", str(size - start))
        self.send_header(*length)
        self.end_headers()
        body = served.content[start:]
        drop = served.stumbles.pop(0) if served.stumbles else None
        sent = body if drop is None else body[:drop]  # type: ignore[misc]
        if served.chunked:
            if sent:
                self.wfile.write(f"{len(sent):x}\r\n".encode() + sent + b"\r\n")
            if drop is None:
                self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(sent)
        if drop is not None:
            self.wfile.flush()
            self.close_connection = True

    def start(self, served: Served) -> int:
        """First byte to send; 0 where the server cannot, or need not, go on from the middle (RFC 9110, 13.1.5)."""
        wanted = self.headers.get("Range", "")
        condition = self.headers.get("If-Range")
        if not wanted or not served.ranges or (condition and condition not in (served.etag, served.modified)):
            return 0
        return int(wanted.removeprefix("bytes=").rstrip("-"))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients may hang up; that is what some tests are about."""


@contextmanager
def stand_in() -> Iterator[Web]:
    web = Web()
    handler = type("Bound", (Handler,), {"web": web})
    server = _Server(("127.0.0.1", 0), handler)
    web.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
