"""Segmentations of 3D Slicer (``.seg.nrrd``) as an expert."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from dapatlas.dataset import Case
from dapatlas.experts.expert import Proposal
from dapatlas.experts.ready import OneFileExpert, ct_grid, none_known, on_ct_grid, unknown_findings
from dapatlas.findings import Finding, Severity
from dapatlas.formats.slicer import read_slicer
from dapatlas.labels import load_scheme


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
        found = read_slicer(path, scheme)
        if found.overlay is None:
            return self._nothing(case, path)
        if not found.known:
            raise none_known(found.strangers, scheme, path, "segments")
        findings = (
            *unknown_findings(found.strangers, self.name, case, scheme, path),
            *found.overlay.findings(self.name, case.id, scheme),
        )
        return on_ct_grid(
            self.name, case, scheme, found.overlay.label_map, found.grid, findings, found.reference
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
