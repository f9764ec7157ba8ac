"""Asking servers: patiently, over http and https only, and with errors that say what to do.

Python's own ``urllib`` is enough: what resuming needs (``Range``, ``If-Range``, reading block by block) is three
headers, proxies and certificates come from the environment as everywhere, and nobody needs one more package to
fetch a file.
"""

from __future__ import annotations

import errno
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from dapatlas import __version__
from dapatlas.errors import DapatlasError
from dapatlas.ingest.codes import Code

ATTEMPTS = 5  # in a row without a new byte
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
TIMEOUT_S = 60.0  # without a byte
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})  # the server asks for patience, or stumbled
AGENT = f"dapatlas/{__version__}"
HINTS = {
    401: "it wants a log-in; download by hand, from the page that `dapatlas fetch` names",
    403: "it refuses; download by hand, from the page that `dapatlas fetch` names",
    404: "the file has moved; look it up on the page that `dapatlas fetch` names",
    410: "the file is gone; look it up on the page that `dapatlas fetch` names",
}

Opener = Callable[[Request], Any]  # gives what urllib's openers give
Pause = Callable[[float], None]


class DownloadError(DapatlasError):
    """Something could not be downloaded; what had arrived is kept where it can be used."""

    code = Code.NO_NETWORK


class DroppedError(Exception):
    """Worth another try."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class _Redirects(HTTPRedirectHandler):
    """Follows redirects, but never from https to anything else."""

    def redirect_request(self, req: Request, *rest: Any) -> Request | None:
        """Give the next request; ``rest`` ends in the new address."""
        check_address(rest[-1], secure=req.type == "https")
        return super().redirect_request(req, *rest)


def check_address(url: str, *, secure: bool = False) -> None:
    """Refuse what is no address on the web; ``file:`` in a table of sources is a mistake, or worse.

    Raises
    ------
    DownloadError
        It is neither https nor, unless ``secure``, http.
    """
    allowed = ("https",) if secure else ("http", "https")
    if urlsplit(url).scheme not in allowed:
        raise DownloadError(f"{url}: expected an address that begins with {' or '.join(allowed)}")


def open_url(request: Request) -> Any:
    """Send a request with the system's proxies and certificates."""
    return build_opener(_Redirects).open(request, timeout=TIMEOUT_S)


def fetch_json(
    url: str,
    query: Mapping[str, str] | None = None,
    *,
    opener: Opener = open_url,
    attempts: int = ATTEMPTS,
    pause: Pause = time.sleep,
) -> Any:
    """Ask a service for JSON; an empty answer is ``None``.

    Raises
    ------
    DownloadError
        The service cannot be reached, refuses, or answers something else.
    """
    check_address(url)
    full = f"{url}?{urlencode(query)}" if query else url
    answer: list[bytes] = []

    def once() -> None:
        with ask(Request(full, headers=headers()), opener) as response, reading():
            answer[:] = [response.read()]

    patiently(once, full, attempts, pause, lambda: 0)
    if not answer[0].strip():
        return None
    try:
        return json.loads(answer[0])
    except ValueError:
        start = answer[0][:60].decode(errors="replace")
        raise DownloadError(f"{full}: expected JSON, found {start!r}; is this the right address?") from None


def headers() -> dict[str, str]:
    """Go with every request: who asks, and that nothing is to be packed on the way."""
    return {"User-Agent": AGENT, "Accept-Encoding": "identity"}


def patiently(
    once: Callable[[], None], url: str, attempts: int, pause: Pause, arrived: Callable[[], int]
) -> None:
    """Try until it works, or fails so many times in a row without a new byte.

    Parameters
    ----------
    once
        One attempt; raises :class:`DroppedError` if another is worth while.
    url
        For the message.
    attempts, pause
        How many, and what waits between them; from 1 s, doubled up to a minute, or as the server asks.
    arrived
        How many bytes are there.

    Raises
    ------
    DownloadError
        No attempt is left.
    """
    failures = 0
    while True:
        before = arrived()
        try:
            once()
        except DroppedError as error:
            failures = 1 if arrived() > before else failures + 1
            if failures >= attempts:
                raise DownloadError(
                    f"{url}: {error}; given up after {failures} attempts. Start again later: what has arrived "
                    "stays, and the download goes on from there"
                ) from None
            pause(max(min(FIRST_PAUSE_S * 2 ** (failures - 1), LONGEST_PAUSE_S), error.wait_s))
        else:
            return


@contextmanager
def ask(request: Request, opener: Opener) -> Iterator[Any]:
    """Send a request and give the answer, 416 (nothing left in that range) included.

    Raises
    ------
    DroppedError
        It failed in a way that is worth another try.
    DownloadError
        It did in another.
    """
    try:
        response = opener(request)
    except HTTPError as error:
        with error:
            if error.code != 416:
                raise _refusal(error, request.full_url) from None
            yield error
        return
    except URLError as error:
        raise _unreachable(error.reason, request.full_url) from None
    except (OSError, HTTPException) as error:
        raise DroppedError(_said(error)) from None
    with response:
        yield response


def _refusal(error: HTTPError, url: str) -> Exception:
    said = f"the server answered {error.code} {error.reason}"
    if error.code in AGAIN:
        wait = error.headers.get("Retry-After", "") if error.headers else ""
        return DroppedError(said, min(float(wait), LONGEST_PAUSE_S) if wait.isdigit() else 0.0)
    return DownloadError(f"{url}: {said}: {HINTS.get(error.code, 'see whether the address is right')}")


def _unreachable(reason: object, url: str) -> Exception:
    host = urlsplit(url).hostname
    if isinstance(reason, ssl.SSLCertVerificationError):
        return DownloadError(
            f"{url}: the certificate of {host} cannot be verified ({reason.verify_message}); behind a proxy that "
            "brings its own, name it with SSL_CERT_FILE"
        )
    offline = isinstance(reason, socket.gaierror) or (
        isinstance(reason, OSError) and reason.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH)
    )
    if offline:
        return DownloadError(
            f"{host} cannot be found ({_said(reason)}): is this machine on the network, and does it need a proxy "
            f"(HTTPS_PROXY)? Or open {url} on another machine"
        )
    return DroppedError(_said(reason))


def _said(error: object) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


@contextmanager
def reading() -> Iterator[None]:
    """Turn a connection that breaks off into a :class:`DroppedError`."""
    try:
        yield
    except (OSError, HTTPException) as error:
        raise DroppedError(f"the connection broke off ({_said(error)})") from None
