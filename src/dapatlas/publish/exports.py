"""What all exports share: which labels are written, what a case left behind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import fastremap
import numpy as np
from numpy.typing import NDArray

from dapatlas.dataset import Case
from dapatlas.errors import BadLabelsError
from dapatlas.labels import LabelScheme, crosswalk
from dapatlas.labels.scheme import MAX_ID
from dapatlas.volumes import Volume, remap


@dataclass(frozen=True, slots=True)
class Labels:
    """Which structures are written, and under which ids.

    Attributes
    ----------
    source
        The scheme of the data set's maps.
    scheme
        What is written: a scheme, or those of its structures that were asked for.
    translation
        Id in ``scheme`` of every id in 0…255 of the source; 0 where it is not written.
    lost
        Ids of the source that have no counterpart in the scheme that was asked for.
    """

    source: LabelScheme
    scheme: LabelScheme
    translation: tuple[int, ...]
    lost: frozenset[int]

    def of(self, label_map: NDArray[Any], path: Path) -> tuple[NDArray[np.uint8], dict[str, int]]:
        """Translate a map; also the voxels of every structure that has no counterpart, by name.

        Raises
        ------
        BadLabelsError
            The map has ids that its scheme does not have; ``path`` is named.
        """
        ids, counts = fastremap.unique(label_map, return_counts=True)
        voxels = dict(zip(ids.tolist(), counts.tolist(), strict=True))
        unknown = [str(id_) for id_ in voxels if id_ not in self.source]
        if unknown:
            raise BadLabelsError(
                f"{path}: ids outside the scheme {self.source.name!r}: {', '.join(unknown)}; "
                "name the scheme that the maps are in (--maps)"
            )
        lost = {self.source[id_].name: n for id_, n in voxels.items() if id_ in self.lost}
        table = np.array(self.translation, np.uint8)
        return remap(label_map, table), lost

    def as_dict(self) -> dict[str, Any]:
        """What of it decides the files that are written, as JSON can hold it."""
        return {
            "source": self.source.name,
            "scheme": self.scheme.name,
            "names": list(self.scheme.names),
            "translation": list(self.translation),
        }


def choose_labels(
    source: LabelScheme, target: LabelScheme | None = None, structures: Sequence[str] = ()
) -> Labels:
    """Decide what is written of maps in one scheme.

    Parameters
    ----------
    source
        Of the maps.
    target
        Whose names and ids are written; the source's own by default. Structures that the target divides, or does not
        have, have no counterpart.
    structures
        Names, as the target knows them; all by default.

    Raises
    ------
    BadLabelsError
        The target has no structure of such a name; or none that was asked for has a counterpart in the source.
    """
    target = target or source
    if target == source:
        table = np.zeros(MAX_ID + 1, np.uint8)
        table[source.ids] = source.ids
    else:
        table = crosswalk(source, target).lookup()
    lost = frozenset(structure.id for structure in source if structure.id and not table[structure.id])
    wanted = {target[name].id for name in structures} - {0} or {int(id_) for id_ in target.ids if id_}
    table[~np.isin(table, list(wanted))] = 0
    if not table.any():
        asked = ", ".join(target[id_].name for id_ in sorted(wanted)[:8])
        raise BadLabelsError(f"{source.name} has no counterpart of {asked} (as {target.name} knows it)")
    kept = tuple(structure for structure in target if structure.id in wanted or not structure.id)
    return Labels(source, replace(target, structures=kept), tuple(table.tolist()), lost)


@dataclass(frozen=True, slots=True)
class Written:
    """What was written of one case.

    Attributes
    ----------
    structures
        How many structures.
    lost
        Voxels of structures that have no counterpart in the scheme that was asked for, by name in the source's.
    """

    structures: int
    lost: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Export(ABC):
    """One format: which files a case becomes, and how they are written. Travels to other processes.

    Attributes
    ----------
    labels
        What is written, and in whose names.
    """

    kind: ClassVar[str]
    needs_ct: ClassVar[bool] = False

    labels: Labels

    def inputs(self, case: Case) -> tuple[Path, ...]:
        """Every file that a case's export depends on."""
        paths = (case.mask_path, case.image_path if self.needs_ct else None)
        return tuple(path for path in paths if path is not None)

    @abstractmethod
    def outputs(self, case: Case, out: Path) -> tuple[Path, ...]:
        """Files or folders that a case becomes under the folder of the export."""

    @abstractmethod
    def write(self, case: Case, out: Path) -> Written:
        """Write them, each whole or not at all."""

    def settings(self) -> dict[str, Any]:
        """What else they depend on, as JSON can hold it."""
        return {"kind": self.kind, **self.labels.as_dict()}

    def finish(self, out: Path, cases: Sequence[Case], failed: Sequence[Case]) -> None:  # noqa: B027  # optional
        """Write what belongs to all cases: those that are written, without those that failed."""

    def read(self, case: Case) -> tuple[Volume, dict[str, int]]:
        """A case's label map in the labels that are written, and what was lost; raises as reading does."""
        volume = case.label_map()
        assert case.mask_path is not None  # or reading had raised
        translated, lost = self.labels.of(volume.array, case.mask_path)
        return replace(volume, array=translated), lost
