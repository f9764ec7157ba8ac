"""DICOM in a folder, a zip or one file: a folder to read, and nothing left behind."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from dapatlas.ingest.codes import Code
from dapatlas.ingest.dicom import source as module
from dapatlas.ingest.dicom.source import dicom_source
from dapatlas.ingest.fault import IngestError
from dapatlas.ingest.space import NoSpaceError

SLICES = {f"PAT/ST0/IM{n}": bytes(128) + b"DICM" + bytes([n]) * 500 for n in range(5)}


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "scan.zip", "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in SLICES.items():
            out.writestr(name, content)
    return tmp_path / "scan.zip"


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_folder_is_read_where_it_is(tmp_path: Path) -> None:
    with dicom_source(tmp_path, tmp_path / "set") as dicom:
        assert dicom.path == tmp_path
        assert dicom.findings == ()
    assert not (tmp_path / "set").exists()


def test_a_zip_is_unpacked_for_as_long_as_it_is_needed(packed: Path, tmp_path: Path) -> None:
    with dicom_source(packed, tmp_path / "set") as dicom:
        assert dicom.path.parent == tmp_path / "set"
        assert dicom.path.name.startswith(".")
        assert contents(dicom.path) == SLICES
    assert list((tmp_path / "set").iterdir()) == []


def test_it_goes_on_failure_too(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="in the middle"), dicom_source(packed, tmp_path / "set"):
        raise RuntimeError("in the middle")
    assert list((tmp_path / "set").iterdir()) == []


def test_one_file_is_a_folder_of_one(tmp_path: Path) -> None:
    source = tmp_path / "enhanced.dcm"
    source.write_bytes(SLICES["PAT/ST0/IM0"])
    with dicom_source(source, tmp_path / "set") as dicom:
        assert contents(dicom.path) == {"enhanced.dcm": source.read_bytes()}
    assert source.exists()


def test_bad_members_are_told_and_the_others_come(packed: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(packed, "a") as out:
        out.writestr("../../evil", b"x")
        out.writestr("PAT/cut", b"y" * 1000)
    raw = bytearray(packed.read_bytes())
    raw[raw.index(b"y" * 1000)] ^= 1
    packed.write_bytes(raw)
    with dicom_source(packed, tmp_path / "set" / "images") as dicom:
        assert contents(dicom.path) == SLICES
        assert [f.code for f in dicom.findings] == [Code.UNSAFE_MEMBER, Code.CORRUPT_FILE]
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.pdf", b"%PDF-1.7" + bytes(200), Code.UNKNOWN_FORMAT),
        ("a.zip", b"", Code.UNKNOWN_FORMAT),
        ("a.zip", b"PK\3\4" + bytes(200), Code.TRUNCATED_FILE),
        ("a", None, Code.NO_FILES),
    ],
)
def test_other_sources_are_refused(tmp_path: Path, name: str, content: bytes | None, code: Code) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(IngestError) as caught, dicom_source(tmp_path / name, tmp_path / "set"):
        pass
    assert caught.value.code == code
    assert str(tmp_path / name) in str(caught.value)


def test_a_zip_that_unpacks_to_far_more_than_scans_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "scan.zip", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("IM0", bytes(1_000_000))  # deflates to a thousandth
    with dicom_source(tmp_path / "scan.zip", tmp_path / "set"):
        pass  # a megabyte hurts nobody
    monkeypatch.setattr(module, "SMALL_BYTES", 999_999)
    with (
        pytest.raises(IngestError, match="zip bomb") as caught,
        dicom_source(tmp_path / "scan.zip", tmp_path),
    ):
        pass
    assert caught.value.code == Code.UNSAFE_MEMBER


def test_a_full_disk_leaves_nothing(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1 << 20)
    monkeypatch.setattr("dapatlas.ingest.space.shutil.disk_usage", lambda _: usage)
    with pytest.raises(NoSpaceError), dicom_source(packed, tmp_path / "set"):
        pass
    assert list((tmp_path / "set").iterdir()) == []


def test_the_real_series_from_a_zip(real_data: Path, tmp_path: Path) -> None:
    series = {path.name: path.read_bytes() for path in (real_data / "dicom").iterdir()}
    with zipfile.ZipFile(tmp_path / "scan.zip", "w") as out:
        for name, content in series.items():
            out.writestr(f"A B/ST00001/{name}", content)
    with dicom_source(tmp_path / "scan.zip", tmp_path / "set") as dicom:
        assert contents(dicom.path) == {f"A B/ST00001/{name}": content for name, content in series.items()}
    assert len(series) == 20
