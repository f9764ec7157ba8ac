"""Label schemes: the structures of one labelling convention, loaded from data files once."""

from __future__ import annotations

import colorsys
import json
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import BadLabelsError
from dapatlas.labels.structure import Code, Colour, Region, Relation, Sex, Side, Structure, TissueClass

DAP = "dap"
GOLDEN_RATIO = 0.618  # steps of hue that stay far apart however many there are


class LabelScheme:
    """An immutable collection of structures in the order of their ids.

    ``scheme["liver"]``, ``scheme["Liver"]``, ``scheme[13]`` and the names that the liver goes by elsewhere
    give the same :class:`Structure`.

    Attributes
    ----------
    name
        Short name, as in recipes.
    title, version, licence, citation, home_page
        Where it comes from.
    """

    def __init__(
        self,
        name: str,
        structures: tuple[Structure, ...],
        *,
        title: str = "",
        version: str = "",
        licence: str = "",
        citation: str = "",
        home_page: str = "",
    ) -> None:
        self.name, self.title, self.version = name, title, version
        self.licence, self.citation, self.home_page = licence, citation, home_page
        self._structures = tuple(sorted(structures, key=lambda structure: structure.id))
        self._by_id = {structure.id: structure for structure in self._structures}
        if len(self._by_id) != len(self._structures):
            raise BadLabelsError(f"scheme {name!r}: two structures share one id")

    def __len__(self) -> int:
        return len(self._structures)

    def __iter__(self) -> Iterator[Structure]:
        return iter(self._structures)

    def __contains__(self, key: object) -> bool:
        if isinstance(key, (int, np.integer)):
            return int(key) in self._by_id
        return isinstance(key, str) and _folded(key) in self._by_name

    def __getitem__(self, key: int | str) -> Structure:
        """A structure by id, or by canonical name, display name or alias, whatever the case.

        Raises
        ------
        BadLabelsError
            There is none; the message suggests what may have been meant.
        """
        if isinstance(key, (int, np.integer)):
            if int(key) in self._by_id:
                return self._by_id[int(key)]
            gaps = [str(id_) for id_ in range(self.max_id) if id_ not in self._by_id]
            without = f" without {', '.join(gaps[:5])}{' …' if len(gaps) > 5 else ''}" if gaps else ""
            raise BadLabelsError(f"{self.name} has no id {key}; its ids are 0…{self.max_id}{without}")
        try:
            return self._by_name[_folded(key)]
        except KeyError:
            close = get_close_matches(_folded(key), self._by_name, n=3, cutoff=0.6)
            meant = list(dict.fromkeys(self._by_name[name].name for name in close))
            hint = f"; did you mean {' or '.join(meant)}?" if meant else ""
            raise BadLabelsError(f"{self.name} has no structure {key!r}{hint}") from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelScheme) and (self.name, self._structures) == (
            other.name,
            other._structures,
        )

    def __hash__(self) -> int:
        return hash((self.name, self._structures))

    def __repr__(self) -> str:
        return f"LabelScheme({self.name!r}: {len(self)} ids in 0…{self.max_id})"

    @cached_property
    def _by_name(self) -> Mapping[str, Structure]:
        names: dict[str, Structure] = {}
        # canonical names first: an alias never hides another structure's own name
        for spellings in (lambda s: (s.name,), lambda s: (s.display_name,), lambda s: s.aliases):
            for structure in self._structures:
                for spelling in spellings(structure):
                    names.setdefault(_folded(spelling), structure)
        return names

    @property
    def names(self) -> tuple[str, ...]:
        """Canonical names in the order of ids, background included."""
        return tuple(structure.name for structure in self._structures)

    @cached_property
    def ids(self) -> NDArray[np.uint8]:
        """All ids in rising order, background included; not to be written to."""
        ids = np.array(list(self._by_id), np.uint8)
        ids.flags.writeable = False
        return ids

    @property
    def max_id(self) -> int:
        """The largest id."""
        return self._structures[-1].id

    def palette(self) -> NDArray[np.uint8]:
        """Red, green and blue of each id, shape (256, 3); black where there is no structure."""
        palette = np.zeros((256, 3), np.uint8)
        for structure in self._structures:
            palette[structure.id] = structure.colour
        return palette

    def labels_json(self) -> str:
        """Text of the scheme's ``labels.json``: id to canonical name, as published with the atlas."""
        return json.dumps({str(structure.id): structure.name for structure in self._structures}, indent=1)


@cache
def load_scheme(name: str) -> LabelScheme:
    """Load one of the schemes that come with the package; the same object every time.

    Raises
    ------
    BadLabelsError
        There is no scheme of that name.
    """
    stem = _stems().get(name)
    if stem is None:
        close = get_close_matches(name, _stems(), n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise BadLabelsError(f"no label scheme {name!r}; {hint}known are {', '.join(scheme_names())}")
    if stem != name:
        return load_scheme(stem)
    return _parse(_table(stem))


def dap() -> LabelScheme:
    """The DAP Atlas scheme."""
    return load_scheme(DAP)


@cache
def scheme_names() -> tuple[str, ...]:
    """Names of the schemes that come with the package, the DAP scheme first."""
    files = resources.files("dapatlas.labels").joinpath("data").iterdir()
    stems = sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))
    return DAP, *(stem for stem in stems if stem != DAP)


def scheme_from_labels_json(path: Path, name: str | None = None) -> LabelScheme:
    """A scheme from any data set's ``labels.json``: id to name, nothing more.

    Sides are read off names that end in ``_left`` or ``_right``; colours are made.

    Raises
    ------
    BadLabelsError
        The file is no object from whole-number ids to names.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        rows: list[dict[str, Any]] = [{"id": int(id_), "name": str(label)} for id_, label in table.items()]
    except (OSError, ValueError, AttributeError) as error:
        raise BadLabelsError(f'{path}: expected an object such as {{"0": "background"}}; {error}') from None
    if any(not 0 <= row["id"] <= 255 for row in rows):
        raise BadLabelsError(f"{path}: expected ids in 0…255, found {max(row['id'] for row in rows)}")
    return _parse({"name": name or path.parent.name, "structures": rows})


@cache
def _stems() -> dict[str, str]:
    """Every name and alias of a scheme, and the data file's stem that it stands for."""
    stems = {name: name for name in scheme_names()}
    for stem in scheme_names():
        stems |= dict.fromkeys(_table(stem).get("aliases", ()), stem)
    return stems


@cache
def _table(stem: str) -> dict[str, Any]:
    return tomllib.loads(
        resources.files("dapatlas.labels").joinpath("data", f"{stem}.toml").read_text("utf-8")
    )


def _parse(table: dict[str, Any]) -> LabelScheme:
    rows = table["structures"]
    names = {row["name"] for row in rows}
    about = {
        key: table[key] for key in ("title", "version", "licence", "citation", "home_page") if key in table
    }
    known = table["name"] == DAP
    return LabelScheme(table["name"], tuple(_structure(row, names, known) for row in rows), **about)


def _structure(row: dict[str, Any], names: set[str], is_dap: bool) -> Structure:
    """A row of a data file, with what it leaves out taken from its counterpart in the DAP scheme."""
    name = row["name"]
    base, side = _base_and_side(name)
    opposite = f"{base}_{'right' if side is Side.LEFT else 'left'}" if side is not Side.NONE else None
    opposite = opposite if opposite in names or opposite is None else _mirrored(name, names)
    relation, targets = _counterparts(row, is_dap)
    like = dap()[targets[0]] if targets and not is_dap else None
    same = like if relation is Relation.EQUAL else None
    return Structure(
        id=row["id"],
        name=name,
        display_name=row.get("display")
        or (same.display_name if same else name.replace("_", " ").capitalize()),
        side=Side(row.get("side", side)),
        opposite=opposite,
        region=Region(row.get("region") or (like.region if like else Region.WHOLE_BODY)),
        tissue=TissueClass(row.get("class") or (like.tissue if like else TissueClass.RESIDUAL)),
        sex=Sex(row["sex"]) if "sex" in row else (like.sex if like else None),
        tubular=row.get("tubular", like.tubular if like else False),
        pieces=row.get("pieces", like.pieces if like else False),
        colour=_colour(row, same),
        snomed=Code(*row["snomed"]) if "snomed" in row else (same.snomed if same else None),
        aliases=tuple(row.get("aliases", ())),
        dap=targets,
        relation=relation,
    )


def _counterparts(row: dict[str, Any], is_dap: bool) -> tuple[Relation, tuple[str, ...]]:
    if is_dap:
        return Relation.EQUAL, (row["name"],)
    targets = tuple(row.get("dap", (row["name"],) if row["name"] in dap().names else ()))
    relation = Relation(row.get("relation", Relation.EQUAL if targets else Relation.NONE))
    return relation, () if relation is Relation.NONE else targets


def _base_and_side(name: str) -> tuple[str, Side]:
    """Split ``rib_left_3`` into ``rib_3`` and left, ``kidney_right`` into ``kidney`` and right."""
    words = name.split("_")
    for side in (Side.LEFT, Side.RIGHT):
        if side in words:
            return "_".join(word for word in words if word != side), side
    return name, Side.NONE


def _mirrored(name: str, names: set[str]) -> str | None:
    """The name with its side exchanged in place, where such a structure exists."""
    swap = {"left": "right", "right": "left"}
    mirrored = "_".join(swap.get(word, word) for word in name.split("_"))
    return mirrored if mirrored in names and mirrored != name else None


def _colour(row: dict[str, Any], same: Structure | None) -> Colour:
    if "colour" in row:
        red, green, blue = row["colour"]
        return red, green, blue
    if same is not None:
        return same.colour
    if row["id"] == 0:
        return 0, 0, 0
    tones = colorsys.hsv_to_rgb(row["id"] * GOLDEN_RATIO % 1, 0.65, 0.9)
    red, green, blue = (round(255 * tone) for tone in tones)
    return red, green, blue


def _folded(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_").replace(",", "")
