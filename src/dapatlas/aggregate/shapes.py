"""Shapes of masks: distances in mm, where balls fit, hulls, holes.

Masks have three axes, which run right, front and up, unless they are called planes; spacings are mm along these.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Spacing = tuple[float, ...]


def reached(open_: Mask, seeds: Mask, radius_mm: float, spacing: Spacing) -> Mask:
    """Where a ball comes that starts touching a seed and fits into what is open."""
    import cc3d

    centres = distance_mm(open_, spacing) > radius_mm
    pieces = cc3d.connected_components(centres, connectivity=6)
    kept = np.zeros(int(pieces.max()) + 1, np.bool_)
    touching = distance_mm(~seeds, spacing) <= radius_mm + max(spacing[:2])
    kept[np.unique(pieces[touching])] = True
    kept[0] = False
    return open_ & (distance_mm(~kept[pieces], spacing) <= radius_mm)


def closed(mask: Mask, radius_mm: float, spacing: Spacing) -> Mask:
    """Closing by a ball: what no ball outside the mask can get to belongs to it."""
    wide = distance_mm(~mask, spacing) <= radius_mm
    return (distance_mm(wide, spacing) > radius_mm) | mask


def distance_mm(mask: Mask, spacing: Spacing) -> NDArray[np.float32]:
    """Distance of each voxel inside ``mask`` to the nearest one outside; the field of view's edge is no outside."""
    import edt

    if mask.all():
        return np.full(mask.shape, np.inf, np.float32, order="F")
    distance: NDArray[np.float32] = edt.edt(np.asfortranarray(mask), anisotropy=spacing, black_border=False)
    return distance


def hulls(mask: Mask) -> Mask:
    """In each axial slice, the convex hull of a mask."""
    from PIL import Image, ImageDraw

    hull = np.zeros(mask.shape, np.bool_, order="F")
    for k in range(mask.shape[2]):
        corners = _hull_corners(mask[:, :, k])
        if corners is not None:
            picture = Image.new("L", (mask.shape[1], mask.shape[0]))  # width is the second axis
            ImageDraw.Draw(picture).polygon([(float(j), float(i)) for i, j in corners], fill=1)
            hull[:, :, k] = np.asarray(picture)
    return hull


def _hull_corners(mask: Mask) -> NDArray[np.intp] | None:
    """Corners (i, j) of a 2-D mask's convex hull in turn; ``None`` where it has no area."""
    from scipy.spatial import ConvexHull, QhullError

    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size < 2:
        return None
    # only each row's first and last voxel can be corners
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    points = np.concatenate([np.stack([rows, first], axis=1), np.stack([rows, last], axis=1)])
    try:
        corners: NDArray[np.intp] = points[ConvexHull(points).vertices]
    except QhullError:  # all on one line
        return None
    return corners


def small_holes(plane: Mask, most_pixels: float) -> Mask:
    """The holes of a 2-D mask of no more than so many pixels each."""
    import cc3d
    import fill_voids

    holes: Mask = np.zeros(plane.shape, np.bool_, order="F")
    occupied_i, occupied_j = (np.flatnonzero(plane.any(axis=axis)) for axis in (1, 0))
    if not occupied_i.size:
        return holes
    box = slice(occupied_i[0], occupied_i[-1] + 1), slice(occupied_j[0], occupied_j[-1] + 1)
    part = np.asfortranarray(plane[box])
    inside = fill_voids.fill(part) & ~part
    if inside.any():
        numbered = cc3d.connected_components(inside, connectivity=4)
        small = np.bincount(numbered.ravel()) <= most_pixels
        small[0] = False
        holes[box] = small[numbered]
    return holes
