"""DICOM Segmentation objects as an expert."""

from __future__ import annotations

from typing import Literal

from dapatlas.dataset import Case
from dapatlas.experts.expert import Proposal
from dapatlas.experts.ready import OneFileExpert, none_known, on_ct_grid, unknown_findings
from dapatlas.formats.dicom_seg import read_dicom_seg
from dapatlas.labels import load_scheme


class DicomSeg(OneFileExpert):
    """A DICOM Segmentation (SEG) a case: binary, fractional or label map.

    Segments are looked up by label, then by SNOMED CT code and laterality. Of segments that overlap the smaller keeps
    the voxel; of fractional ones what is more than half there counts. Empty frames are commonly left out of such files,
    so that beyond the first and last frame an expert counts as not having looked.
    """

    kind: Literal["dicom-seg"] = "dicom-seg"

    def propose(self, case: Case) -> Proposal:
        """Read the case's segmentation, place its frames, and bring them to the CT's grid.

        Raises
        ------
        BadFileError
            The file is missing, unreadable, no segmentation, or its frames are no stack of parallel slices.
        BadLabelsError
            None of its segments is a structure of the scheme.
        """
        path, scheme = self.file(case, "DICOM segmentation"), load_scheme(self.scheme)
        found = read_dicom_seg(path, scheme)
        if not found.known:
            raise none_known(found.strangers, scheme, path, "segments")
        overlaps = found.overlay.findings(self.name, case.id, scheme) if found.overlay else ()
        findings = (*unknown_findings(found.strangers, self.name, case, scheme, path), *overlaps)
        return on_ct_grid(self.name, case, scheme, found.label_map, found.grid, findings)
