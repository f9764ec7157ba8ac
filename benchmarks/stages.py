"""Whole stages, which have no peer to run beside them here."""

from __future__ import annotations

from pathlib import Path

from benchmarks.contest import Contest, Prepared
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


def contests() -> list[Contest]:
    """Rows of the table."""
    return [
        Contest("find the body outline", body),
        Contest("aggregate a case: read, merge, outline, fill", aggregate_case),
    ]
