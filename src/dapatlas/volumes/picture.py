"""Pictures of a CT with a label map over it, upright as radiologists look at them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dapatlas.volumes.grid import Grid
from dapatlas.volumes.measure import bounding_box
from dapatlas.volumes.orientation import reorient

if TYPE_CHECKING:
    from PIL.Image import Image

SOFT_TISSUE_HU = (-160.0, 240.0)  # the usual abdominal window: level 40, width 400
GAP_PIXELS = 6


def windowed(hu: NDArray[np.generic], window_hu: tuple[float, float] = SOFT_TISSUE_HU) -> NDArray[np.uint8]:
    """Grey values 0…255 of HU (any shape) inside a window of HU; what lies below is black, above white."""
    low, high = window_hu
    scaled = (hu.astype(np.float32) - low) * (255.0 / (high - low))
    grey: NDArray[np.uint8] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return grey


def blended(
    grey: NDArray[np.uint8], labels: NDArray[np.integer], palette: NDArray[np.uint8], opacity: float = 0.5
) -> NDArray[np.uint8]:
    """Colour a grey picture by label; label 0 leaves it grey.

    Parameters
    ----------
    grey, labels
        0…255 and ids, shape (rows, columns) each.
    palette
        Red, green and blue of each id, shape (n, 3).
    opacity
        Of the colours, 0…1.

    Returns
    -------
    ndarray
        Shape (rows, columns, 3).
    """
    base = np.repeat(grey[..., None], 3, axis=-1).astype(np.float32)
    strength = np.where(labels == 0, 0.0, opacity)[..., None]
    mixed: NDArray[np.uint8] = np.rint(base * (1 - strength) + palette[labels] * strength).astype(np.uint8)
    return mixed


def three_planes(
    ct: NDArray[np.generic],
    label_map: NDArray[np.integer],
    grid: Grid,
    *,
    palette: NDArray[np.uint8],
    centre: Sequence[int] | None = None,
    window_hu: tuple[float, float] = SOFT_TISSUE_HU,
    opacity: float = 0.5,
    height_pixels: int = 640,
) -> Image:
    """Axial, coronal and sagittal plane side by side: head up, front up, patient's left on the viewer's right.

    Parameters
    ----------
    ct, label_map
        HU and ids, both of the grid's shape.
    grid
        Their grid, any orientation.
    palette
        Red, green, blue for each id, shape (n, 3).
    centre
        Voxel (i, j, k) through which the planes go; the middle of what is labelled when ``None``.
    window_hu
        Black and white of the CT.
    opacity
        Of the colours, 0…1.
    height_pixels
        Height of the picture; pixels are square in mm.
    """
    from PIL import Image

    ct_view, view_grid = reorient(ct, grid, "LPS")
    map_view, _ = reorient(label_map, grid, "LPS")
    if centre is None:
        i, j, k = _middle(map_view)
    else:
        i, j, k = np.rint(view_grid.to_index(grid.to_world(centre))).astype(int).tolist()
    di, dj, dk = view_grid.spacing
    planes = [  # LPS: columns run to the patient's left, rows to the back, slices up to the head
        (ct_view[:, :, k].T, map_view[:, :, k].T, dj, di),
        (ct_view[:, j, ::-1].T, map_view[:, j, ::-1].T, dk, di),
        (ct_view[i, :, ::-1].T, map_view[i, :, ::-1].T, dk, dj),
    ]
    tallest_mm = max(hu.shape[0] * row_mm for hu, _, row_mm, _ in planes)
    pictures = []
    for hu, labels, row_mm, column_mm in planes:
        colours = blended(windowed(hu, window_hu), labels, palette, opacity)
        rows = max(1, round(hu.shape[0] * row_mm / tallest_mm * height_pixels))
        columns = max(1, round(hu.shape[1] * column_mm / tallest_mm * height_pixels))
        pictures.append(Image.fromarray(colours).resize((columns, rows), Image.Resampling.NEAREST))
    return _side_by_side(pictures, height_pixels)


def stacked(pictures: Sequence[Image]) -> Image:
    """Pictures of one width below each other."""
    from PIL import Image

    height = sum(picture.height for picture in pictures) + GAP_PIXELS * (len(pictures) - 1)
    sheet = Image.new("RGB", (max(picture.width for picture in pictures), height))
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height + GAP_PIXELS
    return sheet


def captioned(
    picture: Image, entries: Sequence[tuple[tuple[int, int, int], str]], row_pixels: int = 18
) -> Image:
    """A picture with a legend below: a patch of each colour and its name, as many side by side as fit."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(row_pixels * 0.7)
    widths = [round(font.getlength(text)) + 2 * row_pixels for _, text in entries]
    rows: list[list[int]] = [[]]
    for place, width in enumerate(widths):
        if rows[-1] and sum(widths[n] for n in rows[-1]) + width > picture.width:
            rows.append([])
        rows[-1].append(place)
    sheet = Image.new("RGB", (picture.width, picture.height + row_pixels * len(rows) + GAP_PIXELS))
    sheet.paste(picture, (0, 0))
    draw = ImageDraw.Draw(sheet)
    for number, row in enumerate(rows):
        left, top = 0, picture.height + GAP_PIXELS + number * row_pixels
        for place in row:
            colour, text = entries[place]
            draw.rectangle((left + 2, top + 3, left + row_pixels - 5, top + row_pixels - 4), fill=colour)
            draw.text((left + row_pixels, top), text, fill=(230, 230, 230), font=font)
            left += widths[place]
    return sheet


def _middle(label_map: NDArray[np.integer]) -> tuple[int, int, int]:
    """Middle of the box around everything labelled; of the volume where nothing is."""
    occupied = label_map != 0
    if not occupied.any():
        i, j, k = (n // 2 for n in label_map.shape)
    else:
        i, j, k = ((side.start + side.stop - 1) // 2 for side in bounding_box(occupied))
    return i, j, k


def _side_by_side(pictures: Sequence[Image], height: int) -> Image:
    from PIL import Image

    width = sum(picture.width for picture in pictures) + GAP_PIXELS * (len(pictures) - 1)
    sheet = Image.new("RGB", (width, height))
    left = 0
    for picture in pictures:
        sheet.paste(picture, (left, (height - picture.height) // 2))
        left += picture.width + GAP_PIXELS
    return sheet
