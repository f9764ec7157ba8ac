"""A case: one CT, its label map, and what both are called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dapatlas.dataset.names import CaseName, parse_case_name
from dapatlas.errors import BadFileError, BadLabelsError
from dapatlas.labels import LabelScheme
from dapatlas.volumes import Volume, measure, read_label_map, read_volume

IMAGES = "images"
MASKS = "masks"


@dataclass(frozen=True, slots=True)
class Case:
    """One CT with its label map. Nothing is read before it is asked for, and nothing is kept.

    Attributes
    ----------
    id
        File name without ``.nii.gz``; shared by the CT and the label map.
    image_path, mask_path
        Where the CT and the label map lie; None where the data set has no such file.
    scheme
        What the ids in the label map mean.
    """

    id: str
    image_path: Path | None
    mask_path: Path | None
    scheme: LabelScheme

    @property
    def name(self) -> CaseName:
        """Subject and study, as far as the id tells them."""
        return parse_case_name(self.id)

    @property
    def subject(self) -> str:
        """Who was scanned; cases of one subject belong in the same split."""
        return self.name.subject

    @property
    def study(self) -> str | None:
        """Last five digits of the study UID, leading zeros kept; None where the id has none."""
        return self.name.study

    @property
    def is_paired(self) -> bool:
        """Whether there are both a CT and a label map."""
        return self.image_path is not None and self.mask_path is not None

    def ct(self) -> Volume:
        """Read the CT: HU, indexed [i, j, k] in the file's own axis order.

        Raises
        ------
        BadFileError
            If the case has no CT, or the file cannot be read.
        """
        if self.image_path is None:
            raise BadFileError(self._missing("CT", IMAGES, self.mask_path))
        return read_volume(self.image_path)

    def label_map(self) -> Volume:
        """Read the label map: integers, indexed [i, j, k] in the file's own axis order.

        Raises
        ------
        BadFileError
            If the case has no label map, or the file cannot be read.
        BadLabelsError
            If the file holds numbers that are not integers.
        """
        if self.mask_path is None:
            raise BadFileError(self._missing("label map", MASKS, self.image_path))
        return read_label_map(self.mask_path)

    def structure(self, name: str | int) -> npt.NDArray[np.bool_]:
        """Mask of one structure on the grid of the label map; all False where it is not in view.

        Parameters
        ----------
        name
            Canonical name, display name, alias or id, as the label scheme knows them.

        Raises
        ------
        BadLabelsError
            If the scheme has no such structure.
        BadFileError
            If the case has no label map, or the file cannot be read.
        """
        wanted = self.scheme[name].id  # before the slow part: a typing error is told at once
        mask: npt.NDArray[np.bool_] = self.label_map().array == wanted
        return mask

    def volumes(self) -> dict[str, float]:
        """Volume in ml of every structure in view, background left out, in the order of the scheme.

        Raises
        ------
        BadLabelsError
            If the map holds an id that the scheme does not know.
        BadFileError
            If the case has no label map, or the file cannot be read.
        """
        label_map = self.label_map()
        measured = measure(label_map.array, label_map.grid)
        millilitres = dict(zip(measured.ids.tolist(), measured.ml.tolist(), strict=True))
        millilitres.pop(0, None)
        unknown = [str(label) for label in millilitres if label not in self.scheme]
        if unknown:
            raise BadLabelsError(
                f"case {self.id}: {self.mask_path} holds ids outside the scheme {self.scheme.name!r}: "
                f"{', '.join(unknown)}; `dapatlas validate` tells how many voxels they have"
            )
        return {self.scheme[label].name: ml for label, ml in sorted(millilitres.items())}

    def _missing(self, what: str, folder: str, partner: Path | None) -> str:
        expected = Path(folder) / f"{self.id}.nii.gz"
        if partner is not None:
            expected = partner.parent.parent / expected
        return f"case {self.id} has no {what}: expected {expected}"
