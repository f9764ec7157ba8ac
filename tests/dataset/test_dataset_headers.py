"""What validation finds by names, headers and sizes, and what only ``deep`` finds."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import typer
from small_datasets import AFFINE, CASES, LIVER, PROSTATE, SHAPE, UTERUS, Folder, ct_array, mask_array
from typer.testing import CliRunner

from dapatlas.cli.validate import validate as command
from dapatlas.dataset import Case, Dataset, validate
from dapatlas.dataset.integrity import damage, gzip_end, seems_whole
from dapatlas.volumes import read_header

A, B, C, D, E = CASES


def codes(folder: Folder, deep: bool = False) -> list[tuple[str, str]]:
    return [(found.case, found.code) for found in validate(Dataset(folder.path), 1, deep=deep)]


def cut(path: Path, end: int) -> None:
    path.write_bytes(path.read_bytes()[:end])


def repack(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))


def other_grid(folder: Folder, axis: int, place: int, value: float) -> None:
    affine = AFFINE.copy()
    affine[axis, place] = value
    folder.write(folder.mask(B), mask_array(1), affine)


def test_no_voxel_of_a_sound_data_set_is_read(five: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a volume was read")

    monkeypatch.setattr(Case, "ct", refuse)
    monkeypatch.setattr(Case, "label_map", refuse)
    monkeypatch.setattr("dapatlas.dataset.inspection.damage", refuse)
    assert codes(five) == []


FOUND_BY_HEADER: list[tuple[str, str, Callable[[Folder], object]]] = [
    ("half a CT", "truncated-file", lambda five: cut(five.image(B), 400)),
    ("no checksum", "truncated-file", lambda five: cut(five.mask(B), -5)),
    ("no header", "truncated-file", lambda five: cut(five.mask(B), 40)),
    ("nothing", "truncated-file", lambda five: cut(five.mask(B), 0)),
    ("a whole stream of too few voxels", "truncated-file", lambda five: repack(five.mask(B), lambda raw: raw[:-100])),
    ("a web page", "unreadable-file", lambda five: five.mask(B).write_bytes(b"<html>" * 99)),
    ("no compression", "wrong-suffix", lambda five: five.mask(B).write_bytes(gzip.decompress(five.mask(B).read_bytes()))),
    ("another shape", "grid-shape", lambda five: five.write(five.mask(B), mask_array(1)[:, :, :-1])),
    ("another spacing", "grid-spacing", lambda five: other_grid(five, 2, 2, 3.0)),
    ("a flip", "grid-orientation", lambda five: other_grid(five, 0, 0, 0.8)),
    ("a shift", "grid-affine", lambda five: other_grid(five, 2, 3, -697.5)),
    ("wide ids", "mask-dtype", lambda five: five.write(five.mask(B), mask_array(1).astype(np.int16))),
    ("four axes", "unreadable-file", lambda five: five.write(five.image(B), np.stack([ct_array(0)] * 2, -1))),
    ("a CT without a sign", "hu-range", lambda five: five.write(five.image(B), (ct_array(1) + 1024).astype(np.uint16))),
    ("a missing map", "missing-mask", lambda five: five.mask(B).unlink()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "plant"), [row[1:] for row in FOUND_BY_HEADER], ids=[r[0] for r in FOUND_BY_HEADER]
)
def test_found_by_the_header_as_well_as_in_depth(
    five: Folder, code: str, plant: Callable[[Folder], object]
) -> None:
    plant(five)
    assert codes(five) == codes(five, deep=True) == [(B, code)]


def spoil(five: Folder, *values: int) -> None:
    mask = mask_array(1)
    mask[0, 0, : len(values)] = values
    five.write(five.mask(B), mask)


def large_ct(five: Folder) -> Path:
    """A file of 3 MB; small ones are unpacked to their end for the header already."""
    shape = (128, 128, 128)
    five.write(five.mask(B), mask_array(1, shape))
    noise = np.random.default_rng(1).integers(-1024, 1500, shape, np.int16)
    return five.write(five.image(B), noise)


def flip_bit(path: Path, place: int) -> None:
    packed = bytearray(path.read_bytes())
    packed[place] ^= 1
    path.write_bytes(packed)


ONLY_DEEP: list[tuple[str, str, Callable[[Folder], object]]] = [
    ("a wrong checksum", "corrupt-file", lambda five: flip_bit(large_ct(five), -6)),
    ("damage in the middle", "corrupt-file", lambda five: flip_bit(large_ct(five), 1_000_000)),
    ("id 11", "unknown-id", lambda five: spoil(five, 11)),
    ("both sexes", "both-sexes", lambda five: spoil(five, PROSTATE, UTERUS)),
    ("an empty map", "empty-map", lambda five: five.write(five.mask(B), np.zeros(SHAPE, np.uint8))),
    ("a window", "hu-unusual", lambda five: five.write(five.image(B), np.clip(ct_array(1), -160, 240))),
    ("a lost intercept", "hu-range", lambda five: five.write(five.image(B), ct_array(1) + 1024)),
]


@pytest.mark.parametrize(("code", "plant"), [row[1:] for row in ONLY_DEEP], ids=[row[0] for row in ONLY_DEEP])
def test_found_in_depth_alone(five: Folder, code: str, plant: Callable[[Folder], object]) -> None:
    plant(five)
    assert codes(five) == []
    assert codes(five, deep=True) == [(B, code)]


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii"])
def test_a_file_cut_anywhere_is_found(folder: Folder, suffix: str) -> None:
    folder.write(folder.mask(A), mask_array(0))
    path = folder.write(folder.image(A, suffix), ct_array(0))
    sound = path.read_bytes()
    assert codes(folder) == []
    for end in range(0, len(sound), max(1, len(sound) // 150)):
        path.write_bytes(sound[:end])
        assert codes(folder) in ([(A, "truncated-file")], [(A, "unreadable-file")]), end


def test_damage_of_the_header_is_told_as_in_depth_or_not_at_all(folder: Folder) -> None:
    rng = np.random.default_rng(6)
    folder.add(A)
    sound = gzip.decompress(folder.image(A).read_bytes())
    for _ in range(100):
        plain = bytearray(sound)
        plain[rng.integers(0, 348)] ^= int(rng.integers(1, 256))
        folder.image(A).write_bytes(gzip.compress(plain, 1))
        assert set(codes(folder)) <= set(codes(folder, deep=True))


@pytest.mark.parametrize("rest", ["another member", "zeros"])
def test_gzip_that_ends_in_other_ways_is_sound(five: Folder, rest: str) -> None:
    """The last four bytes tell the length of the last member alone, or nothing: then the file is walked through."""
    plain = gzip.decompress(five.mask(B).read_bytes())
    if rest == "zeros":
        packed = gzip.compress(plain) + bytes(512)
    else:
        packed = gzip.compress(plain[:500]) + gzip.compress(plain[500:])
    five.mask(B).write_bytes(packed)
    assert not seems_whole(five.mask(B), read_header(five.mask(B))[1])
    assert damage(five.mask(B)) is None
    assert codes(five) == codes(five, deep=True) == []


def test_length_of_a_gzip_stream_is_known_modulo_4_gib(tmp_path: Path) -> None:
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((1024, 1024, 2048))  # 4 GiB of voxels
    header["vox_offset"] = 352
    path = tmp_path / "large.nii.gz"
    path.write_bytes(gzip.compress(bytes(352)))
    assert seems_whole(path, header)
    path.write_bytes(gzip.compress(bytes(353)))
    assert not seems_whole(path, header)


def test_end_of_a_gzip_file_is_checksum_and_length(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"123456789"))
    assert gzip_end(path) == 0xCBF43926.to_bytes(4, "little") + (9).to_bytes(
        4, "little"
    )  # the CRC's check value
    path.write_bytes(b"123456789")
    assert gzip_end(path) is None


def test_copies_of_files_are_found_and_read_to_be_sure(five: Folder) -> None:
    shutil.copy(five.image(B), five.image(D))
    assert codes(five) == [(D, "duplicate-image")]
    five.write(five.image(D), ct_array(7))
    shutil.copy(five.mask(B), five.mask(D))
    assert codes(five) == [(D, "duplicate-mask")]


def test_same_checksum_of_other_voxels_is_no_copy(five: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dapatlas.dataset.inspection.gzip_end", lambda path: b"same CRC")
    assert codes(five) == []


def test_copies_with_another_header_are_found_in_depth_alone(five: Folder) -> None:
    ct = np.asarray(nib.load(five.image(B)).dataobj)
    header = nib.Nifti1Header()
    header["descrip"] = b"converted again"
    header.set_data_dtype(np.int16)
    nib.save(nib.Nifti1Image(ct, AFFINE, header), five.image(D))
    assert codes(five) == []
    assert codes(five, deep=True) == [(D, "duplicate-image")]


def test_fractions_are_told_as_a_wrong_type_and_in_depth_as_no_ids(five: Folder) -> None:
    five.write(five.mask(B), mask_array(1) / np.float32(LIVER))
    assert codes(five) == [(B, "mask-dtype")]
    assert codes(five, deep=True) == [(B, "mask-not-integer")]


def test_unsigned_ct_with_an_intercept_can_hold_hu(five: Folder) -> None:
    five.write(five.image(B), (ct_array(1) + 1024).astype(np.uint16))
    repack(five.image(B), lambda raw: raw[:112] + np.array([1, -1024], np.float32).tobytes() + raw[120:])
    assert codes(five) == codes(five, deep=True) == []


def test_answer_is_the_same_for_any_number_of_jobs(five: Folder) -> None:
    shutil.copy(five.image(B), five.image(D))
    os.truncate(five.mask(C), 100)
    answers = [validate(Dataset(five.path), jobs) for jobs in (1, 2)]
    assert answers[0] == answers[1]
    assert len(answers[0]) == 2


def test_command_says_how_far_it_looked(five: Folder) -> None:
    app = typer.Typer()
    app.command()(command)
    five.write(five.mask(B), np.zeros(SHAPE, np.uint8))
    result = CliRunner().invoke(app, [str(five.path), "--jobs", "1"])
    assert result.exit_code == 0
    assert "0 errors, 0 warnings; sound by names, headers and sizes (--deep" in result.stdout
    document = json.loads(CliRunner().invoke(app, [str(five.path), "--jobs", "1", "--json"]).stdout)
    assert (document["deep"], document["errors"]) == (False, 0)
    document = json.loads(CliRunner().invoke(app, [str(five.path), "--jobs", "1", "--json", "--deep"]).stdout)
    assert (document["deep"], document["errors"]) == (True, 1)
