"""A raw data set of nnU-Net v2: linked images, labels that count from 0 without gaps, ``dataset.json``.

The layout is described in nnU-Net's own documentation (documentation/dataset_format.md).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import fastremap
import numpy as np

from dapatlas.dataset import Case
from dapatlas.errors import BadFileError, GridMismatchError
from dapatlas.files import Way, place_file, whole_file, write_json
from dapatlas.labels.export import nnunet
from dapatlas.publish.exports import Export, Written
from dapatlas.volumes import read_header, read_volume, remap, write_label_map, write_volume

ENDING = ".nii.gz"
IMAGES, LABELS, SPLITS = "imagesTr", "labelsTr", "splits_final.json"


@dataclass(frozen=True)
class NnunetExport(Export):
    """``imagesTr/CASE_0000.nii.gz``, ``labelsTr/CASE.nii.gz``, ``dataset.json``.

    Attributes
    ----------
    link
        How images come there: ``hard`` links (symbolic ones where the disk differs), ``symbolic`` ones, or ``copy``.
        A CT that is not compressed is always written anew, since nnU-Net wants one ending.
    splits
        A ``splits_final.json`` to take along, if there is one.
    """

    kind: ClassVar[str] = "nnunet"
    needs_ct: ClassVar[bool] = True

    link: Way = "hard"
    splits: Path | None = None

    def outputs(self, case: Case, out: Path) -> tuple[Path, ...]:
        """The image and the labels."""
        return out / IMAGES / f"{case.id}_0000{ENDING}", out / LABELS / f"{case.id}{ENDING}"

    def settings(self) -> dict[str, Any]:
        """Also the way of linking."""
        return {**super().settings(), "link": self.link}

    def write(self, case: Case, out: Path) -> Written:
        """Write the labels with the header of the CT, then link the CT.

        Raises
        ------
        GridMismatchError
            CT and label map are not on one grid.
        """
        if case.image_path is None:
            raise BadFileError(f"{case.id}: the case has no CT")
        image, labels = self.outputs(case, out)
        grid, header = read_header(case.image_path)
        volume, lost = self.read(case)
        differences = volume.grid.differences(grid)
        if differences:
            raise GridMismatchError(
                f"{case.mask_path}: not on the grid of {case.image_path}: {'; '.join(differences)}; "
                "`dapatlas validate` tells more"
            )
        numbers = np.zeros(256, np.uint8)
        numbers[self.labels.scheme.ids] = np.arange(len(self.labels.scheme))
        consecutive = remap(volume.array, numbers)
        write_label_map(labels, consecutive, grid, header)
        _place(image, case.image_path, self.link)
        return Written(int(np.count_nonzero(fastremap.unique(consecutive))), lost)

    def finish(self, out: Path, cases: Sequence[Case], failed: Sequence[Case]) -> None:
        """Take away what older runs left of failed cases, and write ``dataset.json``."""
        for case in failed:
            for path in self.outputs(case, out):
                path.unlink(missing_ok=True)
        images = sorted((out / IMAGES).glob(f"*_0000{ENDING}"))
        stems = [path.name.removesuffix(f"_0000{ENDING}") for path in images if not path.name.startswith(".")]
        pairs = [stem for stem in stems if (out / LABELS / f"{stem}{ENDING}").is_file()]
        scheme = self.labels.scheme
        document = {
            "name": out.name,
            "description": f"{scheme.title or scheme.name}; written by dapatlas",
            "reference": scheme.home_page,
            "licence": scheme.licence,
            "channel_names": {"0": "CT"},
            **json.loads(nnunet(scheme)),
            "scheme": scheme.name,
            "numTraining": len(pairs),
            "file_ending": ENDING,
        }
        write_json(out / "dataset.json", document)
        if self.splits is not None and self.splits.is_file():
            with whole_file(out / SPLITS) as scratch:
                shutil.copyfile(self.splits, scratch)


def _place(path: Path, source: Path, way: Way) -> None:
    """Bring a CT to its place; one that is not compressed is written anew."""
    if source.name.endswith(ENDING):
        place_file(path, source, way)
        return
    volume = read_volume(source)
    write_volume(path, volume.array, volume.grid, volume.header)
