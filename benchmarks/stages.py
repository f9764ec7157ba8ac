"""Whole stages, which have no peer to run beside them here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contest import Contest, Prepared
from benchmarks.files import inflate
from benchmarks.inputs import CT, MAP

if TYPE_CHECKING:
    from dapatlas.aggregate import Recipe


def body(folder: Path) -> Prepared:
    from dapatlas.aggregate import body_outline
    from dapatlas.volumes import read_volume

    ct = read_volume(folder / CT)
    return lambda: body_outline(ct.array, ct.grid)


def _recipe(folder: Path, **tables: Any) -> Recipe:
    """One expert, who knows all but what a build fills by itself."""
    from dapatlas.aggregate import Recipe

    expert = {"kind": "label-maps", "name": "truth", "scheme": "dap", "files": str(folder / MAP)}
    organs = {
        "except": ["skin", "fat", "muscles", "abdominal_tissue", "mediastinal_tissue", "unknown_tissue"]
    }
    settings = {"name": "bench", "cts": {"files": str(folder / CT)}, "experts": [expert | organs]}
    return Recipe.model_validate(settings | tables)


def aggregate_case(folder: Path) -> Prepared:
    from dapatlas.aggregate import aggregate
    from dapatlas.dataset import Case
    from dapatlas.volumes import read_volume

    recipe = _recipe(folder)
    case = Case("ct", folder / CT, None, recipe.atlas)
    return lambda: aggregate(case, read_volume(folder / CT), recipe)


def validate_headers(folder: Path) -> Prepared:
    from dapatlas.dataset import Case
    from dapatlas.dataset.inspection import inspect_headers
    from dapatlas.labels import dap

    case = Case("ct", folder / CT, folder / MAP, dap())
    return lambda: inspect_headers(case)


def validate_deep(folder: Path) -> Prepared:
    from dapatlas.dataset import Case
    from dapatlas.dataset.inspection import inspect_case
    from dapatlas.labels import dap

    case = Case("ct", folder / CT, folder / MAP, dap())
    return lambda: inspect_case(case)


def list_case(folder: Path) -> Prepared:
    from dapatlas.dataset.digests import sha256_of
    from dapatlas.dataset.manifest import label_set
    from dapatlas.volumes import read_header

    def call() -> None:
        for name in (CT, MAP):
            read_header(folder / name)
            sha256_of(folder / name)
        label_set(folder / MAP)

    return call


def check(folder: Path) -> Prepared:
    from dapatlas.check.case import check_case
    from dapatlas.check.measured_case import measured_case
    from dapatlas.labels import dap
    from dapatlas.volumes import read_label_map, read_volume

    def call() -> None:
        label_map, ct = read_label_map(folder / MAP), read_volume(folder / CT)
        check_case(measured_case("ct", label_map.array, ct.array, label_map.grid, dap()))

    return call


def build_case(folder: Path) -> Prepared:
    """The stage as the program does it: aggregate and refine, then every file that it leaves."""
    from dapatlas.pipeline import build

    recipe = _recipe(folder, refine={})
    return lambda: build(recipe, folder / "built", jobs=1, force=True)


def report_case(folder: Path) -> Prepared:
    """Check a data set of one case, draw what was found, write the page."""
    from dapatlas.dataset import Dataset
    from dapatlas.pipeline.reporting import report_dataset

    for kind, name in (("images", CT), ("masks", MAP)):
        target = folder / "dataset" / kind / "ct.nii.gz"
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.symlink_to(folder / name)
    return lambda: report_dataset(Dataset(folder / "dataset"), jobs=1, force=True)


def inflate_both(folder: Path) -> Prepared:
    ct, label_map = (inflate(name, folder) for name in (CT, MAP))

    def call() -> None:
        ct()
        label_map()

    return call


def contests() -> list[Contest]:
    """Rows of the table."""
    return [
        Contest("find the body outline", body),
        Contest("aggregate a case: read, merge, outline, fill", aggregate_case),
        Contest("validate a case by its headers", validate_headers),
        Contest(
            "validate a case, every voxel", validate_deep, limit=inflate_both, limit_name="inflate both files"
        ),
        Contest("list a case in the manifest", list_case),
        Contest(
            "build a case, every file of it", build_case, limit=inflate_both, limit_name="inflate both files"
        ),
        Contest("check a case", check, limit=inflate_both, limit_name="inflate both files"),
        Contest("report on a case", report_case, limit=inflate_both, limit_name="inflate both files"),
    ]
