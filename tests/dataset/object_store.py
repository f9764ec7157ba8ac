"""An S3 server in a process of its own, and a wire to it that counts bytes and can be cut."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

SERVER = """
import sys
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


METHODS = (b"GET ", b"PUT ", b"HEAD ", b"POST ", b"DELETE ")


@contextmanager
def s3_server(log: Path) -> Iterator[int]:
    """The port of a moto server that lives as long as the block."""
    with log.open("w") as words:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words
        )
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()
            process.communicate()


@dataclass
class Wire:
    """A TCP relay to a port of this machine.

    Attributes
    ----------
    fetched
        Bytes that came from the server, since it was last set to 0; HTTP's own included.
    requests
        First lines of what was asked.
    cut_after
        Bytes of one connection to the server after which it breaks off; None for never.
    """

    server: int
    fetched: int = 0
    requests: list[str] = field(default_factory=list)
    cut_after: int | None = None

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def forget(self) -> None:
        self.fetched, self.requests = 0, []

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.server)) as server:
            down = Thread(target=self._down, args=(server, client), daemon=True)
            down.start()
            self._up(client, server)
            down.join()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        sent = 0
        with suppress(OSError):
            while data := client.recv(1 << 16):
                if data.startswith(METHODS):
                    self.requests.append(data.partition(b"\r\n")[0].decode())
                sent += len(data)
                if self.cut_after is not None and sent > self.cut_after:
                    client.shutdown(socket.SHUT_RDWR)
                    break
                server.sendall(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def _down(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                self.fetched += len(data)
                client.sendall(data)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
