"""Looking at a case: a widget that one scrolls through in Jupyter, or a picture of three planes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import DapatlasError, GridMismatchError
from dapatlas.volumes import Grid, bounding_box, captioned, three_planes

if TYPE_CHECKING:
    from PIL.Image import Image

    from dapatlas.dataset.case import Case
    from dapatlas.labels import LabelScheme

Colour = tuple[int, int, int]
Centre = str | int | Sequence[float]

AIR_HU = -1024  # what a case without a CT is shown on
UNKNOWN_COLOUR: Colour = (255, 0, 255)  # what the scheme does not know must be seen
WIDGET_PACKAGE = "ipyniivue"
MAX_NAMES = 30  # in the legend; a plane through the trunk meets some ninety structures


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What is to be seen of a case.

    Attributes
    ----------
    name
        The case's id.
    ct, labels
        HU and ids, indexed [i, j, k] on the grid; structures that are not to be seen are 0.
    grid
        Of both.
    centre
        Voxel (i, j, k) through which the planes go.
    colours, names
        Of each id up to the largest; shape (n, 3), and n names.
    """

    name: str
    ct: NDArray[Any]
    labels: NDArray[np.unsignedinteger[Any]]
    grid: Grid
    centre: tuple[int, int, int]
    colours: NDArray[np.uint8]
    names: tuple[str, ...]


def show_case(
    case: Case,
    structures: str | int | Sequence[str | int] | None,
    centre: Centre | None,
    window_hu: tuple[float, float],
    opacity: float,
    height: int,
    static: bool | None,
) -> Any:
    """The widget or the picture; see :meth:`dapatlas.dataset.Case.show`."""
    if not 0 <= opacity <= 1 or window_hu[0] >= window_hu[1]:
        raise DapatlasError(
            f"expected an opacity in 0…1 and a window (low, high) in HU; found {opacity} and {window_hu}"
        )
    seen = scene(case, structures, centre)
    if static if static is not None else not _in_notebook():
        return picture(seen, window_hu, opacity, height)
    from dapatlas.dataset.interactive import widget

    return widget(seen, window_hu, opacity, height)


def scene(
    case: Case, structures: str | int | Sequence[str | int] | None = None, centre: Centre | None = None
) -> Scene:
    """Read a case, keep the structures asked for, and find the centre.

    Raises
    ------
    BadLabelsError
        The scheme has no such structure.
    BadFileError
        A file cannot be read, or the case has none.
    GridMismatchError
        CT and label map lie on different grids.
    DapatlasError
        The centre is a structure that the map does not have, or a point outside the volume.
    """
    wanted = _ids(case.scheme, structures)  # before the slow part: a typing error is told at once
    middle = case.scheme[centre].id if isinstance(centre, (str, int)) else centre
    ct, labels, grid = _volumes(case)
    colours, names = _legend(case.scheme, int(labels.max(initial=0)))
    place = _place(case, labels, grid, middle)
    if wanted is not None:
        kept = np.zeros(len(names), labels.dtype)
        kept[wanted] = wanted
        labels = kept[labels]
    return Scene(case.id, ct, labels, grid, place or _middle(labels), colours, names)


def picture(seen: Scene, window_hu: tuple[float, float], opacity: float, height: int) -> Image:
    """Axial, coronal and sagittal plane, and below them the names of what is in them."""
    planes = three_planes(
        seen.ct,
        seen.labels,
        seen.grid,
        palette=seen.colours,
        centre=seen.centre,
        window_hu=window_hu,
        opacity=opacity,
        height_pixels=height,
    )
    entries = _entries(seen)
    return captioned(planes, entries) if entries else planes


def _entries(seen: Scene) -> list[tuple[Colour, str]]:
    """The legend: what fills most of the planes, in the order of ids."""
    i, j, k = seen.centre
    cuts = (seen.labels[i], seen.labels[:, j], seen.labels[:, :, k])
    pixels = np.bincount(np.concatenate([cut.ravel() for cut in cuts]), minlength=len(seen.names))
    ids = sorted((id_ for id_ in np.flatnonzero(pixels).tolist() if id_), key=lambda id_: -pixels[id_])
    entries = [(_colour(seen.colours[id_]), seen.names[id_]) for id_ in sorted(ids[:MAX_NAMES])]
    if len(ids) > MAX_NAMES:
        entries.append(((0, 0, 0), f"and {len(ids) - MAX_NAMES} smaller ones"))
    return entries


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this, and the widget's package is there."""
    ipython = sys.modules.get("IPython")  # a kernel has imported it; nobody else need
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None and find_spec(WIDGET_PACKAGE) is not None


def _ids(scheme: LabelScheme, structures: str | int | Sequence[str | int] | None) -> list[int] | None:
    if structures is None:
        return None
    return [
        scheme[key].id for key in ([structures] if isinstance(structures, (str, int)) else list(structures))
    ]


def _volumes(case: Case) -> tuple[NDArray[Any], NDArray[Any], Grid]:
    """CT and label map; air, or nothing labelled, where the case lacks one of them."""
    if case.image_path is None:
        label_map = case.label_map()
        return np.full(label_map.grid.shape, AIR_HU, np.int16, "F"), label_map.array, label_map.grid
    ct = case.ct()
    if case.mask_path is None:
        return ct.array, np.zeros(ct.grid.shape, np.uint8, "F"), ct.grid
    label_map = case.label_map()
    if differences := ct.grid.differences(label_map.grid):
        raise GridMismatchError(
            f"case {case.id}: {case.mask_path} does not lie on the grid of {case.image_path}: "
            f"{'; '.join(differences)}; `dapatlas validate` tells more"
        )
    return ct.array, label_map.array, ct.grid


def _legend(scheme: LabelScheme, largest: int) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Colour and display name of each id up to the largest of map and scheme."""
    count = max(largest, scheme.max_id) + 1
    colours = np.full((count, 3), UNKNOWN_COLOUR, np.uint8)
    names = [f"id {id_}, not in the scheme" for id_ in range(count)]
    for structure in scheme:
        colours[structure.id] = structure.colour
        names[structure.id] = structure.display_name
    return colours, tuple(names)


def _place(
    case: Case, labels: NDArray[Any], grid: Grid, centre: int | Sequence[float] | None
) -> tuple[int, int, int] | None:
    """The voxel of a structure that is nearest to its centroid, or the voxel of a point in world mm."""
    if centre is None:
        return None
    if isinstance(centre, int):
        voxels = np.argwhere(labels == centre)
        if not len(voxels):
            name = case.scheme[centre].name
            raise DapatlasError(
                f"case {case.id}: the planes are to go through {name}, and {case.mask_path} has no voxel of it; "
                f"choose a structure in view (case.volumes() lists them) or a point in world mm"
            )
        index = voxels[np.square(voxels - voxels.mean(axis=0)).sum(axis=1).argmin()]
    else:
        index = np.rint(grid.to_index(centre)).astype(int)
        if not ((index >= 0) & (index < grid.shape)).all():
            low, high = grid.corners_mm().min(axis=0), grid.corners_mm().max(axis=0)
            raise DapatlasError(
                f"case {case.id}: {tuple(centre)} is outside the volume, whose voxels lie between {_mm(low)} and "
                f"{_mm(high)}; give x, y, z in world mm"
            )
    i, j, k = index.tolist()
    return i, j, k


def _middle(labels: NDArray[Any]) -> tuple[int, int, int]:
    """Middle of the box around what is seen; of the volume where nothing is."""
    mask = labels != 0
    box = bounding_box(mask) if mask.any() else tuple(slice(0, n) for n in labels.shape)
    i, j, k = ((side.start + side.stop - 1) // 2 for side in box)
    return i, j, k


def _mm(point: NDArray[np.float64]) -> str:
    return f"({', '.join(f'{mm:.0f}' for mm in point)})"


def _colour(rgb: NDArray[np.uint8]) -> Colour:
    red, green, blue = rgb.tolist()
    return red, green, blue
