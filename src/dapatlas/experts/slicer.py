"""Segmentations of 3D Slicer (``.seg.nrrd``).

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
from typing import Any, Literal

import fastremap
import numpy as np
from numpy.typing import NDArray

from dapatlas.dataset import Case
from dapatlas.errors import BadFileError
from dapatlas.experts.expert import Proposal
from dapatlas.experts.ready import OneFileExpert, ct_grid, none_known, on_ct_grid, unknown_findings
from dapatlas.findings import Finding, Severity
from dapatlas.formats.itk import ItkVolume, read_itk
from dapatlas.formats.overlay import Overlay
from dapatlas.labels import LabelScheme, load_scheme
from dapatlas.volumes import Grid, as_ids, remap

SEGMENT = re.compile(r"Segment(\d+)_Name")
REFERENCE = re.compile(r"Reference image geometry\|([^|&]*)")


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of a file: its name, the number that stands for it, and the layer that has the number."""

    name: str
    value: int
    layer: int


class SlicerSegmentation(OneFileExpert):
    """A ``.seg.nrrd`` file a case, its segments named after structures of a scheme.

    Names are looked up as canonical names, display names and aliases. Of segments that overlap the smaller keeps the
    voxel.
    """

    kind: Literal["slicer-segmentation"] = "slicer-segmentation"

    def propose(self, case: Case) -> Proposal:
        """Read the case's segmentation and bring it to the CT's grid.

        Raises
        ------
        BadFileError
            The file is missing, unreadable, or no segmentation of Slicer.
        BadLabelsError
            None of its segments is a structure of the scheme.
        """
        path, scheme = self.file(case, "segmentation (.seg.nrrd)"), load_scheme(self.scheme)
        volume = read_itk(path)
        if volume.grid.size == 1:  # Slicer's way to write a segmentation in which nothing is drawn
            return self._nothing(case, path)
        segments = _segments(volume, path)
        known = [segment for segment in segments if segment.name in scheme]
        strangers = [segment.name for segment in segments if segment not in known]
        if not known:
            raise none_known(strangers, scheme, path, "segments")
        overlay = _composed(volume, known, scheme, path)
        findings = (
            *unknown_findings(strangers, self.name, case, scheme, path),
            *overlay.findings(self.name, case.id, scheme),
        )
        return on_ct_grid(
            self.name, case, scheme, overlay.label_map, volume.grid, findings, _reference(volume.metadata)
        )

    def _nothing(self, case: Case, path: Path) -> Proposal:
        said = Finding(
            case=case.id,
            severity=Severity.WARNING,
            code="empty",
            message=f"expert {self.name}: nothing is drawn in {path.name}",
            file=str(path),
        )
        nothing = np.zeros(ct_grid(self.name, case).shape, np.uint8, order="F")
        return Proposal(self.name, load_scheme(self.scheme), nothing, (said,))


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
