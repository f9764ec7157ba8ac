"""The released masks: found in a zip or a folder, paired by name, and brought onto the grid of their CT exactly."""

from __future__ import annotations

import gzip
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from small_cts import AFFINE, SHAPE, write, write_ct

from dapatlas.dataset import Dataset, validate
from dapatlas.errors import BadFileError, BadLabelsError
from dapatlas.findings import Finding
from dapatlas.ingest.archive import Archive
from dapatlas.ingest.fault import IngestError
from dapatlas.ingest.nifti.mask_placing import Placed, place
from dapatlas.ingest.nifti.released_masks import find_masks, plan
from dapatlas.labels import load_scheme

A, B, C = "AutoPET_0011f3deaf_10445", "AutoPET_01140d52d8_56839", "AutoPET_0143bab87a_33529"
TOP = "Atlas_final_dataset_V1_533"


def labels(seed: int = 0) -> np.ndarray:
    """Ids all over the scheme, no two corners alike."""
    known = np.array([number for number in range(145) if number != 11], np.uint8)
    return np.random.default_rng(seed).choice(known, SHAPE)


def turned(array: np.ndarray, codes: str) -> nib.Nifti1Image:
    """By nibabel: the same voxels at the same places, axes pointing elsewhere."""
    image = nib.Nifti1Image(array, AFFINE)
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(AFFINE), nib.orientations.axcodes2ornt(tuple(codes))
    )
    return image.as_reoriented(turn)


class Release:
    """Masks in a folder, or zipped as the atlas has them."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "release"
        self.zip = tmp_path / "masks.zip"
        self.dataset_path = tmp_path / "atlas"
        Dataset.create(self.dataset_path)
        for seed, case in enumerate((A, B, C)):
            write_ct(self.dataset_path / "images" / f"{case}.nii.gz", seed)

    def path(self, case: str, suffix: str = ".nii.gz") -> Path:
        return self.folder / TOP / f"{case}{suffix}"

    def add(self, case: str, array: Any = None, affine: Any = AFFINE) -> Path:
        return write(self.path(case), labels() if array is None else array, affine)

    def pack(self, extra: dict[str, bytes] | None = None) -> Path:
        with zipfile.ZipFile(self.zip, "w") as archive:
            for file in sorted(self.folder.rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(self.folder).as_posix())
            for name, content in (extra or {}).items():
                archive.writestr(name, content)
        return self.zip

    @property
    def dataset(self) -> Dataset:
        return Dataset(self.dataset_path)

    def place(self, case: str = A, *, overwrite: bool = False, source: Path | None = None) -> Placed:
        found = plan(source or self.pack(), self.dataset)
        pair = next(pair for pair in found.pairs if pair.case == case)
        return place(pair, overwrite=overwrite)

    def mask(self, case: str = A) -> Path:
        return self.dataset_path / "masks" / f"{case}.nii.gz"

    def read(self, case: str = A) -> nib.Nifti1Image:
        return nib.load(self.mask(case))


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return Release(tmp_path)


def by_code(findings: tuple[Finding, ...]) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for finding in findings:
        told.setdefault(finding.code, []).append(finding.case)
    return told


def test_masks_on_the_grid_of_their_ct_are_copied_byte_for_byte_from_zip_and_folder(release: Release) -> None:
    for seed, case in enumerate((A, B, C)):
        release.add(case, labels(seed))
    for source in (release.pack(), release.folder):
        found = plan(source, release.dataset)
        assert [pair.case for pair in found.pairs] == [A, B, C]
        assert found.findings == ()
        assert {place(pickle.loads(pickle.dumps(pair))).how for pair in found.pairs} == {"copied"}
        for case in (A, B, C):
            assert release.mask(case).read_bytes() == release.path(case).read_bytes()
            release.mask(case).unlink()
    assert sorted(path.name for path in release.mask().parent.iterdir()) == []  # no scratch is left


def test_what_was_placed_is_a_valid_data_set(release: Release) -> None:
    for case in (A, B, C):
        release.add(case, np.full(SHAPE, 13, np.uint8))
        release.place(case)
    release.dataset.write_labels()
    told = [finding for finding in validate(release.dataset, jobs=1, deep=True) if finding.severity != "info"]
    assert [finding.code for finding in told if finding.code.startswith(("grid", "mask", "unknown"))] == []
    assert len(release.dataset) == 3


@pytest.mark.parametrize("codes", ["RAS", "LAS", "SPL", "IRA"])
def test_flips_and_swaps_are_undone_voxel_for_voxel(release: Release, codes: str) -> None:
    release.path(A).parent.mkdir(parents=True)
    nib.save(turned(labels(), codes), release.path(A))
    placed = release.place()
    assert placed.how == "turned"
    assert by_code(placed.findings) == {"axes-turned": [A]}
    got = release.read()
    assert np.array_equal(np.asanyarray(got.dataobj), labels())
    assert np.allclose(got.affine, AFFINE, atol=1e-6)
    assert got.get_data_dtype() == np.uint8
    assert release.place().how == "up to date"


@pytest.mark.parametrize(
    ("store", "says"),
    [
        (lambda array: array.astype(np.int16), "stored as int16"),
        (lambda array: array.astype(np.float32), "stored as float32"),
    ],
)
def test_another_type_is_stored_anew_with_the_same_ids(
    release: Release, store: Callable[..., Any], says: str
) -> None:
    release.add(A, store(labels()))
    placed = release.place()
    assert placed.how == "stored anew"
    assert says in placed.findings[0].message
    assert np.array_equal(np.asanyarray(release.read().dataobj), labels())
    assert release.read().get_data_dtype() == np.uint8


def test_an_uncompressed_mask_is_gzipped_whatever_its_name(release: Release) -> None:
    plain = release.add(A, labels())
    content = gzip.decompress(plain.read_bytes())
    plain.write_bytes(content)  # named .nii.gz, and is none
    assert release.place().how == "stored anew"
    assert gzip.decompress(release.mask().read_bytes())
    plain.unlink()
    release.path(B, ".nii").write_bytes(content)
    assert release.place(B).how == "stored anew"
    assert np.array_equal(np.asanyarray(release.read(B).dataobj), labels())


@pytest.mark.parametrize(
    ("change", "says", "remedy"),
    [
        ({(2, 3): -695.0}, "begins 0, 0, 2 voxels", "neither cropped nor padded"),
        ({(0, 0): 0.8, (0, 3): -40}, "mirrors i", "copy the CT's affine"),
        ({(2, 2): 5.0}, "0.8×0.8×5 mm against 0.8×0.8×2.5 mm", "not the one resampled"),
    ],
)
def test_a_mask_on_another_grid_is_refused_and_both_are_named(
    release: Release, change: dict[Any, float], says: str, remedy: str
) -> None:
    affine = AFFINE.copy()
    for cell, value in change.items():
        affine[cell] = value
    release.add(A, affine=affine)
    placed = release.place()
    assert placed.how == "refused"
    (told,) = placed.findings
    assert (told.code, told.severity) == ("grid-differs", "error")
    assert says in told.message
    assert remedy in told.remedy
    assert told.expected.startswith("Grid(12×10×8")
    assert not release.mask().exists()


def test_ids_outside_the_scheme_and_fractions_are_refused(release: Release) -> None:
    array = labels()
    array[0, 0, :3] = 11
    array[0, 0, 3] = 200
    release.add(A, array)
    with pytest.raises(
        BadLabelsError,
        match=rf"masks.zip/{TOP}/{A}.nii.gz: holds ids .*'dap': 11 \(3 voxels\), 200 \(1 voxels\)",
    ):
        release.place()
    release.add(A, labels() + 0.5)
    with pytest.raises(BadLabelsError, match=rf"masks.zip/{TOP}/{A}.nii.gz: a label map holds whole numbers"):
        release.place()
    release.add(A, labels().astype(np.int16) - 1)
    with pytest.raises(BadLabelsError, match="no negative ids"):
        release.place()
    assert not any(release.mask().parent.iterdir())


def test_a_mask_that_is_broken_is_told_by_its_place_in_the_zip(release: Release) -> None:
    release.add(A)
    whole = release.path(A).read_bytes()
    release.path(A).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadFileError, match=rf"masks.zip/{TOP}/{A}.nii.gz: truncated"):
        release.place()
    release.path(A).write_bytes(whole)
    packed = release.pack().read_bytes()
    at = packed.index(whole) + len(whole) // 2
    release.zip.write_bytes(packed[:at] + bytes([packed[at] ^ 255]) + packed[at + 1 :])
    with pytest.raises(BadFileError, match=rf"{A}.nii.gz: truncated or corrupt \(Bad CRC-32"):
        release.place(source=release.zip)
    assert not any(release.mask().parent.iterdir())


def test_who_has_no_partner_is_listed(release: Release) -> None:
    lone = "AutoPET_ffff000000_00001"
    release.add(A)
    release.add(lone)
    found = plan(release.pack(), release.dataset)
    assert [pair.case for pair in found.pairs] == [A]
    assert by_code(found.findings) == {"no-partner": [lone, B, C]}
    assert {finding.severity for finding in found.findings} == {"warning"}
    kept = plan(release.pack(), release.dataset, keep_unpaired=True)
    assert [pair.case for pair in kept.pairs] == [A, lone]
    assert place(kept.pairs[1]).how == "copied"
    assert release.mask(lone).read_bytes() == release.path(lone).read_bytes()


def test_a_ct_that_has_a_mask_from_elsewhere_lacks_none(release: Release) -> None:
    release.add(A)
    write(release.mask(B), labels(7))
    assert by_code(plan(release.pack(), release.dataset).findings) == {"no-partner": [C]}


def test_two_masks_of_one_case_are_an_error_and_neither_is_taken(release: Release) -> None:
    release.add(A)
    release.add(B)
    packed = release.pack({f"older/{A}.nii.gz": b"x", f"older/{B.lower()}.nii.gz": b"x"})
    found = plan(packed, release.dataset)
    assert found.pairs == ()
    assert by_code(found.findings)["name-taken"] == [A, B]
    assert {finding.severity for finding in found.findings if finding.code == "name-taken"} == {"error"}


def test_notes_of_macos_are_no_masks_and_other_files_are_named(release: Release) -> None:
    release.add(A)
    extra = {
        f"__MACOSX/{TOP}/._{A}.nii.gz": b"x",
        f"{TOP}/._{B}.nii.gz": b"x",
        "LICENSE": b"x",
        "../evil.nii.gz": b"x",
    }
    found = find_masks(release.pack(extra))
    assert list(found.members) == [A]
    assert by_code(found.findings) == {"unsafe-archive-member": [""], "unused-file": [""]}


def test_a_name_that_no_file_may_have_is_not_kept(release: Release) -> None:
    release.add(A)
    found = plan(release.pack({"-rf *.nii.gz": b"x"}), release.dataset, keep_unpaired=True)
    assert [pair.case for pair in found.pairs] == [A]
    assert by_code(found.findings)["unknown-name"] == ["-rf *"]


def test_nothing_to_find_is_an_error(release: Release, tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="no such file"):
        find_masks(tmp_path / "none.zip")
    (tmp_path / "notes.zip").write_bytes(b"hello")
    with pytest.raises(IngestError, match="no zip"):
        find_masks(tmp_path / "notes.zip")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "README.txt").write_text("x")
    with pytest.raises(IngestError, match="expected masks named <case>.nii.gz; none of its 1 files is one"):
        find_masks(tmp_path / "empty")


def test_a_mask_that_stands_is_left_unless_asked(release: Release) -> None:
    release.add(A)
    write(release.mask(), labels(9))
    before = release.mask().read_bytes()
    placed = release.place()
    assert placed.how == "refused"
    assert by_code(placed.findings) == {"mask-stands": [A]}
    assert release.mask().read_bytes() == before
    assert release.place(overwrite=True).how == "copied"
    assert release.mask().read_bytes() == release.path(A).read_bytes()


def test_the_same_ids_packed_otherwise_are_up_to_date(release: Release) -> None:
    release.add(A)
    release.place()
    release.mask().write_bytes(gzip.compress(gzip.decompress(release.mask().read_bytes()), 1))
    before = release.mask().read_bytes()
    assert release.place().how == "up to date"
    assert release.mask().read_bytes() == before
    release.mask().write_bytes(before[:-20])  # a broken one is not the same
    assert release.place().how == "refused"


def test_a_full_disk_leaves_the_mask_that_stood(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from dapatlas.ingest.space import NoSpaceError

    release.add(A)
    write(release.mask(), labels(9))
    before = release.mask().read_bytes()
    pair = next(pair for pair in plan(release.pack(), release.dataset).pairs if pair.case == A)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Archive, "copy", full)
        with pytest.raises(NoSpaceError):
            place(pair, overwrite=True)
    assert release.mask().read_bytes() == before
    assert place(replace(pair, ct=None), overwrite=True).how == "copied"  # without a CT the grid is its own


def test_a_real_map_turned_and_zipped_comes_back_as_it_was(real_data: Path, tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "atlas", load_scheme("totalsegmentator"))
    dataset.image_path(A).symlink_to(real_data / "ct_sm.nii.gz")
    truth = nib.load(real_data / "total_sm.nii.gz")
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(truth.affine), nib.orientations.axcodes2ornt("SPR")
    )
    nib.save(truth.as_reoriented(turn), tmp_path / f"{A}.nii.gz")
    with zipfile.ZipFile(tmp_path / "masks.zip", "w") as archive:
        archive.write(tmp_path / f"{A}.nii.gz", f"{TOP}/{A}.nii.gz")
    (pair,) = plan(tmp_path / "masks.zip", dataset).pairs
    assert place(pair).how == "turned"
    got = nib.load(dataset.mask_path(A))
    assert np.array_equal(np.asanyarray(got.dataobj), np.asanyarray(truth.dataobj))
    assert np.allclose(got.affine, nib.load(real_data / "ct_sm.nii.gz").affine, atol=1e-4)
