"""Writing label maps as DICOM Segmentation objects, through highdicom."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fastremap
import numpy as np
from numpy.typing import NDArray

from dapatlas import __version__
from dapatlas.errors import BadLabelsError, DapatlasError, GridMismatchError
from dapatlas.extras import needed
from dapatlas.files import whole_file
from dapatlas.formats.dicom import EXTRA
from dapatlas.formats.dicom_series import Series
from dapatlas.formats.segment_codes import codes_of
from dapatlas.labels import LabelScheme, Structure
from dapatlas.labels.scheme import MAX_ID
from dapatlas.labels.structure import Code
from dapatlas.volumes import Grid, remap, reorient

TOLERANCE_MM = 0.05  # series give positions in decimals, NIfTI headers in single precision
EXPLICIT_LITTLE_ENDIAN, RLE_LOSSLESS = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"
SERIES_NUMBER = 9000  # above what scanners number


def on_series(label_map: NDArray[Any], grid: Grid, series: Series) -> NDArray[Any]:
    """View a map, of the shape of its grid, with the axes of a series (column, row, slice); nothing is interpolated.

    Raises
    ------
    GridMismatchError
        The two are not one grid in another order of axes.
    """
    view, turned = reorient(label_map, grid, series.grid.orientation)
    differences = turned.differences(series.grid, TOLERANCE_MM)
    if differences:
        raise GridMismatchError(
            f"the label map is not on the grid of the DICOM series: {'; '.join(differences)} (axes in one order); "
            "give the series that the CT was made from"
        )
    return view


def write_dicom_seg(
    path: Path,
    label_map: NDArray[np.uint8],
    grid: Grid,
    scheme: LabelScheme,
    series: Series,
    *,
    binary: bool = False,
) -> int:
    """Write a label map as a segmentation of the series that it belongs to, whole or not at all.

    Segments go by canonical name, with their SNOMED CT terms and their colour. A label map in DICOM's sense
    (``LABELMAP``) has ids for segment numbers and all slices; binary segments are numbered from 1 on, and their
    empty frames are left out. Identifiers and dates come from the series and the map, so that the same map gives the
    same bytes.

    Parameters
    ----------
    path
        Where.
    label_map, grid, scheme
        Ids, where their voxels lie, and what they mean.
    series
        The source images.
    binary
        Write one binary segment a structure, which older viewers want.

    Returns
    -------
    int
        How many segments were written.

    Raises
    ------
    GridMismatchError
        Map and series are not one grid in another order of axes.
    BadLabelsError
        Nothing is labelled: DICOM knows no segmentation without a segment.
    DapatlasError
        highdicom is not installed, or knows no label maps.
    """
    highdicom = needed("highdicom", EXTRA, f"to write {path}")
    if not binary and not hasattr(highdicom.seg.SegmentationTypeValues, "LABELMAP"):
        raise DapatlasError(
            f"highdicom {highdicom.__version__} writes no label maps; update it, or write binary ones"
        )
    view = on_series(label_map, grid, series)
    structures = [scheme[int(id_)] for id_ in fastremap.unique(label_map) if id_]
    if not structures:
        raise BadLabelsError(
            f"{path.name}: nothing is labelled, and DICOM knows no segmentation without a segment"
        )
    numbers = range(1, len(structures) + 1) if binary else [structure.id for structure in structures]
    frames = np.ascontiguousarray(view.T)  # (slice, row, column)
    if binary:
        table = np.zeros(MAX_ID + 1, np.uint8)
        table[[structure.id for structure in structures]] = numbers
        frames = remap(frames, table)
    segments = [_segment(highdicom, *item) for item in zip(numbers, structures, strict=True)]
    file = _file(highdicom, frames, segments, scheme, series, binary=binary)
    with whole_file(path) as scratch:
        file.save_as(scratch)
    return len(structures)


def _segment(highdicom: Any, number: int, structure: Structure) -> Any:
    codes = codes_of(structure)

    def coded(code: Code) -> Any:
        return highdicom.sr.CodedConcept(code.value, code.designator, code.meaning)

    algorithm = highdicom.AlgorithmIdentificationSequence(
        "dapatlas", coded(Code("123110", "Artificial Intelligence", "DCM")), __version__
    )
    segment = highdicom.seg.SegmentDescription(
        number,
        structure.name,
        coded(codes.category),
        coded(codes.kind),
        "AUTOMATIC",
        algorithm_identification=algorithm,
        anatomic_regions=[coded(codes.region)] if codes.region else None,
        display_color=highdicom.color.CIELabColor.from_rgb(*structure.colour),
    )
    segment.SegmentDescription = structure.display_name
    if codes.kind_modifier:
        kind = segment.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [coded(codes.kind_modifier)]
    if codes.region_modifier:
        segment.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [coded(codes.region_modifier)]
    return segment


def _file(
    highdicom: Any,
    frames: NDArray[np.uint8],
    segments: Sequence[Any],
    scheme: LabelScheme,
    series: Series,
    *,
    binary: bool,
) -> Any:
    first = series.images[0]
    kind = "BINARY" if binary else "LABELMAP"
    content = hashlib.sha256(frames.data).hexdigest()
    of_series = [str(first.SeriesInstanceUID), scheme.name, kind, __version__]
    of_map = [*of_series, content]
    uid = needed("pydicom.uid", EXTRA, "to make identifiers").generate_uid
    file = highdicom.seg.Segmentation(
        series.images,
        frames,
        kind,
        segments,
        uid(entropy_srcs=of_series),
        SERIES_NUMBER,
        uid(entropy_srcs=of_map),
        1,
        "dapatlas",
        "dapatlas",
        __version__,
        "0",
        content_label="ANATOMY",
        content_description=f"Anatomy in the scheme {scheme.name}"[:64],
        series_description=f"Anatomy, {scheme.name}"[:64],
        transfer_syntax_uid=EXPLICIT_LITTLE_ENDIAN if binary else RLE_LOSSLESS,
        omit_empty_frames=binary,
    )
    _settle(file, first, uid(entropy_srcs=[*of_map, "dimensions"]))
    return file


def _settle(file: Any, first: Any, dimensions: str) -> None:
    """Put what the images and the map say in the place of clocks and dice: every run gives the same bytes."""
    day, time = str(first.get("StudyDate") or "19000101"), str(first.get("StudyTime") or "000000")
    for what in ("InstanceCreation", "Content", "Series"):
        if f"{what}Date" in file:
            setattr(file, f"{what}Date", day)
        if f"{what}Time" in file:
            setattr(file, f"{what}Time", time)
    for item in file.get("ContributingEquipmentSequence", ()):
        item.ContributionDateTime = day + time
    for item in (*file.DimensionOrganizationSequence, *file.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions
