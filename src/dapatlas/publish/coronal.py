"""A small coronal picture of a case: structures in the scheme's colours over the CT, head up, true to scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.volumes import Grid, measure, reorient
from dapatlas.volumes.picture import SOFT_TISSUE_HU, blended, windowed

if TYPE_CHECKING:
    from PIL.Image import Image

MM_PER_PIXEL = 3.0  # one scale for all cases, so that a short field of view looks short
MAX_PIXELS = 640  # of the longer side; what is larger is shown smaller than the scale says
OPACITY = 0.62
COLOURS = 160  # of the palette of the file: a third of the bytes, and no difference to the eye


def coronal_picture(
    label_map: NDArray[Any], ct: NDArray[Any] | None, grid: Grid, palette: NDArray[np.uint8]
) -> Image:
    """Draw the coronal plane that crosses the most structures, patient's left on the viewer's right.

    Parameters
    ----------
    label_map
        Ids, of the grid's shape, any orientation.
    ct
        HU of the same shape; without one the structures stand on a dark ground.
    grid
        Their grid.
    palette
        Red, green, blue for each id, shape (n, 3).
    """
    from PIL import Image

    labels, view = reorient(label_map, grid, "LPS")
    j = _richest_plane(labels, view)
    plane = labels[:, j, ::-1].T
    if ct is None:
        grey = np.zeros(plane.shape, np.uint8)
    else:
        hu = np.nan_to_num(reorient(ct, grid, "LPS")[0][:, j, ::-1].T, nan=SOFT_TISSUE_HU[0])
        grey = windowed(hu, SOFT_TISSUE_HU)
    colours = blended(grey, plane, palette, OPACITY if ct is not None else 1.0)
    height_mm, width_mm = plane.shape[0] * view.spacing[2], plane.shape[1] * view.spacing[0]
    scale = max(MM_PER_PIXEL, max(height_mm, width_mm) / MAX_PIXELS)
    size = (max(1, round(width_mm / scale)), max(1, round(height_mm / scale)))
    small = Image.fromarray(colours).resize(size, Image.Resampling.BOX)
    return small.quantize(COLOURS, dither=Image.Dither.NONE)


def _richest_plane(labels: NDArray[Any], grid: Grid) -> int:
    """Index, from front to back, of the plane that the most structures' boxes hold; of several, the middle one."""
    crossed = np.zeros(grid.shape[1] + 1, np.int64)  # steps up and down along the axis, then their sum
    for found in measure(labels, grid):
        if found.id:
            crossed[found.box[1].start] += 1
            crossed[found.box[1].stop] -= 1
    count = np.cumsum(crossed)[:-1]
    if not count.max():
        return int(grid.shape[1] // 2)
    best = np.flatnonzero(count == count.max())
    return int(best[len(best) // 2])
