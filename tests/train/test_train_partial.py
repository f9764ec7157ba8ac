"""Maps in which not everything is annotated: what is ignored, and what is background."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dapatlas.dataset import Dataset
from dapatlas.errors import BadFileError, BadLabelsError, DapatlasError
from dapatlas.labels import dap, load_scheme
from dapatlas.pipeline.exporting import export_cases
from dapatlas.publish.exports import choose_labels
from dapatlas.train.partial import IGNORE_ID, TrainingExport, read_annotated, with_ignore
from dapatlas.volumes import Grid, read_label_map, write_label_map, write_volume

SHAPE = (40, 36, 20)
GRID = Grid.from_spacing(SHAPE, (6.0, 6.0, 8.0), "LPS")
BODY = (slice(6, 34), slice(6, 30), slice(None))


def dataset(folder: Path, scheme: str = "dap", **structures: tuple[slice, slice, slice]) -> Dataset:
    """A block of a body with structures in it; air around it."""
    known = load_scheme(scheme)
    ct, labels = np.full(SHAPE, -1000, np.int16), np.zeros(SHAPE, np.uint8)
    ct[BODY] = 40
    for name, where in structures.items():
        labels[where] = known[name].id
    made = Dataset.create(folder, known)
    write_volume(made.image_path("one"), ct, GRID)
    write_label_map(made.mask_path("one"), labels, GRID)
    return Dataset(folder, known)


LIVER = (slice(10, 20), slice(10, 20), slice(4, 12))
SPLEEN = (slice(24, 30), slice(10, 18), slice(4, 12))


def exported(
    data: Dataset, out: Path, wanted: tuple[str, ...], target: str = "dap", **more: object
) -> np.ndarray:
    labels = with_ignore(choose_labels(data.scheme, load_scheme(target), wanted))
    (outcome,) = export_cases(data, out, TrainingExport(labels, **more), jobs=1)  # type: ignore[arg-type]
    assert outcome.error == ""
    return read_label_map(out / "labelsTr" / "one.nii.gz").array


def test_what_was_not_annotated_in_a_case_is_ignored_inside_the_body_alone(tmp_path: Path):
    data = dataset(tmp_path / "data", liver=LIVER)
    found = exported(
        data, tmp_path / "out", ("liver", "spleen"), unlabelled="ignore", annotated={"one": ("liver",)}
    )
    expected = np.zeros(SHAPE, int)
    expected[BODY] = 3  # after background, spleen and liver
    expected[LIVER] = 1 + (dap()["liver"].id > dap()["spleen"].id)
    assert np.array_equal(found, expected)
    document = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert document["labels"]["ignore"] == 3
    assert document["scheme_ids"][-1] == IGNORE_ID


def test_a_case_that_is_annotated_for_all_keeps_its_background(tmp_path: Path):
    data = dataset(tmp_path / "data", liver=LIVER, spleen=SPLEEN)
    found = exported(data, tmp_path / "out", ("liver", "spleen"), unlabelled="ignore")
    assert set(np.unique(found)) == {0, 1, 2}
    assert found[8, 8, 0] == 0  # inside the body


def test_without_being_asked_for_nothing_is_ignored(tmp_path: Path):
    data = dataset(tmp_path / "data", liver=LIVER)
    found = exported(data, tmp_path / "out", ("liver", "spleen"), annotated={"one": ("liver",)})
    assert np.count_nonzero(found) == np.count_nonzero(data["one"].label_map().array)


def test_what_the_source_has_no_word_for_is_not_annotated(tmp_path: Path):
    # LiTS knows the liver and its tumours, and no spleen
    data = dataset(tmp_path / "data", "lits", liver=LIVER)
    found = exported(data, tmp_path / "out", ("liver", "spleen"), unlabelled="ignore")
    assert found[8, 8, 0] == 3
    assert found[0, 0, 0] == 0
    complete = exported(data, tmp_path / "alone", ("liver",), unlabelled="ignore")
    assert set(np.unique(complete)) == {0, 1}


def test_what_the_learnt_scheme_divides_is_ignored_where_anything_is_missing(tmp_path: Path):
    # CT-ORG labels both lungs in one, of which DAP knows lobes
    data = dataset(tmp_path / "data", "ct_org", liver=LIVER, lungs=SPLEEN)
    found = exported(data, tmp_path / "out", ("liver", "lung_upper_lobe_left"), unlabelled="ignore")
    assert (found[SPLEEN] == 3).all()


def test_voxels_that_the_source_marks_are_always_ignored(tmp_path: Path):
    data = dataset(tmp_path / "data", liver=LIVER, spleen=SPLEEN)
    marked = replace(
        dap(),
        structures=tuple(replace(s, ignored=s.name == "spleen") for s in dap()),
    )
    labels = with_ignore(choose_labels(marked, dap(), ("liver",)))
    export = TrainingExport(labels)
    volume, _ = export.read(Dataset(data.path, marked)["one"])
    assert (volume.array[SPLEEN] == IGNORE_ID).all()
    assert np.count_nonzero(volume.array == IGNORE_ID) == np.count_nonzero(volume.array[SPLEEN])


def test_a_scheme_that_uses_the_last_id_is_refused():
    full = replace(
        dap(), structures=(*dap().structures, replace(dap()[1], id=IGNORE_ID, name="x", aliases=()))
    )
    with pytest.raises(DapatlasError, match="id 255"):
        with_ignore(choose_labels(full))


def test_tables_of_annotations(tmp_path: Path):
    path = tmp_path / "annotated.csv"
    path.write_text("case,structures\none,liver;spleen\ntwo,Liver\nthree,\n")
    assert read_annotated(path, dap()) == {"one": ("liver", "spleen"), "two": ("liver",), "three": ()}
    path.write_text("case,organs\none,liver\n")
    with pytest.raises(BadFileError, match="columns case and structures; found case, organs"):
        read_annotated(path, dap())
    path.write_text("case,structures\none,livre\n")
    with pytest.raises(BadLabelsError, match="did you mean liver"):
        read_annotated(path, dap())
    with pytest.raises(BadFileError, match="cannot be read"):
        read_annotated(tmp_path / "none.csv", dap())
