"""The manifest against hashlib, nibabel and numpy; and every kind of change named for what it is."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from small_datasets import AFFINE, CASES, SHAPE, Folder, ct_array, mask_array

from dapatlas.dataset import Dataset, validate
from dapatlas.dataset.manifest import MANIFEST, listed_files, read_manifest
from dapatlas.dataset.manifest_comparing import Change, Kind, compare_manifest
from dapatlas.dataset.manifest_writing import CACHE, write_manifest
from dapatlas.errors import BadFileError, DapatlasError

A, B, C, D, E = CASES


@pytest.fixture
def listed(five: Folder) -> Folder:
    """A sound data set with a table and a manifest."""
    (five.path / "subjects.csv").write_text("subject,sex\n")
    write_manifest(five.path, jobs=1)
    return five


def compare(folder: Folder, quick: bool = False) -> list[Change]:
    return compare_manifest(folder.path, read_manifest(folder.path / MANIFEST), quick=quick, jobs=1)


# --- writing


def test_rows_are_what_other_programs_say(listed: Folder) -> None:
    rows = [json.loads(line) for line in (listed.path / MANIFEST).read_text().splitlines()]
    names = [row["file"] for row in rows]
    assert names == sorted(
        [f"{room}/{case}.nii.gz" for room in ("images", "masks") for case in CASES]
        + ["labels.json", "subjects.csv"]
    )
    for row in rows:
        path = listed.path / row["file"]
        assert row["size"] == len(path.read_bytes())
        assert row["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        if path.suffix == ".gz":
            image = nib.load(path)
            assert tuple(row["shape"]) == image.shape == SHAPE
            np.testing.assert_allclose(row["affine"], image.affine[:3], atol=1e-6)
            assert row["dtype"] == str(image.get_data_dtype())
            ids = np.unique(np.asarray(image.dataobj)).tolist() if "masks" in row["file"] else None
            assert row.get("ids") == ids
        else:
            assert set(row) == {"file", "size", "sha256"}


def test_what_is_no_data_is_not_listed(five: Folder) -> None:
    names = listed_files(five.path)
    for name in (
        "README.md",
        "masks/notes.txt",
        "masks/.x.nii.gz",
        "images/.DS_Store",
        ".hidden.csv",
        MANIFEST,
    ):
        (five.path / name).write_text("x")
    (five.path / "reports").mkdir()
    (five.path / "reports" / "x.nii.gz").write_text("x")
    assert listed_files(five.path) == names
    assert len(names) == 11


def test_same_text_for_any_number_of_jobs_and_place_on_disk(listed: Folder, tmp_path: Path) -> None:
    text = (listed.path / MANIFEST).read_bytes()
    write_manifest(listed.path, tmp_path / "other.jsonl", rehash=True, jobs=2)
    assert (tmp_path / "other.jsonl").read_bytes() == text


def test_what_nobody_changed_is_not_read_again(listed: Folder) -> None:
    assert write_manifest(listed.path, jobs=1).read == 0
    listed.write(listed.mask(B), mask_array(9))
    assert write_manifest(listed.path, jobs=1).read == 1
    assert compare(listed) == []
    assert write_manifest(listed.path, jobs=1, rehash=True).read == 12


def test_a_file_replaced_with_the_same_size_and_time_is_read_again(listed: Folder) -> None:
    """As ``cp -p`` or rsync leave it; only the inode is another."""
    path = listed.path / "subjects.csv"
    before = path.stat()
    other = listed.path / "scratch"
    other.write_text("subject,six\n")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert write_manifest(listed.path, jobs=1).read == 1
    assert compare(listed) == []


def test_a_run_that_was_stopped_goes_on(five: Folder) -> None:
    def stop(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_manifest(five.path, jobs=1, progress=stop)
    assert not (five.path / MANIFEST).exists()
    assert write_manifest(five.path, jobs=1).read == 11 - 4


@pytest.mark.parametrize("text", ["", "[]", "{", '{"labels.json": {"place": 3}}', '{"labels.json": 3}'])
def test_a_broken_memory_is_forgotten(listed: Folder, text: str) -> None:
    (listed.path / CACHE).write_text(text)
    assert write_manifest(listed.path, jobs=1).read == 12
    assert compare(listed) == []


def test_a_full_disk_leaves_the_old_manifest(listed: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (listed.path / MANIFEST).read_bytes()
    listed.write(listed.mask(B), mask_array(9))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("dapatlas.files._flush_to_disk", full)
    with pytest.raises(
        DapatlasError, match=r"manifest\.jsonl: cannot be written \(No space left on device\)"
    ):
        write_manifest(listed.path, jobs=1)
    assert (listed.path / MANIFEST).read_bytes() == text
    assert not list(listed.path.glob(".*partial*"))


def test_files_that_cannot_be_read_stop_no_other(five: Folder) -> None:
    five.image(A).write_bytes(b"%PDF-1.7")
    five.mask(B).unlink()
    five.mask(B).symlink_to("nowhere")
    five.write(five.mask(C), ct_array(3))
    written = write_manifest(five.path, jobs=1)
    assert [(found.case, found.code) for found in written.findings] == [
        (case, "unreadable-file") for case in (A, B, C)
    ]
    rows = read_manifest(five.path / MANIFEST)
    assert len(rows) == 10
    assert rows[f"images/{A}.nii.gz"].sha256 == hashlib.sha256(b"%PDF-1.7").hexdigest()
    assert rows[f"masks/{C}.nii.gz"].ids is None
    again = write_manifest(five.path, jobs=1)
    assert (again.read, again.findings) == (0, written.findings)


def test_scale_factor_is_listed(five: Folder) -> None:
    raw = bytearray(gzip.decompress(five.image(B).read_bytes()))
    raw[112:120] = np.array([1, -1024], np.float32).tobytes()  # scl_slope, scl_inter
    five.image(B).write_bytes(gzip.compress(raw))
    write_manifest(five.path, jobs=1)
    assert read_manifest(five.path / MANIFEST)[f"images/{B}.nii.gz"].scale == (1.0, -1024.0)


# --- reading


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "2: no entry"),
        ("3", "2: no entry"),
        ('{"file": "x", "size": 3}', "'sha256'"),
        ('{"file": "x", "size": 3, "sha256": "abc"}', "no SHA-256"),
        ('{"file": "../x", "size": 3, "sha256": "%s"}' % ("0" * 64), "out of the data set"),
        ('{"file": "/x", "size": 3, "sha256": "%s"}' % ("0" * 64), "out of the data set"),
        (
            '{"file": "x", "size": 3, "sha256": "%s", "shape": [1, 2], "affine": [[1, 2]]}' % ("0" * 64),
            "no entry",
        ),
    ],
)
def test_what_is_no_manifest(listed: Folder, line: str, words: str) -> None:
    path = listed.path / MANIFEST
    lines = path.read_text().splitlines()
    lines[1] = line
    path.write_text("\n".join(lines))
    with pytest.raises(BadFileError, match=words):
        read_manifest(path)
    found = validate(Dataset(listed.path), 1)
    assert [one.code for one in found] == ["manifest-unreadable"]


def test_keys_of_later_versions_are_let_be(listed: Folder) -> None:
    path = listed.path / MANIFEST
    rows = [json.loads(line) | {"of_later": 1} for line in path.read_text().splitlines()]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    assert compare(listed) == []


# --- comparing


def moved(five: Folder, where: int, value: float) -> None:
    affine = AFFINE.copy()
    affine[2, where] = value
    five.write(five.mask(B), mask_array(0), affine)


def write_bytes_keeping_time(path: Path, content: bytes) -> None:
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def repacked(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1))


def other_id(five: Folder) -> None:
    image = nib.load(five.mask(B))
    array = np.asarray(image.dataobj).copy()
    array[array == 26] = 144
    five.write(five.mask(B), array)


def same_values_elsewhere(five: Folder) -> None:
    array = np.asarray(nib.load(five.mask(B)).dataobj)
    five.write(five.mask(B), np.ascontiguousarray(array[::-1]))


def in_other_type(five: Folder) -> None:
    five.write(five.mask(B), np.asarray(nib.load(five.mask(B)).dataobj).astype(np.uint16))


def scaled(five: Folder) -> None:
    raw = bytearray(gzip.decompress(five.image(B).read_bytes()))
    raw[112:120] = np.array([1, -1024], np.float32).tobytes()
    five.image(B).write_bytes(gzip.compress(raw))


CHANGES: list[tuple[Callable[[Folder], object], tuple[str, ...], tuple[str, ...], str]] = [
    (lambda five: moved(five, 3, -700.5), ("grid",), ("grid",), "0.5 mm apart"),
    (lambda five: moved(five, 2, 3.0), ("grid",), ("grid",), "spacing"),
    (lambda five: five.write(five.mask(B), mask_array(0)[:, :, :-1]), ("grid",), ("grid",), "shape (12, 10, 7)"),
    (in_other_type, ("dtype",), ("dtype",), "type uint16 against uint8"),
    (scaled, ("scale",), ("scale",), "scale factor 1, -1024 against none"),
    (other_id, ("label-set",), ("size",), "label set (with 144 and without 26)"),
    (same_values_elsewhere, ("bytes",), ("size",), "other bytes, the same grid, type and label set"),
    (lambda five: repacked(five.image(B)), ("bytes",), ("size",), "other bytes, the same grid and type"),
    (lambda five: five.image(B).write_bytes(b"<html>"), ("header",), ("header",), "cannot be read as a volume"),
]  # fmt: skip


@pytest.mark.parametrize(("plant", "what", "quickly", "words"), CHANGES)
def test_what_changed_is_told(
    listed: Folder,
    plant: Callable[[Folder], object],
    what: tuple[str, ...],
    quickly: tuple[str, ...],
    words: str,
) -> None:
    plant(listed)
    (change,) = compare(listed)
    assert (change.kind, change.what) == (Kind.CHANGED, what)
    assert words in change.said
    found = compare(listed, quick=True)
    assert [one.what for one in found] in ([quickly], [] if quickly == ("size",) else [quickly])


def test_several_changes_of_one_file_are_all_told(listed: Folder) -> None:
    listed.write(listed.mask(B), np.zeros((4, 4, 4), np.uint16))
    (change,) = compare(listed)
    assert change.what == ("grid", "dtype", "label-set")


def test_missing_and_new_files(listed: Folder) -> None:
    listed.mask(B).unlink()
    listed.add("AutoPET_0000000ff_00009")
    (listed.path / "labels.json").unlink()
    assert [(change.file, change.kind) for change in compare(listed)] == [
        ("images/AutoPET_0000000ff_00009.nii.gz", Kind.NEW),
        ("labels.json", Kind.MISSING),
        (f"masks/{B}.nii.gz", Kind.MISSING),
        ("masks/AutoPET_0000000ff_00009.nii.gz", Kind.NEW),
    ]
    assert compare(listed) == compare(listed, quick=True)


def test_a_bit_that_flipped_on_the_disk_is_found_unless_quick(listed: Folder) -> None:
    content = bytearray(listed.image(C).read_bytes())
    content[4] ^= 4  # in the time that gzip notes: the voxels stay as they are
    write_bytes_keeping_time(listed.image(C), bytes(content))
    assert [(change.file, change.what) for change in compare(listed)] == [(f"images/{C}.nii.gz", ("bytes",))]
    assert compare(listed, quick=True) == []


def test_manifest_of_another_day_and_place(listed: Folder, tmp_path: Path) -> None:
    write_manifest(listed.path, tmp_path / "before.jsonl", jobs=1)
    moved_to = tmp_path / "elsewhere"
    listed.path.rename(moved_to)
    assert compare_manifest(moved_to, read_manifest(tmp_path / "before.jsonl"), jobs=2) == []


# --- in validation


def test_validation_compares_with_the_manifest(listed: Folder) -> None:
    assert validate(Dataset(listed.path), 1) == validate(Dataset(listed.path), 1, deep=True) == []
    listed.write(listed.image(B), ct_array(1)[:, :, ::-1])
    (listed.path / "subjects.csv").unlink()
    (listed.path / "studies.csv").write_text("case\n")
    found = validate(Dataset(listed.path), 2, deep=True)
    assert [(one.case, one.severity.value, one.code) for one in found] == [
        ("", "error", "manifest-missing"),
        (B, "error", "manifest-changed"),
        ("", "warning", "manifest-new"),
    ]
    assert all(one.file and one.expected and one.found and one.remedy for one in found)


def test_validation_reads_bytes_only_in_depth(listed: Folder) -> None:
    labels = listed.path / "labels.json"
    write_bytes_keeping_time(
        labels, labels.read_bytes().replace(b'": "', b'" :"')
    )  # as long, and the same object
    repacked_as_long = bytearray(listed.mask(C).read_bytes())
    repacked_as_long[8] ^= 6  # gzip's note on how hard it tried: nobody reads it
    write_bytes_keeping_time(listed.mask(C), bytes(repacked_as_long))
    assert validate(Dataset(listed.path), 1) == []
    found = validate(Dataset(listed.path), 1, deep=True)
    assert [(one.case, one.code, one.found) for one in found] == [
        ("", "manifest-changed", "bytes"),
        (C, "manifest-changed", "bytes"),
    ]
