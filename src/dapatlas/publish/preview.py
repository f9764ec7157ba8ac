"""One row of the preview table: what a case is called, how many slices it has, and pictures of its middle slice."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dapatlas.dataset import Case
from dapatlas.publish.schema import PREVIEW_FEATURES
from dapatlas.publish.slices import middle_slice
from dapatlas.volumes import SOFT_TISSUE_HU
from dapatlas.volumes.picture import blended, windowed

if TYPE_CHECKING:
    from PIL.Image import Image

FEATURES = PREVIEW_FEATURES
OPACITY = 0.5  # of the colours over the CT
PNG_LEVEL = 3  # of zlib: less than half the time of its default of 6, files 6 % larger


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One case in the preview table; its fields are the columns, in order.

    Attributes
    ----------
    sample_id
        Case id: the file name without ``.nii.gz``.
    subject_id
        Who was scanned; the case id where it does not tell.
    study_uid_last5
        Last five digits of the study UID, leading zeros kept; empty where the case id does not tell.
    num_slices
        Number of axial slices.
    ct_middle_slice
        PNG, 8-bit grey: the CT in a soft tissue window, -160…240 HU.
    mask_middle_slice
        PNG with a palette: a pixel's value is its label id, shown in the scheme's colour.
    overlay_middle_slice
        PNG, RGB: the labels' colours over the CT.
    """

    sample_id: str
    subject_id: str
    study_uid_last5: str
    num_slices: int
    ct_middle_slice: bytes
    mask_middle_slice: bytes
    overlay_middle_slice: bytes


def preview_row(case: Case) -> PreviewRow:
    """Preview a case: the axial slice in its middle, front up, patient's left on the right, pixels square.

    Raises
    ------
    BadFileError
        CT or label map is missing, or cannot be read as far as the slice.
    BadLabelsError
        The slice holds ids that the case's scheme does not know, or no whole numbers.
    GridMismatchError
        CT and label map are not on one grid.

    Examples
    --------
    >>> row = preview_row(Dataset("DAP_Atlas")[0])  # doctest: +SKIP
    >>> row.study_uid_last5, row.num_slices  # doctest: +SKIP
    ('10445', 390)
    """
    from PIL import Image

    middle = middle_slice(case)
    palette = case.scheme.palette()
    grey = windowed(np.nan_to_num(middle.hu, nan=SOFT_TISSUE_HU[0]))
    overlay = blended(grey, middle.labels, palette, OPACITY)
    return PreviewRow(
        case.id,
        case.subject,
        case.study or "",
        middle.slices,
        _png(Image.fromarray(grey)),
        _png(_palette_picture(middle.labels, palette)),
        _png(Image.fromarray(overlay)),
    )


def _palette_picture(labels: NDArray[np.uint8], palette: NDArray[np.uint8]) -> Image:
    """A picture in which a pixel's value is its label, and a palette gives the colour."""
    from PIL import Image

    picture = Image.fromarray(labels)
    picture.putpalette(palette.tobytes())
    return picture


def _png(picture: Image) -> bytes:
    stream = BytesIO()
    picture.save(stream, "PNG", compress_level=PNG_LEVEL)
    return stream.getvalue()
