"""How much of the body a scan shows."""

from __future__ import annotations

import math
from enum import StrEnum


class FieldOfView(StrEnum):
    """Named extents along the body; all keep the full width of the scan."""

    FULL = "full"
    NO_HEAD = "no_head"
    NO_LEGS = "no_legs"
    HEAD_NECK = "head_neck"
    THORAX = "thorax"
    ABDOMEN = "abdomen"
    PELVIS = "pelvis"


# From and to, mm above the ischial tuberosities of the reference body.
EXTENT_Z: dict[FieldOfView, tuple[float, float]] = {
    FieldOfView.FULL: (-math.inf, math.inf),
    FieldOfView.NO_HEAD: (-math.inf, 642),  # cut through C6
    FieldOfView.NO_LEGS: (-5, math.inf),  # cut just below the hip bones
    FieldOfView.HEAD_NECK: (560, math.inf),  # crown to T3
    FieldOfView.THORAX: (322, 642),  # C6 to L1
    FieldOfView.ABDOMEN: (140, 446),  # domes of the diaphragm to the sacrum
    FieldOfView.PELVIS: (-20, 226),  # L4 to below the hip bones
}


def slices_in_view(field_of_view: FieldOfView, body_z: list[float]) -> slice:
    """Range of the slices whose middles, at ``body_z`` (ascending, mm of the reference body), are in view."""
    low, high = EXTENT_Z[field_of_view]
    inside = [k for k, z in enumerate(body_z) if low <= z <= high]
    return slice(inside[0], inside[-1] + 1) if inside else slice(0, 0)
