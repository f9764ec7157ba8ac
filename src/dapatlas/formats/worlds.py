"""From the world of DICOM and ITK to NIfTI's; both in mm, so that signs are all that changes.

In the first x grows to the patient's left and y to the back (LPS, DICOM PS3.3 C.7.6.2.1.1), in NIfTI's to the right and
to the front (RAS); z grows to the head in both. The same step leads back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def to_ras(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points of DICOM's world, mm, shape (n, 3), in NIfTI's."""
    return points * LPS_TO_RAS.diagonal()[:3]
