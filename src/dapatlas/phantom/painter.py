"""Painting parts into a label map, each inside its own box."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dapatlas.phantom.forms import Bools, Box, Form
from dapatlas.phantom.parts import Part, Placement

# Working memory is bounded by painting at most so many voxels at once; about the size of a processor's cache.
CHUNK_VOXELS = 400_000

Labels = NDArray[np.uint8]
Axis = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Canvas:
    """A label map and the body coordinates of its voxel centres.

    Attributes
    ----------
    labels
        Array (nx, ny, nz) that is painted on, its axes running right, front, up.
    axes
        Ascending, evenly spaced coordinates of the voxel centres along x, y, z in the body frame, mm.
    ids
        Label id of each structure name.
    """

    labels: Labels
    axes: tuple[Axis, Axis, Axis]
    ids: Mapping[str, int]

    def paint(self, parts: Iterable[Part]) -> None:
        """Paint the parts, later ones over earlier ones."""
        for part in parts:
            allowed = self._paintable(part)
            for piece in part.form.pieces():
                self._paint_form(piece, part, allowed)
            self._paint_core(part, allowed)

    def _paintable(self, part: Part) -> Bools:
        """Which label ids the part may replace, as a table of 256 truths."""
        table = np.zeros(256, bool)
        if part.over is not None:
            table[[self.ids[name] for name in part.over]] = True
        else:
            table[0 if part.grows else 1 :] = True
        return table

    def _paint_form(self, form: Form, part: Part, allowed: Bools) -> None:
        box = self._index_box(form.bounds(), part.placement)
        if any(start >= stop for start, stop in box):
            return
        (i0, i1), (j0, j1), (k0, k1) = box
        deep = max(1, CHUNK_VOXELS // ((i1 - i0) * (j1 - j0)))
        for k in range(k0, k1, deep):
            self._paint_chunk(form, part, allowed, ((i0, i1), (j0, j1), (k, min(k + deep, k1))))

    def _paint_chunk(self, form: Form, part: Part, allowed: Bools, box: tuple[tuple[int, int], ...]) -> None:
        x, y, z = (
            (s * axis[a:b] + t).astype(np.float32)
            for s, t, axis, (a, b) in zip(
                part.placement.scale, part.placement.shift, self.axes, box, strict=True
            )
        )
        mask = form.inside(x[:, None, None], y[None, :, None], z[None, None, :])
        view = self.labels[tuple(slice(a, b) for a, b in box)]
        mask &= allowed[view]
        view[mask] = self.ids[part.structure]

    def _paint_core(self, part: Part, allowed: Bools) -> None:
        points = part.form.core()
        if not len(points):
            return
        first = np.array([axis[0] for axis in self.axes])
        step = np.array([axis[1] - axis[0] for axis in self.axes])
        body = (points - part.placement.shift) / part.placement.scale
        index = np.rint((body - first) / step).astype(np.intp)
        index = index[((index >= 0) & (index < self.labels.shape)).all(axis=1)]
        i, j, k = index.T
        keep = allowed[self.labels[i, j, k]]
        self.labels[i[keep], j[keep], k[keep]] = self.ids[part.structure]

    def _index_box(self, box: Box, placement: Placement) -> list[tuple[int, int]]:
        """Index ranges of the voxel centres in a box of the form's own coordinates."""
        ranges = []
        for low, high, scale, shift, axis in zip(
            *box, placement.scale, placement.shift, self.axes, strict=True
        ):
            ends = sorted(((low - shift) / scale, (high - shift) / scale))
            start, stop = np.searchsorted(axis, (ends[0] - 1e-3, ends[1] + 1e-3))
            ranges.append((int(start), int(stop)))
        return ranges
