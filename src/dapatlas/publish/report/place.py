"""The picture of a place in a body: three planes around a box, the structure in question outlined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.findings import Box
from dapatlas.volumes import SOFT_TISSUE_HU, Grid, reorient
from dapatlas.volumes.picture import GAP_PIXELS, blended, windowed

if TYPE_CHECKING:
    from PIL.Image import Image

PLANE_PIXELS = 220
MARGIN = 1.35  # side of the picture over the longest side of the box
LEAST_MM = 160.0  # so much is shown around the smallest finding, or nobody can tell where it is
OPACITY = 0.32
OUTLINE = (255, 214, 10)  # in no scheme's way: yellow on grey and on any fill that is mixed with it
FRAME = (200, 206, 212)
LETTERS = ("R", "R", "A")  # what lies at the left edge of the axial, coronal, sagittal plane
CAUTIOUS_VOXELS = 1 << 22  # larger boxes are looked at in steps
Index = NDArray[np.int64]


def place_picture(
    ct: NDArray[np.generic] | None,
    label_map: NDArray[np.integer],
    grid: Grid,
    box: Box,
    *,
    palette: NDArray[np.uint8],
    structure_id: int | None = None,
    window_hu: tuple[float, float] = SOFT_TISSUE_HU,
    pixels: int = PLANE_PIXELS,
) -> Image:
    """Axial, coronal and sagittal plane around a box, upright, patient's left on the viewer's right.

    Every plane is a square of the same size in mm around the box; it goes through where most of the structure is.

    Parameters
    ----------
    ct
        HU in the file's own axis order; black where there is none.
    label_map
        Ids, of the same shape.
    grid
        Of both, any orientation.
    box
        Start and stop along the array's axes; what lies outside the volume is black.
    palette
        Red, green, blue for each id, shape (n, 3).
    structure_id
        What is outlined; nothing when ``None``.
    window_hu
        Black and white of the CT.
    pixels
        Side of each plane.
    """
    from PIL import Image

    labels, view_grid = reorient(label_map, grid, "LPS")
    hu = None if ct is None else reorient(ct, grid, "LPS")[0]
    low, high = _turned(box, grid, view_grid)
    spacing = np.array(view_grid.spacing)
    side_mm = max(LEAST_MM, MARGIN * float(((high - low) * spacing).max()))
    focus = _focus(labels, low, high, structure_id)
    sheet = Image.new("RGB", (3 * pixels + 2 * GAP_PIXELS, pixels))
    for number, (rows, columns, fixed) in enumerate(((1, 0, 2), (2, 0, 1), (2, 1, 0))):
        pick: list[int | slice] = [slice(None)] * 3
        pick[fixed] = focus[fixed]
        place = tuple(pick)
        window = _Window(
            rows_up=rows == 2,  # slices are drawn from the head down
            low=(float(low[rows]), float(low[columns])),
            high=(float(high[rows]), float(high[columns])),
            spacing=(float(spacing[rows]), float(spacing[columns])),
            side_mm=side_mm,
            pixels=pixels,
        )
        values = window.sampled(labels[place].T)
        grey = (
            np.zeros(values.shape, np.uint8)
            if hu is None
            else window.smooth(windowed(hu[place].T, window_hu))
        )
        colours = blended(grey, values, palette, OPACITY)
        if structure_id is not None:
            colours[_outline(values == structure_id)] = OUTLINE
        picture = Image.fromarray(colours)
        _mark(picture, window.frame(), LETTERS[number])
        sheet.paste(picture, (number * (pixels + GAP_PIXELS), 0))
    return sheet


class _Window:
    """From pixels of a square picture to rows and columns of a plane, both as fractions of voxels."""

    def __init__(
        self,
        *,
        rows_up: bool,
        low: tuple[float, float],
        high: tuple[float, float],
        spacing: tuple[float, float],
        side_mm: float,
        pixels: int,
    ) -> None:
        self._rows_up, self._low, self._high, self._spacing = rows_up, low, high, spacing
        self._mm, self._pixels = side_mm / pixels, pixels
        steps = (np.arange(pixels) + 0.5 - pixels / 2) * self._mm
        middle = [(start + stop) / 2 - 0.5 for start, stop in zip(low, high, strict=True)]
        self._rows = middle[0] + (steps[::-1] if rows_up else steps) / spacing[0]
        self._columns = middle[1] + steps / spacing[1]

    def sampled(self, plane: NDArray[Any]) -> NDArray[Any]:
        """The nearest voxel's value at every pixel; 0 outside."""
        rows, columns = np.rint(self._rows).astype(int), np.rint(self._columns).astype(int)
        inside = np.outer((rows >= 0) & (rows < plane.shape[0]), (columns >= 0) & (columns < plane.shape[1]))
        taken = plane[np.ix_(rows.clip(0, plane.shape[0] - 1), columns.clip(0, plane.shape[1] - 1))]
        return np.where(inside, taken, 0)

    def smooth(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Grey values between voxels, linear; 0 outside."""
        from scipy.ndimage import map_coordinates

        index = np.meshgrid(self._rows, self._columns, indexing="ij")
        between: NDArray[np.uint8] = map_coordinates(grey, index, order=1, mode="constant", cval=0)
        return between

    def frame(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the box in pixels."""
        halves = [
            (stop - start) * mm / 2 / self._mm
            for start, stop, mm in zip(self._low, self._high, self._spacing, strict=True)
        ]
        middle = self._pixels / 2
        return middle - halves[1], middle - halves[0], middle + halves[1], middle + halves[0]


def _turned(box: Box, grid: Grid, view: Grid) -> tuple[Index, Index]:
    """First voxel of a box and the one after its last, in the axes of a view."""
    corners = np.array([[start for start, _ in box], [stop - 1 for _, stop in box]])
    index = np.rint(view.to_index(grid.to_world(corners))).astype(np.int64)
    low: Index = index.min(axis=0)
    high: Index = index.max(axis=0) + 1
    return low, high


def _focus(labels: NDArray[Any], low: Index, high: Index, structure_id: int | None) -> list[int]:
    """Along each axis the plane that holds most of the structure within the box; the middle where there is none."""
    shape = np.array(labels.shape)
    start, stop = low.clip(0, shape), high.clip(0, shape)
    middle: list[int] = ((low + high) // 2).clip(0, shape - 1).tolist()
    step = max(1, round((int(np.prod(high - low)) / CAUTIOUS_VOXELS) ** (1 / 3)))
    sides = (slice(a, b, step) for a, b in zip(start.tolist(), stop.tolist(), strict=True))
    mask = labels[tuple(sides)] == (0 if structure_id is None else structure_id)
    if structure_id is None or not mask.any():  # or too thin for the steps
        return middle
    counts = [np.count_nonzero(mask, axis=tuple(o for o in range(3) if o != axis)) for axis in range(3)]
    return [int(a) + step * _middle_of_best(count) for a, count in zip(start, counts, strict=True)]


def _middle_of_best(counts: NDArray[np.intp]) -> int:
    """Of several planes that hold equally much, the middle one."""
    best = np.flatnonzero(counts == counts.max())
    return int(best[len(best) // 2])


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of a mask with a neighbour outside; the edge of the picture is no neighbour."""
    wide = np.pad(mask, 1, mode="edge")
    inner = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    edge: NDArray[np.bool_] = mask & ~inner
    return edge


def _mark(picture: Image, frame: tuple[float, float, float, float], letter: str) -> None:
    """Draw the box as corners, and the letter of the side at the left edge."""
    from PIL import ImageDraw, ImageFont

    draw = ImageDraw.Draw(picture)
    left, top, right, bottom = frame
    arm = max(4.0, min(right - left, bottom - top) / 5)
    for x, dx in ((left, arm), (right, -arm)):
        for y, dy in ((top, arm), (bottom, -arm)):
            draw.line([(x + dx, y), (x, y), (x, y + dy)], fill=FRAME)
    draw.text((4, picture.height / 2 - 7), letter, fill=FRAME, font=ImageFont.load_default(12))
