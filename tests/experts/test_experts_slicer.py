"""Segmentations of 3D Slicer, written by pynrrd in the two forms that Slicer writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from expert_cases import AFFINES, GALLBLADDER, KIDNEY_LEFT, LIVER, SHAPE, SPLEEN, case_on, organs

from dapatlas.errors import BadFileError, BadLabelsError, DapatlasError
from dapatlas.experts import SlicerSegmentation
from dapatlas.volumes import Grid

pytest.importorskip("SimpleITK")
nrrd = pytest.importorskip("nrrd")

SPACE = {"space": "left-posterior-superior"}
SIGNS = np.array([-1.0, -1.0, 1.0])


def write(path: Path, layers: np.ndarray, affine: np.ndarray, header: dict[str, str]) -> Path:
    """``layers`` of shape (i, j, k), or (layer, i, j, k) where segments overlap."""
    directions = (affine[:3, :3] * SIGNS[:, None]).T
    kinds = ["domain"] * 3
    if layers.ndim == 4:
        directions, kinds = np.vstack([[np.nan] * 3, directions]), ["list", *kinds]
    geometry = {"space directions": directions, "space origin": affine[:3, 3] * SIGNS, "kinds": kinds}
    path.parent.mkdir(parents=True, exist_ok=True)
    nrrd.write(str(path), layers, {**SPACE, **geometry, "encoding": "gzip", **header})
    return path


def segments(*named: tuple[str, int, int]) -> dict[str, str]:
    header = {}
    for number, (name, value, layer) in enumerate(named):
        header |= {
            f"Segment{number}_ID": f"Segment_{number + 1}",
            f"Segment{number}_Name": name,
            f"Segment{number}_LabelValue": str(value),
            f"Segment{number}_Layer": str(layer),
        }
    return header


def expert(folder: Path) -> SlicerSegmentation:
    return SlicerSegmentation(name="reader", scheme="totalsegmentator", files=str(folder / "{case}.seg.nrrd"))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
@pytest.mark.parametrize("name", AFFINES)
def test_segments_go_by_name_not_by_number(tmp_path: Path, name: str, dtype):
    numbers = np.zeros(SHAPE, dtype)
    for value, id_ in ((7, LIVER), (300 if dtype == np.int16 else 200, SPLEEN), (1, KIDNEY_LEFT)):
        numbers[organs() == id_] = value
    named = segments(("Liver", 7, 0), ("spleen", 300 if dtype == np.int16 else 200, 0), ("Kidney Left", 1, 0))
    write(tmp_path / "patient7.seg.nrrd", numbers, AFFINES[name], named)
    proposal = expert(tmp_path).propose(case_on(tmp_path, AFFINES[name]))
    expected = np.where(organs() == GALLBLADDER, 0, organs())
    assert (proposal.label_map == expected).all()
    assert proposal.seen is None


def test_segments_that_overlap_lie_in_layers(tmp_path: Path):
    layers = np.zeros((2, *SHAPE), np.uint8)
    layers[0][np.isin(organs(), [LIVER, GALLBLADDER])] = (
        1  # the gallbladder lies inside what was drawn as liver
    )
    layers[0][organs() == SPLEEN] = 2
    layers[1][organs() == GALLBLADDER] = 1
    header = segments(("liver", 1, 0), ("spleen", 2, 0), ("gallbladder", 1, 1), ("tumour", 2, 1))
    layers[1][20:, 15:, :2] = 2
    write(tmp_path / "patient7.seg.nrrd", layers, AFFINES["oblique"], header)
    proposal = expert(tmp_path).propose(case_on(tmp_path, AFFINES["oblique"]))
    assert (proposal.label_map == np.where(organs() == KIDNEY_LEFT, 0, organs())).all()
    assert [(finding.code, finding.found or finding.structure) for finding in proposal.findings] == [
        ("unknown-structure", "tumour"),
        ("masks-overlap", "gallbladder"),
    ]
    assert proposal.findings[1].voxels == int((organs() == GALLBLADDER).sum())


def test_before_4_11_every_segment_had_a_layer_and_no_number(tmp_path: Path):
    layers = np.stack([organs() == LIVER, organs() == SPLEEN]).astype(np.uint8)
    header = {"Segment0_Name": "liver", "Segment1_Name": "spleen"}
    write(tmp_path / "patient7.seg.nrrd", layers, AFFINES["LPS"], header)
    proposal = expert(tmp_path).propose(case_on(tmp_path, AFFINES["LPS"]))
    assert (proposal.label_map == np.where(np.isin(organs(), [LIVER, SPLEEN]), organs(), 0)).all()


def test_two_segments_of_one_name_are_one_structure(tmp_path: Path):
    numbers = np.zeros(SHAPE, np.uint8)
    numbers[:5][organs()[:5] == LIVER], numbers[5:][organs()[5:] == LIVER] = 1, 2
    write(tmp_path / "patient7.seg.nrrd", numbers, AFFINES["LPS"], segments(("liver", 1, 0), ("Liver", 2, 0)))
    proposal = expert(tmp_path).propose(case_on(tmp_path, AFFINES["LPS"]))
    assert (proposal.label_map == np.where(organs() == LIVER, LIVER, 0)).all()


@pytest.mark.parametrize("name", AFFINES)
def test_a_cropped_file_tells_what_image_was_looked_at(tmp_path: Path, name: str):
    affine = AFFINES[name]
    corner = affine.copy()
    corner[:3, 3] = (affine @ (2, 3, 1, 1))[:3]
    cropped = np.ascontiguousarray(organs()[2:20, 3:17, 1:8])
    numbers = ";".join(map(str, affine.ravel().tolist())) + ";" + ";".join(f"0;{n - 1}" for n in SHAPE) + ";"
    header = segments(("liver", LIVER, 0), ("spleen", SPLEEN, 0), ("kidney_left", KIDNEY_LEFT, 0))
    header["Segmentation_ConversionParameters"] = (
        f"Oversampling factor|1|More of it.&Reference image geometry|{numbers}|A description.&"
    )
    write(tmp_path / "patient7.seg.nrrd", cropped, corner, header)
    expected = np.where(organs() == GALLBLADDER, 0, organs())
    proposal = expert(tmp_path).propose(case_on(tmp_path, affine))
    assert (proposal.label_map == expected).all()
    assert proposal.seen is None  # the image was this CT
    part = expert(tmp_path).propose(case_on(tmp_path, affine, (*SHAPE[:2], SHAPE[2] + 4)))
    assert (part.label_map[:, :, : SHAPE[2]] == expected).all()
    assert not part.label_map[:, :, SHAPE[2] :].any()
    assert part.seen is not None
    assert part.seen.is_close(Grid(SHAPE, affine))


def test_without_that_it_saw_what_the_file_holds(tmp_path: Path):
    write(tmp_path / "patient7.seg.nrrd", organs()[:20], AFFINES["RAS"], segments(("liver", LIVER, 0)))
    proposal = expert(tmp_path).propose(case_on(tmp_path, AFFINES["RAS"]))
    assert proposal.seen is not None
    assert proposal.seen.shape == (20, *SHAPE[1:])


def test_a_single_voxel_means_that_nothing_is_drawn(tmp_path: Path):
    write(tmp_path / "patient7.seg.nrrd", np.zeros((1, 1, 1), np.uint8), np.eye(4), segments(("liver", 1, 0)))
    proposal = expert(tmp_path).propose(case_on(tmp_path, AFFINES["RAS"]))
    assert proposal.label_map.shape == SHAPE
    assert not proposal.label_map.any()
    assert [finding.code for finding in proposal.findings] == ["empty"]


@pytest.mark.parametrize(
    ("header", "error", "said"),
    [
        (segments(("tumour", 1, 0)), BadLabelsError, "none of the 1 segments.*found 'tumour'"),
        ({}, BadFileError, "names no segments"),
        (segments(("liver", 1, 3)), BadFileError, "number 1 in layer 3; expected.*1 layers"),
        (
            segments(("liver", 1, 0)) | {"Segment0_LabelValue": "one"},
            BadFileError,
            "broken header of segment 0",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, header: dict[str, str], error, said: str):
    write(tmp_path / "patient7.seg.nrrd", organs(), AFFINES["RAS"], header)
    with pytest.raises(error, match=rf"patient7.seg.nrrd.*{said}"):
        expert(tmp_path).propose(case_on(tmp_path, AFFINES["RAS"]))


def test_a_truncated_file_and_one_of_another_study_are_refused(tmp_path: Path):
    path = write(tmp_path / "patient7.seg.nrrd", organs(), AFFINES["RAS"], segments(("liver", LIVER, 0)))
    far = AFFINES["RAS"].copy()
    far[:3, 3] += 4000
    with pytest.raises(DapatlasError, match="wholly outside the CT"):
        expert(tmp_path).propose(case_on(tmp_path, far))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadFileError, match="truncated"):
        expert(tmp_path).propose(case_on(tmp_path, AFFINES["RAS"]))
