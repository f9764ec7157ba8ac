"""Reading DICOM Segmentation objects, through highdicom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import BadFileError
from dapatlas.extras import needed
from dapatlas.formats.dicom import EXTRA, check_modality, our_errors
from dapatlas.formats.overlay import Overlay, PackedMask, overlaid
from dapatlas.formats.segment_codes import structure_of
from dapatlas.formats.worlds import LPS_TO_RAS
from dapatlas.labels import LabelScheme
from dapatlas.volumes import Grid

OFF_GRID = 0.01  # of a voxel: how far a frame may lie beside its place in the stack
BACKGROUND = "background"
LABELMAP = "LABELMAP"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, shape (columns, rows): its place in the stack, and its segment, 0 where values say the segment."""

    k: int
    segment: int
    values: NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class SegFile:
    """What a file says.

    Attributes
    ----------
    label_map
        All segments that the scheme knows, uint8, indexed (column, row, slice).
    grid
        Of the stack of all frames.
    known
        How many segments the scheme has.
    strangers
        Labels of segments that it has not.
    overlay
        How segments overlap; ``None`` where the file holds a label map, in which they cannot.
    """

    label_map: NDArray[np.uint8]
    grid: Grid
    known: int
    strangers: tuple[str, ...]
    overlay: Overlay | None


def read_dicom_seg(path: Path, scheme: LabelScheme) -> SegFile:
    """Read a DICOM Segmentation (SEG): binary, fractional or label map.

    Segments are looked up by label, then by SNOMED CT code and laterality. Of segments that overlap the smaller keeps
    the voxel; of fractional ones what is more than half there counts.

    Raises
    ------
    BadFileError
        The file is missing, unreadable, no segmentation, or its frames are no stack of parallel slices.
    DapatlasError
        highdicom is not installed.
    """
    highdicom = needed("highdicom", EXTRA, f"to read {path}")
    with our_errors(path):
        file = highdicom.seg.segread(path)
        check_modality(file, "SEG", path)
        ids, strangers = _structures(file, scheme)
        grid = _grid(file, path)
        if file.SegmentationType == LABELMAP:
            label_map = _from_numbers(file, grid, ids, path)
            return SegFile(label_map, grid, len(ids), tuple(strangers), None)
        masks = _masks(file, grid, ids, path)
    overlay = overlaid(grid.shape, masks)
    return SegFile(overlay.label_map, grid, len(ids), tuple(strangers), overlay)


def _structures(file: Any, scheme: LabelScheme) -> tuple[dict[int, int], list[str]]:
    """Structure id of each segment number, and the labels of segments that the scheme does not know."""
    ids: dict[int, int] = {}
    strangers = []
    for segment in file.SegmentSequence:
        number, label = int(segment.SegmentNumber), str(segment.get("SegmentLabel", ""))
        if label.lower() == BACKGROUND:
            continue
        structure = structure_of(segment, scheme)
        if structure is None:
            strangers.append(label or f"segment {number}")
        else:
            ids[number] = structure.id
    return ids, strangers


def _grid(file: Any, path: Path) -> Grid:
    """The stack of all frames, indexed (column, row, slice)."""
    geometry = file.get_volume_geometry()
    if geometry is None:
        raise BadFileError(
            f"{path}: its frames are no stack of parallel slices at one distance, so they fit no volume; "
            "export the segmentation on the grid of the CT"
        )
    slices, rows, columns = geometry.spatial_shape
    affine = LPS_TO_RAS @ geometry.affine
    return Grid((columns, rows, slices), affine[:, [2, 1, 0, 3]])


def _frames(file: Any, grid: Grid, path: Path) -> Iterator[Frame]:
    """All frames, decoded one by one, each at the place that its own position gives it."""
    for place, groups in enumerate(file.PerFrameFunctionalGroupsSequence):
        position = (*_group(file, groups, "PlanePositionSequence").ImagePositionPatient, 1.0)
        index = grid.to_index((LPS_TO_RAS @ np.array(position, np.float64))[:3])
        k = round(float(index[2]))
        if np.abs(index - (0, 0, k)).max() > OFF_GRID or not 0 <= k < grid.shape[2]:
            raise BadFileError(
                f"{path}: frame {place + 1} lies off the stack of the others, at {index.round(3).tolist()} in voxels; "
                "export the segmentation on the grid of the CT"
            )
        segment = 0
        if file.SegmentationType != LABELMAP:
            item = _group(file, groups, "SegmentIdentificationSequence")
            segment = int(item.ReferencedSegmentNumber)
        yield Frame(k, segment, file.get_stored_frame(place + 1).T)


def _group(file: Any, groups: Any, keyword: str) -> Any:
    """A functional group of a frame, which it may share with all others."""
    source = groups if keyword in groups else file.SharedFunctionalGroupsSequence[0]
    return source[keyword].value[0]


def _masks(file: Any, grid: Grid, ids: Mapping[int, int], path: Path) -> dict[int, PackedMask]:
    """The mask of each structure; several segments may be of one."""
    half = int(file.get("MaximumFractionalValue", 1)) / 2 if file.SegmentationType == "FRACTIONAL" else 0
    masks: dict[int, PackedMask] = {}
    for frame in _frames(file, grid, path):
        if frame.segment in ids:
            masks.setdefault(ids[frame.segment], PackedMask()).put(frame.k, frame.values > half)
    return masks


def _from_numbers(file: Any, grid: Grid, ids: Mapping[int, int], path: Path) -> NDArray[np.uint8]:
    """The map of a file whose voxels are segment numbers."""
    label_map = np.zeros(grid.shape, np.uint8, order="F")
    table = np.zeros(1 << 16, np.uint8)
    for number, id_ in ids.items():
        table[number] = id_
    for frame in _frames(file, grid, path):
        label_map[:, :, frame.k] = table[frame.values]
    return label_map
