"""What a voxel of the body becomes when no expert claims it: told by its HU and by where it lies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.aggregate.cavities import ABDOMEN, DISC, MEDIASTINUM, ONLY_FAT, SPINE, find_cavities
from dapatlas.aggregate.coarse import Blocks
from dapatlas.aggregate.shapes import small_holes
from dapatlas.aggregate.skin import SKIN_MM, shells, solid_to_the_edge
from dapatlas.findings import Finding, Severity
from dapatlas.labels import Container, LabelScheme
from dapatlas.volumes import Grid, remap, reorient

Mask = NDArray[np.bool_]
LabelMap = NDArray[np.uint8]

# Ranges in use for body composition on CT: adipose tissue -190 to -30 HU, skeletal muscle -29 to 150 HU
# (Aubrey et al. 2014, Acta Physiologica 210:489-497, doi 10.1111/apha.12224).
FAT_HU = (-190.0, -30.0)
MUSCLE_HU = (-29.0, 150.0)

BLOCK_MM = 4.5  # cavities are found in blocks of at most this size
# A choice without a source, about a femur's head 50 mm across: rings of several bones, as the pelvis, enclose more.
MARROW_CM2 = 20.0

UNKNOWN = "unknown_tissue"
SPACES = {
    Container.ABDOMINAL_CAVITY: (ABDOMEN, "abdominal_tissue"),
    Container.MEDIASTINUM: (MEDIASTINUM, "mediastinal_tissue"),
}


@dataclass(frozen=True, slots=True)
class _Rules:
    """What the rules need to know, the same for every slice; tables have 256 entries, one an id."""

    ids: dict[str, int]  # 0 for a tissue that the atlas does not have
    fat_hu: tuple[float, float]
    muscle_hu: tuple[float, float]
    spine: Mask
    marrow_pixels: float


@dataclass(frozen=True, slots=True)
class _Slice:
    """What the rules look at; all of one shape but for ``shown``, which may be empty."""

    labels: LabelMap
    hu: NDArray[Any]
    place: NDArray[np.uint8]
    shell: Mask
    rim: Mask
    touches_spine: Mask
    shown: Mapping[Container, Mask]


def fill_tissues(
    label_map: LabelMap,
    ct: NDArray[np.generic],
    body: Mask,
    grid: Grid,
    atlas: LabelScheme,
    *,
    skin_mm: float = SKIN_MM,
    fat_hu: tuple[float, float] = FAT_HU,
    muscle_hu: tuple[float, float] = MUSCLE_HU,
    cavities: bool = True,
    containers: Mapping[Container, NDArray[np.bool_]] | None = None,
    case: str = "",
) -> tuple[LabelMap, list[Finding]]:
    """Give every voxel of the body that is still 0 a tissue; claimed voxels are never touched.

    The first rule that fits decides:

    1. In a cavity that an expert shows, and denser than gas: that cavity's tissue.
    2. Within ``skin_mm`` of the outside, or the next voxel where it is denser than fat: ``skin``.
    3. Marrow that unclaimed bone surrounds, and what is denser than fat between vertebrae, as discs are:
       ``unknown_tissue``.
    4. In a cavity as :mod:`dapatlas.aggregate.cavities` finds it, and denser than gas: that cavity's tissue. Where the
       cavity touches its wall only fat is, for what is as dense as muscle is the wall.
    5. By HU ``fat`` or ``muscles``; but what touches a vertebra is no muscle: it is a ligament, or mixed with bone.
    6. ``unknown_tissue``.

    A tissue that ``atlas`` does not have is passed over.

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
    containers
        Masks of the same shape that experts made of these spaces; each replaces what would be found. Where two overlap,
        the mediastinum's counts. ``Container.BODY`` is passed over: it is ``body``.
    case
        Case id for the findings.

    Returns
    -------
    label_map
        A dense copy: no 0 inside ``body`` provided that ``atlas`` has ``unknown_tissue``.
    findings
        How many voxels each tissue got.

    Raises
    ------
    ValueError
        A container is not of the label map's shape.
    """
    shown = _shown(containers, label_map.shape)
    filled = np.array(label_map, order="F")
    # axial slices, whatever the order of axes; no voxel is moved
    axial = _axial(grid.orientation)
    claimed, hu, inside, out = (reorient(array, grid, axial)[0] for array in (label_map, ct, body, filled))
    shown = {space: reorient(mask, grid, axial)[0] for space, mask in shown.items()}
    view_grid = reorient(body, grid, axial)[1]
    rules = _rules(atlas, fat_hu, muscle_hu, view_grid)
    places = (
        _places(claimed, hu, inside, view_grid, atlas, muscle_hu[0])
        if cavities
        else repeat(np.zeros((), np.uint8))
    )
    skins = shells(solid_to_the_edge(inside, hu), view_grid, skin_mm)
    counts = np.zeros(256, np.int64)
    # slice by slice: what is asked of a slice stays in the cache, and nothing of the volume's size is made
    for k, ((shell, rim), place) in enumerate(zip(skins, places, strict=False)):
        open_ = inside[:, :, k] & (claimed[:, :, k] == 0)
        if not open_.any():
            continue
        near = _touching(rules.spine, claimed, k)
        masks = {space: mask[:, :, k] for space, mask in shown.items()}
        seen = _Slice(claimed[:, :, k], _whole(hu[:, :, k]), place, shell, rim, near, masks)
        tissue = _tissues(seen, rules)[open_]
        out[:, :, k][open_] = tissue
        counts += np.bincount(tissue, minlength=256)
    return filled, _findings(counts, atlas, case)


def _tissues(seen: _Slice, rules: _Rules) -> NDArray[np.uint8]:
    """The tissue of each voxel of a slice, were it nobody's; later rules overrule earlier ones."""
    fat, muscle = _within(seen.hu, rules.fat_hu), _within(seen.hu, rules.muscle_hu)
    dense, no_gas = seen.hu > rules.fat_hu[1], seen.hu >= rules.fat_hu[0]
    tissue = np.full(seen.labels.shape, rules.ids[UNKNOWN], np.uint8, order="F")
    _assign(tissue, fat, rules.ids["fat"])
    _assign(tissue, muscle & ~seen.touches_spine, rules.ids["muscles"])
    for space, (code, name) in SPACES.items():
        if space not in seen.shown:
            there, at_wall = seen.place == code, seen.place == code | ONLY_FAT
            _assign(tissue, there & no_gas | at_wall & fat, rules.ids[name])
    marrow = small_holes((seen.labels == 0) & (seen.hu > rules.muscle_hu[1]), rules.marrow_pixels)
    _assign(tissue, marrow | (seen.place == DISC) & dense, rules.ids[UNKNOWN])
    _assign(tissue, seen.shell | seen.rim & dense, rules.ids["skin"])
    for space, mask in seen.shown.items():
        _assign(tissue, mask & no_gas, rules.ids[SPACES[space][1]])
    return tissue


def _axial(orientation: str) -> str:
    """The orientation with the axis along the body moved to the end."""
    along = next(letter for letter in orientation if letter in "IS")
    return orientation.replace(along, "") + along


def _rules(
    atlas: LabelScheme, fat_hu: tuple[float, float], muscle_hu: tuple[float, float], grid: Grid
) -> _Rules:
    tissues = ("fat", "muscles", "skin", UNKNOWN, *(name for _, name in SPACES.values()))
    spine = np.zeros(256, np.bool_)
    spine[[structure.id for structure in atlas if structure.name.startswith(SPINE)]] = True
    return _Rules(
        ids={name: atlas[name].id if name in atlas else 0 for name in tissues},
        fat_hu=fat_hu,
        muscle_hu=muscle_hu,
        spine=spine,
        marrow_pixels=MARROW_CM2 * 100 / (grid.spacing[0] * grid.spacing[1]),
    )


def _touching(table: Mask, label_map: LabelMap, k: int) -> Mask:
    """The voxels of slice ``k`` that share a face with one whose id is in the table."""
    here = remap(label_map[:, :, k], table)
    near = here.copy(order="K")
    near[1:] |= here[:-1]
    near[:-1] |= here[1:]
    near[:, 1:] |= here[:, :-1]
    near[:, :-1] |= here[:, 1:]
    for other in (k - 1, k + 1):
        if 0 <= other < label_map.shape[2]:
            near |= remap(label_map[:, :, other], table)
    return near


def _places(
    label_map: LabelMap,
    ct: NDArray[np.generic],
    body: Mask,
    grid: Grid,
    atlas: LabelScheme,
    muscle_from_hu: float,
) -> Iterator[NDArray[np.uint8]]:
    """For each slice, where its voxels lie: the codes of :mod:`dapatlas.aggregate.cavities`."""
    blocks = Blocks(grid, BLOCK_MM)
    codes = find_cavities(
        blocks.sample(label_map), blocks.mean(ct), blocks.sample(body), blocks.spacing, atlas, muscle_from_hu
    )
    return blocks.slices(codes)


def _shown(containers: Mapping[Container, Mask] | None, shape: tuple[int, ...]) -> dict[Container, Mask]:
    """The containers that cavity tissue fills, in the order of ``SPACES``."""
    shown = {space: containers[space] for space in SPACES if containers and space in containers}
    for space, mask in shown.items():
        if mask.shape != shape:
            raise ValueError(
                f"the mask of {space.value} has shape {mask.shape}, the label map {shape}: bring it to the CT's grid"
            )
    return shown


def _findings(counts: NDArray[np.int64], atlas: LabelScheme, case: str) -> list[Finding]:
    return [
        Finding(
            case=case,
            severity=Severity.INFO,
            code="filled-tissue",
            message=f"{counts[id_]} voxels that nobody claims became {atlas[id_].name}",
            structure=atlas[id_].name,
            voxels=int(counts[id_]),
        )
        for id_ in np.flatnonzero(counts).tolist()
        if id_
    ]


def _whole(hu: NDArray[Any]) -> NDArray[Any]:
    """HU as whole numbers, as the ranges are given."""
    return np.rint(hu) if hu.dtype.kind == "f" else hu


def _within(hu: NDArray[Any], range_hu: tuple[float, float]) -> Mask:
    low, high = range_hu
    inside: Mask = (hu >= low) & (hu <= high)
    return inside


def _assign(tissue: NDArray[np.uint8], where: Mask, id_: int) -> None:
    if id_:
        tissue[where] = id_
