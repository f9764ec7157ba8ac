"""Segmentations of 3D Slicer (``.seg.nrrd``): reading and writing.

The format is described in Slicer's developer guide (slicer.readthedocs.io, "Segmentations"): a NRRD file whose header
says of each segment its name, the number that stands for it, and the layer in which that number is to be found.
Segments that overlap lie in different layers. The volume may be cropped to what was segmented; the grid of the image
that somebody looked at is then in the conversion parameters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastremap
import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import BadFileError
from dapatlas.files import whole_file
from dapatlas.formats.itk import ItkVolume, read_itk
from dapatlas.formats.overlay import Overlay
from dapatlas.formats.segment_codes import SegmentCodes, codes_of
from dapatlas.formats.worlds import LPS_TO_RAS
from dapatlas.labels import LabelScheme, Structure
from dapatlas.labels.structure import Code
from dapatlas.volumes import Grid, Measurement, as_ids, measure, remap
from dapatlas.volumes.gzipped import open_writer

SEGMENT = re.compile(r"Segment(\d+)_Name")
REFERENCE = re.compile(r"Reference image geometry\|([^|&]*)")
WRITE_THREADS = 4


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of a file: its name, the number that stands for it, and the layer that has the number."""

    name: str
    value: int
    layer: int


@dataclass(frozen=True, slots=True, eq=False)
class SlicerFile:
    """What a file says.

    Attributes
    ----------
    overlay
        All segments that the scheme knows, laid over one another; ``None`` where nothing is drawn in the file.
    grid
        Of the file.
    known, strangers
        Names of segments that the scheme has, and of those that it has not.
    reference
        The grid of the image that was segmented, where the file has it.
    """

    overlay: Overlay | None
    grid: Grid
    known: tuple[str, ...]
    strangers: tuple[str, ...]
    reference: Grid | None


def read_slicer(path: Path, scheme: LabelScheme) -> SlicerFile:
    """Read a segmentation; segments are looked up as canonical names, display names and aliases.

    Of segments that overlap the smaller keeps the voxel.

    Raises
    ------
    BadFileError
        The file is missing, unreadable, or no segmentation of Slicer.
    DapatlasError
        SimpleITK is not installed.
    """
    volume = read_itk(path)
    reference = _reference(volume.metadata)
    if volume.grid.size == 1:  # Slicer's way to write a segmentation in which nothing is drawn
        return SlicerFile(None, volume.grid, (), (), reference)
    segments = _segments(volume, path)
    known = [segment for segment in segments if segment.name in scheme]
    overlay = _composed(volume, known, scheme, path)
    names, strangers = (
        tuple(segment.name for segment in segments if (segment in known) is wanted)
        for wanted in (True, False)
    )
    return SlicerFile(overlay, volume.grid, names, strangers, reference)


def write_slicer(path: Path, label_map: NDArray[np.uint8], grid: Grid, scheme: LabelScheme) -> int:
    """Write a label map as a segmentation of one layer, whole or not at all; the same map gives the same bytes.

    Every structure in the map becomes a segment that goes by its canonical name, in its colour, with the SNOMED CT
    terms that the scheme has for it; the number that stands for it is its id. The grid of the map is noted as that of
    the reference image.

    Parameters
    ----------
    path
        Ends in ``.seg.nrrd``.
    label_map
        Ids of the scheme, of the grid's shape.
    grid, scheme
        Where the voxels lie, and what the ids mean.

    Returns
    -------
    int
        How many segments were written.
    """
    found = [measured for measured in measure(label_map, grid) if measured.id]
    entries = _volume_entries(grid)
    for number, measured in enumerate(found):
        entries |= _segment_entries(number, scheme[measured.id], measured)
    text = _geometry(grid) + "".join(f"{key}:={value}\n" for key, value in entries.items()) + "\n"
    with whole_file(path) as scratch:
        packed = scratch.with_name(f"{scratch.name}.gz")  # the header is plain, the voxels are gzip
        try:
            with open_writer(packed, WRITE_THREADS) as stream:
                for k in range(grid.shape[2]):
                    stream.write(label_map[:, :, k].tobytes(order="F"))
            scratch.write_bytes(text.encode() + packed.read_bytes())
        finally:
            packed.unlink(missing_ok=True)
    return len(found)


def _geometry(grid: Grid) -> str:
    """The head of a NRRD file; its world has x to the left and y to the back."""
    lps = LPS_TO_RAS @ grid.affine
    i, j, k, origin = (f"({','.join(repr(float(mm)) for mm in column)})" for column in lps[:3].T)
    return (
        "NRRD0004\n"
        "# Complete NRRD file format specification at:\n"
        "# http://teem.sourceforge.net/nrrd/format.html\n"
        "type: unsigned char\ndimension: 3\nspace: left-posterior-superior\n"
        f"sizes: {' '.join(map(str, grid.shape))}\n"
        f"space directions: {i} {j} {k}\n"
        "kinds: domain domain domain\nencoding: gzip\n"
        f"space origin: {origin}\n"
    )


def _volume_entries(grid: Grid) -> dict[str, str]:
    numbers = [repr(float(number)) for number in grid.affine.ravel()]
    extent = [text for n in grid.shape for text in ("0", str(n - 1))]
    return {
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_ConversionParameters": f"Reference image geometry|{';'.join([*numbers, *extent])};"
        "|Image geometry description string determining the geometry of the labelmap.&",
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
        "Segmentation_SourceRepresentation": "Binary labelmap",  # what Slicer 5 calls the master representation
    }


def _segment_entries(number: int, structure: Structure, measured: Measurement) -> dict[str, str]:
    extent = " ".join(f"{side.start} {side.stop - 1}" for side in measured.box)
    values = {
        "ID": structure.name,
        "Name": structure.name,
        "NameAutoGenerated": "0",
        "Color": " ".join(f"{part / 255:.6g}" for part in structure.colour),
        "ColorAutoGenerated": "0",
        "Extent": extent,
        "LabelValue": str(structure.id),
        "Layer": "0",
        "Tags": f"Segmentation.Status:completed|TerminologyEntry:{_terminology(codes_of(structure))}|",
    }
    return {f"Segment{number}_{key}": value for key, value in values.items()}


def _terminology(codes: SegmentCodes) -> str:
    """Slicer's way to write terms: context, category, type, its modifier; context, region, its modifier."""

    def said(code: Code | None) -> str:
        return f"{code.designator}^{code.value}^{code.meaning}" if code else "^^"

    what = (said(codes.category), said(codes.kind), said(codes.kind_modifier))
    where = (said(codes.region), said(codes.region_modifier))
    return "~".join(
        (
            "Segmentation category and type - DICOM master list",
            *what,
            "Anatomic codes - DICOM master list",
            *where,
        )
    )


def _segments(volume: ItkVolume, path: Path) -> list[Segment]:
    """What the header says of segments, in their order.

    Before Slicer 4.11 every segment had a layer of its own, in order, and the number 1; the header said neither.
    """
    header, layers = volume.metadata, len(volume.channels)
    numbers = sorted(int(found[1]) for key in header if (found := SEGMENT.fullmatch(key)))
    if not numbers:
        raise BadFileError(
            f"{path}: its header names no segments, so it is no segmentation of 3D Slicer; "
            "a plain label map is of kind label-maps"
        )
    old = not any(f"Segment{number}_LabelValue" in header for number in numbers)
    segments = []
    for place, number in enumerate(numbers):
        try:
            value = int(header.get(f"Segment{number}_LabelValue", "1"))
            layer = int(header.get(f"Segment{number}_Layer", place if old else 0))
        except ValueError as error:
            raise BadFileError(f"{path}: broken header of segment {number}: {error}") from None
        name = header[f"Segment{number}_Name"]
        if not 0 <= layer < layers or value < 1:
            raise BadFileError(
                f"{path}: segment {name!r} is said to be the number {value} in layer {layer}; "
                f"expected a positive number in one of {layers} layers"
            )
        segments.append(Segment(name, value, layer))
    return segments


def _composed(volume: ItkVolume, segments: Sequence[Segment], scheme: LabelScheme, path: Path) -> Overlay:
    """All layers over one another; two segments of one name become one structure."""
    overlay = Overlay(volume.grid.shape)
    layers: list[tuple[NDArray[Any], NDArray[np.uint8]]] = []
    for layer in sorted({segment.layer for segment in segments}):
        values = as_ids(volume.channels[layer], path)
        table = np.zeros(int(values.max()) + 1, np.uint8)
        for segment in segments:
            if segment.layer == layer and segment.value < len(table):
                table[segment.value] = scheme[segment.name].id
        found, counts = fastremap.unique(values, return_counts=True)
        for value, voxels in zip(found.tolist(), counts.tolist(), strict=True):
            if table[value]:
                overlay.expect(int(table[value]), voxels)
        layers.append((values, table))
    for values, table in layers:
        for k in range(values.shape[2]):
            overlay.lay(k, remap(values[:, :, k], table))
    return overlay


def _reference(header: Mapping[str, str]) -> Grid | None:
    """The grid of the image that was segmented, if the header has it: 16 numbers of an affine in RAS, then extents."""
    found = REFERENCE.search(header.get("Segmentation_ConversionParameters", ""))
    try:
        numbers = [float(number) for number in found[1].split(";") if number.strip()] if found else []
        if len(numbers) != 22:
            return None
        affine, extent = np.reshape(numbers[:16], (4, 4)), np.reshape(numbers[16:], (3, 2))
        affine[:3, 3] += affine[:3, :3] @ extent[:, 0]
        i, j, k = (int(last - first) + 1 for first, last in extent)
        return Grid((i, j, k), affine)
    except (ValueError, BadFileError):
        return None
