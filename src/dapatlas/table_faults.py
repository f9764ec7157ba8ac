"""What is wrong with a table that a user wrote (TOML, options), in words; pydantic says it in a programmer's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, get_args

from dapatlas.errors import did_you_mean

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

    Models = tuple[type[BaseModel], ...]

# Faults of a key, not of its value: what was found there adds nothing to the words.
KEY_FAULTS = frozenset({"missing", "extra_forbidden"})


def faults_in_words(error: ValidationError, model: type[BaseModel]) -> str:
    """All that is wrong, ``key: message`` each, with semicolons between.

    Parameters
    ----------
    error
        What validation by ``model`` ended in.
    model
        Knows which keys there are.
    """
    told = ((".".join(map(str, fault["loc"])), in_words(fault, model)) for fault in error.errors())
    return "; ".join(f"{key}: {message}" if key else message for key, message in told)


def in_words(fault: ErrorDetails, model: type[BaseModel]) -> str:
    """One fault, without its key."""
    if fault["type"] == "missing":
        return "is missing"
    if fault["type"] == "extra_forbidden":
        *above, key = fault["loc"]
        known = keys_of(model, above)
        return f"no such key{did_you_mean(str(key), known) or ', known are ' + ', '.join(known)}"
    return fault["msg"].removeprefix("Value error, ")


def keys_of(model: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """The keys that the table at a place may have, in the order of their definition.

    Parameters
    ----------
    model
        Of the whole.
    place
        Keys and list places that lead to the table, as pydantic gives them: the tag of a union is a step, too.
    """
    models: Models = (model,)
    for step in place:
        if isinstance(step, str):  # the members of a list are of the list's model
            models = tuple(_below(models, step))
    return list(dict.fromkeys(name for one in models for name in _fields(one)))


def _below(models: Models, step: str) -> Iterator[type[BaseModel]]:
    """The models of a key of tables; or, where no table has such a key, the members of a union with that tag."""
    holding = [one for one in models if step in _fields(one)]
    for one in holding:
        yield from _models_in(_fields(one)[step])
    if not holding:
        yield from (one for one in models if any(step in get_args(kind) for kind in _fields(one).values()))


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """Key, as a file has it, to annotation."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every model that an annotation names, within lists, tuples and unions too."""
    if hasattr(annotation, "model_fields"):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
