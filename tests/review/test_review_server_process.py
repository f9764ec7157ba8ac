"""The review server in a process of its own: starting, stopping, being killed."""

from __future__ import annotations

import signal
import socket
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from databases import quick_passwords
from serving import Site, running, verdict_body, visiting

from dapatlas.errors import DapatlasError
from dapatlas.review.database.connect import connect, default_url
from dapatlas.review.server.run import serve
from dapatlas.review.server.settings import Mode
from dapatlas.review.store import Store
from dapatlas.review.verdict import Kind


def raw(address: str, request: bytes) -> bytes:
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port), 10) as connection:
        connection.sendall(request)
        answer = b""
        while block := connection.recv(65536):
            answer += block
    return answer


def test_it_serves_ranges_and_stops_when_told(atlas: Path):
    with running(atlas, default_url(atlas)) as (process, address), visiting(address, "r-01") as browser:
        case = browser.get("/api/cases").json()["cases"][0]["case"]
        url = browser.get(f"/api/cases/{case}").json()["layers"][0]["levels"][-1]["url"]
        source = (atlas / "images" / f"{case}.nii.gz").read_bytes()
        whole = browser.get(url)
        assert whole.content == source
        assert "server" not in whole.headers
        part = browser.get(url, headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, source[10:20])
        # a path as it is, which no client would send
        lines = b"GET /web/../server/app.py HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        assert b" 404 " in raw(address, lines).partition(b"\r\n")[0]
        # half a request under way does not keep it from stopping
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stdout is not None
        assert process.stdout.read() == "stopped\n"


@pytest.mark.parametrize("times", [1, 2])
def test_a_request_under_way_is_finished_before_it_stops_however_often_it_is_told(atlas: Path, times: int):
    with running(atlas, default_url(atlas)) as (process, address), visiting(address, "r-01") as browser:
        case = browser.get("/api/cases").json()["cases"][0]["case"]
        detail = browser.get(f"/api/cases/{case}").json()
        # somebody else holds the database for a moment: the save waits for it
        with closing(sqlite3.connect(atlas / ".dapatlas" / "review.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answers: list[httpx.Response] = []
            thread = threading.Thread(
                target=lambda: answers.append(browser.put(f"/api/cases/{case}/verdict", verdict_body(detail)))
            )
            thread.start()
            time.sleep(0.5)
            for _ in range(times):
                process.send_signal(signal.SIGINT)
                time.sleep(0.3)
            other.execute("COMMIT")
        thread.join(20)
        assert process.wait(20) == 0
        assert [answer.status_code for answer in answers] == [200]
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_killed_while_many_save_it_keeps_what_it_promised_and_goes_on(atlas: Path):
    url = default_url(atlas)
    promised: dict[str, tuple[int, str]] = {}
    busy = threading.Barrier(5)  # the four who save, and we
    with running(atlas, url) as (process, address):

        def save_on(number: int) -> None:
            name = f"r-{number}"
            with visiting(address, name) as browser:
                case = browser.get("/api/cases").json()["cases"][0]["case"]
                detail = browser.get(f"/api/cases/{case}").json()
                version = 0
                try:
                    while True:
                        marks = [
                            {"structure": "liver", "kind": "leaks", "note": str(n)}
                            for n in range(version % 5)
                        ]
                        body = verdict_body(
                            detail, version=version, remarks=f"save {version + 1}", marks=marks
                        )
                        answer = browser.put(f"/api/cases/{case}/verdict", body)
                        assert answer.status_code == 200, answer.text
                        version = answer.json()["version"]
                        promised[name] = (version, case)
                        if version == 5:
                            busy.wait(60)
                except httpx.TransportError:
                    return

        threads = [threading.Thread(target=save_on, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        busy.wait(60)
        time.sleep(0.3)  # into the middle of what they do
        process.kill()
        for thread in threads:
            thread.join(20)
        process.wait(20)
    with closing(sqlite3.connect(atlas / ".dapatlas" / "review.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store = Store(connect(url), quick_passwords())
    assert len(promised) == 4
    for name, (version, case) in promised.items():
        verdict, history = store.verdict(case, name, Kind.READING), store.history(case, name, Kind.READING)
        assert verdict is not None
        assert verdict.version in (version, version + 1)  # the last one may have been kept without an answer
        assert [each.version for each in history] == list(range(1, verdict.version + 1))
        assert history[-1].content == verdict.content
        assert verdict.content.remarks == f"save {verdict.version}"
        assert len(verdict.content.marks) == (verdict.version - 1) % 5
    store.engine.dispose()
    with running(atlas, url) as (process, address), visiting(address, "r-0") as browser:
        version, case = promised["r-0"]
        current = browser.get(f"/api/cases/{case}").json()["verdict"]
        assert current["version"] >= version
        body = verdict_body(current, version=current["version"], remarks="after the crash")
        assert browser.put(f"/api/cases/{case}/verdict", body).json()["version"] == current["version"] + 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_port_that_is_taken_and_a_certificate_that_is_none(
    atlas: Path, sqlite_store: Store, tmp_path: Path
):
    site = Site(atlas, sqlite_store, Mode.LOCAL)
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(DapatlasError, match="another --port"),
    ):
        serve(site.app, "127.0.0.1", taken.getsockname()[1])
    for content in (None, "no certificate"):
        if content is not None:
            (tmp_path / "cert.pem").write_text(content)
        with pytest.raises(DapatlasError, match="cannot be used for TLS"):
            serve(site.app, "127.0.0.1", 0, certificate=tmp_path / "cert.pem", key=tmp_path / "cert.pem")
