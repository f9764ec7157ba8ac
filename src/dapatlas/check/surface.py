"""How far two surfaces of one structure lie apart, as DeepMind's ``surface-distance`` measures it.

Surface elements ("surfels") sit at the corners where eight voxels meet that are not all inside or all outside; each
has the area that marching cubes gives it, and its distance is that to the nearest surfel of the other surface. The
structure is closed where the field of view ends. Surface Dice is that of Nikolov et al., J Med Internet Res
2021;23(7):e26151.

Neighbours are looked up in rings: nearly all surfels have one of the other surface within a few voxels, so the places
around are tried in the order of their distance, in an array of one byte a voxel of the structure's box. Only what finds
nobody there is asked of a k-d tree. Distances are exact either way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from dapatlas.check.surface_areas import surfel_areas
from dapatlas.check.surfels import Places, surfels
from dapatlas.volumes import Box

OURS, THEIRS = 1, 2  # bits in the field of those surfels
LOOKUPS = 1 << 16  # so many places are looked up at a time
RING_PLACES = 300  # about so many places around a surfel are tried at most before the tree is asked
ROUND, WORTH = (
    48,
    0.15,
)  # and no more than so many at a time that answer less than this share of who still waits
TREE_POINTS, LEAF = 1 << 19, 32  # points that a tree, and a leaf of it, holds at most

Spacing = tuple[float, float, float]
Floats = NDArray[np.float64]
Surfels = list[tuple[Places, NDArray[np.uint8]]]  # places and codes, slab by slab along k


@dataclass(frozen=True, slots=True, eq=False)
class Distances:
    """How much of a surface lies how far from the other one.

    Attributes
    ----------
    mm
        Distances, rising.
    mm2
        Area at each of them.
    """

    mm: Floats
    mm2: Floats

    @property
    def area_mm2(self) -> float:
        """The whole surface."""
        return float(self.mm2.sum())

    def within_mm2(self, tolerance_mm: float) -> float:
        """Area that lies no further away than the tolerance."""
        return float(self.mm2[: np.searchsorted(self.mm, tolerance_mm, "right")].sum())

    def percentile_mm(self, percent: float) -> float:
        """The distance within which so much of the area lies; NaN where there is no area."""
        upto = np.cumsum(self.mm2)
        if not upto.size or not upto[-1]:
            return math.nan
        return float(self.mm[np.searchsorted(upto / upto[-1], percent / 100)])


def surface_dice(one: Distances, other: Distances, tolerance_mm: float) -> float:
    """Share of both surfaces' area that lies within the tolerance of the other surface; NaN without area."""
    area = one.area_mm2 + other.area_mm2
    return (one.within_mm2(tolerance_mm) + other.within_mm2(tolerance_mm)) / area if area else math.nan


def hausdorff_mm(one: Distances, other: Distances, percent: float = 95.0) -> float:
    """The larger of both directions' area-weighted percentiles (100: the Hausdorff distance)."""
    return float(np.fmax(one.percentile_mm(percent), other.percentile_mm(percent)))


def mean_distance_mm(one: Distances, other: Distances) -> float:
    """Average symmetric surface distance: area-weighted mean over both surfaces together; NaN without area."""
    area = one.area_mm2 + other.area_mm2
    return float(one.mm @ one.mm2 + other.mm @ other.mm2) / area if area else math.nan


def surface_distances(
    prediction: NDArray[Any],
    reference: NDArray[Any],
    id_: int,
    box: Box,
    spacing: Spacing,
    ignore: NDArray[np.bool_] | None = None,
) -> tuple[Distances, Distances]:
    """Distances from the predicted surface to the reference's, and from the reference's to the predicted.

    Parameters
    ----------
    prediction, reference
        Label maps of one shape; fastest where their first axis is the one that runs fastest in memory.
    id_
        The structure, present in both.
    box
        Slices along i, j, k that hold it in both.
    spacing
        Mm between voxels along i, j, k.
    ignore
        Where true, neither map has the structure, and surface that touches such a voxel has no weight.
    """
    rings = _rings(spacing, tuple(side.stop - side.start + 1 for side in box))
    field = np.zeros(math.prod(rings.shape), np.uint8)
    ours: Surfels = []
    theirs: Surfels = []
    for label_map, bit, found in ((prediction, OURS, ours), (reference, THEIRS, theirs)):
        for narrow, codes in surfels(label_map, id_, box, ignore):
            places = rings.widened(narrow)
            field[places] |= bit
            found.append((places, codes))
    return rings.distances(field, ours, theirs, THEIRS), rings.distances(field, theirs, ours, OURS)


@dataclass(frozen=True, slots=True, eq=False)
class _Rings:
    """The places around each place of a field, in the order of their distance.

    Attributes
    ----------
    pads
        So many empty places lie on both sides of the field along i, j, k.
    shape
        Of the field with these.
    offsets, mm
        From a flat position to the places around, itself first, and how far they are.
    spacing
        Mm between places along i, j, k.
    """

    pads: tuple[int, int, int]
    shape: tuple[int, int, int]
    offsets: Places
    mm: Floats
    spacing: Spacing

    def widened(self, places: Places) -> Places:
        """Flat positions in the field alone as positions in the field with its pads."""
        i, j, _ = (n - 2 * pad for n, pad in zip(self.shape, self.pads, strict=True))
        columns = places // i
        layers = columns // j
        wide_i, wide_j, _ = self.shape
        first = self.pads[0] + wide_i * (self.pads[1] + wide_j * self.pads[2])
        return places + (wide_i - i) * columns + wide_i * (wide_j - j) * layers + first

    def distances(self, field: NDArray[np.uint8], surface: Surfels, other: Surfels, bit: int) -> Distances:
        """How far surfels are from the nearest of the other surface, which has this bit in the field."""
        areas = surfel_areas(self.spacing)
        around = np.zeros(len(self.mm))
        far, far_mm2 = [], []
        for places, codes in surface:
            nearest = self._nearest(field, places, bit)
            met = nearest >= 0
            around += np.bincount(nearest[met], areas[codes[met]], len(around))
            far.append(places[~met])
            far_mm2.append(areas[codes[~met]])
        mm = np.concatenate([self.mm, self._far(np.concatenate(far), other)])
        order = np.argsort(mm)  # a surfel that rings gave up may be nearer than the outermost ring
        return Distances(mm[order], np.concatenate([around, *far_mm2])[order])

    def _nearest(self, field: NDArray[np.uint8], places: Places, bit: int) -> Places:
        """Which of the offsets leads to the nearest place with this bit; -1 where none is known to."""
        nearest = np.full(len(places), -1, np.intp)
        waiting = np.arange(len(places))
        tried = checked = 0
        before = len(waiting)
        while waiting.size and tried < len(self.offsets):
            batch = self.offsets[tried : tried + min(ROUND, max(1, LOOKUPS // waiting.size))]
            first, met = _first_hit(field, places[waiting], batch, bit)
            nearest[waiting[met]] = tried + first[met]
            waiting = waiting[~met]
            tried += len(batch)
            if tried - checked >= ROUND:
                if waiting.size > before * (1 - WORTH):
                    break
                checked, before = tried, len(waiting)
        return nearest

    def _far(self, places: Places, surface: Surfels) -> Floats:
        """Distances to the nearest surfel by k-d trees, each of surfels that lie together along k."""
        mm = np.full(len(places), np.inf)
        if not len(places):
            return mm
        targets = np.concatenate([targets for targets, _ in surface])
        parts = [targets[first : first + TREE_POINTS] for first in range(0, len(targets), TREE_POINTS)]
        for beside, part in [(True, part) for part in parts] + [(False, part) for part in parts]:
            self._ask(self._index(part), places, mm, beside)
        return mm

    def _ask(self, targets: NDArray[np.intp], places: Places, mm: Floats, beside: bool) -> None:
        """Lower the distances of places to those from targets: of places beside them along k, or of all others."""
        tree = cKDTree(targets * np.array(self.spacing), LEAF, compact_nodes=False, balanced_tree=False)
        for start in range(0, len(places), LOOKUPS):
            chunk = slice(start, start + LOOKUPS)
            index, nearest = self._index(places[chunk]), mm[chunk]
            beyond = np.maximum(targets[0, 2] - index[:, 2], index[:, 2] - targets[-1, 2])
            may = beyond <= 0 if beside else (beyond > 0) & (beyond * self.spacing[2] < nearest)
            asked = np.flatnonzero(may)
            _, met = tree.query(index[asked] * np.array(self.spacing))
            steps = targets[met] - index[asked]
            nearest[asked] = np.minimum(nearest[asked], _length(steps, self.spacing))

    def _index(self, places: Places) -> NDArray[np.intp]:
        return np.stack(np.unravel_index(places, self.shape, order="F"), axis=1)


def _rings(spacing: Spacing, shape: tuple[int, ...]) -> _Rings:
    """The places around in a field of this shape, without those that no two of its places can have between them."""
    steps, mm = _places_around(spacing)
    possible = (np.abs(steps) < shape).all(axis=1)
    steps = steps[possible]
    i, j, k = steps.max(axis=0).tolist()
    wide = (shape[0] + 2 * i, shape[1] + 2 * j, shape[2] + 2 * k)
    offsets = steps @ np.array([1, wide[0], wide[0] * wide[1]])
    return _Rings((i, j, k), wide, offsets, mm[possible], spacing)


def _first_hit(
    field: NDArray[np.uint8], places: Places, offsets: Places, bit: int
) -> tuple[Places, NDArray[np.bool_]]:
    """For each place, the first of the offsets that leads to this bit, and whether one does."""
    if len(offsets) == 1:
        return np.zeros(len(places), np.intp), field[places + offsets] & bit > 0
    hits = field[places[:, None] + offsets] & bit
    first = hits.argmax(axis=1)
    return first, hits[np.arange(len(first)), first] > 0


@lru_cache(maxsize=8)
def _places_around(spacing: Spacing) -> tuple[NDArray[np.intp], Floats]:
    """Steps along i, j, k to the places around, shape (n, 3), and their distances, rising."""
    reach_mm = (RING_PLACES * math.prod(spacing) * 3 / (4 * math.pi)) ** (1 / 3)
    sides = [np.arange(-int(reach_mm / mm), int(reach_mm / mm) + 1) for mm in spacing]
    steps = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, 3)
    mm = _length(steps, spacing)
    order = np.argsort(mm, kind="stable")[: np.count_nonzero(mm <= reach_mm)]
    return steps[order], mm[order]


def _length(steps: NDArray[np.intp], spacing: Spacing) -> Floats:
    """Length in mm of steps along i, j, k, shape (n, 3)."""
    squares = (steps * np.array(spacing)) ** 2
    length: Floats = np.sqrt(squares[:, 0] + squares[:, 1] + squares[:, 2])
    return length
