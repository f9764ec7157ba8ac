"""A case: one CT, its label map, and what both are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dapatlas.dataset.names import CaseName, parse_case_name
from dapatlas.errors import BadFileError, BadLabelsError
from dapatlas.labels import LabelScheme
from dapatlas.volumes import SOFT_TISSUE_HU, Volume, measure, read_label_map, read_volume

IMAGES = "images"
MASKS = "masks"


@dataclass(frozen=True, slots=True, repr=False)
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

    def __repr__(self) -> str:
        there = [what for what, path in (("CT", self.image_path), ("label map", self.mask_path)) if path]
        return f"Case({self.id!r}, {self.scheme.name!r}: {' and '.join(there) or 'no file'})"

    def _repr_html_(self) -> str:
        from dapatlas.dataset.html import case_html

        return case_html(self)

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

    def show(
        self,
        structures: str | int | Sequence[str | int] | None = None,
        *,
        centre: str | int | Sequence[float] | None = None,
        window_hu: tuple[float, float] = SOFT_TISSUE_HU,
        opacity: float = 0.5,
        height: int = 480,
        static: bool | None = None,
    ) -> Any:
        """Look at the CT with the label map over it: head up, patient's left on the viewer's right.

        Parameters
        ----------
        structures
            Only these, by name or id; all of them by default.
        centre
            What the planes go through: a structure by name or id (its voxel nearest to its centroid), or a point
            x, y, z in world mm; the middle of what is shown by default.
        window_hu
            Black and white of the CT.
        opacity
            Of the colours, 0…1.
        height
            Of the widget or of the three planes, in pixels.
        static
            True for a picture, False for the widget; by default the widget in Jupyter where ipyniivue (extra
            ``notebook``) is installed, and a picture elsewhere.

        Returns
        -------
        ipywidgets.VBox or PIL.Image.Image
            Jupyter displays either. The box holds the ``ipyniivue.NiiVue`` and a line that names what is under the
            cross-hair. Of a volume with more than 32 million voxels the widget gets every nth, and says so.

        Raises
        ------
        DapatlasError
            No such structure, or centre; a file that cannot be read; grids that differ; or ipyniivue is not installed.
        """
        from dapatlas.dataset.showing import show_case

        return show_case(self, structures, centre, window_hu, opacity, height, static)

    def _missing(self, what: str, folder: str, partner: Path | None) -> str:
        expected = Path(folder) / f"{self.id}.nii.gz"
        if partner is not None:
            expected = partner.parent.parent / expected
        return f"case {self.id} has no {what}: expected {expected}"
