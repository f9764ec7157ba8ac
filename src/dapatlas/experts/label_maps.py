"""One multi-label file a case."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from dapatlas.dataset import Case
from dapatlas.experts.expert import Proposal
from dapatlas.experts.ready import ReadyExpert, check_ids, missing, on_ct_grid
from dapatlas.findings import Finding, Severity
from dapatlas.formats.itk import data_files, is_itk, read_itk_label_map
from dapatlas.labels import load_scheme
from dapatlas.volumes import Grid, read_label_map


class LabelMaps(ReadyExpert):
    """One multi-label file a case, its ids in a known scheme: NIfTI, MetaImage (.mha, .mhd) or NRRD."""

    kind: Literal["label-maps"] = "label-maps"

    def inputs(self, case: Case) -> tuple[Path, ...]:
        """The case's label map, if there is one."""
        path = self.path(case)
        return data_files(path) if path.is_file() else ()

    def propose(self, case: Case) -> Proposal:
        """Read the case's label map and bring it to the CT's grid.

        Raises
        ------
        BadFileError
            The file is missing or unreadable.
        BadLabelsError
            It holds ids that the scheme does not know, or no integers.
        """
        path = self.path(case)
        if not path.is_file():
            raise missing(self.name, case, "label map", path)
        array, grid = read_ids(path)
        scheme = load_scheme(self.scheme)
        check_ids(array, scheme, path)
        return on_ct_grid(self.name, case, scheme, array, grid, self._named_otherwise(case, path))

    def _named_otherwise(self, case: Case, path: Path) -> tuple[Finding, ...]:
        if not path.name.endswith(".seg.nrrd"):
            return ()
        return (
            Finding(
                case=case.id,
                severity=Severity.WARNING,
                code="names-ignored",
                message=f"expert {self.name}: {path.name} says itself which number means what; its numbers were taken "
                f"for ids of {self.scheme} all the same",
                file=str(path),
                remedy='use kind = "slicer-segmentation", which goes by the names in the file',
            ),
        )


def read_ids(path: Path) -> tuple[NDArray[Any], Grid]:
    """Unsigned integers and grid of a label map in any of the formats."""
    if is_itk(path):
        return read_itk_label_map(path)
    volume = read_label_map(path)
    return volume.array, volume.grid
