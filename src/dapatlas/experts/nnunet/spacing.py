"""nnU-Net's rules about spacings: how many voxels, and which axis is so coarse that it is resampled by itself."""

from __future__ import annotations

import numpy as np

from dapatlas.experts.nnunet.plans import Plans
from dapatlas.volumes import Grid

Triple = tuple[int, int, int]
Spacing = tuple[float, float, float]


def file_axes(plans: Plans) -> Triple:
    """Which axis of the volume that nnU-Net sees each network axis is: it reverses axes, then transposes them."""
    first, second, third = plans.transpose_forward
    return 2 - first, 2 - second, 2 - third


def network_spacing(seen: Grid, plans: Plans) -> Spacing:
    """Mm between voxels along the network axes, rounded as a NIfTI header rounds them.

    ``seen`` is the grid as nnU-Net sees it.

    Without the rounding two axes alike in the file would differ in the 16th digit, and none be the coarsest.
    """
    i, j, k = (float(np.float32(seen.spacing[axis])) for axis in file_axes(plans))
    return i, j, k


def network_shape(shape: Triple, spacing_mm: Spacing, plans: Plans) -> Triple:
    """Voxels at the network's spacing; all in network axes."""
    i, j, k = (
        round(have / want * n) for have, want, n in zip(spacing_mm, plans.spacing_mm, shape, strict=True)
    )
    return max(i, 1), max(j, 1), max(k, 1)


def coarse_axis(forced: bool | None, first: Spacing, second: Spacing, plans: Plans) -> int | None:
    """Find the axis to resample by itself; of two spacings the first that is uneven enough counts.

    Where two axes share the largest spacing there is none.
    """
    if forced is None:
        threshold = plans.resampling.anisotropy_threshold
        uneven = [spacing for spacing in (first, second) if max(spacing) / min(spacing) > threshold]
    else:
        uneven = [first] if forced else []
    if not uneven:
        return None
    coarse = np.flatnonzero(np.array(uneven[0]) == max(uneven[0]))
    return int(coarse[0]) if coarse.size == 1 else None


def coarse_axis_back(spacing_mm: Spacing, plans: Plans) -> int | None:
    """Find the network axis along which scores are brought back to the CT plane by plane.

    Version 2 looks at the network's spacing first, then at the CT's. Version 1 looks at the CT's first, in the
    file's (reversed) axes, in which it also resamples; the network's spacing it takes for one in those axes,
    although it is in network axes: with transposed axes that picks another axis, and so it does here.
    """
    forced = plans.resampling.probabilities.force_separate_z
    if plans.dialect == "v2":
        return coarse_axis(forced, plans.spacing_mm, spacing_mm, plans)
    back = plans.transpose_backward
    reversed_file = (spacing_mm[back[0]], spacing_mm[back[1]], spacing_mm[back[2]])
    axis = coarse_axis(forced, reversed_file, plans.spacing_mm, plans)
    return None if axis is None else back[axis]
