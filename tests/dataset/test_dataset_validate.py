"""Each fault is planted by hand in a sound data set; validation must find it, and nothing else."""

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
from small_datasets import AFFINE, CASES, LIVER, PROSTATE, SHAPE, UTERUS, Folder, ct_array, mask_array

from dapatlas.dataset import Dataset, validate
from dapatlas.findings import Finding
from dapatlas.labels import load_scheme

A, B, C, D, E = CASES


def check(folder: Folder, jobs: int = 1) -> list[Finding]:
    return validate(Dataset(folder.path), jobs, deep=True)


def the_one(folder: Folder, case: str, severity: str, code: str) -> Finding:
    """The only finding, which must be about this."""
    findings = check(folder)
    assert [(f.case, f.severity.value, f.code) for f in findings] == [(case, severity, code)]
    return findings[0]


def test_sound_data_set_gives_no_finding(five: Folder) -> None:
    assert check(five) == []


@pytest.mark.parametrize(
    "affine",
    [
        np.diag([2.0, 2.0, 3.0, 1.0]),
        np.array(
            [[-0.7, 0, 0, 12], [0, 0, 3, -4], [0, -0.7, 0, 90], [0, 0, 0, 1.0]]
        ),  # axes in another order
        np.array([[-0.79, 0.06, 0.1, 40], [-0.06, -0.78, 0.4, 30], [0.03, -0.1, 2.46, -700], [0, 0, 0, 1.0]]),
    ],
    ids=["RAS", "permuted and flipped", "oblique"],
)
def test_any_orientation_is_sound_if_both_files_share_it(folder: Folder, affine: np.ndarray) -> None:
    nudge = np.zeros((4, 4))
    nudge[:3, 3] = 4e-4  # mm; what single-precision headers lose
    folder.write(folder.image(A), ct_array(0), affine)
    folder.write(folder.mask(A), mask_array(0), affine + nudge)
    assert check(folder) == []


def test_two_studies_of_one_subject_are_sound(folder: Folder) -> None:
    folder.add("AutoPET_0011f3deaf_00001", "AutoPET_0011f3deaf_00002")
    assert check(folder) == []


# --- names and pairs


def test_missing_mask(five: Folder) -> None:
    five.mask(B).unlink()
    found = the_one(five, B, "error", "missing-mask")
    assert found.file == str(five.image(B))
    assert found.expected == f"masks/{B}.nii.gz"


def test_missing_image(five: Folder) -> None:
    five.image(B).unlink()
    assert the_one(five, B, "error", "missing-image").expected == f"images/{B}.nii.gz"


def test_misspelt_partner_is_named(five: Folder) -> None:
    five.mask(B).rename(five.mask(B + "x"))
    findings = check(five)
    assert [(f.case, f.code) for f in findings] == [
        (B, "missing-mask"),
        (B + "x", "missing-image"),
        (B + "x", "case-name"),
    ]
    assert f"is it masks/{B}x?" in findings[0].remedy


def test_lone_file_is_still_checked(five: Folder) -> None:
    five.mask(B).unlink()
    five.write(five.image(B), np.clip(ct_array(1), 0, 255).astype(np.uint8))
    assert {(f.case, f.code) for f in check(five)} == {(B, "missing-mask"), (B, "hu-range")}


def test_name_that_does_not_parse(five: Folder) -> None:
    five.add("s0001")
    the_one(five, "s0001", "warning", "case-name")


def test_stray_file(five: Folder) -> None:
    (five.path / "masks" / f"{A}.nrrd").touch()
    (five.path / "masks" / ".DS_Store").touch()
    assert the_one(five, "", "warning", "stray-file").file.endswith(".nrrd")


def test_same_study_with_two_suffixes(five: Folder) -> None:
    shutil.copy(five.image(A), five.image(A, ".nii"))  # what is in it does not matter
    assert f"images/{A}.nii" in the_one(five, A, "error", "duplicate-study").message


def test_same_study_in_capitals(five: Folder) -> None:
    five.add("AutoPET_00000000AA_00000", "AutoPET_00000000aa_00000")
    found = the_one(five, "AutoPET_00000000AA_00000", "error", "duplicate-study")
    assert all(name in found.found for name in ("images/AutoPET_00000000aa", "masks/AutoPET_00000000AA"))


def test_same_ct_under_two_names(five: Folder) -> None:
    ct = nib.load(five.image(B))
    five.write(five.image(D), np.asarray(ct.dataobj))
    nib.save(nib.Nifti1Image(np.asarray(ct.dataobj), AFFINE, ct.header), five.image(B))  # other bytes
    found = the_one(five, D, "error", "duplicate-image")
    assert B in found.message
    assert "training and test set" in found.message


def test_copy_of_a_whole_case_is_told_once(five: Folder) -> None:
    shutil.copy(five.image(B), five.image(D))
    shutil.copy(five.mask(B), five.mask(D))
    the_one(five, D, "error", "duplicate-image")


def test_same_label_map_under_two_names(five: Folder) -> None:
    shutil.copy(five.mask(B), five.mask(D))
    assert B in the_one(five, D, "warning", "duplicate-mask").message


# --- files


def test_truncated_gzip(five: Folder) -> None:
    packed = five.image(C).read_bytes()
    five.image(C).write_bytes(packed[: len(packed) // 2])
    assert the_one(five, C, "error", "truncated-file").file == str(five.image(C))


def test_gzip_without_its_last_bytes(five: Folder) -> None:
    """All voxels are there; only the checksum is cut off."""
    five.mask(C).write_bytes(five.mask(C).read_bytes()[:-5])
    the_one(five, C, "error", "truncated-file")


def test_whole_gzip_with_too_few_voxels(five: Folder) -> None:
    whole = gzip.decompress(five.mask(C).read_bytes())
    five.mask(C).write_bytes(gzip.compress(whole[:-100]))
    found = the_one(five, C, "error", "truncated-file")
    assert f"{len(whole) - 100} bytes of the {len(whole)}" in found.message


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_empty_file(folder: Folder, suffix: str) -> None:
    folder.write(folder.mask(A), mask_array(0))
    folder.image(A, suffix).touch()
    the_one(folder, A, "error", "truncated-file")


def test_truncated_plain_file(folder: Folder) -> None:
    folder.add(A)
    folder.image(A).unlink()
    folder.write(folder.image(A, ".nii"), ct_array(0))
    os.truncate(folder.image(A, ".nii"), 1000)
    the_one(folder, A, "error", "truncated-file")


def test_wrong_checksum(five: Folder) -> None:
    packed = bytearray(five.mask(C).read_bytes())
    packed[-6] ^= 1  # CRC32 stands 8 to 5 bytes before the end
    five.mask(C).write_bytes(packed)
    the_one(five, C, "error", "corrupt-file")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>403 Forbidden</html>" * 20, "cannot be read as a NIfTI volume"),
        (gzip.compress(b"<html>403 Forbidden</html>" * 20), "cannot be read as a NIfTI volume"),
    ],
    ids=["a web page", "a packed web page"],
)
def test_something_else_than_nifti(five: Folder, content: bytes, words: str) -> None:
    five.image(C).write_bytes(content)
    assert words in the_one(five, C, "error", "unreadable-file").message


def test_name_that_lies_about_compression(five: Folder) -> None:
    plain = gzip.decompress(five.image(C).read_bytes())
    five.image(C).write_bytes(plain)
    assert the_one(five, C, "error", "wrong-suffix").found == "not compressed"
    five.image(C).unlink()
    five.image(C, ".nii").write_bytes(gzip.compress(plain))
    assert the_one(five, C, "error", "wrong-suffix").remedy == f"rename it to {C}.nii.gz"


def test_four_axes(five: Folder) -> None:
    five.write(five.image(C), np.stack([ct_array(0), ct_array(1)], axis=-1))
    the_one(five, C, "error", "unreadable-file")


def test_dangling_link(five: Folder) -> None:
    five.image(C).unlink()
    five.image(C).symlink_to("nowhere")
    the_one(five, C, "error", "unreadable-file")


@pytest.mark.parametrize("part", ["header", "stream"])
def test_no_damage_goes_unnoticed_or_stops_the_check(folder: Folder, part: str) -> None:
    """Bytes of a file are changed at random; validation always answers, and a damaged stream is always found."""
    rng = np.random.default_rng(5)
    folder.add(A)
    sound = folder.image(A).read_bytes()
    for _ in range(100):
        if part == "stream":
            damaged = bytearray(sound)
            damaged[rng.integers(10, len(sound))] ^= int(rng.integers(1, 256))  # the gzip header is 10 bytes
        else:
            plain = bytearray(gzip.decompress(sound))
            plain[rng.integers(0, 348)] ^= int(rng.integers(1, 256))
            damaged = bytearray(gzip.compress(plain, 1))
        folder.image(A).write_bytes(damaged)
        codes = [finding.code for finding in check(folder)]
        assert "check-failed" not in codes
        if part == "stream":
            assert set(codes) & {"corrupt-file", "truncated-file", "unreadable-file"}


# --- grids


def test_other_shape(five: Folder) -> None:
    five.write(five.mask(B), mask_array(1)[:, :, :-1])
    found = the_one(five, B, "error", "grid-shape")
    assert (found.expected, found.found) == ("12×10×8", "12×10×7")


def test_other_spacing(five: Folder) -> None:
    affine = AFFINE.copy()
    affine[2, 2] = 3
    five.write(five.mask(B), mask_array(1), affine)
    found = the_one(five, B, "error", "grid-spacing")
    assert (found.expected, found.found) == ("0.8×0.8×2.5 mm", "0.8×0.8×3 mm")


def test_flipped_affine(five: Folder) -> None:
    affine = AFFINE.copy()
    affine[0] *= -1  # left becomes right
    five.write(five.mask(B), mask_array(1), affine)
    found = the_one(five, B, "error", "grid-orientation")
    assert (found.expected, found.found) == ("LPS", "RPS")


def test_other_axis_order_is_one_finding(five: Folder) -> None:
    """Saved in another axis order, with the affine that goes with it: shape and spacing are no second fault."""
    turned = nib.Nifti1Image(mask_array(1), AFFINE).as_reoriented(
        nib.orientations.ornt_transform(
            nib.orientations.axcodes2ornt("LPS"), nib.orientations.axcodes2ornt("SAR")
        )
    )
    nib.save(turned, five.mask(B))
    found = the_one(five, B, "error", "grid-orientation")
    assert (found.expected, found.found) == ("LPS", "SAR")


def test_shifted_affine(five: Folder) -> None:
    affine = AFFINE.copy()
    affine[2, 3] += 2.5  # by one slice
    five.write(five.mask(B), mask_array(1), affine)
    assert "2.5 mm" in the_one(five, B, "error", "grid-affine").message


def test_affine_in_metres(five: Folder) -> None:
    affine = AFFINE / 1000
    affine[3, 3] = 1
    five.write(five.image(B), ct_array(1), affine)
    found = the_one(five, B, "error", "voxel-size")
    assert found.found == "0.0008×0.0008×0.0025 mm"
    assert found.file == str(five.image(B))


def test_header_without_orientation(five: Folder) -> None:
    for path in (five.image(B), five.mask(B)):
        image = nib.load(path)
        image.set_sform(None, code=0)
        image.set_qform(None, code=0)
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), None, image.header), path)
    assert [(f.case, f.severity.value, f.code) for f in check(five)] == [
        (B, "warning", "orientation-unknown")
    ] * 2


def test_qform_against_sform(five: Folder) -> None:
    image = nib.load(five.image(B))
    moved = AFFINE.copy()
    moved[0, 3] += 7
    image.set_qform(moved, code=1)
    nib.save(image, five.image(B))
    assert "7.0 mm" in the_one(five, B, "warning", "orientation-ambiguous").message


# --- label maps


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_ids_not_stored_as_uint8(five: Folder, dtype: type) -> None:
    five.write(five.mask(B), mask_array(1).astype(dtype))
    assert the_one(five, B, "error", "mask-dtype").found == np.dtype(dtype).name


def test_label_map_with_a_scale_factor(five: Folder) -> None:
    image = nib.Nifti1Image(mask_array(1) // LIVER, AFFINE)
    image.header.set_slope_inter(LIVER, 0)
    image.to_filename(five.mask(B))
    raw = bytearray(gzip.decompress(five.mask(B).read_bytes()))
    raw[112:116] = np.float32(LIVER).tobytes()  # scl_slope
    raw[116:120] = np.float32(0).tobytes()
    five.mask(B).write_bytes(gzip.compress(raw))
    assert "scale factor" in the_one(five, B, "error", "mask-dtype").found


def test_probabilities_are_no_ids(five: Folder) -> None:
    mask = mask_array(1).astype(np.float32)
    mask[5, 5, 5] = 0.5
    five.write(five.mask(B), mask)
    the_one(five, B, "error", "mask-not-integer")


def test_gap_id_11_is_told_by_name(five: Folder) -> None:
    mask = mask_array(1)
    mask[0, 0, :3] = 11
    five.write(five.mask(B), mask)
    found = the_one(five, B, "error", "unknown-id")
    assert (found.voxels, found.found) == (3, "11 (3 voxels)")
    assert "id 11 is left out" in found.message
    assert "without gaps" in found.remedy


def test_ids_above_the_scheme_are_listed_with_their_voxels(five: Folder) -> None:
    mask = mask_array(1)
    mask[0, 0, :3] = 145
    mask[0, 1, :2] = 255
    five.write(five.mask(B), mask)
    found = the_one(five, B, "error", "unknown-id")
    assert (found.voxels, found.found) == (5, "145 (3 voxels), 255 (2 voxels)")
    assert "11" not in found.message


def test_ct_in_the_place_of_a_label_map(five: Folder) -> None:
    five.write(five.mask(B), ct_array(1))
    assert "negative" in the_one(five, B, "error", "mask-not-integer").message


def test_many_unknown_ids_are_not_all_spelt_out(five: Folder) -> None:
    mask = mask_array(1)
    mask[0].flat[:] = range(160, 160 + mask[0].size)
    five.write(five.mask(B), mask)
    found = the_one(five, B, "error", "unknown-id")
    assert found.voxels == 80
    assert found.found.endswith("167 (1 voxels) and 72 more")


def test_id_11_is_a_structure_in_another_scheme(folder: Folder) -> None:
    scheme = load_scheme("totalsegmentator")
    folder.add(A)
    mask = mask_array(0)
    mask[0, 0, 0] = 11
    folder.write(folder.mask(A), mask)
    (folder.path / "labels.json").write_text(json.dumps({s.id: s.name for s in scheme}))
    assert validate(Dataset(folder.path, scheme), 1, deep=True) == []


def test_empty_map(five: Folder) -> None:
    five.write(five.mask(B), np.zeros(SHAPE, np.uint8))
    five.write(five.mask(C), np.zeros(SHAPE, np.uint8))  # two empty maps are no copies of each other
    assert [(f.case, f.severity.value, f.code) for f in check(five)] == [
        (B, "error", "empty-map"),
        (C, "error", "empty-map"),
    ]


def test_organs_of_both_sexes(five: Folder) -> None:
    mask = mask_array(1)
    mask[0, 0, :3] = PROSTATE
    mask[0, 1, :2] = UTERUS
    five.write(five.mask(B), mask)
    found = the_one(five, B, "warning", "both-sexes")
    assert "prostate (3 voxels)" in found.message
    assert "uterus (2 voxels)" in found.message


def test_studies_of_one_subject_with_different_sexes(folder: Folder) -> None:
    first, second = "AutoPET_0011f3deaf_00001", "AutoPET_0011f3deaf_00002"
    folder.add(first, second)
    for case, organ in ((first, PROSTATE), (second, UTERUS)):
        mask = mask_array(len(case))
        mask[0, 0, organ % 8] = organ
        folder.write(folder.mask(case), mask)
    assert first in the_one(folder, second, "warning", "subject-sex").message


# --- HU


def _normalised(ct: np.ndarray) -> np.ndarray:
    return ((ct + 1024.0) / 4096).astype(np.float32)


def _with_nan(ct: np.ndarray) -> np.ndarray:
    ct = ct.astype(np.float32)
    ct[0, 0, :4] = np.nan, np.inf, -np.inf, np.nan
    return ct


@pytest.mark.parametrize(
    ("change", "severity", "code", "words"),
    [
        (lambda ct: (ct + 1024).astype(np.uint16), "error", "hu-range", "intercept was lost"),
        (lambda ct: ct + 1024, "error", "hu-range", "intercept was lost"),
        (lambda ct: ct.astype(np.uint16), "error", "hu-range", "wrapped round"),
        (lambda ct: np.clip(ct, 0, 255).astype(np.uint8), "error", "hu-range", "grey values"),
        (_normalised, "error", "hu-range", "normalised"),
        (np.zeros_like, "error", "hu-range", "holds nothing"),
        (_with_nan, "error", "hu-not-finite", "4 voxels"),
        (lambda ct: np.clip(ct, -160, 240), "warning", "hu-unusual", "no air"),
        (lambda ct: np.clip(ct, -1000, 60), "warning", "hu-unusual", "no bone"),
        (lambda ct: np.where(ct < -990, -8192, ct).astype(np.int16), "warning", "hu-unusual", "padding"),
        (lambda ct: np.where(ct > 600, 60000, ct.astype(np.int32)), "warning", "hu-unusual", "metal"),
    ],
)
def test_values_that_are_no_hu(
    five: Folder, change: Callable[[np.ndarray], np.ndarray], severity: str, code: str, words: str
) -> None:
    five.write(five.image(B), change(ct_array(1)))
    assert words in the_one(five, B, severity, code).message


@pytest.mark.parametrize(
    "change",
    [
        lambda ct: np.where(ct < -1000, -1024, ct),
        lambda ct: np.where(ct < -1000, -3024, ct),  # padding of a common scanner
        lambda ct: np.where(ct > 700, 30000, ct),  # metal
        lambda ct: np.clip(ct, -1000, 1000),
        lambda ct: ct.astype(np.float32) + 0.5,
    ],
)
def test_values_that_real_scanners_give(five: Folder, change: Callable[[np.ndarray], np.ndarray]) -> None:
    ct = change(ct_array(1))
    five.write(five.image(B), ct.astype(np.int16) if ct.dtype.kind == "i" else ct)
    assert check(five) == []


def test_rescale_in_the_nifti_header_is_applied(five: Folder) -> None:
    """Stored unsigned is no fault where scl_inter says what to subtract."""
    five.write(five.image(B), (ct_array(1) + 1024).astype(np.uint16))
    raw = bytearray(gzip.decompress(five.image(B).read_bytes()))
    raw[112:120] = np.array([1, -1024], np.float32).tobytes()  # scl_slope, scl_inter
    five.image(B).write_bytes(gzip.compress(raw))
    assert check(five) == []


# --- labels.json


def test_labels_json_missing(five: Folder) -> None:
    (five.path / "labels.json").unlink()
    the_one(five, "", "error", "labels-json-missing")


@pytest.mark.parametrize("text", ["{", "[]", "3", "\udcff"])
def test_labels_json_unreadable(five: Folder, text: str) -> None:
    (five.path / "labels.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    the_one(five, "", "error", "labels-json-unreadable")


def test_labels_json_differs(five: Folder) -> None:
    labels = json.loads((five.path / "labels.json").read_text())
    labels["13"], labels["14"] = labels["14"], labels["13"]
    del labels["144"]
    labels["11"] = "kidney"
    (five.path / "labels.json").write_text(json.dumps(labels))
    found = the_one(five, "", "error", "labels-json-differs").found
    assert found == (
        "id 13 is 'pancreas' instead of 'liver'; id 14 is 'liver' instead of 'pancreas'; "
        "id 144 (artery_subclavian_left) is missing; '11': 'kidney' is too much"
    )


def test_labels_json_of_another_known_scheme_is_recognised(five: Folder) -> None:
    labels = {s.id: s.name for s in load_scheme("totalsegmentator")}
    (five.path / "labels.json").write_text(json.dumps(labels))
    found = the_one(five, "", "error", "labels-json-differs")
    assert "--scheme totalsegmentator" in found.remedy
    assert "more" in found.found


# --- the whole


def test_no_cases(folder: Folder) -> None:
    the_one(folder, "", "error", "no-cases")


def test_bad_files_hide_nothing_in_the_others(five: Folder) -> None:
    plant_all(five)
    assert [(f.case, f.code) for f in check(five)] == EXPECTED


def test_answer_is_the_same_for_any_number_of_jobs(five: Folder) -> None:
    plant_all(five)
    assert check(five, 1) == check(five, 2) == check(five, 3)


def test_progress_is_told_case_by_case(five: Folder) -> None:
    told: list[tuple[int, int]] = []
    validate(Dataset(five.path), 1, lambda done, total: told.append((done, total)), deep=True)
    assert told == [(n, 5) for n in range(6)]


def test_every_finding_says_what_to_do(five: Folder) -> None:
    plant_all(five)
    for finding in check(five):
        assert finding.message
        assert finding.expected
        assert finding.remedy


def test_case_whose_check_breaks_is_a_finding(five: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("dapatlas.dataset.inspection.check_hu", broken)
    findings = check(five)
    assert [(f.case, f.code) for f in findings] == [(case, "check-failed") for case in CASES]
    assert "ZeroDivisionError: by nothing" in findings[0].message


def test_case_too_large_for_the_memory_is_a_finding(five: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("dapatlas.dataset.inspection.check_hu", too_large)
    findings = check(five)
    assert [(f.case, f.code) for f in findings] == [(case, "worker-died") for case in CASES]
    assert "the memory ran out" in findings[0].message


@pytest.mark.real_data
def test_real_ct_is_sound(folder: Folder, real_data: Path) -> None:
    """Its HU reach from -1207 to 3382."""
    scheme = load_scheme("totalsegmentator")
    for name, case in (("ct", "AutoPET_aaaaaaaaaa_00001"), ("ct_sm", "AutoPET_bbbbbbbbbb_00002")):
        shutil.copy(real_data / f"{name}.nii.gz", folder.image(case))
        shutil.copy(real_data / f"{name.replace('ct', 'total')}.nii.gz", folder.mask(case))
    (folder.path / "labels.json").write_text(json.dumps({s.id: s.name for s in scheme}))
    assert validate(Dataset(folder.path, scheme), 2, deep=True) == []


def plant_all(five: Folder) -> None:
    """A truncated file in A, and another fault in each of the others."""
    five.image(A).write_bytes(five.image(A).read_bytes()[:200])
    five.write(five.mask(B), mask_array(1)[:-1])
    mask = mask_array(2)
    mask[0, 0, 0] = 11
    five.write(five.mask(C), mask)
    five.write(five.image(D), (ct_array(3) + 1024).astype(np.uint16))
    five.mask(E).unlink()


EXPECTED = [
    (A, "truncated-file"),
    (B, "grid-shape"),
    (C, "unknown-id"),
    (D, "hu-range"),
    (E, "missing-mask"),
]
