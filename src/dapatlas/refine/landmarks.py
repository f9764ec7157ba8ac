"""What guidelines measure from: the mid-sagittal plane, the vertebrae, the line of the spine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dapatlas.refine.anatomy import Anatomy, while_unchanged
from dapatlas.refine.piece import Piece
from dapatlas.volumes import Box

Floats = NDArray[np.float64]

VERTEBRAE = tuple(
    f"vertebrae_{region}{number}"
    for region, count in (("C", 7), ("T", 12), ("L", 5))
    for number in range(1, count + 1)
)
FIRST_THORACIC = VERTEBRAE.index("vertebrae_T1")
MIDLINE = (*VERTEBRAE, "sacrum", "sternum_corpus", "sternum_manubrium")

# The plane's fit. People lie nearly straight on the couch: a tilt or turn of 0.1 (6 degrees) is as unusual as a
# vertebra that is 3 mm off. What is much farther off than the rest counts for little.
POINT_MM = 3.0
USUAL_SLOPE = 0.1
OUTLIER_MM = 6.0
ROUNDS = 30

USUAL_SPACING_MM = 25.0  # between vertebrae, where a column is too short to tell
# A piece of a vertebra at the height of another that it touches, and smaller than so much of it, is part of that one.
SAME_HEIGHT = 0.35
FRAGMENT_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class MidPlane:
    """The mid-sagittal plane: x = offset + slope_y * y + slope_z * z, in mm.

    ``spread_mm`` is the median distance of what it was fitted to.
    """

    offset: float
    slope_y: float
    slope_z: float
    spread_mm: float

    @property
    def _length(self) -> float:
        return float(np.sqrt(1 + self.slope_y**2 + self.slope_z**2))

    def right_mm(self, points: ArrayLike) -> Floats:
        """Distance to the patient's right of points, shape (..., 3); negative on the left."""
        x, y, z = np.moveaxis(np.asarray(points, np.float64), -1, 0)
        right: Floats = (x - self.offset - self.slope_y * y - self.slope_z * z) / self._length
        return right

    def right_mm_in(self, box: Box, spacing: tuple[float, float, float]) -> Floats:
        """The same for every voxel of a box, an array of its shape; ``spacing`` is mm between voxels."""
        x, y, z = (np.arange(side.start, side.stop) * mm for side, mm in zip(box, spacing, strict=True))
        across = x[:, None, None] - self.offset
        right: Floats = (across - self.slope_y * y[:, None] - self.slope_z * z) / self._length
        return right


@while_unchanged
def mid_plane(anatomy: Anatomy) -> MidPlane | None:
    """Fit the plane through the centres of vertebrae, sacrum and sternum; ``None`` with fewer than two."""
    pieces = [piece for name in MIDLINE if (piece := anatomy.main(name)) is not None]
    if len(pieces) < 2:
        return None
    return fit_mid_plane(np.array([piece.centre_mm for piece in pieces]))


def fit_mid_plane(points: Floats) -> MidPlane:
    """Least squares through points, shape (n, 3), with weights that outliers lose (Cauchy's).

    The slopes are drawn towards none as strongly as by one point at a hundred mm, so that a short stretch of
    spine, all on one line, leaves the plane upright instead of free to turn about that line.
    """
    middle = np.median(points, axis=0)
    x, y, z = (points - middle).T
    design = np.stack([np.ones_like(x), y, z], axis=1)
    ridge = np.diag([0.0, *[(POINT_MM / USUAL_SLOPE) ** 2] * 2])
    weights = np.ones_like(x)
    offset = slope_y = slope_z = 0.0
    for _ in range(ROUNDS):
        weighted = design * weights[:, None]
        offset, slope_y, slope_z = np.linalg.solve(design.T @ weighted + ridge, weighted.T @ x)
        away = x - design @ [offset, slope_y, slope_z]
        weights = 1 / (1 + (away / max(OUTLIER_MM, float(np.median(np.abs(away))))) ** 2)
    offset += middle[0] - slope_y * middle[1] - slope_z * middle[2]
    return MidPlane(float(offset), float(slope_y), float(slope_z), float(np.median(np.abs(away))))


@dataclass(frozen=True)
class Column:
    """The vertebrae in view, by their place in :data:`VERTEBRAE`, from the top."""

    pieces: dict[int, Piece]

    def __len__(self) -> int:
        return len(self.pieces)

    def __bool__(self) -> bool:
        return bool(self.pieces)

    @cached_property
    def _rising(self) -> tuple[Floats, Floats, Floats, Floats]:
        """x, y, z and number of the vertebrae from the lowest up."""
        rows = sorted((piece.centre_mm[2], *piece.centre_mm[:2], n) for n, piece in self.pieces.items())
        z, x, y, number = np.array(rows, np.float64).reshape(-1, 4).T
        return x, y, z, number

    @cached_property
    def spacing_mm(self) -> float:
        """Usual distance of neighbours."""
        _, _, z, number = self._rising
        steps = [dz / abs(dn) for dz, dn in zip(np.diff(z), np.diff(number), strict=True) if dn]
        return float(np.median(steps)) if steps else USUAL_SPACING_MM

    @property
    def top_mm(self) -> float:
        """Height of the uppermost vertebra's centre."""
        return float(self._rising[2][-1])

    @property
    def bottom_mm(self) -> float:
        """Height of the lowest vertebra's centre."""
        return float(self._rising[2][0])

    def away_mm(self, points: Floats) -> Floats:
        """Horizontal distance from the line of the spine of points, shape (n, 3)."""
        x, y, z, _ = self._rising
        away: Floats = np.hypot(
            points[:, 0] - np.interp(points[:, 2], z, x), points[:, 1] - np.interp(points[:, 2], z, y)
        )
        return away


@while_unchanged
def column(anatomy: Anatomy) -> Column:
    """Which piece is which vertebra: the largest of its label that is no fragment of another vertebra."""
    largest = {n: pieces[0] for n, name in enumerate(VERTEBRAE) if (pieces := anatomy.all_of(name))}
    spacing = Column(largest).spacing_mm
    chosen = {}
    for n, piece in largest.items():
        candidates = anatomy.all_of(VERTEBRAE[n])
        if len(candidates) > 1 or anatomy.pieces.ml(piece) < FRAGMENT_SHARE * _usual_ml(anatomy, largest):
            own = [p for p in candidates if not _lies_in_another(anatomy, p, largest, spacing)]
            candidates = own or candidates
        chosen[n] = candidates[0]
    return Column(chosen)


def _usual_ml(anatomy: Anatomy, vertebrae: dict[int, Piece]) -> float:
    return float(np.median([anatomy.pieces.ml(piece) for piece in vertebrae.values()]))


def _lies_in_another(anatomy: Anatomy, piece: Piece, vertebrae: dict[int, Piece], spacing_mm: float) -> bool:
    """Whether a piece touches a vertebra of another number, much larger, at its very height."""
    hosts = [
        host.number
        for host in vertebrae.values()
        if host.label != piece.label
        and piece.voxels <= FRAGMENT_SHARE * host.voxels
        and abs(piece.centre_mm[2] - host.centre_mm[2]) < SAME_HEIGHT * spacing_mm
    ]
    return bool(hosts) and not anatomy.pieces.contacts(piece).pieces.keys().isdisjoint(hosts)
