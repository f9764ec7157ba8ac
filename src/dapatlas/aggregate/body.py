"""The body outline from the CT alone: couch, blankets, clothes and air removed, lungs and bowel gas kept.

The body is found in blocks of some mm, where it is thick and all that lies on it or under it is thin. Its surface is
then grown voxel by voxel from inside, through what is as dense as fat at least, so that it stops at a gap of air or at
cloth. What a couch is, the whole scan tells: a column of voxels along the body that is nowhere air, and solid also
where the body is not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.aggregate.coarse import Blocks
from dapatlas.aggregate.shapes import distance_mm, small_holes
from dapatlas.errors import BadFileError
from dapatlas.volumes import Grid

Mask = NDArray[np.bool_]
Counts = NDArray[np.int32]
Spacing = tuple[float, ...]

COARSE_MM = 3.5  # blocks are no larger
AIRWAY_MM = 10.0  # nostrils are narrower: closing them keeps the airways inside the body
AIRWAY_CM2 = 30.0  # throat and trachea have less in cross-section, the gap between raised arms and head more
# The lightest tissue of a surface is fat, from -190 HU (Aubrey et al. 2014, doi 10.1111/apha.12224): what is lighter is
# cloth, foam, or the voxel that skin shares with air.
LIGHTEST_TISSUE_HU = -190.0
COUCH_SHARE = 0.1  # of the slices show couch without body, where it is couch
COUCH_GAPS = 0.02  # of the slices may show air there, where the couch ends


def body_outline(
    ct: NDArray[Any],
    grid: Grid,
    *,
    air_hu: float = -400.0,
    couch_mm: float = 12.0,
    min_part_ml: float = 50.0,
) -> Mask:
    """Find the body, solid, as a mask on the CT's grid.

    What is denser than ``air_hu`` and thicker than ``couch_mm`` is body where it is the largest such part
    or at least ``min_part_ml`` (arms, legs). Air that the body encloses belongs to it, also where the field
    of view cuts through it. A blanket is left out where a voxel of air lies between it and the skin, or where it
    is lighter than fat; a couch also where the body lies on it, provided that a tenth of the scan shows it bare.

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
    blocks = Blocks(grid, COARSE_MM)
    # the least value: a gap of one voxel between skin and blanket still shows
    coarse = blocks.minimum(ct) > air_hu
    lost_mm = max(mm - mm / n for mm, n in zip(blocks.spacing, blocks.strides, strict=True))
    parts = _without_thin_parts(coarse, blocks.spacing, max(couch_mm - lost_mm, 0), min_part_ml)
    if not parts.any():
        raise BadFileError(
            f"no body found in the CT: its values range over {ct.min()}…{ct.max()}, and nothing denser than "
            f"{air_hu:g} HU is {couch_mm:g} mm thick; check that it is a CT in Hounsfield units"
        )
    solid = _fill_enclosed_air(parts, blocks.spacing)
    return _at_full_resolution(solid, blocks, ct, air_hu)


def _without_thin_parts(dense: Mask, spacing: Spacing, couch_mm: float, min_part_ml: float) -> Mask:
    """Opening by a ball of half ``couch_mm``, keeping the large components of what survives."""
    import cc3d

    radius = couch_mm / 2
    thick = distance_mm(dense, spacing) > radius
    components = cc3d.connected_components(thick, connectivity=6)
    voxels = np.bincount(components.ravel(order="K"))
    voxels[0] = 0
    voxel_ml = float(np.prod(spacing)) / 1000
    keep = voxels * voxel_ml >= min_part_ml
    keep[voxels.argmax()] = True
    keep[0] = False
    return dense & (distance_mm(~keep[components], spacing) <= radius + max(spacing) / 2)


def _fill_enclosed_air(parts: Mask, spacing: Spacing) -> Mask:
    """Fill every hole in 3-D, with the airway openings and the cut faces at top and bottom closed first.

    Filling slice by slice alone would be simpler, but it fills the ring of raised arms around the head; it
    serves for holes of an airway's size, which a wide open mouth joins to the outside.
    """
    import fill_voids

    airway_pixels = AIRWAY_CM2 * 100 / (spacing[0] * spacing[1])
    base = parts | np.stack([small_holes(plane, airway_pixels) for plane in np.moveaxis(parts, 2, 0)], axis=2)
    base = np.asfortranarray(base)
    for face in (0, -1):
        base[:, :, face] = fill_voids.fill(base[:, :, face])
    closed = distance_mm(~base, spacing) <= AIRWAY_MM / 2
    closed = closed & ~(distance_mm(closed, spacing) <= AIRWAY_MM / 2) | base
    filled: Mask = fill_voids.fill(np.asfortranarray(closed))
    # closing also bridges thighs and armpits: what it added stays only beside air that it helped to enclose
    enclosed = filled & (distance_mm(~(filled & ~closed), spacing) <= AIRWAY_MM)
    solid: Mask = fill_voids.fill(np.asfortranarray(base | enclosed))
    return solid


def _at_full_resolution(coarse: Mask, blocks: Blocks, ct: NDArray[Any], air_hu: float) -> Mask:
    """Take the inside from the blocks, grow it to the surface through the tissue of the CT, and fill it."""
    import fill_voids

    sure, possible = _shrink(_shrink(coarse)), ~_shrink(_shrink(~coarse))
    slender = coarse & _shrink(_shrink(~sure))  # fingers and ears have no block that is surely inside
    body = np.zeros(ct.shape, np.bool_, order="F")
    steps = 5 * max(blocks.strides)  # from two blocks inside the surface to two outside
    slices = range(ct.shape[2])
    for order in (slices, reversed(slices)):
        before = np.zeros(ct.shape[:2], np.bool_, order="F")
        for k in order:
            tissue = blocks.slice(possible, k) & (ct[:, :, k] >= LIGHTEST_TISSUE_HU)
            seeds = body[:, :, k] | blocks.slice(sure, k) | tissue & (before | blocks.slice(slender, k))
            before = body[:, :, k] = _grown(seeds, tissue, steps)
    for k in slices:
        mixed = blocks.slice(possible, k) & (ct[:, :, k] > air_hu)  # voxels that skin shares with air
        body[:, :, k] = _grown(body[:, :, k], mixed, 1)
    _remove_couch(body, ct, blocks.grid, air_hu)
    filled: Mask = fill_voids.fill(body, in_place=True)  # bubbles in the rim, such as gas under the skin
    return filled


def _grown(seeds: Mask, within: Mask, steps: int) -> Mask:
    """A slice's seeds and what is so many steps from them, inside ``within``, from face to face."""
    grown, size = seeds, -1
    while steps and size != (size := int(np.count_nonzero(grown))):
        wider = grown.copy(order="K")
        wider[1:] |= grown[:-1]
        wider[:-1] |= grown[1:]
        wider[:, 1:] |= grown[:, :-1]
        wider[:, :-1] |= grown[:, 1:]
        grown = wider & within | seeds
        steps -= 1
    return grown


def _remove_couch(body: Mask, ct: NDArray[Any], grid: Grid, air_hu: float) -> None:
    """Take out of the body, in place, the columns along it that are couch."""
    axis = next(axis for axis, letter in enumerate(grid.orientation) if letter in "IS")
    bare, solid = _counts_along(axis, body, ct, air_hu)
    length = body.shape[axis]
    couch = (bare >= max(2.0, COUCH_SHARE * length)) & (length - solid <= COUCH_GAPS * length)
    if couch.any():
        body &= ~np.expand_dims(couch, axis)


def _counts_along(axis: int, body: Mask, ct: NDArray[Any], air_hu: float) -> tuple[Counts, Counts]:
    """For each column along an axis, how often it is solid without being body, and how often it is solid."""
    shape = tuple(n for other, n in enumerate(body.shape) if other != axis)
    bare, solid = np.zeros(shape, np.int32, order="F"), np.zeros(shape, np.int32, order="F")
    for k in range(body.shape[2]):
        inside = body[:, :, k]
        outside = (ct[:, :, k] > air_hu) & ~inside
        if axis == 2:
            bare += outside
            solid += outside | inside
        else:
            bare[:, k] = outside.sum(axis=axis)
            solid[:, k] = (outside | inside).sum(axis=axis)
    return bare, solid


def _shrink(mask: Mask) -> Mask:
    """Erode by one voxel along each axis; what lies beyond the field of view counts as inside."""
    inner = mask.copy(order="K")
    for axis in range(3):
        along = np.moveaxis(mask, axis, 0)
        shrunk = np.moveaxis(inner, axis, 0)
        shrunk[1:] &= along[:-1]
        shrunk[:-1] &= along[1:]
    return inner
