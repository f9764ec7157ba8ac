"""Phantoms that checks of geometry look at, each made once, and small ways to spoil them."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.check.measured_case import MeasuredCase, Patient, measured_case
from dapatlas.findings import Finding, Severity
from dapatlas.labels import Sex, dap
from dapatlas.phantom import Phantom, PhantomSpec, make_phantom
from dapatlas.volumes import Grid

MM = 6.0
Labels = NDArray[np.uint8]


@cache
def phantom(sex: str = "F", field_of_view: str = "full") -> Phantom:
    """6 mm, axes to the right, the front and up."""
    spec = PhantomSpec(
        seed=3, sex=Sex(sex), shape=(68, 68, 162), spacing=(MM,) * 3, orientation="RAS", field_of_view=field_of_view, noise_hu=0,
    )  # fmt: skip
    return make_phantom(spec)


def labels(sex: str = "F", field_of_view: str = "full") -> Labels:
    """A copy to spoil."""
    return phantom(sex, field_of_view).label_map.copy(order="F")


def case_of(
    label_map: NDArray[Any], grid: Grid | None = None, patient: Patient | None = None
) -> MeasuredCase:
    return measured_case(
        "case", label_map, None, grid or Grid.from_spacing(label_map.shape, (MM,) * 3), dap(), patient
    )


def found(check: ModuleType, label_map: NDArray[Any], **how: Any) -> list[Finding]:
    return list(check.check(case_of(label_map, **how)))


def codes(findings: list[Finding], severity: Severity | None = None) -> set[tuple[str, str]]:
    """Code and structure of each finding."""
    return {(f.code, f.structure) for f in findings if severity in (None, f.severity)}


def id_of(name: str) -> int:
    return dap()[name].id


def where(label_map: Labels, name: str) -> NDArray[np.bool_]:
    return label_map == id_of(name)


def rename(label_map: Labels, **names: str) -> None:
    """Give structures other labels, all at once."""
    masks = {new: where(label_map, old) for old, new in names.items()}
    for new, mask in masks.items():
        label_map[mask] = id_of(new)


def exchange(label_map: Labels, one: str, other: str) -> None:
    rename(label_map, **{one: other, other: one})


def erase(label_map: Labels, name: str, by: str = "unknown_tissue") -> None:
    label_map[where(label_map, name)] = id_of(by)


def extent(label_map: Labels, name: str, axis: int) -> tuple[int, int]:
    """First index and the one after the last."""
    hits = np.flatnonzero(where(label_map, name).any(axis=tuple(a for a in range(3) if a != axis)))
    return int(hits[0]), int(hits[-1]) + 1


def centre(label_map: Labels, name: str) -> NDArray[np.intp]:
    return np.rint(np.argwhere(where(label_map, name)).mean(axis=0)).astype(int)


def ball(label_map: Labels, name: str, at: NDArray[np.intp], radius: int) -> None:
    """Label a ball of so many voxels."""
    grids = np.ogrid[tuple(slice(0, n) for n in label_map.shape)]
    away = sum((g - c) ** 2 for g, c in zip(grids, at, strict=True))
    label_map[away <= radius**2] = id_of(name)
