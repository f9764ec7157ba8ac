"""The body outline from the CT alone: couch, clothes and air removed, lungs and bowel gas kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import BadFileError
from dapatlas.volumes import Grid, reorient

Mask = NDArray[np.bool_]

COARSE_MM = 3.0  # the outline is found at about this spacing, then drawn at full resolution
AIRWAY_MM = 10.0  # nostrils are narrower: closing them keeps the airways inside the body
AIRWAY_CM2 = 30.0  # throat and trachea have less in cross-section, the gap between raised arms and head more


def body_outline(
    ct: NDArray[np.generic],
    grid: Grid,
    *,
    air_hu: float = -400.0,
    couch_mm: float = 12.0,
    min_part_ml: float = 50.0,
) -> Mask:
    """Find the body, solid, as a mask on the CT's grid.

    What is denser than ``air_hu`` and thicker than ``couch_mm`` is body where it is the largest such part
    or at least ``min_part_ml`` (arms, legs). Air that the body encloses belongs to it, also where the field
    of view cuts through it.

    Parameters
    ----------
    ct
        HU, shape of ``grid``, any axis order.
    grid
        The CT's grid.
    air_hu
        HU above which a voxel may be body.
    couch_mm
        Plates thinner than this are couch.
    min_part_ml
        Smaller separate parts are not body.

    Returns
    -------
    ndarray of bool
        True inside the body; shape and axis order of ``ct``.

    Raises
    ------
    BadFileError
        Nothing in the CT looks like a body.
    """
    canonical, canonical_grid = reorient(ct, grid, "RAS")
    strides = tuple(max(1, round(COARSE_MM / mm)) for mm in canonical_grid.spacing)
    spacing = tuple(mm * n for mm, n in zip(canonical_grid.spacing, strides, strict=True))
    coarse = np.asfortranarray(canonical[tuple(slice(None, None, n) for n in strides)] > air_hu)
    parts = _without_thin_parts(coarse, spacing, couch_mm, min_part_ml)
    if not parts.any():
        raise BadFileError(
            f"no body found in the CT: its values range over {ct.min()}…{ct.max()}, and nothing denser than "
            f"{air_hu:g} HU is {couch_mm:g} mm thick; check that it is a CT in Hounsfield units"
        )
    solid = _fill_enclosed_air(parts, spacing)
    body = _at_full_resolution(solid, strides, canonical > air_hu)
    return np.asfortranarray(reorient(body, canonical_grid, grid.orientation)[0])


def _without_thin_parts(dense: Mask, spacing: tuple[float, ...], couch_mm: float, min_part_ml: float) -> Mask:
    """Opening by a ball of half ``couch_mm``, keeping the large components of what survives."""
    import cc3d

    radius = couch_mm / 2
    thick = _distance_mm(dense, spacing) > radius
    components = cc3d.connected_components(thick, connectivity=6)
    voxels = np.bincount(components.ravel(order="K"))
    voxels[0] = 0
    voxel_ml = float(np.prod(spacing)) / 1000
    keep = voxels * voxel_ml >= min_part_ml
    keep[voxels.argmax()] = True
    keep[0] = False
    return dense & (_distance_mm(~keep[components], spacing) <= radius + max(spacing) / 2)


def _fill_enclosed_air(parts: Mask, spacing: tuple[float, ...]) -> Mask:
    """Fill every hole in 3-D, with the airway openings and the cut faces at top and bottom closed first.

    Filling slice by slice alone would be simpler, but it fills the ring of raised arms around the head; it
    serves for holes of an airway's size, which a wide open mouth joins to the outside.
    """
    import fill_voids

    base = parts | _small_holes(parts, AIRWAY_CM2 * 100 / (spacing[0] * spacing[1]))
    for face in (0, -1):
        base[:, :, face] = fill_voids.fill(base[:, :, face])
    closed = _distance_mm(~base, spacing) <= AIRWAY_MM / 2
    closed = closed & ~(_distance_mm(closed, spacing) <= AIRWAY_MM / 2) | base
    filled: Mask = fill_voids.fill(np.asfortranarray(closed))
    # closing also bridges thighs and armpits: what it added stays only beside air that it helped to enclose
    enclosed = filled & (_distance_mm(~(filled & ~closed), spacing) <= AIRWAY_MM)
    solid: Mask = fill_voids.fill(np.asfortranarray(base | enclosed))
    return solid


def _small_holes(mask: Mask, most_pixels: float) -> Mask:
    """In each axial slice, the holes of no more than so many pixels."""
    import cc3d
    import fill_voids

    found = np.zeros(mask.shape, np.bool_, order="F")
    for k in range(mask.shape[2]):
        holes = fill_voids.fill(mask[:, :, k]) & ~mask[:, :, k]
        if holes.any():
            numbered = cc3d.connected_components(holes, connectivity=4)
            small = np.bincount(numbered.ravel()) <= most_pixels
            small[0] = False
            found[:, :, k] = small[numbered]
    return found


def _at_full_resolution(coarse: Mask, strides: tuple[int, ...], dense: Mask) -> Mask:
    """Take the inside from the coarse outline and the last coarse voxel at its rim from the CT itself."""
    import fill_voids

    sure, possible = _shrink(coarse), ~_shrink(~coarse)
    i, j, k = (
        np.minimum((np.arange(n) + s // 2) // s, c - 1)
        for n, s, c in zip(dense.shape, strides, coarse.shape, strict=True)
    )
    plane = i[:, None] + j[None, :] * coarse.shape[0]  # places in a slice in Fortran order
    body = np.zeros(dense.shape, np.bool_, order="F")
    for here, there in enumerate(k.tolist()):
        inner, outer = (mask[:, :, there].ravel(order="F").take(plane) for mask in (sure, possible))
        body[:, :, here] = inner | (outer & dense[:, :, here])
    filled: Mask = fill_voids.fill(body, in_place=True)  # bubbles in the rim, such as gas under the skin
    return filled


def _shrink(mask: Mask) -> Mask:
    """Erode by one voxel along each axis; what lies beyond the field of view counts as inside."""
    inner = mask.copy(order="K")
    for axis in range(3):
        along = np.moveaxis(mask, axis, 0)
        shrunk = np.moveaxis(inner, axis, 0)
        shrunk[1:] &= along[:-1]
        shrunk[:-1] &= along[1:]
    return inner


def _distance_mm(mask: Mask, spacing: tuple[float, ...]) -> NDArray[np.float32]:
    """Distance of each voxel inside ``mask`` to the nearest one outside; the field of view's edge is no outside."""
    import edt

    distance: NDArray[np.float32] = edt.edt(mask, anisotropy=spacing, black_border=False)
    return distance
