"""Drawing for the concept pages: one plane, or the bones seen from behind, in panels with titles and a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_dilation, distance_transform_edt

from dapatlas.labels import dap
from dapatlas.volumes.picture import windowed

Colour = tuple[int, int, int]
Labels = NDArray[np.uint8]
View = Literal["axial", "coronal", "sagittal", "behind"]

ORANGE, BLUE, GREEN, PINK = (245, 145, 50), (80, 150, 255), (95, 205, 100), (240, 95, 175)
CYAN, VIOLET, SAND, RED = (70, 210, 215), (170, 125, 250), (225, 200, 150), (235, 80, 70)
MARKED = (255, 240, 70)
PAPER, INK = (20, 24, 28), (235, 235, 235)
GAP, TITLE, ROW = 10, 30, 24  # pixels
SIDES = {"axial": "RL", "coronal": "RL", "sagittal": "", "behind": "LR"}  # letters at the left and right edge
WINDOW_HU = (-200.0, 300.0)


@dataclass(frozen=True)
class Look:
    """How to look at a volume whose axes run right, front, up.

    Attributes
    ----------
    view
        A plane, or bones seen from behind.
    at
        The slice; of no concern from behind.
    spacing
        Of the volume, mm.
    box
        What to show, in voxels.
    opacity
        Of the colours over the CT.
    """

    view: View
    at: int
    spacing: tuple[float, float, float]
    box: tuple[slice, slice, slice]
    opacity: float = 0.75

    @property
    def mm(self) -> tuple[float, float]:
        """Height and width of a pixel before it is enlarged."""
        i, j, k = self.spacing
        return {"axial": (j, i), "coronal": (k, i), "sagittal": (k, j), "behind": (k, i)}[self.view]

    def flat(self, volume: NDArray[np.generic]) -> NDArray[np.generic]:
        """The plane, rows from top to bottom as on the screen."""
        cuts: dict[str, tuple[slice | int, ...]] = {
            "axial": (*self.box[:2], self.at),
            "coronal": (self.box[0], self.at, self.box[2]),
            "sagittal": (self.at, *self.box[1:]),
        }
        return volume[cuts[self.view]][::-1, ::-1].T

    def behind(self, labels: Labels, ids: ArrayLike) -> tuple[Labels, NDArray[np.float32]]:
        """What of some structures one sees from behind, and how bright it is: the nearer the brighter."""
        cut = labels[self.box]
        there = np.isin(cut, ids)
        first = there.argmax(axis=1)
        seen = np.where(there.any(axis=1), np.take_along_axis(cut, first[:, None], 1)[:, 0], 0)
        light = 1 - 0.7 * first / cut.shape[1]
        return seen[:, ::-1].T.astype(np.uint8), light[:, ::-1].T.astype(np.float32)


def box_around(
    place: NDArray[np.bool_], margin_mm: float, spacing: Sequence[float]
) -> tuple[slice, slice, slice]:
    """The box of what is marked, with a margin, within the volume."""
    points = np.argwhere(place)
    margin = np.ceil(margin_mm / np.asarray(spacing)).astype(int)
    low = np.maximum(points.min(axis=0) - margin, 0)
    high = np.minimum(points.max(axis=0) + 1 + margin, place.shape)
    i, j, k = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return i, j, k


def palette_of(colours: Mapping[str, Colour]) -> NDArray[np.uint8]:
    """A row of red, green and blue for each id of DAP: black for all but some structures."""
    palette = np.zeros((256, 3), np.uint8)
    for name, colour in colours.items():
        palette[dap()[name].id] = colour
    return palette


def panel(
    look: Look,
    ct: NDArray[np.int16],
    labels: Labels,
    palette: NDArray[np.uint8],
    *,
    width: int,
    title: str,
    marked: NDArray[np.bool_] | None = None,
    words: Mapping[str, str] | None = None,
) -> Image.Image:
    """One panel: structures in their colours, an outline around what is marked, words at structures.

    What the palette has in black is left grey. ``marked`` is flat, as :meth:`Look.flat` gives it; ``words`` go from a
    DAP structure's name to what is written on it.
    """
    ids = np.flatnonzero(palette.any(axis=1))
    if look.view == "behind":
        shown, light = look.behind(labels, ids)
        base = np.broadcast_to(np.array(PAPER, np.float32), (*shown.shape, 3))
        over = palette[shown] * light[..., None]
        strength = (shown != 0)[..., None].astype(np.float32)
    else:
        shown = np.asarray(look.flat(labels), np.uint8)
        base = np.repeat(windowed(look.flat(ct), WINDOW_HU)[..., None], 3, -1).astype(np.float32)
        over = palette[shown].astype(np.float32)
        strength = look.opacity * np.isin(shown, ids)[..., None]
    pixels = np.rint(base * (1 - strength) + over * strength).astype(np.uint8)
    row_mm, column_mm = look.mm
    size = width, round(width * pixels.shape[0] * row_mm / (pixels.shape[1] * column_mm))
    picture = Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST)
    if marked is not None and marked.any():
        picture = _outlined(picture, marked)
    _write(picture, shown, words or {}, SIDES[look.view])
    return _titled(picture, title)


def side_by_side(panels: Sequence[Image.Image], legend: Mapping[str, Colour] | None = None) -> Image.Image:
    """Panels in a row, and below them what the colours mean."""
    width = sum(one.width for one in panels) + GAP * (len(panels) - 1)
    rows = _rows(legend or {}, width)
    height = max(one.height for one in panels)
    sheet = Image.new("RGB", (width, height + ROW * len(rows) + (GAP if rows else 0)), PAPER)
    left = 0
    for one in panels:
        sheet.paste(one, (left, 0))
        left += one.width + GAP
    draw, font = ImageDraw.Draw(sheet), _font(15)
    for number, row in enumerate(rows):
        left, top = 8, height + GAP // 2 + number * ROW
        for word, colour in row:
            draw.rectangle((left, top + 4, left + 14, top + 18), fill=colour)
            draw.text((left + 20, top + 2), word, fill=INK, font=font)
            left += _width(word)
    return sheet


def _rows(legend: Mapping[str, Colour], width: int) -> list[list[tuple[str, Colour]]]:
    """The legend's entries in rows that fit."""
    rows: list[list[tuple[str, Colour]]] = []
    used = width
    for word, colour in legend.items():
        if used + _width(word) > width:
            rows.append([])
            used = 8
        rows[-1].append((word, colour))
        used += _width(word)
    return rows


def _width(word: str) -> int:
    return round(_font(15).getlength(word)) + 40


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _outlined(picture: Image.Image, marked: NDArray[np.bool_]) -> Image.Image:
    large = np.asarray(Image.fromarray(marked).resize(picture.size, Image.Resampling.NEAREST))
    near = binary_dilation(large, iterations=1)
    pixels = np.array(picture)
    pixels[binary_dilation(near, iterations=2) & ~near] = MARKED
    return Image.fromarray(pixels)


def _write(picture: Image.Image, shown: Labels, words: Mapping[str, str], sides: str) -> None:
    draw = ImageDraw.Draw(picture)
    scale = np.array(picture.size[::-1]) / shown.shape
    write = partial(
        draw.text, font=_font(15), fill=(255, 255, 255), stroke_width=2, stroke_fill=(0, 0, 0), anchor="mm"
    )
    for name, word in words.items():
        own = shown == dap()[name].id
        if own.any():
            y, x = (_thick_middle(own) + 0.5) * scale
            write((float(x), float(y)), word)
    for letter, x in zip(sides, (12, picture.width - 12), strict=False):
        write((x, picture.height // 2), letter)


def _thick_middle(own: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A pixel (row, column) well inside a shape and not far from its middle, which itself may lie outside."""
    points = np.argwhere(own)
    away = np.linalg.norm(points - points.mean(axis=0), axis=1)
    depth = distance_transform_edt(np.pad(own, 1))[1:-1, 1:-1][own]
    middle: NDArray[np.float64] = points[np.argmax(depth - 0.15 * away)].astype(np.float64)
    return middle


def _titled(picture: Image.Image, title: str) -> Image.Image:
    sheet = Image.new("RGB", (picture.width, picture.height + TITLE), PAPER)
    sheet.paste(picture, (0, TITLE))
    ImageDraw.Draw(sheet).text((8, TITLE // 2), title, fill=INK, font=_font(17), anchor="lm")
    return sheet
