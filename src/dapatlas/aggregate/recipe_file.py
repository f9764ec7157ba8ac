"""Recipe files: TOML read, laid over what it extends, checked; errors name file, line and key of every fault."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from dapatlas.aggregate.recipe import EXPERT_KINDS, Recipe
from dapatlas.aggregate.recipe_layers import Composed, compose
from dapatlas.errors import RecipeError
from dapatlas.table_faults import KEY_FAULTS, in_words

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from dapatlas.aggregate.toml_lines import Keys

OWN_KEY = re.compile(r"([\w.]+\.\w+): ")  # how a check of ours on the recipe as a whole names the key itself
# Of an expert: the model that it predicts with, the interpreter that it runs. A bare word is a name, no path.
PROGRAMS = ("model", "python")
PATH_SIGNS = frozenset("/$")
UNION_FAULTS = ("union_tag_invalid", "union_tag_not_found")


def load_recipe(path: Path, *, cts: str | None = None, expert_files: dict[str, str] | None = None) -> Recipe:
    """Read and check a recipe.

    ``extends = "base.toml"``, or a list of such, names recipes that are read first; this one is laid over them as
    :mod:`dapatlas.aggregate.recipe_layers` says. Paths are relative to the folder of the file that they stand in;
    ``${NAME}`` and ``${NAME:-default}`` stand for environment variables, and a relative path that such a variable
    holds is relative to the current folder.

    Parameters
    ----------
    path
        The TOML file.
    cts
        Replaces ``cts.files``; relative to the current folder.
    expert_files
        Expert name to what replaces its ``files``; relative to the current folder.

    Raises
    ------
    RecipeError
        A file is absent, is no TOML, or breaks a rule; the message names file, line and key of every fault.
    """
    composed = compose(Path(path))
    _place_paths(composed, _instead(composed, cts, expert_files or {}))
    try:
        return Recipe.model_validate(composed.raw)
    except ValidationError as error:
        raise RecipeError(_explain(error, composed)) from None


def _instead(composed: Composed, cts: str | None, expert_files: dict[str, str]) -> dict[Keys, str]:
    """Paths by key that the caller gives instead of the recipe's."""
    here, raw = Path.cwd(), composed.raw
    instead: dict[Keys, str] = {}
    if cts is not None:
        raw.setdefault("cts", {})
        instead["cts", "files"] = str(here / cts)
    experts = {str(expert.get("name")): place for place, expert in _tables(raw)}
    for name, files in expert_files.items():
        if name not in experts:
            raise RecipeError(
                f"{composed.layers[0].path}: has no expert {name!r} to give files to; "
                f"it has {', '.join(experts) or 'none'}"
            )
        instead["experts", experts[name], "files"] = str(here / files)
    return instead


def _place_paths(composed: Composed, instead: dict[Keys, str]) -> None:
    """Make every path absolute, or what the caller gives instead, in place."""
    raw = composed.raw
    tables: list[tuple[Any, Keys]] = [(raw.get("cts"), ("cts", "files"))]
    tables += [(raw.get("refine"), ("refine", "sex_table"))]
    tables += [(expert, ("experts", place, "files")) for place, expert in _tables(raw)]
    tables += [
        (expert, ("experts", place, key))
        for place, expert in _tables(raw)
        for key in PROGRAMS
        if PATH_SIGNS & set(str(expert.get(key, "")))
    ]
    for table, keys in tables:
        key = keys[-1]
        if keys in instead and isinstance(table, dict):
            table[key] = instead[keys]
        elif isinstance(table, dict) and isinstance(table.get(key), str):
            layer, own_keys = composed.origin(keys)
            table[key] = layer.anchored(own_keys, table[key])


def _tables(raw: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """The experts, as far as they are tables, each with its place."""
    listed = raw.get("experts")
    experts = enumerate(listed if isinstance(listed, list) else [])
    return [(place, expert) for place, expert in experts if isinstance(expert, dict)]


def _explain(error: ValidationError, composed: Composed) -> str:
    """A line a fault."""
    return "\n".join(
        _explain_fault(fault, composed)
        for fault in error.errors()
        # where it is too short and not empty, its members are at fault, which is told on lines of their own
        if fault["type"] != "too_short" or not fault["input"]
    )


def _explain_fault(fault: ErrorDetails, composed: Composed) -> str:
    # pydantic names the chosen member of a tagged union in the location; the file has no such key
    keys: Keys = tuple(key for place, key in enumerate(fault["loc"]) if place != 2 or key not in EXPERT_KINDS)
    if fault["type"] in UNION_FAULTS:
        keys = (*keys, "kind")
    message = in_words(fault, Recipe)
    own = OWN_KEY.match(message)
    if own and not keys:
        keys = tuple(int(key) if key.isdigit() else key for key in own[1].split("."))
        message = message[own.end() :]
    untold = isinstance(fault["input"], dict) or fault["type"] in KEY_FAULTS
    found = "" if untold else f" (found {fault['input']!r})"
    layer, own_keys = composed.origin(keys)
    return f"{layer.at(own_keys)}: {message}{found}"
