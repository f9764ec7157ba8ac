"""What can be shown of a case: its CT, its map, and other maps to compare with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dapatlas.dataset import Case, Dataset, case_id_of
from dapatlas.dataset.case import MASKS
from dapatlas.dataset.names import SUFFIXES
from dapatlas.dataset.reports import read_report
from dapatlas.errors import DapatlasError
from dapatlas.review.layer_files import LayerFiles, known_files, layer_files
from dapatlas.review.level_files import VolumeKind
from dapatlas.volumes import Grid

CT, MAP, BEFORE = "ct", "map", "before"
TITLES = {CT: "CT", MAP: "Label map", BEFORE: "Before the guidelines"}
SAME_PLACE = 0.5  # part of the smaller volume's extent that two volumes of one place share at least
AT_ONCE = 2  # volumes that one case's opening reads at a time

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Layer:
    """One volume of a case that can be shown.

    Attributes
    ----------
    name
        ``ct``, ``map``, ``before`` or a name of the user's.
    title
        For people.
    kind
        Whether its voxels are HU, or labels in the numbers of the data set's scheme.
    source
        Where it lies.
    files
        In which resolutions it can be had; ``None`` where it cannot be shown, or nobody looked yet.
    error
        Why it cannot be shown; empty otherwise.
    """

    name: str
    title: str
    kind: VolumeKind
    source: Path
    files: LayerFiles | None = None
    error: str = ""


def check_compare(compare: Mapping[str, Path]) -> None:
    """See that further maps have names of their own, and folders that are there.

    Raises
    ------
    DapatlasError
        One has not.
    """
    for name, folder in compare.items():
        if not _NAME.fullmatch(name) or name in (CT, MAP):
            raise DapatlasError(
                f"{name!r} cannot name maps to compare with; use up to 64 of the letters A-Z a-z 0-9 . _ -, "
                f"not {CT} or {MAP}"
            )
        if not folder.is_dir():
            raise DapatlasError(f"{folder} is not a folder; expected label maps, or a data set, for {name!r}")


def layer_sources(dataset: Dataset, case: Case, compare: Mapping[str, Path]) -> dict[str, Layer]:
    """What there is to show of a case, by name; no volume is read.

    The map before the guidelines is the one that the report of ``dapatlas refine`` names, unless ``compare``
    has another ``before``. Maps to compare with are ``FOLDER/masks/<case>`` or ``FOLDER/<case>``, as
    ``.nii.gz`` or ``.nii``; cases that lack one are shown without.
    """
    found = []
    if case.image_path is not None:
        found.append(Layer(CT, TITLES[CT], "ct", case.image_path))
    if case.mask_path is not None:
        found.append(Layer(MAP, TITLES[MAP], "labels", case.mask_path))
    refined_from = _before(dataset, case)
    if refined_from is not None and BEFORE not in compare:
        found.append(Layer(BEFORE, TITLES[BEFORE], "labels", refined_from))
    for name, folder in compare.items():
        path = _map_in(folder, case.id)
        if path is not None:
            found.append(Layer(name, TITLES.get(name, name), "labels", path))
    return {layer.name: layer for layer in found}


def open_layers(dataset: Dataset, case: Case, compare: Mapping[str, Path], cache: Path) -> dict[str, Layer]:
    """What there is to show of a case, by name, with its files; those are made where they are not there yet.

    A layer that cannot be read, or lies elsewhere in the world than the map, says so in its ``error``; it may have
    another grid than the map.
    """
    sources = layer_sources(dataset, case, compare)
    opened = {name: _known(layer, case.id, cache) for name, layer in sources.items()}
    wanted = [layer for layer in opened.values() if layer.files is None and not layer.error]
    if wanted:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            made = pool.map(partial(open_layer, case=case.id, cache=cache), wanted)
            opened |= {layer.name: layer for layer in made}
    main = opened[MAP].files if MAP in opened else None
    if main is None:
        return opened
    return {name: _in_place(layer, main.grid) for name, layer in opened.items()}


def open_layer(layer: Layer, case: str, cache: Path) -> Layer:
    """One layer with its files."""
    try:
        return replace(layer, files=layer_files(layer.source, layer.kind, cache, case, layer.name))
    except DapatlasError as error:
        return replace(layer, error=str(error))


def _known(layer: Layer, case: str, cache: Path) -> Layer:
    """One layer with its files, if they are there already."""
    try:
        return replace(layer, files=known_files(layer.source, cache, case, layer.name))
    except DapatlasError as error:
        return replace(layer, error=str(error))


def _in_place(layer: Layer, grid: Grid) -> Layer:
    if layer.files is None or same_place(layer.files.grid, grid):
        return layer
    return replace(
        layer,
        files=None,
        error=f"{layer.source.name} lies elsewhere in the world than the map: {_extent(layer.files.grid)} "
        f"against {_extent(grid)}; they cannot be shown together",
    )


def same_place(one: Grid, other: Grid) -> bool:
    """Whether two volumes, whatever their grids, cover half of the smaller one's extent together.

    Extents are those of boxes along the world's axes around the voxels' centres.
    """
    (low, high), (other_low, other_high) = (_bounds(grid) for grid in (one, other))
    common = [
        max(0.0, min(a, b) - max(c, d)) for a, b, c, d in zip(high, other_high, low, other_low, strict=True)
    ]
    smaller = [min(a - c, b - d) for a, b, c, d in zip(high, other_high, low, other_low, strict=True)]
    return all(share >= SAME_PLACE * side for share, side in zip(common, smaller, strict=True))


def _bounds(grid: Grid) -> tuple[list[float], list[float]]:
    corners = grid.corners_mm()
    return corners.min(axis=0).tolist(), corners.max(axis=0).tolist()


def _extent(grid: Grid) -> str:
    low, high = _bounds(grid)
    return " × ".join(f"{a:.0f} to {b:.0f}" for a, b in zip(low, high, strict=True)) + " mm"


def _map_in(folder: Path, case: str) -> Path | None:
    places = [place / f"{case}{suffix}" for place in (folder / MASKS, folder) for suffix in SUFFIXES]
    return next((path for path in places if path.is_file()), None)


def _before(dataset: Dataset, case: Case) -> Path | None:
    """The map that the guidelines were applied to, where it is still there under the case's name."""
    try:
        source = Path((read_report(dataset.path, case.id) or {})["source"])
        is_there = case_id_of(source.name) == case.id and source.is_file()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not is_there or (case.mask_path is not None and source.resolve() == case.mask_path.resolve()):
        return None
    return source
