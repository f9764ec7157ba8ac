"""A phantom that tests may spoil."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from dapatlas.findings import Finding
from dapatlas.labels import Sex, dap
from dapatlas.phantom import PhantomSpec, make_phantom
from dapatlas.refine import refine
from dapatlas.volumes import Grid

Labels = NDArray[np.uint8]


def id_of(name: str) -> int:
    return dap()[name].id


@cache
def _phantom(sex: Sex) -> tuple[Labels, Grid]:
    made = make_phantom(PhantomSpec(seed=11, shape=(128, 128, 160), orientation="RAS", sex=sex, noise_hu=0))
    made.label_map.flags.writeable = False
    return made.label_map, made.grid


class Body:
    """A whole-body phantom, axes right, front, up: the truth, and a copy to spoil."""

    def __init__(self, sex: Sex) -> None:
        self.truth, self.grid = _phantom(sex)
        self.labels = self.truth.copy(order="F")
        self.sex = sex

    def where(self, name: str) -> NDArray[np.bool_]:
        return self.truth == id_of(name)

    def points(self, name: str) -> NDArray[np.intp]:
        return np.argwhere(self.where(name))

    def deep_inside(self, name: str) -> tuple[int, int, int]:
        """The voxel of a structure that is farthest from its outside."""
        depth = distance_transform_edt(self.where(name), sampling=self.grid.spacing)
        i, j, k = np.unravel_index(int(depth.argmax()), depth.shape)
        return int(i), int(j), int(k)

    def rename(self, old: str, new: str) -> None:
        self.labels[self.where(old)] = id_of(new)

    def ball(self, centre: tuple[int, int, int], radius_mm: float) -> NDArray[np.bool_]:
        axes = [
            (np.arange(n) - c) * mm
            for n, c, mm in zip(self.truth.shape, centre, self.grid.spacing, strict=True)
        ]
        return (axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2) <= radius_mm**2

    def crop(self, slices: slice) -> None:
        """Keep some axial slices only."""
        self.truth = np.asfortranarray(self.truth[:, :, slices])
        self.labels = self.truth.copy(order="F")
        self.grid = Grid(self.truth.shape, self.grid.affine)

    def refined(self, **options: object) -> tuple[Labels, list[Finding]]:
        options.setdefault("sex", self.sex)
        return refine(self.labels, self.grid, **options)  # type: ignore[arg-type]

    def assert_mended(self, code: str) -> None:
        """The truth comes back, and a finding of that code says so."""
        refined, findings = self.refined()
        assert code in {finding.code for finding in findings}
        wrong = refined != self.truth
        names = {
            (dap()[int(a)].name, dap()[int(b)].name)
            for a, b in zip(refined[wrong], self.truth[wrong], strict=True)
        }
        assert not names

    def assert_untouched(self, *codes: str) -> None:
        """Nothing changes, and just these codes (beside remarks) are found."""
        refined, findings = self.refined()
        np.testing.assert_array_equal(refined, self.labels)
        assert {finding.code for finding in findings if finding.severity != "info"} == set(codes)
