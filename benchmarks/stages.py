"""Whole stages, which have no peer to run beside them here."""

from __future__ import annotations

from pathlib import Path

from benchmarks.contest import Contest, Prepared
from benchmarks.files import inflate
from benchmarks.inputs import CT, MAP


def body(folder: Path) -> Prepared:
    from dapatlas.aggregate import body_outline
    from dapatlas.volumes import read_volume

    ct = read_volume(folder / CT)
    return lambda: body_outline(ct.array, ct.grid)


def aggregate_case(folder: Path) -> Prepared:
    from dapatlas.aggregate import Recipe, aggregate
    from dapatlas.dataset import Case
    from dapatlas.volumes import read_volume

    expert = {"kind": "label-maps", "name": "truth", "scheme": "dap", "files": str(folder / MAP)}
    organs = {
        "except": ["skin", "fat", "muscles", "abdominal_tissue", "mediastinal_tissue", "unknown_tissue"]
    }
    recipe = Recipe.model_validate(
        {"name": "bench", "cts": {"files": str(folder / CT)}, "experts": [expert | organs]}
    )
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
    ]
