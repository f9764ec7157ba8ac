"""Segmentations of 3D Slicer, read with pynrrd, with SimpleITK and with our own reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from export_cases import AFFINES, CASE, NAMES, SHAPE, anatomy, small_dataset

from dapatlas.experts import SlicerSegmentation
from dapatlas.labels import dap
from dapatlas.pipeline.exporting import export_cases
from dapatlas.publish.export_slicer import SlicerExport
from dapatlas.publish.exports import choose_labels

sitk = pytest.importorskip("SimpleITK")
nrrd = pytest.importorskip("nrrd")

SIGNS = np.array([-1.0, -1.0, 1.0])


def export(folder: Path, affine: np.ndarray):
    dataset = small_dataset(folder / "atlas", affine)
    (outcome,) = export_cases(dataset, folder / "out", SlicerExport(choose_labels(dap())), jobs=1)
    assert outcome.error == ""
    return dataset[CASE], folder / "out" / f"{CASE}.seg.nrrd"


@pytest.mark.parametrize("name", AFFINES)
def test_three_readers_see_the_same_voxels_in_the_same_place(tmp_path: Path, name: str):
    case, path = export(tmp_path, AFFINES[name])
    array, header = nrrd.read(str(path))
    assert array.dtype == np.uint8
    assert (array == anatomy()).all()
    affine = case.label_map().grid.affine
    assert np.allclose(header["space directions"].T * SIGNS[:, None], affine[:3, :3], rtol=0, atol=1e-9)
    assert np.allclose(header["space origin"] * SIGNS, affine[:3, 3], rtol=0, atol=1e-9)
    image = sitk.ReadImage(str(path))
    assert (anatomy() == sitk.GetArrayFromImage(image).T).all()
    corner = np.array(image.TransformIndexToPhysicalPoint([n - 1 for n in SHAPE])) * SIGNS
    assert np.allclose(corner, (affine @ (*(n - 1 for n in SHAPE), 1))[:3], atol=1e-6)
    proposal = SlicerSegmentation(name="back", scheme="dap", files=str(path)).propose(case)
    assert (proposal.label_map == anatomy()).all()
    assert proposal.findings == ()
    assert proposal.seen is None


def test_segments_have_names_colours_and_terms(tmp_path: Path):
    _, path = export(tmp_path, AFFINES["LPS"])
    _, header = nrrd.read(str(path))
    segments = {header[f"Segment{n}_Name"]: n for n in range(len(NAMES))}
    assert segments.keys() == set(NAMES)
    assert f"Segment{len(NAMES)}_Name" not in header
    for name, n in segments.items():
        structure = dap()[name]
        assert header[f"Segment{n}_LabelValue"] == str(structure.id)
        assert [float(part) * 255 for part in header[f"Segment{n}_Color"].split()] == pytest.approx(
            structure.colour, abs=1e-3
        )
        first, last = (
            np.argwhere(anatomy() == structure.id).min(0),
            np.argwhere(anatomy() == structure.id).max(0),
        )
        extent = [int(number) for number in header[f"Segment{n}_Extent"].split()]
        assert extent == np.column_stack([first, last]).ravel().tolist()

    def terms(name: str) -> list[str]:
        tags = dict(tag.split(":", 1) for tag in header[f"Segment{segments[name]}_Tags"].split("|") if tag)
        return tags["TerminologyEntry"].split("~")

    assert terms("liver")[1:4] == ["SCT^123037004^Anatomical Structure", "SCT^10200004^Liver", "^^"]
    assert terms("kidney_left")[2:4] == ["SCT^64033007^Kidney", "SCT^7771000^Left"]
    assert terms("mediastinal_tissue")[1:] == [
        "SCT^85756007^Tissue", "SCT^85756007^Tissue", "^^",
        "Anatomic codes - DICOM master list", "SCT^72410000^Mediastinum", "^^",
    ]  # fmt: skip
    assert all(len(terms(name)) == 7 for name in NAMES)
