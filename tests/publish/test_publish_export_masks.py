"""Binary masks, read with nibabel and with the expert that reads such folders."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from export_cases import AFFINES, CASE, NAMES, anatomy, small_dataset

from dapatlas.errors import BadLabelsError
from dapatlas.experts import BinaryMasks
from dapatlas.labels import dap, load_scheme
from dapatlas.pipeline.exporting import export_cases
from dapatlas.publish.export_masks import BinaryMasksExport
from dapatlas.publish.exports import choose_labels


def export(folder: Path, scheme: str = "dap", structures: tuple[str, ...] = (), **more):
    dataset = small_dataset(folder / "atlas")
    made = BinaryMasksExport(choose_labels(dap(), load_scheme(scheme), structures), **more)
    (outcome,) = export_cases(dataset, folder / "out", made, jobs=1)
    assert outcome.error == ""
    return folder / "out" / CASE, outcome.answer


def test_every_structure_in_view_becomes_a_mask_on_the_same_grid(tmp_path: Path):
    folder, written = export(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{name}.nii.gz" for name in NAMES)
    assert written.structures == len(NAMES)
    for name in NAMES:
        image = nib.load(folder / f"{name}.nii.gz")
        assert image.get_data_dtype() == np.uint8
        assert np.allclose(image.affine, AFFINES["oblique"], atol=1e-6)
        assert (np.asarray(image.dataobj) == (anatomy() == dap()[name].id)).all(), name


def test_our_own_expert_reads_them_back(tmp_path: Path):
    folder, _ = export(tmp_path)
    case = small_dataset(tmp_path / "atlas")[CASE]
    expert = BinaryMasks(name="back", scheme="dap", files=str(folder.parent / "{case}"))
    assert (expert.propose(case).label_map == anatomy()).all()


def test_names_of_another_scheme_go_by_crosswalk(tmp_path: Path):
    folder, written = export(tmp_path, "totalsegmentator")
    # the lowest rib is DAP's first and TotalSegmentator's twelfth
    assert sorted(path.name for path in folder.iterdir()) == [
        "kidney_left.nii.gz", "liver.nii.gz", "rib_left_12.nii.gz",
    ]  # fmt: skip
    rib = np.asarray(nib.load(folder / "rib_left_12.nii.gz").dataobj)
    assert (rib == (anatomy() == dap()["costa_1_left"].id)).all()
    assert written.lost == {
        name: int((anatomy() == dap()[name].id).sum()) for name in ("mediastinal_tissue", "gonads", "skin")
    }


def test_single_structures_and_empty_masks(tmp_path: Path):
    folder, _ = export(tmp_path, structures=("Liver", "spleen"), empty=True)
    assert sorted(path.name for path in folder.iterdir()) == ["liver.nii.gz", "spleen.nii.gz"]
    assert not np.asarray(nib.load(folder / "spleen.nii.gz").dataobj).any()


def test_structures_that_are_not_there_are_told(tmp_path: Path):
    with pytest.raises(BadLabelsError, match="no structure 'livr'.*did you mean liver"):
        choose_labels(dap(), None, ["livr"])
    with pytest.raises(BadLabelsError, match="dap has no counterpart of lung_tumor"):
        choose_labels(dap(), load_scheme("msd_lung"))
