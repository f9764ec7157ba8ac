"""A CT as a network wants it: turned, cropped, resampled, normalised; and the way back.

Both versions crop to the part that is not zero, bring the voxels to the network's spacing with cubic splines (where
voxels are more than three times longer than wide, plane by plane) and clip and scale HU. Version 1 resamples first,
version 2 scales first. What nnunetv2 does beside that, it does for masks, which prediction has no use for; hence
this is ours, and its equality with ``DefaultPreprocessor.run_case_npy`` is tested.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import BadFileError, DapatlasError, GridMismatchError
from dapatlas.experts.nnunet.intensities import check_unit, normalise
from dapatlas.experts.nnunet.plans import Plans
from dapatlas.experts.nnunet.resample_slab import AxisMap, axis_map
from dapatlas.experts.nnunet.spacing import (
    coarse_axis,
    coarse_axis_back,
    file_axes,
    network_shape,
    network_spacing,
)
from dapatlas.experts.nnunet.splines import Picture, resize
from dapatlas.volumes import Box, Grid, reorient

Triple = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a network is given, and what leads back to the CT.

    Attributes
    ----------
    data
        (channels, x, y, z) in network axes and at the network's spacing.
    grid
        The CT's own.
    box
        The part of the CT that was kept, in the axes nnU-Net saw: the file's, turned to RAS where the model asks.
    cropped
        Voxels of that part, in network axes.
    coarse_back
        The network axis along which the way back takes the nearest plane; ``None``: none.
    """

    data: NDArray[np.float32]
    grid: Grid
    box: Box
    cropped: Triple
    coarse_back: int | None

    @property
    def shape(self) -> Triple:
        """Voxels of the network's input."""
        _, i, j, k = self.data.shape
        return i, j, k

    def way_back(self, plans: Plans) -> tuple[AxisMap, AxisMap, AxisMap]:
        """Where the voxels of the kept part lie on the network's grid, an axis each.

        Raises
        ------
        DapatlasError
            The plans ask for splines there, which would not be local.
        """
        first, second, third = way_back(self.shape, self.cropped, self.coarse_back, plans)
        return first, second, third

    def empty_map(self, plans: Plans) -> tuple[NDArray[Any], NDArray[Any]]:
        """Give a label map of zeros on the CT's grid, and a view of the kept part in network axes to write into."""
        ids = np.uint8 if plans.classes <= 256 else np.uint16
        labels = np.zeros(self.grid.shape, ids, order="F")
        kept = _as_seen(labels, self.grid, plans)[0][self.box]
        return labels, kept.transpose(file_axes(plans))


def prepare(ct: NDArray[Any], grid: Grid, plans: Plans, *, box: Box | None = None) -> Prepared:
    """Make a CT ready for a network.

    Parameters
    ----------
    ct
        HU, indexed [i, j, k] as in the file; values that are no number count as 0.
    grid
        Its grid.
    plans
        Of the network.
    box
        Keep only this part of the CT, one slice each along i, j, k, such as :func:`body_box` finds; outside of it
        everything becomes background. Tiles then lie elsewhere, so that results differ slightly from nnU-Net's.

    Raises
    ------
    WrongUnitError
        The values are no HU.
    GridMismatchError
        Array and grid differ in shape.
    DapatlasError
        The model takes something else than one CT.
    """
    if ct.shape != grid.shape:
        raise GridMismatchError(f"the CT has {ct.shape} voxels and its grid {grid.shape}")
    if plans.architecture.in_channels != 1:
        raise DapatlasError(
            f"the model takes {plans.architecture.in_channels} channels ({', '.join(plans.channel_names.values())}); "
            "only models that take one CT can be used here"
        )
    intensity = plans.intensities[0]
    if intensity.scheme in ("CT", "CT2"):
        check_unit(ct)
    seen, seen_grid = _as_seen(ct, grid, plans)
    kept_box = _not_zero(seen, None if box is None else _box_as_seen(box, grid, plans))
    part = seen[kept_box]
    picture = _single(part.transpose(file_axes(plans)))
    i, j, k = picture.shape
    spacing = network_spacing(seen_grid, plans)
    data = _resampled(picture, spacing, plans)
    return Prepared(data[None], grid, kept_box, (i, j, k), coarse_axis_back(spacing, plans))


def way_back(
    shape: Triple, cropped: Triple, coarse: int | None, plans: Plans
) -> tuple[AxisMap, AxisMap, AxisMap]:
    """Where ``cropped`` voxels lie on a network grid of ``shape``; raises as :meth:`Prepared.way_back`."""
    rule = plans.resampling.probabilities
    orders = [rule.order_z if axis == coarse else rule.order for axis in range(3)]
    if not set(orders) <= {0, 1}:
        raise DapatlasError(
            f"the model's plans resample scores with splines of orders {orders}; only 0 (nearest) and 1 (linear) "
            "can be done piece by piece: set them to 1 in plans.json"
        )
    first, second, third = (axis_map(*args) for args in zip(shape, cropped, orders, strict=True))
    return first, second, third


def body_box(ct: NDArray[Any], grid: Grid, margin_mm: float = 20.0) -> Box:
    """Find the part of a CT, HU of the grid's shape, that holds patient and table: what is no air, and a margin.

    Planes in which fewer than one voxel in a thousand is denser than −500 HU are left out at the ends.
    """
    dense = ct > -500
    ends = []
    for axis in range(3):
        counts = dense.sum(axis=tuple(a for a in range(3) if a != axis))
        filled = np.flatnonzero(counts > 1e-3 * ct.size / ct.shape[axis])
        first, last = (int(filled[0]), int(filled[-1])) if filled.size else (0, ct.shape[axis] - 1)
        margin = round(margin_mm / grid.spacing[axis])
        ends.append(slice(max(0, first - margin), min(ct.shape[axis], last + 1 + margin)))
    return ends[0], ends[1], ends[2]


def _as_seen(array: NDArray[Any], grid: Grid, plans: Plans) -> tuple[NDArray[Any], Grid]:
    return reorient(array, grid, "RAS") if plans.reorients else (array, grid)


def _box_as_seen(box: Box, grid: Grid, plans: Plans) -> Box:
    if not plans.reorients:
        return box
    ends = [slice(0)] * 3
    for kept, n, (to, direction) in zip(
        box, grid.shape, nib.orientations.io_orientation(grid.affine), strict=True
    ):
        ends[int(to)] = kept if direction > 0 else slice(n - kept.stop, n - kept.start)
    return ends[0], ends[1], ends[2]


def _not_zero(ct: NDArray[Any], within: Box | None) -> Box:
    """Box around everything that is not 0, which both versions crop to."""
    origin = within or (slice(0, ct.shape[0]), slice(0, ct.shape[1]), slice(0, ct.shape[2]))
    part = ct[origin]
    ends = []
    for axis, whole in enumerate(origin):
        filled = np.flatnonzero((part != 0).any(axis=tuple(a for a in range(3) if a != axis)))
        if not filled.size:
            raise BadFileError("the CT holds nothing but zeros")
        ends.append(slice(whole.start + int(filled[0]), whole.start + int(filled[-1]) + 1))
    return ends[0], ends[1], ends[2]


def _single(part: NDArray[Any]) -> Picture:
    picture = np.array(part, np.float32, order="C")
    np.nan_to_num(picture, copy=False, nan=0.0)
    return picture


def _resampled(picture: Picture, spacing: tuple[float, float, float], plans: Plans) -> Picture:
    rule = plans.resampling.data
    shape = network_shape((picture.shape[0], picture.shape[1], picture.shape[2]), spacing, plans)
    coarse = coarse_axis(rule.force_separate_z, spacing, plans.spacing_mm, plans)
    if plans.dialect == "v2":
        normalise(picture, plans.intensities[0], "v2")
        return resize(picture, shape, rule.order, coarse, rule.order_z)
    picture = resize(picture, shape, rule.order, coarse, rule.order_z)
    normalise(picture, plans.intensities[0], "v1")
    return picture
