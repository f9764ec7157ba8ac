"""A segmentation of 3D Slicer a case."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from dapatlas.dataset import Case
from dapatlas.formats.slicer import write_slicer
from dapatlas.publish.exports import Export, Written


@dataclass(frozen=True)
class SlicerExport(Export):
    """``OUT/CASE.seg.nrrd``."""

    kind: ClassVar[str] = "slicer"

    def outputs(self, case: Case, out: Path) -> tuple[Path, ...]:
        """The segmentation."""
        return (out / f"{case.id}.seg.nrrd",)

    def write(self, case: Case, out: Path) -> Written:
        """Write it."""
        volume, lost = self.read(case)
        (path,) = self.outputs(case, out)
        return Written(write_slicer(path, volume.array, volume.grid, self.labels.scheme), lost)
