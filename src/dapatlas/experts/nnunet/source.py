"""Finding the model within a folder that somebody shares: how deep it lies, and of which version it is."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dapatlas.errors import BadFileError
from dapatlas.experts.nnunet.plans import Dialect

_NAME = re.compile(r"(Task|Dataset)\d{3}_\w+")
_NOT_SUPPORTED = ("2d", "3d_cascade_fullres")
_FULL = "3d_fullres"


@dataclass(frozen=True)
class Source:
    """A model as it was found.

    Attributes
    ----------
    folder
        Of the model.
    dialect
        Which version of nnU-Net left it.
    name
        Of the task or data set, as far as folders or the archive tell.
    inside
        Where in the source it lies; "." if it is the source itself.
    dataset_json
        The nearest one, if there is any.
    keeps_largest_of
        Labels of which version 1 would keep only the largest piece afterwards, as its postprocessing.json says.
    """

    folder: Path
    dialect: Dialect
    name: str
    inside: str
    dataset_json: Path | None
    keeps_largest_of: list[Any]


def find_source(folder: Path, given: Path, inside: str | None = None) -> Source:
    """Find the one model in a folder.

    Parameters
    ----------
    folder
        Where to look, to any depth.
    given
        What the user gave, ZIP or folder; names the model where no folder does.
    inside
        Part of the model's path, where there are several.

    Raises
    ------
    BadFileError
        There is none, or there are several to choose from.
    """
    models = {path.relative_to(folder).as_posix(): path for path in _models(folder)}
    chosen = {place: path for place, path in models.items() if inside is None or inside in place}
    if len(chosen) > 1 and inside is None:
        chosen = {place: path for place, path in chosen.items() if _FULL in place.split("/")} or chosen
    if len(chosen) != 1:
        found = (
            f"there are {', '.join(models)}" if models else "expected plans.pkl or plans.json beside fold_*"
        )
        what = (
            "several models; choose one with --inside"
            if chosen
            else f"no model{f' in {inside}' if inside else ''}"
        )
        raise BadFileError(f"{given}: {what}; {found}")
    place, path = next(iter(chosen.items()))
    dialect: Dialect = "v2" if (path / "plans.json").is_file() else "v1"
    return Source(path, dialect, _name(place, given), place, _dataset_json(path, folder), _largest(path))


def _models(folder: Path) -> list[Path]:
    """Folders with plans and folds, other than of models that cannot be used here."""
    beside = {path.parent for path in (*folder.rglob("plans.pkl"), *folder.rglob("plans.json"))}
    beside |= {
        path.parents[1] for path in folder.rglob("*.model.pkl") if path.parents[1].is_relative_to(folder)
    }
    return sorted(
        path
        for path in beside
        if any(path.glob("fold_*")) or (path / "all").is_dir()
        if not any(part in _NOT_SUPPORTED for part in path.relative_to(folder).parts)
    )


def _name(place: str, given: Path) -> str:
    for part in (*place.split("/"), *reversed(given.absolute().parts)):
        found = _NAME.match(part)
        if found:
            return found.group()
    return given.absolute().name.removesuffix(".zip")


def _dataset_json(path: Path, top: Path) -> Path | None:
    """The dataset.json beside the plans, or the nearest one above."""
    while path.is_relative_to(top):
        if (path / "dataset.json").is_file():
            return path / "dataset.json"
        path = path.parent
    return None


def _largest(path: Path) -> list[Any]:
    """What version 1 found best to clean up; read for the record only."""
    try:
        content = json.loads((path / "postprocessing.json").read_text(encoding="utf-8"))
        return list(content["for_which_classes"] or ())
    except (OSError, ValueError, KeyError, TypeError):
        return []
