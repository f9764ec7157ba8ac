"""What holds for every request: which hosts, which origins, how large, how fast, with which headers.

Plain ASGI, the outermost first: :class:`Guard` answers in the end, whatever happens within; :class:`Bodies` reads the
body of a request before anything else sees it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dapatlas.review.server.errors import error_body
from dapatlas.review.server.settings import Mode, Settings

log = logging.getLogger("dapatlas.review")

MAX_BODY_BYTES = 1_000_000
BODY_SECONDS = 30
SAFE = ("GET", "HEAD", "OPTIONS")
ANY_HOST = "*"
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
ONE_YEAR = "max-age=31536000"


class Guard:
    """Refuses strangers, dresses every answer in its headers, and turns every failure into an answer.

    Parameters
    ----------
    app
        What lies within.
    settings
        Hosts, mode, TLS.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.hosts = {host.lower() for host in settings.hosts}
        self.local = settings.mode is Mode.LOCAL
        self.secure = settings.secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":  # there are none
                await send({"type": "websocket.close", "code": 1008})
                return
            await self.app(scope, receive, send)
            return
        answer = _Answer(send, self.secure)
        begin = time.perf_counter()
        try:
            refused = self._refused(scope)
            if refused is not None:
                await answer.error(*refused)
            else:
                await self.app(scope, receive, answer)
        except Exception:
            log.exception("%s %s failed", scope["method"], _shown(scope["path"]))
            if answer.status:
                raise  # half an answer is out: break it off
            await answer.error(500)
        finally:
            took = (time.perf_counter() - begin) * 1000
            log.info("%s %s %d %.0f ms", scope["method"], _shown(scope["path"]), answer.status, took)

    def _refused(self, scope: Scope) -> tuple[int, str, str] | None:
        """Status, sentence and code for a request that must not go on."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if (self.local or (self.hosts and ANY_HOST not in self.hosts)) and _name_of(host) not in self.hosts:
            return 400, f"This server does not answer to the host {_shown(host)!r}.", "wrong-host"
        if scope["method"] in SAFE:
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        if site not in ("same-origin", "none") or (origin is not None and not self._is_own(origin, host)):
            return 403, "This request comes from another site.", "wrong-origin"
        return None

    def _is_own(self, origin: str, host: str) -> bool:
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        schemes = ("https",) if self.secure else ("http", "https")
        return parts.scheme in schemes and parts.netloc.lower() == host.lower()


class _Answer:
    """Sends on what the application answers; an error that is not in our form is put into it."""

    def __init__(self, send: Send, secure: bool) -> None:
        self._send, self._secure = send, secure
        self._replaced = False
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            status = message["status"]
            if status >= 400 and not headers.get("content-type", "").startswith("application/json"):
                kept = {name: headers[name] for name in ("content-range", "allow") if name in headers}
                self._replaced = True
                await self.error(status, headers=kept)
                return
            self._dress(headers)
            self.status = status
        elif self._replaced:
            return
        await self._send(message)

    async def error(
        self, status: int, detail: str = "", code: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Answer with an error."""
        body = error_body(status, detail, code)
        start: Message = {"type": "http.response.start", "status": status, "headers": []}
        fresh = MutableHeaders(scope=start)
        fresh["content-type"], fresh["content-length"] = "application/json", str(len(body))
        for name, value in (headers or {}).items():
            fresh[name] = value
        self._dress(fresh)
        self.status = status
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})

    def _dress(self, headers: MutableHeaders) -> None:
        for name, value in HEADERS.items():
            headers[name] = value
        headers.setdefault("Cache-Control", "no-store")
        if self._secure:
            headers["Strict-Transport-Security"] = ONE_YEAR


class Bodies:
    """Reads bodies whole, none that is too large or too slow, before anything looks at them.

    Parameters
    ----------
    app
        What lies within.
    most
        Bytes.
    seconds
        For the whole of it.
    """

    def __init__(self, app: ASGIApp, most: int = MAX_BODY_BYTES, seconds: float = BODY_SECONDS) -> None:
        self.app, self.most, self.seconds = app, most, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] in SAFE:
            await self.app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self.seconds):
                body = await self._read(scope, receive)
        except TimeoutError:
            await _refuse(send, 408, "The request took too long to arrive.")
            return
        if body is None:
            await _refuse(send, 413, f"The request is larger than {self.most // 1000} kB.")
            return
        await self.app(scope, _replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length[:20]) > self.most:
            return None
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                break  # the client has gone; nobody waits for the answer
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self.most:
                return None
        return bytes(body)


def _replay(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    handed = False

    async def again() -> Message:
        nonlocal handed
        if handed:
            return await receive()
        handed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _refuse(send: Send, status: int, detail: str) -> None:
    body = error_body(status, detail)
    # what is left of the body is not read: the connection must not be used again
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _name_of(host: str) -> str:
    """A Host header without its port."""
    if host.startswith("["):
        return host[: host.find("]") + 1].lower()
    return host.partition(":")[0].lower()


def _shown(text: str) -> str:
    """Text of a client as it may stand in a log: on one line, not too long."""
    return text[:300].encode("unicode_escape").decode("ascii")
