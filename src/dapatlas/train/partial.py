"""What a network is to learn of maps in which not everything is annotated: the rest is *ignored*.

nnU-Net v2 has a label ``ignore`` (documentation/ignore_label.md): voxels with it have no say in its loss. A voxel
without a label in a data set of livers may be anything but liver; a network that must learn kidneys, too, may not take
it for background.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dapatlas.aggregate.body import body_outline
from dapatlas.dataset import Case
from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.labels import LabelScheme, Relation, Structure
from dapatlas.publish.export_nnunet import NnunetExport
from dapatlas.publish.exports import Labels
from dapatlas.volumes import Volume, remap

IGNORE, IGNORE_ID = "ignore", 255
Unlabelled = Literal["background", "ignore"]
CASE_COLUMN, STRUCTURES_COLUMN = "case", "structures"


@dataclass(frozen=True)
class TrainingExport(NnunetExport):
    """nnU-Net's raw data set, with voxels to ignore.

    Ignored are voxels that the source marks as not annotated. With ``unlabelled = "ignore"`` so are, in cases that lack
    annotations, voxels inside the body that have no label, and what the trained labels cannot express. Outside the body
    there is background: that much the CT tells.

    Attributes
    ----------
    unlabelled
        What voxels without a label become in a case that is not fully annotated.
    annotated
        Case id to names of the structures that were annotated in it. Of a case that is not listed, those of its scheme.
    """

    unlabelled: Unlabelled = "background"
    annotated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        """Also what is ignored."""
        listed = {case: sorted(names) for case, names in self.annotated.items()}
        return {**super().settings(), "unlabelled": self.unlabelled, "annotated": listed}

    def missing(self, case_id: str) -> tuple[str, ...]:
        """Trained structures that are not annotated in a case."""
        scheme = self.labels.scheme
        known = {int(id_) for id_ in self.labels.translation}
        if case_id in self.annotated:
            known = {scheme[name].id for name in self.annotated[case_id] if name in scheme}
        return tuple(s.name for s in scheme if s.id not in known | {0, IGNORE_ID})

    def read(self, case: Case) -> tuple[Volume, dict[str, int]]:
        """A case's label map in the trained labels, ignored voxels marked; and what was lost."""
        volume = case.label_map()
        assert case.mask_path is not None  # or reading had raised
        translated, lost = self.labels.of(volume.array, case.mask_path)
        if IGNORE not in self.labels.scheme:
            return replace(volume, array=translated), lost
        incomplete = self.unlabelled == "ignore" and bool(self.missing(case.id))
        ignored = self._ignored(volume.array, incomplete=incomplete)
        if incomplete:
            ct = case.ct()
            ignored |= (translated == 0) & body_outline(ct.array, ct.grid)
        translated[ignored] = IGNORE_ID
        return replace(volume, array=translated), lost

    def _ignored(self, source: NDArray[Any], *, incomplete: bool) -> NDArray[np.bool_]:
        """Where the source says that nobody looked, or what the trained labels cannot say."""
        marked = {structure.id for structure in self.labels.source if structure.ignored}
        table = np.zeros(256, np.bool_)
        table[list(marked | (self.labels.lost if incomplete else frozenset()))] = True
        return remap(source, table)


def with_ignore(labels: Labels) -> Labels:
    """The same labels and, last, the one to ignore.

    Raises
    ------
    DapatlasError
        The scheme has a structure of that id or name.
    """
    scheme = labels.scheme
    if scheme.max_id >= IGNORE_ID or IGNORE in scheme:
        raise DapatlasError(
            f"{scheme.name} has a structure {IGNORE!r} or with id {IGNORE_ID}, which is needed for ignored voxels"
        )
    return replace(labels, scheme=replace(scheme, structures=(*scheme.structures, _ignore(scheme))))


def _ignore(scheme: LabelScheme) -> Structure:
    return replace(
        scheme[0],
        id=IGNORE_ID,
        name=IGNORE,
        display_name="Ignore",
        aliases=(),
        dap=(),
        relation=Relation.NONE,
        ignored=True,
    )


def read_annotated(path: Path, scheme: LabelScheme) -> dict[str, tuple[str, ...]]:
    """Which structures were annotated in which case, from a CSV with columns ``case`` and ``structures``.

    Structures are separated by blanks or semicolons.

    Raises
    ------
    BadFileError
        The file cannot be read, or lacks a column.
    BadLabelsError
        The scheme has no such structure.
    """
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise BadFileError(f"{path}: cannot be read as a table of annotations ({error})") from None
    columns = set(rows[0]) if rows else set()
    if not {CASE_COLUMN, STRUCTURES_COLUMN} <= columns:
        raise BadFileError(
            f"{path}: expected a CSV with columns {CASE_COLUMN} and {STRUCTURES_COLUMN}; found "
            f"{', '.join(sorted(map(str, columns))) or 'no rows'}"
        )
    return {
        row[CASE_COLUMN]: tuple(
            scheme[name].name for name in (row[STRUCTURES_COLUMN] or "").replace(";", " ").split()
        )
        for row in rows
    }
