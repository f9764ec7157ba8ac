"""Names for the labels of a model: version 1 keeps them in the data set, not in the model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dapatlas.errors import BadFileError, BadLabelsError
from dapatlas.experts.nnunet.v2_folder import labels_of, read_json
from dapatlas.labels import load_scheme

BACKGROUND = "background"


def numbered(classes: int) -> dict[str, Any]:
    """Names for want of better ones."""
    return {"labels": {BACKGROUND: 0} | {f"label_{number}": number for number in range(1, classes)}}


def named_by_file(path: Path, classes: int) -> dict[str, Any]:
    """Names from a dataset.json of version 1 (id to name) or 2 (name to id), or from a labels.json (id to name).

    Raises
    ------
    BadFileError
        The file is damaged, or does not name as many labels as the model has classes.
    """
    content = read_json(path)
    given = content.get("labels", content)
    try:
        if all(str(key).isdigit() for key in given):
            given = {BACKGROUND if int(key) == 0 else str(name): int(key) for key, name in given.items()}
        labels = labels_of({"labels": given}, path)
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise BadFileError(f"{path}: no labels of a data set ({error})") from None
    if len(labels) != classes:
        raise BadFileError(
            f"{path}: names {len(labels)} labels, background included, and the model tells {classes} classes apart; "
            "it belongs to another task"
        )
    kept: dict[str, Any] = {
        key: content[key] for key in ("scheme", "scheme_ids", "channel_names") if key in content
    }
    return {"labels": labels, **kept}


def named_by_scheme(name: str, classes: int) -> dict[str, Any]:
    """Names from one of our label schemes, and the way back from the model's labels to its ids.

    A model of a scheme with gaps between its ids has one class an id, gaps included, or one a structure.

    Raises
    ------
    BadLabelsError
        There is no such scheme, or it has neither that many ids nor that many structures.
    """
    scheme = load_scheme(name)
    names: Mapping[int, str] = {structure.id: structure.name for structure in scheme}
    if classes == max(names) + 1:
        ids = list(range(classes))
    elif classes == len(names):
        ids = list(names)
    else:
        raise BadLabelsError(
            f"the model tells {classes} classes apart, and the scheme {name} has {len(names)} structures with ids "
            f"up to {max(names)}, background included; give its dataset.json instead: --labels"
        )
    labels = {names.get(number, f"unused_{number}"): label for label, number in enumerate(ids)}
    first = next(iter(labels))
    return {"labels": {BACKGROUND: labels.pop(first), **labels}, "scheme": scheme.name, "scheme_ids": ids}
