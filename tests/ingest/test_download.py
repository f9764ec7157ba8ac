"""Downloads against a server that stumbles."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request

import numpy as np
import pytest
from stand_in_server import Served, Web, stand_in

from dapatlas.ingest import space
from dapatlas.ingest.codes import Code
from dapatlas.ingest.fetch.download import WrongContentError, download
from dapatlas.ingest.fetch.web import DownloadError, fetch_json
from dapatlas.ingest.space import NoSpaceError

BYTES = np.random.default_rng(5).integers(0, 256, 3_000_000, np.uint8).tobytes()  # several blocks
SHA256, MD5 = hashlib.sha256(BYTES).hexdigest(), hashlib.md5(BYTES).hexdigest()


@pytest.fixture
def web() -> Iterator[Web]:
    with stand_in() as server:
        server.files["/masks.zip"] = Served(BYTES)
        yield server


@pytest.fixture
def waits() -> list[float]:
    return []


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_checked_and_nothing_else(web: Web, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    target = tmp_path / "new" / "masks.zip"
    download(
        web.url("/masks.zip"),
        target,
        sha256=SHA256,
        md5=MD5,
        size=len(BYTES),
        progress=lambda *n: told.append(n),
    )
    assert target.read_bytes() == BYTES
    assert leftovers(target.parent) == ["masks.zip"]
    assert told[0] == (0, len(BYTES))
    assert told[-1] == (len(BYTES), len(BYTES))
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_dropped_connection_goes_on_where_it_stopped(web: Web, tmp_path: Path, waits: list[float]) -> None:
    web.files["/masks.zip"].stumbles = [1_000_000, 500_000]
    download(web.url("/masks.zip"), tmp_path / "masks.zip", pause=waits.append)
    assert (tmp_path / "masks.zip").read_bytes() == BYTES
    assert web.ranges("/masks.zip") == ["", "bytes=1000000-", "bytes=1500000-"]
    assert waits == [1, 1]  # bytes came each time, so patience starts anew


def test_a_killed_run_goes_on_in_the_next(web: Web, tmp_path: Path, waits: list[float]) -> None:
    web.files["/masks.zip"].stumbles = [2_000_000]
    with pytest.raises(
        DownloadError,
        match=r"ended after 2000000 of 3000000 bytes; given up after 1 attempts.*goes on from there",
    ):
        download(web.url("/masks.zip"), tmp_path / "masks.zip", attempts=1, pause=waits.append)
    assert leftovers(tmp_path) == [".masks.zip.partial", ".masks.zip.partial.json"]
    download(web.url("/masks.zip"), tmp_path / "masks.zip", sha256=SHA256)
    assert web.ranges("/masks.zip")[-1] == "bytes=2000000-"
    assert leftovers(tmp_path) == ["masks.zip"]


def test_a_file_that_changed_meanwhile_is_begun_again(web: Web, tmp_path: Path) -> None:
    web.files["/masks.zip"].stumbles = [2_000_000]
    with pytest.raises(DownloadError):
        download(web.url("/masks.zip"), tmp_path / "masks.zip", attempts=1)
    newer = BYTES[::-1]
    web.files["/masks.zip"] = Served(newer, etag='"two"')
    download(web.url("/masks.zip"), tmp_path / "masks.zip")
    assert (tmp_path / "masks.zip").read_bytes() == newer


@pytest.mark.parametrize(
    ("served", "ranges"),
    [
        (Served(BYTES, ranges=False), ["", "bytes=1000000-"]),  # a server that knows no ranges
        (Served(BYTES, etag=""), ["", ""]),  # nothing vouches for it being the same file
        (Served(BYTES, etag='W/"weak"'), ["", ""]),
        (Served(BYTES, etag="", modified="Mon, 06 Jan 2025 10:00:00 GMT"), ["", "bytes=1000000-"]),
    ],
)  # fmt: skip
def test_only_a_part_of_the_same_file_is_gone_on_with(
    web: Web, tmp_path: Path, served: Served, ranges: list[str]
) -> None:
    served.stumbles = [1_000_000]
    web.files["/masks.zip"] = served
    download(web.url("/masks.zip"), tmp_path / "masks.zip", pause=lambda _: None)
    assert (tmp_path / "masks.zip").read_bytes() == BYTES
    assert web.ranges("/masks.zip") == ranges


def test_a_part_of_another_address_is_not_gone_on_with(web: Web, tmp_path: Path) -> None:
    web.files["/other.zip"] = Served(BYTES, stumbles=[1_000])
    with pytest.raises(DownloadError):
        download(web.url("/other.zip"), tmp_path / "masks.zip", attempts=1)
    download(web.url("/masks.zip"), tmp_path / "masks.zip")
    assert web.ranges("/masks.zip") == [""]


def test_a_part_that_is_all_there_is_only_checked(web: Web, tmp_path: Path) -> None:
    (tmp_path / ".masks.zip.partial").write_bytes(BYTES)  # killed between the last byte and the new name
    notes = {"url": web.url("/masks.zip"), "etag": '"one"', "modified": "", "total": len(BYTES)}
    (tmp_path / ".masks.zip.partial.json").write_text(json.dumps(notes))
    download(web.url("/masks.zip"), tmp_path / "masks.zip", sha256=SHA256)
    assert (tmp_path / "masks.zip").read_bytes() == BYTES
    (tmp_path / "masks.zip").unlink()
    (tmp_path / ".masks.zip.partial").write_bytes(BYTES + b"more than there is")
    (tmp_path / ".masks.zip.partial.json").write_text(json.dumps(notes))
    download(web.url("/masks.zip"), tmp_path / "masks.zip", sha256=SHA256, pause=lambda _: None)
    assert (tmp_path / "masks.zip").read_bytes() == BYTES


def test_servers_that_stumble_are_asked_again_ever_later(
    web: Web, tmp_path: Path, waits: list[float]
) -> None:
    web.files["/masks.zip"].stumbles = [(500, {}), (503, {"Retry-After": "7"}), (502, {}), 0]
    download(web.url("/masks.zip"), tmp_path / "masks.zip", pause=waits.append)
    assert waits == [1, 7, 4, 8]
    web.files["/masks.zip"].stumbles = [(500, {})] * 9
    with pytest.raises(DownloadError, match=r"answered 500 .* given up after 5 attempts"):
        download(web.url("/masks.zip"), tmp_path / "second.zip", pause=waits.append)


def test_a_stream_without_length_is_not_taken_for_whole_when_it_breaks_off(web: Web, tmp_path: Path) -> None:
    web.files["/masks.zip"] = Served(BYTES, etag="", chunked=True, stumbles=[1_000_000])
    download(web.url("/masks.zip"), tmp_path / "masks.zip", pause=lambda _: None)
    assert (tmp_path / "masks.zip").read_bytes() == BYTES
    assert len(web.asked) == 2


def test_wrong_content_goes_and_is_told(web: Web, tmp_path: Path) -> None:
    with pytest.raises(WrongContentError, match=f"md5 {MD5}, but {'0' * 32} was published") as told:
        download(web.url("/masks.zip"), tmp_path / "masks.zip", md5="0" * 32)
    assert told.value.code is Code.CHECKSUM_DIFFERS
    assert leftovers(tmp_path) == []
    with pytest.raises(
        WrongContentError, match="the server has 3000000 bytes, but 7 were published; nothing was"
    ):
        download(web.url("/masks.zip"), tmp_path / "masks.zip", size=7)
    assert leftovers(tmp_path) == []


def test_a_file_that_stands_is_checked_and_kept(web: Web, tmp_path: Path) -> None:
    (tmp_path / "masks.zip").write_bytes(BYTES)
    download(web.url("/masks.zip"), tmp_path / "masks.zip", sha256=SHA256.upper())
    assert web.asked == []
    (tmp_path / "masks.zip").write_bytes(b"mine")
    with pytest.raises(WrongContentError, match="4 bytes, but .* has 3000000; delete it"):
        download(web.url("/masks.zip"), tmp_path / "masks.zip", size=len(BYTES))
    assert (tmp_path / "masks.zip").read_bytes() == b"mine"


def test_room_is_looked_for_before(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        space.shutil, "disk_usage", lambda _: usage._replace(free=space.RESERVE_BYTES + 2_999_999)
    )
    with pytest.raises(NoSpaceError, match="are needed to download masks.zip.*are free; make room"):
        download(web.url("/masks.zip"), tmp_path / "masks.zip")
    assert leftovers(tmp_path) == []
    monkeypatch.setattr(
        space.shutil, "disk_usage", lambda _: usage._replace(free=space.RESERVE_BYTES + 3_000_000)
    )
    download(web.url("/masks.zip"), tmp_path / "masks.zip")


def test_a_disk_that_fills_up_keeps_what_arrived(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dapatlas.ingest.fetch import download as module

    def full(file: object, block: bytes) -> None:
        file.write(block[:100_000])  # type: ignore[attr-defined]
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module, "_write", full)
        with pytest.raises(NoSpaceError, match="no space left on device; make room, then start again"):
            download(web.url("/masks.zip"), tmp_path / "masks.zip")
    download(web.url("/masks.zip"), tmp_path / "masks.zip", sha256=SHA256)
    assert web.ranges("/masks.zip") == ["", "bytes=100000-"]


def test_what_the_server_refuses_is_not_asked_for_again(web: Web, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="404 Not Found: the file has moved"):
        download(web.url("/gone.zip"), tmp_path / "gone.zip")
    assert len(web.asked) == 1
    web.files["/login"] = Served(b"<html>log in", kind="text/html; charset=utf-8")
    with pytest.raises(DownloadError, match="sent a page, not the file"):
        download(web.url("/login"), tmp_path / "login.zip")
    assert leftovers(tmp_path) == []


def test_redirects_are_followed_with_the_range_but_never_off_the_web(web: Web, tmp_path: Path) -> None:
    web.files["/old"] = Served(b"", redirect="/masks.zip")
    web.files["/masks.zip"].stumbles = [1_000_000]
    download(web.url("/old"), tmp_path / "masks.zip", pause=lambda _: None)
    assert web.ranges("/masks.zip") == ["", "bytes=1000000-"]
    web.files["/trap"] = Served(b"", redirect="ftp://127.0.0.1/secret")
    with pytest.raises(DownloadError, match="begins with http or https"):
        download(web.url("/trap"), tmp_path / "trap.zip")
    with pytest.raises(DownloadError, match="file:///etc/passwd: expected an address"):
        download("file:///etc/passwd", tmp_path / "passwd")


def test_without_a_network_there_is_one_clear_message(tmp_path: Path) -> None:
    import socket

    def offline(request: Request) -> None:
        raise URLError(socket.gaierror(-2, "Name or service not known"))

    with pytest.raises(
        DownloadError, match="example.org cannot be found .* Or open https://example.org/a.zip on another"
    ) as told:
        download(
            "https://example.org/a.zip",
            tmp_path / "a.zip",
            opener=offline,
            pause=lambda _: pytest.fail("waited"),
        )
    assert told.value.code is Code.NO_NETWORK


def test_nobody_listens(tmp_path: Path, waits: list[float]) -> None:
    with stand_in() as web:
        gone = web.url("/masks.zip")
    with pytest.raises(DownloadError, match="Connection refused; given up after 2 attempts"):
        download(gone, tmp_path / "masks.zip", attempts=2, pause=waits.append)
    assert waits == [1]


def test_json_is_asked_for_with_a_query_and_patience(web: Web) -> None:
    web.files["/getSeries?Collection=A B"] = Served(b'[{"Modality": "CT"}]', stumbles=[5, (429, {})])
    assert fetch_json(web.url("/getSeries"), {"Collection": "A B"}, pause=lambda _: None) == [
        {"Modality": "CT"}
    ]
    web.files["/nothing"] = Served(b" ")
    assert fetch_json(web.url("/nothing")) is None
    web.files["/page"] = Served(b"<html>")
    with pytest.raises(DownloadError, match="expected JSON, found '<html>'"):
        fetch_json(web.url("/page"))


def test_a_refusal_without_headers_is_still_one(tmp_path: Path) -> None:
    def refuse(request: Request) -> None:
        raise HTTPError(request.full_url, 403, "Forbidden", Message(), None)

    with pytest.raises(DownloadError, match="403 Forbidden: it refuses; download by hand"):
        download("https://example.org/a.zip", tmp_path / "a.zip", opener=refuse)


def test_https_is_never_left() -> None:
    from dapatlas.ingest.fetch.web import _Redirects

    request = Request("https://example.org/a.zip")
    with pytest.raises(DownloadError, match="expected an address that begins with https"):
        _Redirects().redirect_request(request, None, 302, "Found", Message(), "http://example.org/a.zip")
