"""Running the review server until it is told to stop."""

from __future__ import annotations

import errno
import ipaddress
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from dapatlas.errors import DapatlasError
from dapatlas.review.server.settings import Mode
from dapatlas.review.store import Store

STOP_SECONDS = 10  # for requests under way once it is told to stop
KEEP_ALIVE_SECONDS = 75  # who reads a case asks nothing for a while
SWITCH_SECONDS = 0.0005  # a thread that comes back from the database waits so long for one that computes


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server at this address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_accounts(mode: Mode, store: Store) -> None:
    """See that somebody can log in where passwords are asked for.

    Raises
    ------
    DapatlasError
        Nobody can.
    """
    if mode is Mode.ACCOUNTS and not any(each.active and each.has_password for each in store.readers()):
        raise DapatlasError(
            "nobody could log in: no reader has a password; add one first: dapatlas review readers add"
        )


def serve(
    app: FastAPI,
    host: str,
    port: int,
    *,
    certificate: Path | None = None,
    key: Path | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are finished.

    Parameters
    ----------
    app
        From :func:`dapatlas.review.server.app.create_app`.
    host, port
        Where; port 0 takes any that is free.
    certificate, key
        PEM files for TLS.
    ready
        Called with the server's address once it answers.

    Raises
    ------
    DapatlasError
        Nobody could log in, the port is taken, or the certificate cannot be used.
    """
    review = app.state.review
    check_accounts(review.settings.mode, review.store)
    scheme = "http" if certificate is None else "https"
    with _bound(host, port) as listener:
        config = uvicorn.Config(
            app,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            log_config=None,  # the caller's
            access_log=False,  # the guard writes one
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        try:
            config.load()
        except OSError as error:  # ssl.SSLError is one
            raise DapatlasError(f"{certificate}: cannot be used for TLS ({error})") from None
        name = f"[{host}]" if ":" in host else host
        server = _Server(config, ready, f"{scheme}://{name}:{listener.getsockname()[1]}/")
        sys.setswitchinterval(SWITCH_SECONDS)
        before = signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn passes it on once it has stopped
        try:
            server.run([listener])
        except KeyboardInterrupt:  # so does it with SIGINT
            pass
        finally:
            signal.signal(signal.SIGTERM, before)
            review.store.close()


class _Server(uvicorn.Server):
    """Tells when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[str], None] | None, address: str) -> None:
        super().__init__(config)
        self._ready, self._address = ready, address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell."""
        await super().startup(sockets)
        if self._ready is not None and not self.should_exit:
            self._ready(self._address)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; a second Ctrl-C changes nothing, for uvicorn would cut off whoever saves, and end in a traceback."""
        if not self.should_exit:
            super().handle_exit(sig, frame)


def _bound(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        taken = " (is dapatlas review running already?)" if error.errno == errno.EADDRINUSE else ""
        raise DapatlasError(
            f"cannot listen on {host} port {port}: {error.strerror or error}{taken}; try another --port"
        ) from None
