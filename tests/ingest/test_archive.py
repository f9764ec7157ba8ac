"""Zips and folders: what comes out is what went in, and nothing gets out of its place."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import zipfile
import zlib
from pathlib import Path

import pytest

from dapatlas.errors import BadFileError
from dapatlas.ingest import archive as archive_module
from dapatlas.ingest.archive import Archive, Member, is_zip
from dapatlas.ingest.codes import Code
from dapatlas.ingest.fault import IngestError
from dapatlas.ingest.space import NoSpaceError, check_space, full_disk_named

CONTENT = {"a/one.dcm": b"one" * 1000, "a/b/two.dcm": os.urandom(100_000), "three": b""}


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    path = tmp_path / "scans.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in CONTENT.items():
            out.writestr(name, content)
    return path


def add(path: Path, name: str, content: bytes = b"x", mode: int = 0) -> None:
    info = zipfile.ZipInfo(name)
    info.filename = name  # the constructor tidies it
    info.external_attr = mode << 16
    with zipfile.ZipFile(path, "a") as out:
        out.writestr(info, content)


def test_zip_and_folder_give_the_same_members_and_bytes(packed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    zipfile.ZipFile(packed).extractall(folder)
    for path in (packed, folder):
        with Archive(path) as archive:
            assert archive.is_zip == (path == packed)
            assert {m.name: m.bytes for m in archive.members()} == {n: len(c) for n, c in CONTENT.items()}
            for member in archive.members():
                assert archive.open(member).read() == CONTENT[member.name]
                archive.copy(member, tmp_path / "out" / member.file_name)
                assert (tmp_path / "out" / member.file_name).read_bytes() == CONTENT[member.name]
            assert archive.findings == ()


def test_unpacking_gives_the_tree(packed: Path, tmp_path: Path) -> None:
    with Archive(packed) as archive:
        assert archive.unpack(tmp_path / "out") == []
    files = {
        p.relative_to(tmp_path / "out").as_posix(): p for p in (tmp_path / "out").rglob("*") if p.is_file()
    }
    assert {name: file.read_bytes() for name, file in files.items()} == CONTENT


@pytest.mark.parametrize(
    "name",
    ["../out.dcm", "a/../../out.dcm", "/etc/out.dcm", "C:\\out.dcm", "..\\out.dcm", "\\\\host\\out.dcm"],
)
def test_paths_out_of_the_archive_are_refused_and_named(packed: Path, tmp_path: Path, name: str) -> None:
    add(packed, name)
    with Archive(packed) as archive:
        assert [m.name for m in archive.members()] == sorted(CONTENT)
        (finding,) = archive.findings
        archive.unpack(tmp_path / "in" / "side")
    assert finding.code == Code.UNSAFE_MEMBER
    assert repr(name) in finding.message
    assert not list(tmp_path.rglob("out.dcm"))


def test_links_and_devices_are_refused(packed: Path) -> None:
    add(packed, "link", b"/etc/passwd", stat.S_IFLNK | 0o777)
    add(packed, "device", b"", stat.S_IFCHR | 0o644)
    add(packed, "plain", b"", stat.S_IFREG | 0o644)
    with Archive(packed) as archive:
        assert {m.name for m in archive.members()} == {*CONTENT, "plain"}
        assert [f.code for f in archive.findings] == [Code.UNSAFE_MEMBER] * 2


def test_windows_separators_are_understood(packed: Path) -> None:
    add(packed, "c\\d\\four.dcm")
    with Archive(packed) as archive:
        assert "c/d/four.dcm" in {m.name for m in archive.members()}


def test_the_first_of_two_members_of_one_name_is_taken(packed: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        add(packed, "a/one.dcm", b"other")
    with Archive(packed) as archive:
        assert archive.open(Member("a/one.dcm", 3000)).read() == CONTENT["a/one.dcm"]
        assert [f.code for f in archive.findings] == [Code.NAME_TAKEN]


def test_hidden_files_and_notes_of_macos_are_no_members(packed: Path, tmp_path: Path) -> None:
    for name in ("__MACOSX/a/._one.dcm", ".DS_Store", "a/._one.dcm"):
        add(packed, name)
    zipfile.ZipFile(packed).extractall(tmp_path / "scans")
    for path in (packed, tmp_path / "scans"):
        with Archive(path) as archive:
            assert {m.name for m in archive.members()} == set(CONTENT)
            assert archive.findings == ()


def test_locked_members_are_named(packed: Path) -> None:
    raw = bytearray(packed.read_bytes())
    raw[raw.index(b"PK\1\2") + 8] |= 1  # the flag of the first entry in the central directory
    packed.write_bytes(raw)
    with Archive(packed) as archive:
        assert [(f.code, "a/one.dcm" in f.message) for f in archive.findings] == [
            (Code.ENCRYPTED_ARCHIVE, True)
        ]
        assert len(archive.members()) == len(CONTENT) - 1


def test_members_beyond_reason_are_named(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "MAX_MEMBER_BYTES", 99_999)
    with Archive(packed) as archive:
        assert "100000 bytes" in archive.findings[0].message
        assert "a/b/two.dcm" not in {m.name for m in archive.members()}


def test_overlapping_members_are_a_bomb(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as out:
        out.writestr("kernel", bytes(100_000))
        for n in range(3):  # three more entries for the very same bytes
            info = zipfile.ZipInfo(f"copy{n}")
            info.header_offset, info.file_size, info.compress_size = 0, 100_000, 100_000
            info.CRC = zlib.crc32(bytes(100_000))
            out.filelist.append(info)
    with pytest.raises(IngestError, match="overlap") as caught:
        Archive(path)
    assert caught.value.code == Code.UNSAFE_MEMBER


@pytest.mark.parametrize("kept", [0.3, 0.999])
def test_truncated_zips_are_named(packed: Path, kept: float) -> None:
    raw = packed.read_bytes()
    packed.write_bytes(raw[: int(len(raw) * kept)])
    with pytest.raises(IngestError, match=r"scans\.zip: truncated") as caught:
        Archive(packed)
    assert caught.value.code == Code.TRUNCATED_FILE


def test_other_files_are_no_zips(tmp_path: Path) -> None:
    (tmp_path / "ct.nii").write_bytes(b"hello")
    with pytest.raises(BadFileError, match="no zip"):
        Archive(tmp_path / "ct.nii")
    with pytest.raises(BadFileError, match="no such file"):
        Archive(tmp_path / "nothing.zip")
    assert not is_zip(tmp_path / "ct.nii")
    assert not is_zip(tmp_path)


def test_a_corrupt_member_is_named_and_stops_no_other(packed: Path, tmp_path: Path) -> None:
    raw = bytearray(packed.read_bytes())
    raw[raw.index(CONTENT["a/b/two.dcm"][:20]) + 50_000] ^= 0xFF
    packed.write_bytes(raw)
    with Archive(packed) as archive:
        member = next(m for m in archive.members() if m.name == "a/b/two.dcm")
        with pytest.raises(BadFileError, match=r"scans\.zip/a/b/two\.dcm: truncated or corrupt"):
            archive.copy(member, tmp_path / "two.dcm")
        assert not list(tmp_path.glob("*two.dcm*"))
        findings = archive.unpack(tmp_path / "out")
    assert [f.code for f in findings] == [Code.CORRUPT_FILE]
    assert (tmp_path / "out/a/one.dcm").read_bytes() == CONTENT["a/one.dcm"]
    assert not (tmp_path / "out/a/b/two.dcm").exists()


def test_a_full_disk_is_named_and_leaves_nothing(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Archive(packed) as archive:
        first, second, _ = archive.members()
        archive.copy(first, tmp_path / "out" / "first")

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("dapatlas.files.os.fsync", full)
        with pytest.raises(NoSpaceError, match="no space left"):
            archive.copy(second, tmp_path / "out" / "second")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["first"]


def test_room_is_asked_for_before_unpacking(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1 << 28)
    monkeypatch.setattr("dapatlas.ingest.space.shutil.disk_usage", lambda _: usage)
    with Archive(packed) as archive, pytest.raises(NoSpaceError, match=r"to unpack scans\.zip"):
        archive.unpack(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_errors_of_the_system_pass() -> None:
    with pytest.raises(PermissionError), full_disk_named(Path("x")):
        raise PermissionError(errno.EACCES, "no")
    with pytest.raises(NoSpaceError, match="x/y: 1073741824.00 GiB are needed to test"):
        check_space(Path("x/y"), 1 << 60, "to test")
