"""Records of planted errors: what was changed where, and how to take it back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
Labels = NDArray[np.uint8]


class ErrorKind(StrEnum):
    """Errors of the kinds that networks make in whole-body label maps."""

    SWAPPED_SIDES = "swapped_sides"
    VERTEBRA_FRAGMENT = "vertebra_fragment"
    STRAY_ISLANDS = "stray_islands"
    RIBS_MISCOUNTED = "ribs_miscounted"
    COLON_IN_HEAD = "colon_in_head"
    PROSTATE_IN_WOMAN = "prostate_in_woman"
    UTERUS_IN_MAN = "uterus_in_man"


@dataclass(frozen=True, eq=False, slots=True)
class PlantedError:
    """One error that was planted in a label map.

    Attributes
    ----------
    kind
        What sort of error.
    structures
        Names of the structures whose labels were given wrongly.
    detail
        One sentence on what was done.
    shape
        Shape of the label map.
    indices
        Where: flat indices in Fortran order (first axis fastest), ascending.
    truth
        The right label at each index.
    """

    kind: ErrorKind
    structures: tuple[str, ...]
    detail: str
    shape: tuple[int, int, int]
    indices: NDArray[np.int64]
    truth: Labels

    @property
    def voxels(self) -> int:
        """How many voxels were changed."""
        return len(self.indices)

    @property
    def box(self) -> Box:
        """Start and stop along each array axis."""
        along = np.unravel_index(self.indices, self.shape, order="F")
        i, j, k = ((int(a.min()), int(a.max()) + 1) for a in along)
        return i, j, k

    def as_dict(self) -> dict[str, Any]:
        """Return the record without its voxels, ready for JSON."""
        return {
            "kind": self.kind.value,
            "structures": list(self.structures),
            "detail": self.detail,
            "voxels": self.voxels,
            "box": [list(side) for side in self.box],
        }


def restore(label_map: Labels, errors: Iterable[PlantedError]) -> Labels:
    """Return a copy of ``label_map`` with the truth at the planted places."""
    restored = label_map.copy(order="F")
    flat = restored.reshape(-1, order="F")
    for error in errors:
        flat[error.indices] = error.truth
    return restored
