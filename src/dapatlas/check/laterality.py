"""Left is left: no structure of a side lies beyond the mid-sagittal plane.

Margins, and what may cross the plane, are those of the guideline that mends sides (:mod:`dapatlas.refine.laterality`).
Where everything is reversed the scan, or the map, is mirrored; where liver, spleen and stomach alone are, it is situs
inversus, and the map may be right.

Needs in view: two of vertebrae, sacrum and sternum, through which the plane is fitted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dapatlas.check.codes import Code
from dapatlas.check.judged import Judged, judged
from dapatlas.check.measured_case import MeasuredCase
from dapatlas.findings import Finding, Severity
from dapatlas.labels import Side, Structure
from dapatlas.refine.landmarks import MidPlane, mid_plane
from dapatlas.refine.laterality import CROSSES, ILIAC, LUNGS, NOT_BY_PLACE, SOFT, LateralityThresholds
from dapatlas.volumes import Box, bounding_box

WRONG_SHARE = 0.5  # with so much of it beyond the margin a structure lies on the other side
MIXED_SHARE = 0.05  # with so much, part of it does
MIXED_ML = 3.0  # or so much of a large one,
LEAST_SHARE = 0.02  # if that is not next to nothing of it
MIRRORED_SHARE = 0.8  # with so many of the pairs reversed the whole scan is
MIRRORED_PAIRS = 6
# Unpaired organs whose centre lies well to one side, 1 the right, whatever shape they have.
ONE_SIDED = {"liver": 1, "spleen": -1, "stomach": -1}
ONE_SIDED_MM = 10.0
# In situs inversus the right brachiocephalic vein is the one that crosses.
MIRRORED_WITH_IT = ("vein_brachiocephalic",)


@dataclass(frozen=True, slots=True)
class _Placed:
    """How a structure lies to the plane; mm and shares as seen from its own side."""

    structure: Structure
    centre_mm: float
    beyond_share: float
    beyond_ml: float
    beyond_box: Box | None

    @property
    def is_wrong(self) -> bool:
        return self.centre_mm < 0 and self.beyond_share >= WRONG_SHARE

    @property
    def is_mixed(self) -> bool:
        much = self.beyond_ml >= MIXED_ML and self.beyond_share >= LEAST_SHARE
        return not self.is_wrong and (self.beyond_share >= MIXED_SHARE or much)


def check(case: MeasuredCase) -> Iterator[Finding]:
    """Judge every structure that has a side."""
    structures = [case.scheme[name] for name in case.names if _has_side(case.scheme[name])]
    if not structures:
        return
    plane = mid_plane(case.thinned.anatomy)
    if plane is None:
        words = "sides: fewer than two of vertebrae, sacrum and sternum are in view: no mid-sagittal plane"
        yield judged(case, Code.NOT_JUDGED, words)
        return
    placed = [one for structure in structures if (one := _placed(case, structure, plane)) is not None]
    unpaired = {name: _right_mm(case, name, plane) * sign for name, sign in ONE_SIDED.items() if name in case}
    pairs = [one for one in placed if one.structure.paired]
    reversed_pairs = sum(one.centre_mm < 0 for one in pairs)
    organs_reversed = bool(unpaired) and all(mm < -ONE_SIDED_MM for mm in unpaired.values())
    if len(pairs) >= MIRRORED_PAIRS and reversed_pairs >= MIRRORED_SHARE * len(pairs):
        yield _mirrored(case, reversed_pairs, len(pairs), organs_reversed)
        return
    if organs_reversed:
        yield judged(
            case, Code.SITUS_INVERSUS, f"{', '.join(unpaired)} on the other side, paired organs on theirs"
        )
        placed = [one for one in pairs if not one.structure.name.startswith(MIRRORED_WITH_IT)]
    else:
        for name, mm in unpaired.items():
            if mm < -ONE_SIDED_MM:
                yield _one_sided(case, name, mm)
    for one in placed:
        yield from _judge(case, one)


def _has_side(structure: Structure) -> bool:
    return structure.side is not Side.NONE and not structure.name.startswith((*NOT_BY_PLACE, *CROSSES))


def _margin_mm(structure: Structure, plane: MidPlane) -> float:
    """How far a structure may reach over the plane; more where the spine is crooked."""
    limits = LateralityThresholds()
    if structure.name.startswith(LUNGS):
        margin = limits.lung_margin_mm
    elif structure.name.startswith((*SOFT, *ILIAC)):
        margin = limits.soft_margin_mm
    else:
        margin = limits.margin_mm
    return margin + 2 * plane.spread_mm


def _placed(case: MeasuredCase, structure: Structure, plane: MidPlane) -> _Placed | None:
    """Where a structure lies; ``None`` where too little of it is in view to say."""
    thin = case.thinned
    box = thin.thin_box(case[structure.name].box)
    own = thin.mask(structure.name, box)
    if structure.name.startswith(ILIAC):
        own = own & _below_sacral_top(case, box)
    if not own.any():
        return None
    inward = plane.right_mm_in(box, thin.spacing) * (1 if structure.side is Side.RIGHT else -1)
    beyond = own & (inward < -_margin_mm(structure, plane))
    count = int(beyond.sum())
    around = None if not count else thin.full_box(_shifted(bounding_box(beyond), box))
    share = count / int(own.sum())
    centre = float(inward[own].mean())
    return _Placed(structure, centre, share, count * thin.anatomy.pieces.voxel_ml, around)


def _below_sacral_top(case: MeasuredCase, box: Box) -> NDArray[np.bool_]:
    """The part of a box below the top of the sacrum, above which the iliac vessels cross; all of it without one."""
    thin = case.thinned
    sacrum = thin.anatomy.main("sacrum")
    top = sacrum.box[2].stop if sacrum is not None else 0
    return np.arange(box[2].start, box[2].stop)[None, None, :] < top


def _shifted(inner: Box, outer: Box) -> Box:
    i, j, k = (slice(o.start + s.start, o.start + s.stop) for s, o in zip(inner, outer, strict=True))
    return i, j, k


def _right_mm(case: MeasuredCase, name: str, plane: MidPlane) -> float:
    piece = case.thinned.anatomy.main(name)
    return float(plane.right_mm(piece.centre_mm)) if piece is not None else 0.0


def _mirrored(case: MeasuredCase, wrong: int, pairs: int, organs: bool) -> Judged:
    also = ", and so are liver, spleen and stomach" if organs else ""
    return judged(
        case,
        Code.MIRRORED,
        f"{wrong} of {pairs} structures that have a side lie on the other one{also}",
        far_out=wrong / pairs * 10,
    )


def _one_sided(case: MeasuredCase, name: str, mm: float) -> Judged:
    side = "left" if ONE_SIDED[name] > 0 else "right"
    return judged(
        case,
        Code.WRONG_SIDE,
        f"{name} has its centre {-mm:.0f} mm to the {side} of the mid-sagittal plane, other organs theirs where usual",
        name,
        severity=Severity.WARNING,
        far_out=-mm / ONE_SIDED_MM,
        remedy="look whether it is this organ; else think of heterotaxy or an operation",
    )


def _judge(case: MeasuredCase, one: _Placed) -> Iterator[Judged]:
    name, side = one.structure.name, one.structure.side.value
    if one.is_wrong:
        yield judged(
            case,
            Code.WRONG_SIDE,
            f"{name} has its centre {-one.centre_mm:.0f} mm beyond the mid-sagittal plane",
            name,
            far_out=1 + one.beyond_share,
            expected=f"on the {side}",
        )
    elif one.is_mixed:
        yield judged(
            case,
            Code.SIDES_MIXED,
            f"{one.beyond_share:.0%} of {name} ({one.beyond_ml:.1f} ml) lies well beyond the mid-sagittal plane",
            name,
            far_out=one.beyond_share / MIXED_SHARE,
            box=one.beyond_box,
            expected=f"on the {side}",
        )
