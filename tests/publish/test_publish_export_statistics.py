"""The table of structures, against numbers worked out one structure at a time."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from export_cases import AFFINES, CASE, SHAPE, anatomy, small_dataset
from hypothesis import given
from hypothesis import strategies as st

from dapatlas.errors import BadLabelsError, GridMismatchError
from dapatlas.labels import dap, load_scheme
from dapatlas.pipeline.exporting import export_cases
from dapatlas.publish.export_statistics import StatisticsExport
from dapatlas.publish.exports import choose_labels
from dapatlas.publish.statistics import COLUMNS, structure_statistics
from dapatlas.volumes import Grid, read_label_map, read_volume

OBLIQUE = Grid(SHAPE, AFFINES["oblique"])


def naive(label_map: np.ndarray, ct: np.ndarray, affine: np.ndarray, id_: int) -> dict[str, float]:
    where = np.argwhere(label_map == id_)
    values = ct[label_map == id_].astype(np.float64)
    centre = affine[:3, :3] @ where.mean(axis=0) + affine[:3, 3]
    ends = np.column_stack([where.min(axis=0), where.max(axis=0) + 1]).ravel()
    return {
        "voxels": len(where),
        "volume_ml": len(where) * abs(np.linalg.det(affine[:3, :3])) / 1000,
        "mean_hu": values.mean(),
        "sd_hu": values.std(),
        "min_hu": values.min(),
        "median_hu": np.median(values),
        "max_hu": values.max(),
        **dict(zip(("i0", "i1", "j0", "j1", "k0", "k1"), ends, strict=True)),
        **dict(zip(("x_mm", "y_mm", "z_mm"), centre, strict=True)),
    }


def check(label_map: np.ndarray, ct: np.ndarray, grid: Grid = OBLIQUE, scheme=None) -> None:
    rows = structure_statistics(label_map, ct, grid, scheme or dap())
    assert [row.id for row in rows] == [id_ for id_ in np.unique(label_map).tolist() if id_]
    for row in rows:
        found = row.as_dict()
        assert found["structure"] == (scheme or dap())[row.id].name
        for key, value in naive(label_map, ct, grid.affine, row.id).items():
            assert found[key] == pytest.approx(value, rel=1e-9, abs=1e-6), (row.structure, key)


@given(
    st.sampled_from([np.int16, np.uint16, np.int32, np.uint8, np.float32, np.float64, np.int64]),
    st.integers(0, 2**16),
    st.sampled_from(["F", "C"]),
)
def test_every_type_gives_what_one_structure_at_a_time_gives(dtype, seed: int, order: str):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 9, 3).tolist())
    label_map = rng.choice([0, 1, 13, 144], shape).astype(np.uint8)
    low, high = (0, 250) if np.dtype(dtype).kind == "u" else (-3000, 3000)
    ct = rng.uniform(low, high, shape).astype(dtype)
    check(np.asarray(label_map, order=order), np.asfortranarray(ct), Grid(shape, AFFINES["oblique"]))


def test_numbers_too_far_apart_for_a_table():
    ct = np.zeros(SHAPE, np.int32)
    ct[3, 4, 2], ct[5, 5, 2] = 3_000_000, -3_000_000
    check(anatomy(), ct)


def test_a_view_in_another_memory_order():
    ct = np.random.default_rng(3).integers(-1000, 1500, SHAPE, dtype=np.int16)
    check(anatomy()[::-1], ct[::-1])


@pytest.mark.real_data
def test_a_real_case(real_data: Path):
    ct, label_map = read_volume(real_data / "ct_sm.nii.gz"), read_label_map(real_data / "total_sm.nii.gz")
    assert ct.grid.is_close(label_map.grid)
    check(label_map.array, ct.array, label_map.grid, load_scheme("totalsegmentator"))


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(GridMismatchError, match=r"CT of shape \(2, 2, 2\)"):
        structure_statistics(anatomy(), np.zeros((2, 2, 2), np.int16), OBLIQUE, dap())
    with pytest.raises(BadLabelsError, match="ids outside the scheme 'dap': 11"):
        structure_statistics(np.full(SHAPE, 11, np.uint8), np.zeros(SHAPE, np.int16), OBLIQUE, dap())


def test_both_tables_hold_every_row(tmp_path: Path):
    parquet = pytest.importorskip("pyarrow.parquet")
    second = "AutoPET_ffffffffff_00001"
    dataset = small_dataset(tmp_path / "atlas", cases=(CASE, second))
    export_cases(dataset, tmp_path / "out", StatisticsExport(choose_labels(dap())), jobs=1)
    table = parquet.read_table(tmp_path / "out" / "structures.parquet")
    assert table.column_names == list(COLUMNS)
    rows = table.to_pylist()
    with (tmp_path / "out" / "structures.csv").open() as stream:
        assert [
            {k: type(row[k])(v) for k, v in line.items()}
            for line, row in zip(csv.DictReader(stream), rows, strict=True)
        ] == rows
    expected = [
        (case, s.name)
        for case in (CASE, second)
        for s in dap()
        if s.name in {"liver", "kidney_left", "costa_1_left", "mediastinal_tissue", "gonads", "skin"}
    ]
    assert [(row["case"], row["structure"]) for row in rows] == expected
    assert {row["subject"] for row in rows} == {"0a1b2c3d4e", "ffffffffff"}
    image = nib.load(dataset.image_path(second))
    for row in rows[len(rows) // 2 :]:
        numbers = naive(anatomy(seed=1), np.asarray(image.dataobj), image.affine, row["id"])
        assert {key: row[key] for key in numbers} == pytest.approx(numbers)
