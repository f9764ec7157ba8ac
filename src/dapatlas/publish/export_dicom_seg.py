"""A DICOM Segmentation a case, of the series that its CT came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from dapatlas.dataset import Case
from dapatlas.errors import BadLabelsError, GridMismatchError
from dapatlas.formats.dicom_seg_writer import write_dicom_seg
from dapatlas.formats.dicom_series import read_series
from dapatlas.publish.exports import Export, Written


@dataclass(frozen=True)
class DicomSegExport(Export):
    """``OUT/CASE.dcm``.

    Attributes
    ----------
    dicom
        Folder of a case's series, with ``{case}``, ``{subject}`` and ``{study}`` filled in.
    binary
        One binary segment a structure, in place of a label map.
    """

    kind: ClassVar[str] = "dicom-seg"

    dicom: str = ""
    binary: bool = False

    def folder(self, case: Case) -> Path:
        """Where the series of a case is."""
        known = {"case": case.id, "subject": case.subject, "study": case.study or ""}
        text = self.dicom
        for key, value in known.items():
            text = text.replace(f"{{{key}}}", value)
        return Path(text)

    def inputs(self, case: Case) -> tuple[Path, ...]:
        """Also every file of the series."""
        series = sorted(path for path in self.folder(case).rglob("*") if path.is_file())
        return (*super().inputs(case), *series)

    def outputs(self, case: Case, out: Path) -> tuple[Path, ...]:
        """The segmentation."""
        return (out / f"{case.id}.dcm",)

    def settings(self) -> dict[str, Any]:
        """Also which of DICOM's two forms."""
        return {**super().settings(), "binary": self.binary}

    def write(self, case: Case, out: Path) -> Written:
        """Write it on the grid of the series."""
        series = read_series(self.folder(case))
        volume, lost = self.read(case)
        (path,) = self.outputs(case, out)
        try:
            structures = write_dicom_seg(
                path, volume.array, volume.grid, self.labels.scheme, series, binary=self.binary
            )
        except (GridMismatchError, BadLabelsError) as error:
            raise type(error)(f"{case.mask_path} and {self.folder(case)}: {error}") from None
        return Written(structures, lost)
