"""What a model's own label numbers mean in one of our schemes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import BadLabelsError, first_few
from dapatlas.experts.nnunet.v2_folder import labels_of, read_json
from dapatlas.labels import LabelScheme, load_scheme
from dapatlas.volumes import remap


@dataclass(frozen=True, eq=False)
class Meaning:
    """From a model's label numbers to a scheme.

    Attributes
    ----------
    scheme
        The scheme.
    table
        Its id of each of the model's numbers; 0 where the model's label is no structure of it.
    unknown
        Names of those labels, in the order of their numbers.
    """

    scheme: LabelScheme
    table: NDArray[np.uint8]
    unknown: tuple[str, ...]

    def of(self, labels: NDArray[np.unsignedinteger]) -> NDArray[np.uint8]:
        """Translate a map of the model's numbers, in any memory order."""
        return remap(labels, self.table)


def scheme_of_model(folder: Path) -> str | None:
    """Name of the scheme that a model's dataset.json says its labels are of, where it says so.

    Raises
    ------
    BadFileError
        There is no dataset.json, or it is damaged.
    """
    named = read_json(folder / "dataset.json").get("scheme")
    return named if isinstance(named, str) else None


def meaning_of(folder: Path, scheme: str, names: Mapping[str, str] | None = None) -> Meaning:
    """Find what a model's labels mean in a scheme.

    A model that was trained or imported by dapatlas for that very scheme has a table of ids in its dataset.json; of any
    other, labels are looked up by their names and aliases.

    Parameters
    ----------
    folder
        The model's folder.
    scheme
        Name of the scheme.
    names
        Name of a label of the model to that of the structure in the scheme; the empty string for none.

    Raises
    ------
    BadFileError
        There is no dataset.json, or it is damaged.
    BadLabelsError
        ``names`` says what model or scheme do not know, or no label of the model is a structure of the scheme.
    """
    path = folder / "dataset.json"
    dataset, target = read_json(path), load_scheme(scheme)
    labels = labels_of(dataset, path)
    strange = sorted(set(names or {}) - labels.keys())
    if strange:
        raise BadLabelsError(
            f"names: {', '.join(strange)}: no label of the model; {path} has {first_few(labels)}"
        )
    ids = _own_ids(dataset, labels, target) or _by_name(labels, target)
    ids |= {labels[own]: target[name].id if name else 0 for own, name in (names or {}).items()}
    table = np.zeros(max(256, len(labels)), np.uint8)
    for number, id_ in ids.items():
        table[number] = id_
    unknown = tuple(name for name, number in labels.items() if number and number not in ids)
    if not table.any():
        raise BadLabelsError(
            f"{path}: none of the model's labels is a structure of {target.name}: found {first_few(unknown)}; "
            "name the scheme that they are of, or say with `names` what they mean"
        )
    return Meaning(target, table, unknown)


def _own_ids(dataset: Mapping[str, object], labels: Mapping[str, int], target: LabelScheme) -> dict[int, int]:
    """The ids that the model's dataset.json lists for this very scheme; none where it does not."""
    listed = dataset.get("scheme_ids")
    if not isinstance(listed, list) or dataset.get("scheme") != target.name:
        return {}
    return {number: int(id_) for number, id_ in enumerate(listed[: len(labels)]) if id_ in target}


def _by_name(labels: Mapping[str, int], target: LabelScheme) -> dict[int, int]:
    return {number: target[name].id for name, number in labels.items() if number and name in target}
