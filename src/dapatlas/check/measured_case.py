"""A case as checks see it: its map and CT in patient axes, everything measured once, and who the patient is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.check.contacts import contact_table
from dapatlas.check.thinned import Thinned, thinned
from dapatlas.errors import BadLabelsError, GridMismatchError
from dapatlas.findings import Box as FindingBox
from dapatlas.findings import Finding, Severity
from dapatlas.labels import LabelScheme, Sex, crosswalk, dap
from dapatlas.volumes import (
    Box,
    Density,
    Grid,
    Measurement,
    Measurements,
    densities,
    measure,
    remap,
    reorient,
)

FACES = ("left", "right", "back", "front", "bottom", "top")  # of the field of view, in the patient's words
END_TOGETHER = 3  # structures


@dataclass(frozen=True, slots=True)
class Patient:
    """What is known of who was scanned; ``None`` where it is not."""

    sex: Sex | None = None
    age_years: float | None = None


@dataclass(frozen=True, eq=False)
class MeasuredCase:
    """One case, ready to be checked.

    Attributes
    ----------
    case
        Case id.
    labels
        Ids, a view with axes to the right, the front, and up (RAS).
    ct
        HU, a view in the same axes; ``None`` where there is no CT.
    grid
        Of the views.
    scheme
        What the ids mean: the DAP Atlas scheme.
    patient
        Who was scanned.
    orientation
        Of the file's own axes, in which boxes of findings are told.
    measured
        Voxels, volume, box and centroid of every id present.
    """

    case: str
    labels: NDArray[Any]
    ct: NDArray[Any] | None
    grid: Grid
    scheme: LabelScheme
    patient: Patient
    orientation: str
    measured: Measurements = field(repr=False)

    @cached_property
    def density(self) -> Mapping[str, Density]:
        """HU within each structure in view; empty without a CT."""
        if self.ct is None:
            return {}
        found = densities(self.labels, self.ct, self.measured)
        return {self.scheme[id_].name: density for id_, density in found.items()}

    @cached_property
    def thinned(self) -> Thinned:
        """The case at some two millimetres, in pieces: for what is told by place and shape."""
        return thinned(self.labels, self.grid.spacing, self.scheme)

    @cached_property
    def contacts(self) -> NDArray[np.int64]:
        """Voxel faces between each pair of ids, shape (256, 256)."""
        return contact_table(self.labels)

    @cached_property
    def scanned_slices(self) -> tuple[int, int]:
        """First slice from below that was scanned, and the one after the last.

        Padding around a scan has no labels: where several structures end together, the scan does. One alone, such as
        the skin over the crown, ends by itself.
        """
        ends = self.measured.boxes[self.measured.ids != 0, 2]
        if not len(ends):
            return 0, self.labels.shape[2]
        low, high = int(ends[:, 0].min()), int(ends[:, 1].max())
        is_bottom = (ends[:, 0] == low).sum() >= END_TOGETHER
        is_top = (ends[:, 1] == high).sum() >= END_TOGETHER
        return low if is_bottom else 0, high if is_top else self.labels.shape[2]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Structures in view, in the order of ids."""
        return tuple(self.scheme[id_].name for id_ in self.measured.ids.tolist() if id_)

    def __contains__(self, name: str) -> bool:
        return self.scheme[name].id in self.measured

    def __getitem__(self, name: str) -> Measurement:
        """What was measured of a structure; KeyError where it is not in view."""
        return self.measured[self.scheme[name].id]

    def ml(self, name: str) -> float:
        """Volume in view; 0 where there is none."""
        return self[name].ml if name in self else 0.0

    def mask(self, name: str) -> NDArray[np.bool_]:
        """A structure within its box (RAS axes)."""
        found = self[name]
        mask: NDArray[np.bool_] = self.labels[found.box] == found.id
        return mask

    def cut_by(self, name: str) -> tuple[str, ...]:
        """Faces of the field of view that a structure touches, so that part of it may lie beyond; of :data:`FACES`."""
        box, shape = self[name].box, self.labels.shape
        hits = [side for s, n in zip(box, shape, strict=True) for side in (s.start == 0, s.stop == n)]
        return tuple(face for face, hit in zip(FACES, hits, strict=True) if hit)

    def is_whole(self, name: str) -> bool:
        """Whether a structure is in view and touches no face of the field of view."""
        return name in self and not self.cut_by(name)

    def box_in_file(self, box: Box) -> FindingBox:
        """A box of the views in the file's own axes."""
        corners = np.array([(side.start, side.stop - 1) for side in box]).T
        _, own = reorient(self.labels, self.grid, self.orientation)
        index = np.rint(own.to_index(self.grid.to_world(corners))).astype(int)
        low, high = index.min(0).tolist(), (index.max(0) + 1).tolist()
        i, j, k = zip(low, high, strict=True)
        return i, j, k

    def finding(
        self,
        code: str,
        severity: Severity,
        message: str,
        structure: str = "",
        *,
        box: Box | None = None,
        expected: str = "",
        found: str = "",
        remedy: str = "",
    ) -> Finding:
        """Make a finding about this case; its place is the structure's own where no box is given."""
        inside = structure in self if structure else False
        box = self[structure].box if box is None and inside else box
        return Finding(
            self.case,
            severity,
            code,
            message,
            structure=structure,
            voxels=self[structure].voxels if inside else 0,
            expected=expected,
            found=found,
            remedy=remedy,
            box=None if box is None else self.box_in_file(box),
        )


def measured_case(
    case: str,
    label_map: NDArray[Any],
    ct: NDArray[Any] | None,
    grid: Grid,
    scheme: LabelScheme,
    patient: Patient | None = None,
) -> MeasuredCase:
    """Measure a case in one pass over its map.

    Parameters
    ----------
    case
        Case id.
    label_map
        Ids in the file's own axis order, unsigned integers.
    ct
        HU on the same grid, or nothing.
    grid
        Of both.
    scheme
        What the ids mean.
    patient
        Who was scanned.

    Raises
    ------
    BadLabelsError
        The map holds ids outside the scheme.
    GridMismatchError
        CT and map differ in shape.
    """
    if ct is not None and ct.shape != label_map.shape:
        raise GridMismatchError(
            f"case {case}: a CT of shape {ct.shape} and a label map of shape {label_map.shape}; "
            "expected one grid for both"
        )
    labels, turned = reorient(label_map, grid)
    measured = measure(labels, turned)
    unknown = [str(id_) for id_ in measured.ids.tolist() if id_ not in scheme]
    if unknown:
        raise BadLabelsError(f"case {case}: ids outside the scheme {scheme.name!r}: {', '.join(unknown)}")
    view = None if ct is None else reorient(ct, grid)[0]
    return MeasuredCase(case, labels, view, turned, scheme, patient or Patient(), grid.orientation, measured)


def in_dap(label_map: NDArray[Any], scheme: LabelScheme) -> NDArray[Any]:
    """A label map in DAP's ids; what has no counterpart there is background. DAP's own is given back as it is."""
    return label_map if scheme == dap() else remap(label_map, crosswalk(scheme, dap()).lookup())
