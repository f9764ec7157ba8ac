"""A folder of binary masks a case, one file a structure, as TotalSegmentator writes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dapatlas.dataset import Case
from dapatlas.files import whole_folder
from dapatlas.publish.exports import Export, Written
from dapatlas.volumes import measure, write_volume


@dataclass(frozen=True)
class BinaryMasksExport(Export):
    """``OUT/CASE/STRUCTURE.nii.gz``, each uint8 of 0 and 1 on the grid of the label map.

    Attributes
    ----------
    empty
        Write a file of zeros for every structure that is not in view.
    """

    kind: ClassVar[str] = "binary-masks"

    empty: bool = False

    def outputs(self, case: Case, out: Path) -> tuple[Path, ...]:
        """The case's folder."""
        return (out / case.id,)

    def settings(self) -> dict[str, Any]:
        """Also whether empty masks are written."""
        return {**super().settings(), "empty": self.empty}

    def write(self, case: Case, out: Path) -> Written:
        """Write the masks: one measurement of the map, then each structure within its box."""
        volume, lost = self.read(case)
        header = volume.header.copy()
        header["cal_min"] = header["cal_max"] = 0  # the window of a CT means nothing on labels
        found = {measured.id: measured.box for measured in measure(volume.array, volume.grid) if measured.id}
        canvas = np.zeros(
            volume.grid.shape, np.uint8, order="F"
        )  # one for all: only a box of it is ever drawn on
        with whole_folder(out / case.id) as folder:
            for structure in self.labels.scheme.structures[1:]:
                path, box = folder / f"{structure.name}.nii.gz", found.get(structure.id)
                if box is not None:
                    np.equal(volume.array[box], structure.id, out=canvas[box].view(np.bool_))
                    write_volume(path, canvas, volume.grid, header)
                    canvas[box] = 0
                elif self.empty:
                    write_volume(path, canvas, volume.grid, header)
        return Written(len(found), lost)
