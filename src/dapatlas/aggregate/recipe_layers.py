"""A recipe file laid over those that it extends, and from which file each of its keys comes.

Tables are merged; a number, a text or a list replaces the base's. Experts are merged by name: of one that the base
has too, single keys are replaced; new ones follow the base's; one with ``remove = true`` goes, and with it its name
from the base's orders of trust and weights.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dapatlas.aggregate.toml_lines import Keys, line_of
from dapatlas.errors import RecipeError

VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Layer:
    """One file.

    Attributes
    ----------
    path
        Where it lies, as errors call it.
    text, raw
        What it says, and that as tables.
    """

    path: Path
    text: str
    raw: dict[str, Any]

    def fault(self, keys: Keys, message: str) -> RecipeError:
        """An error that names file, line and key."""
        return RecipeError(f"{self.at(keys)}: {message}")

    def at(self, keys: Keys) -> str:
        """File, line and key."""
        return f"{self.path}:{line_of(self.text, keys)}: {'.'.join(map(str, keys)) or 'recipe'}"

    def anchored(self, keys: Keys, text: str) -> str:
        """An absolute path from one that stands in this file: variables filled in, relative to its folder."""
        filled = VARIABLE.sub(lambda match: self._variable(keys, match), text)
        return os.path.normpath(self.path.resolve().parent / filled)

    def _variable(self, keys: Keys, match: re.Match[str]) -> str:
        value = os.environ.get(match["name"])
        if value is not None:
            return str(Path.cwd() / value) if match.start() == 0 else value
        if match["default"] is None:
            raise self.fault(
                keys,
                f"uses ${{{match['name']}}}, which is not set: set the environment variable, "
                f"or give a default as ${{{match['name']}:-folder}}",
            )
        return match["default"]


@dataclass(frozen=True, slots=True)
class Composed:
    """What one or several files say together.

    Attributes
    ----------
    raw
        The merged tables.
    layers
        The files, the one that extends before those that it extends.
    experts
        For each expert of ``raw``, the files that speak of it, in the order of ``layers``, and its place there.
    """

    raw: dict[str, Any]
    layers: tuple[Layer, ...] = ()
    experts: tuple[tuple[tuple[Layer, int], ...], ...] = ()

    def origin(self, keys: Keys) -> tuple[Layer, Keys]:
        """The file that says a key, or most of the way to it; and the key as that file has it."""
        candidates: list[tuple[Layer, Keys]] = [(layer, keys) for layer in self.layers]
        place = keys[1] if len(keys) > 1 and keys[0] == "experts" else None
        if isinstance(place, int) and place < len(self.experts):
            candidates = [(layer, ("experts", own, *keys[2:])) for layer, own in self.experts[place]]
        return max(candidates, key=lambda candidate: _depth(candidate[0].raw, candidate[1]))


def compose(path: Path, chain: tuple[Path, ...] = ()) -> Composed:
    """Read a recipe file and all that it extends.

    Parameters
    ----------
    path
        The file.
    chain
        The files that led here, outermost first.

    Raises
    ------
    RecipeError
        A file is absent, is no TOML, or extends itself by whatever way; ``extends`` or ``remove`` is misused.
    """
    layer = _read(path)
    composed = Composed({})
    for base in _bases(layer):
        _check_circle(layer, base, (*chain, path))
        composed = _laid_over(compose(base, (*chain, path)), composed)
    return _laid_over(_alone(layer), composed)


def _read(path: Path) -> Layer:
    try:
        text = path.read_text(encoding="utf-8")
        return Layer(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as a recipe ({error}); expected a TOML file") from None


def _bases(layer: Layer) -> list[Path]:
    named = layer.raw.get("extends", [])
    texts = [named] if isinstance(named, str) else named
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise layer.fault(("extends",), f"expected the path of a recipe or a list of them (found {named!r})")
    bases = [Path(layer.anchored(("extends",), text)) for text in texts]
    for base in bases:
        if not base.is_file():
            raise layer.fault(("extends",), f"names {base}, which is no file; expected a recipe (TOML)")
    return bases


def _check_circle(layer: Layer, base: Path, chain: tuple[Path, ...]) -> None:
    known = [path.resolve() for path in chain]
    if base.resolve() in known:
        circle = [*known[known.index(base.resolve()) :], base.resolve()]
        raise layer.fault(("extends",), f"goes round in a circle: {' → '.join(map(str, circle))}")


def _alone(layer: Layer) -> Composed:
    raw = {key: value for key, value in layer.raw.items() if key != "extends"}
    listed = raw.get("experts")
    places = range(len(listed)) if isinstance(listed, list) else ()
    return Composed(raw, (layer,), tuple(((layer, place),) for place in places))


def _laid_over(top: Composed, base: Composed) -> Composed:
    removed = _removed(top, base)
    raw = _merged(_without(base.raw, removed), top.raw)
    listed = top.raw.get("experts", [])
    if not isinstance(listed, list):  # the check of the whole says what is wrong with it
        return Composed(raw, top.layers + base.layers)
    experts, origins = [], []
    for expert, origin in zip(_experts(base), base.experts, strict=True):
        if _name(expert) not in removed:
            experts.append(expert)
            origins.append(origin)
    own = {_name(expert): place for place, expert in reversed(list(enumerate(experts))) if _name(expert)}
    for expert, origin in zip(listed, top.experts, strict=True):
        if isinstance(expert, dict) and expert.get("remove"):
            continue
        said = _merged({}, expert, without="remove") if isinstance(expert, dict) else expert
        place = own.pop(_name(expert), None)  # once: a second one of that name is a fault, told by the model
        if place is None:
            experts.append(said)
            origins.append(origin)
        else:
            experts[place] = _merged(experts[place], said)
            origins[place] = origin + origins[place]
    return Composed(
        raw | ({"experts": experts} if experts or "experts" in raw else {}),
        top.layers + base.layers,
        tuple(origins),
    )


def _experts(composed: Composed) -> list[Any]:
    return composed.raw["experts"] if composed.experts else []


def _name(expert: Any) -> str | None:
    name = expert.get("name") if isinstance(expert, dict) else None
    return name if isinstance(name, str) else None


def _removed(top: Composed, base: Composed) -> frozenset[str]:
    """Names of the experts that the upper files remove from the lower."""
    known = [_name(expert) for expert in _experts(base)]
    removed = set()
    for place, expert in enumerate(_experts(top)):
        if not isinstance(expert, dict) or "remove" not in expert:
            continue
        layer, keys = top.origin(("experts", place, "remove"))
        if not isinstance(expert["remove"], bool):
            raise layer.fault(keys, f"expected true or false (found {expert['remove']!r})")
        name = _name(expert)
        if not expert["remove"]:
            continue
        if name is None or name not in known:
            has = ", ".join(filter(None, known)) or "none"
            raise layer.fault(
                keys, f"no expert {name!r} to remove: the experts of what this file extends: {has}"
            )
        removed.add(name)
    return frozenset(removed)


def _without(raw: Mapping[str, Any], removed: Collection[str]) -> dict[str, Any]:
    """Tables whose orders of trust and weights no longer name the removed experts."""
    merge = raw.get("merge")
    if not removed or not isinstance(merge, dict):
        return dict(raw)
    kept = dict(merge)
    if isinstance(kept.get("trust"), list):
        kept["trust"] = [name for name in kept["trust"] if name not in removed]
    if isinstance(kept.get("weights"), dict):
        kept["weights"] = {name: weight for name, weight in kept["weights"].items() if name not in removed}
    if isinstance(kept.get("structures"), dict):
        orders = {
            structure: [name for name in order if name not in removed] if isinstance(order, list) else order
            for structure, order in kept["structures"].items()
        }
        kept["structures"] = {structure: order for structure, order in orders.items() if order}
    return {**raw, "merge": kept}


def _merged(base: Mapping[str, Any], top: Mapping[str, Any], without: str = "") -> dict[str, Any]:
    """Tables laid over tables, whatever their depth; nothing of either is changed."""
    merged = dict(base)
    for key, value in top.items():
        if key == without:
            continue
        own = merged.get(key)
        if isinstance(value, dict):
            merged[key] = _merged(own if isinstance(own, dict) else {}, value)
        else:
            merged[key] = value
    return merged


def _depth(raw: Any, keys: Keys) -> int:
    """How many of the keys can be followed."""
    for depth, key in enumerate(keys):
        try:
            raw = raw[key]
        except (KeyError, IndexError, TypeError):
            return depth
    return len(keys)
