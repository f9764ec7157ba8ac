"""MetaImage and NRRD label maps, written by SimpleITK and pynrrd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from expert_cases import AFFINES, LIVER, LPS_RAS, SHAPE, case_on, organs

from dapatlas.errors import BadFileError, BadLabelsError, DapatlasError
from dapatlas.experts import BinaryMasks, LabelMaps
from dapatlas.formats.itk import itk_grid, read_itk
from dapatlas.volumes import IntegralFloatWarning

sitk = pytest.importorskip("SimpleITK")


def write_itk(path: Path, array: np.ndarray, affine: np.ndarray, compress: bool = True) -> Path:
    lps = LPS_RAS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), compress)
    return path


def maps(folder: Path, suffix: str) -> LabelMaps:
    return LabelMaps(name="ts", scheme="totalsegmentator", files=str(folder / "maps" / f"{{case}}{suffix}"))


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nrrd"])
@pytest.mark.parametrize("name", AFFINES)
def test_a_map_on_the_cts_grid_is_taken_as_it_is(tmp_path: Path, name: str, suffix: str, compress: bool):
    case = case_on(tmp_path, AFFINES[name])
    write_itk(tmp_path / "maps" / f"patient7{suffix}", organs(), AFFINES[name], compress)
    proposal = maps(tmp_path, suffix).propose(case)
    assert proposal.label_map.dtype == np.uint8
    assert proposal.label_map.flags.f_contiguous
    assert (proposal.label_map == organs()).all()
    assert proposal.findings == ()
    assert proposal.seen is None


def test_the_affine_is_niftis_to_the_last_bit_but_rounding_of_one_product(tmp_path: Path):
    path = write_itk(tmp_path / "x.mha", organs(), AFFINES["oblique"])
    grid = itk_grid(path)
    assert np.abs(grid.affine - AFFINES["oblique"]).max() < 1e-9
    assert grid == read_itk(path).grid
    assert grid.shape == SHAPE


@pytest.mark.parametrize(
    "space", ["right-anterior-superior", "left-anterior-superior", "left-posterior-superior"]
)
def test_nrrd_may_be_in_any_world(tmp_path: Path, space: str):
    nrrd = pytest.importorskip("nrrd")
    affine = AFFINES["oblique"]
    signs = np.array(
        [1.0 if word in ("right", "anterior", "superior") else -1.0 for word in space.split("-")]
    )
    header = {
        "space": space,
        "kinds": ["domain"] * 3,
        "space directions": (affine[:3, :3] * signs[:, None]).T,
    }
    header["space origin"] = affine[:3, 3] * signs
    (tmp_path / "maps").mkdir()
    nrrd.write(str(tmp_path / "maps" / "patient7.nrrd"), organs(), header)
    proposal = maps(tmp_path, ".nrrd").propose(case_on(tmp_path, affine))
    assert (proposal.label_map == organs()).all()
    assert proposal.findings == ()


def test_what_the_expert_saw_is_told_where_it_saw_less(tmp_path: Path):
    affine = AFFINES["RAS"]
    part = affine.copy()
    part[:3, 3] = (affine @ (1, 2, 1, 1))[:3]
    write_itk(tmp_path / "maps" / "patient7.mha", organs()[1:, 2:16, 1:8], part)
    proposal = maps(tmp_path, ".mha").propose(case_on(tmp_path, affine))
    expected = organs()
    expected[:, 16:] = expected[:, :2] = 0
    assert (proposal.label_map == expected).all()
    assert proposal.seen is not None
    assert proposal.seen.shape == (23, 14, 7)
    assert np.allclose(proposal.seen.affine, part)


def test_a_header_and_its_voxels_are_both_inputs(tmp_path: Path):
    path = write_itk(tmp_path / "maps" / "patient7.mhd", organs(), AFFINES["RAS"], compress=False)
    assert maps(tmp_path, ".mhd").inputs(case_on(tmp_path, AFFINES["RAS"])) == (
        path,
        path.with_suffix(".raw"),
    )


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
@pytest.mark.parametrize("compress", [True, False])
def test_a_truncated_file_is_refused_by_name(tmp_path: Path, suffix: str, compress: bool):
    path = write_itk(tmp_path / "maps" / f"patient7{suffix}", organs(), AFFINES["RAS"], compress)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadFileError, match=rf"patient7{suffix}: ITK cannot read it; truncated"):
        maps(tmp_path, suffix).propose(case_on(tmp_path, AFFINES["RAS"]))


def test_whole_numbers_as_floats_are_read_with_a_warning_and_others_refused(tmp_path: Path):
    case = case_on(tmp_path, AFFINES["RAS"])
    write_itk(tmp_path / "maps" / "patient7.mha", organs().astype(np.float32), AFFINES["RAS"])
    with pytest.warns(IntegralFloatWarning, match="stored as float32"):
        assert (maps(tmp_path, ".mha").propose(case).label_map == organs()).all()
    write_itk(tmp_path / "maps" / "patient7.mha", organs() * np.float32(0.5), AFFINES["RAS"])
    with pytest.raises(BadLabelsError, match=r"found 2\.5"):
        maps(tmp_path, ".mha").propose(case)


def test_negative_ids_are_refused(tmp_path: Path):
    write_itk(tmp_path / "maps" / "patient7.mha", -organs().astype(np.int16), AFFINES["RAS"])
    with pytest.raises(BadLabelsError, match="no negative ids; found -5"):
        maps(tmp_path, ".mha").propose(case_on(tmp_path, AFFINES["RAS"]))


def test_four_axes_and_several_numbers_a_voxel_are_refused(tmp_path: Path):
    case = case_on(tmp_path, AFFINES["RAS"])
    (tmp_path / "maps").mkdir()
    several = np.zeros((2, 3, 4, 5), np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(several, isVector=False), str(tmp_path / "maps" / "patient7.mha"))
    with pytest.raises(BadFileError, match="three axes of space, found 4"):
        maps(tmp_path, ".mha").propose(case)
    sitk.WriteImage(sitk.GetImageFromArray(several, isVector=True), str(tmp_path / "maps" / "patient7.mha"))
    with pytest.raises(BadFileError, match="one number a voxel, found 5"):
        maps(tmp_path, ".mha").propose(case)


def test_a_slicer_segmentation_read_as_a_plain_map_is_told(tmp_path: Path):
    write_itk(tmp_path / "maps" / "patient7.seg.nrrd", organs(), AFFINES["RAS"])
    proposal = maps(tmp_path, ".seg.nrrd").propose(case_on(tmp_path, AFFINES["RAS"]))
    assert [finding.code for finding in proposal.findings] == ["names-ignored"]


def test_without_simpleitk_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_itk(tmp_path / "maps" / "patient7.mha", organs(), AFFINES["RAS"])
    monkeypatch.setitem(__import__("sys").modules, "SimpleITK", None)
    with pytest.raises(DapatlasError, match=r"SimpleITK.*patient7\.mha.*pip install 'dapatlas\[itk\]'"):
        maps(tmp_path, ".mha").propose(case_on(tmp_path, AFFINES["RAS"]))


@pytest.mark.parametrize("suffix", [".mha", ".nrrd", ".seg.nrrd", ".nii"])
def test_masks_may_be_of_any_format(tmp_path: Path, suffix: str):
    from expert_cases import save

    affine, folder = AFFINES["LPS"], tmp_path / "masks" / "patient7"
    mask = (organs() == LIVER).astype(np.uint8)
    (save if suffix == ".nii" else write_itk)(folder / f"liver{suffix}", mask, affine)
    save(folder / "spleen.nii.gz", (organs() == 1).astype(np.uint8), affine)
    expert = BinaryMasks(name="ts", scheme="totalsegmentator", files=str(tmp_path / "masks" / "{case}"))
    proposal = expert.propose(case_on(tmp_path, affine))
    assert (proposal.label_map == np.where(np.isin(organs(), [1, LIVER]), organs(), 0)).all()
    assert proposal.findings == ()
