"""What a voxel of the body becomes when no expert claims it: told by its HU and by where it lies."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from dapatlas.findings import Finding, Severity
from dapatlas.labels import LabelScheme
from dapatlas.volumes import Grid, remap, reorient

Mask = NDArray[np.bool_]
LabelMap = NDArray[np.uint8]

# Ranges in use for body composition on CT: adipose tissue -190 to -30 HU, skeletal muscle -29 to 150 HU
# (Aubrey et al. 2014, Acta Physiologica 210:489-497, doi 10.1111/apha.12224).
FAT_HU = (-190.0, -30.0)
MUSCLE_HU = (-29.0, 150.0)

# The peritoneal and retroperitoneal organs that hang in abdominal tissue, and what the mediastinum holds.
# Vessels that run through both (aorta, inferior vena cava, esophagus) are in neither list: they would draw
# each hull into the other cavity.
ABDOMINAL_ORGANS = (
    "stomach", "small_bowel", "duodenum", "colon", "gallbladder", "liver", "pancreas", "kidney_left",
    "kidney_right", "spleen", "adrenal_gland_left", "adrenal_gland_right", "portal_vein_and_splenic_vein",
    "celiac_trunk", "bladder", "uterus", "uterocervix", "prostate",
)  # fmt: skip
MEDIASTINAL_ORGANS = (
    "heart", "heart_atrium_left", "heart_atrium_right", "heart_myocardium", "heart_ventricle_left",
    "heart_ventricle_right", "heart_tissue", "pulmonary_artery", "thymus", "trachea", "bronchus",
    "artery_brachiocephalic", "vein_brachiocephalic_left", "vein_brachiocephalic_right",
)  # fmt: skip


def fill_tissues(
    label_map: LabelMap,
    ct: NDArray[np.generic],
    body: Mask,
    grid: Grid,
    atlas: LabelScheme,
    *,
    skin_mm: float = 2.0,
    fat_hu: tuple[float, float] = FAT_HU,
    muscle_hu: tuple[float, float] = MUSCLE_HU,
    cavities: bool = True,
    case: str = "",
) -> tuple[LabelMap, list[Finding]]:
    """Give every voxel of the body that is still 0 a tissue; claimed voxels are never touched.

    The first rule that fits decides: within ``skin_mm`` of the outside, or just beneath and denser than fat,
    ``skin``; denser than gas among the mediastinal or abdominal organs (inside the convex hull of those in
    each axial slice) ``mediastinal_tissue`` or ``abdominal_tissue``; else ``fat`` or ``muscles`` by HU; else
    ``unknown_tissue``. A tissue that ``atlas`` does not have is passed over.

    Parameters
    ----------
    label_map
        Atlas ids, 0 where nobody claims; not changed.
    ct
        HU, same shape.
    body
        True inside the body, same shape.
    grid
        The grid of all three, any orientation.
    atlas
        The scheme of ``label_map``.
    skin_mm
        Thickness of skin; at least one voxel in each direction, 0 for none.
    fat_hu, muscle_hu
        Ranges in whole HU, both ends included.
    cavities
        Whether to look for the abdominal and mediastinal cavities.
    case
        Case id for the findings.

    Returns
    -------
    label_map
        A dense copy: no 0 inside ``body`` provided that ``atlas`` has ``unknown_tissue``.
    findings
        How many voxels each tissue got.
    """
    filled = np.array(label_map, order="F")
    flat = filled.ravel(order="F")  # a view; choosing voxels is several times faster along memory
    open_ = body.ravel(order="F") & (flat == 0)
    hu = ct.ravel(order="F")[open_]
    if hu.dtype.kind == "f":
        hu = np.rint(hu)
    tissue = np.full(hu.shape, _id(atlas, "unknown_tissue"), np.uint8)
    _assign(tissue, (hu >= fat_hu[0]) & (hu <= fat_hu[1]), _id(atlas, "fat"))
    _assign(tissue, (hu >= muscle_hu[0]) & (hu <= muscle_hu[1]), _id(atlas, "muscles"))
    if cavities:
        no_gas = hu >= fat_hu[0]
        for name, organs in (
            ("abdominal_tissue", ABDOMINAL_ORGANS),
            ("mediastinal_tissue", MEDIASTINAL_ORGANS),
        ):
            if name in atlas:
                cavity = _hulls([_id(atlas, organ) for organ in organs], filled, grid)
                _assign(tissue, cavity.ravel(order="F")[open_] & no_gas, _id(atlas, name))
    if skin_mm > 0:
        skin = outer_shell(body, grid, skin_mm)
        # the next voxel is skin too where it is denser than fat: part of it lies in the dermis
        rim = outer_shell(body & ~skin, grid, 0)
        _assign(tissue, skin.ravel(order="F")[open_], _id(atlas, "skin"))
        _assign(tissue, rim.ravel(order="F")[open_] & (hu > fat_hu[1]), _id(atlas, "skin"))
    flat[open_] = tissue
    ids, counts = np.unique(tissue, return_counts=True)
    return filled, [
        Finding(
            case=case,
            severity=Severity.INFO,
            code="filled-tissue",
            message=f"{count} voxels that nobody claims became {atlas[id_].name}",
            structure=atlas[id_].name,
            voxels=count,
        )
        for id_, count in zip(ids.tolist(), counts.tolist(), strict=True)
        if id_
    ]


def outer_shell(body: Mask, grid: Grid, thickness_mm: float) -> Mask:
    """The voxels of ``body`` within ``thickness_mm`` of what lies outside, at least one voxel in each direction.

    Where the field of view cuts the body there is no outside, hence no shell.
    """
    shell = np.zeros(body.shape, np.bool_, order="F")
    offsets = list(_ball(grid.spacing, thickness_mm))
    for k in range(body.shape[2]):  # slice by slice: a slice and its neighbours stay in the cache
        core = body[:, :, k].copy(order="K")
        for *within, above in offsets:
            if 0 <= k + above < body.shape[2]:
                here, there = zip(*map(_shifted, within), strict=True)
                core[here] &= body[:, :, k + above][there]
        shell[:, :, k] = body[:, :, k] & ~core
    return shell


def _ball(spacing: Sequence[float], radius_mm: float) -> Iterator[tuple[int, ...]]:
    """Voxel offsets within the radius, which along each axis is at least one voxel; without the centre."""
    radii = [max(radius_mm, mm) for mm in spacing]
    reach = [int(radius / mm) for radius, mm in zip(radii, spacing, strict=True)]
    for offset in itertools.product(*(range(-n, n + 1) for n in reach)):
        share = sum((n * mm / radius) ** 2 for n, mm, radius in zip(offset, spacing, radii, strict=True))
        if 0 < share <= 1 + 1e-9:
            yield offset


def _shifted(step: int) -> tuple[slice, slice]:
    """Slices of an axis such that the second is the first moved by ``step``."""
    if step == 0:
        return slice(None), slice(None)
    if step > 0:
        return slice(None, -step), slice(step, None)
    return slice(-step, None), slice(None, step)


def _hulls(ids: Sequence[int], label_map: LabelMap, grid: Grid) -> Mask:
    """In each axial slice, the convex hull of the voxels that carry one of ``ids``."""
    from PIL import Image, ImageDraw

    member = np.zeros(256, np.bool_)
    member[[id_ for id_ in ids if id_]] = True
    view, view_grid = reorient(remap(label_map, member), grid, "RAS")
    hull = np.zeros(view.shape, np.bool_, order="F")
    for k in range(view.shape[2]):
        corners = _hull_corners(view[:, :, k])
        if corners is not None:
            picture = Image.new("L", (view.shape[1], view.shape[0]))  # width is the second axis
            ImageDraw.Draw(picture).polygon([(float(j), float(i)) for i, j in corners], fill=1)
            hull[:, :, k] = np.asarray(picture)
    return np.asfortranarray(reorient(hull, view_grid, grid.orientation)[0])


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


def _id(atlas: LabelScheme, name: str) -> int:
    """The structure's id, 0 where the atlas has no such structure."""
    return atlas[name].id if name in atlas else 0


def _assign(tissue: NDArray[np.uint8], where: Mask, id_: int) -> None:
    if id_:
        tissue[where] = id_
