"""Label schemes from data files: those that come with the package, and any data set's ``labels.json``."""

from __future__ import annotations

import colorsys
import json
import re
import tomllib
from collections.abc import Collection
from functools import cache
from pathlib import Path
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Any

from dapatlas.errors import BadLabelsError, did_you_mean
from dapatlas.labels.scheme import LabelScheme, Layout
from dapatlas.labels.structure import (
    Absence,
    Code,
    Colour,
    Container,
    Region,
    Relation,
    Sex,
    Side,
    Structure,
    TissueClass,
)

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

DAP = "dap"
HEADER = ("title", "version", "licence", "citation", "home_page")
GOLDEN_RATIO = 0.618  # steps of hue that stay far apart however many there are
SIDE_WORD = re.compile(r"(?<![a-z])(left|right)(?![a-z])|(?<=_)[LR]$", re.IGNORECASE)
SIDES = {"left": Side.LEFT, "l": Side.LEFT, "right": Side.RIGHT, "r": Side.RIGHT}


@cache
def load_scheme(name: str) -> LabelScheme:
    """Load one of the schemes that come with the package; the same object every time.

    Raises
    ------
    BadLabelsError
        There is no scheme of that name.
    """
    if name in scheme_names():
        return _parse(_table(name))
    if name in _aliases():
        return load_scheme(_aliases()[name])
    hint = did_you_mean(name, (*scheme_names(), *_aliases()))
    raise BadLabelsError(f"no label scheme {name!r}{hint or ', known are ' + ', '.join(scheme_names())}")


def find_scheme(name_or_path: str) -> LabelScheme:
    """A scheme as a user names it: one that comes with the package, or the path of a data set's ``labels.json``.

    Raises
    ------
    BadLabelsError
        There is no scheme of that name, or the file is none of a scheme.
    """
    if name_or_path.endswith(".json"):
        return scheme_from_labels_json(Path(name_or_path))
    return load_scheme(name_or_path)


def dap() -> LabelScheme:
    """The DAP Atlas scheme."""
    return load_scheme(DAP)


@cache
def scheme_names() -> tuple[str, ...]:
    """Names of the schemes that come with the package, the DAP scheme first."""
    stems = {file.name.removesuffix(".toml") for file in _data().iterdir() if file.name.endswith(".toml")}
    return DAP, *sorted(stems - {DAP})


def scheme_from_labels_json(path: Path, name: str | None = None) -> LabelScheme:
    """A scheme from any data set's ``labels.json``: id to name, nothing more.

    What has the name or an alias of a DAP structure is taken for that structure. Sides are read off names
    that hold the word ``left`` or ``right``; colours are made; id 0 is background where the file leaves it
    out.

    Raises
    ------
    BadLabelsError
        The file is no object from whole numbers in 0…255 to different names.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        rows = {int(id_): label for id_, label in table.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise BadLabelsError(f'{path}: expected an object such as {{"0": "background"}}; {error}') from None
    if len(rows) != len(table) or not all(
        isinstance(label, str) and label.strip() for label in rows.values()
    ):
        raise BadLabelsError(f"{path}: expected each id once, and a name for each; found {shortened(table)}")
    rows.setdefault(0, "background")
    try:
        structures = [{"id": id_, "name": rows[id_]} for id_ in sorted(rows)]
        return _parse({"name": name or path.resolve().parent.name, "structures": structures})
    except BadLabelsError as error:
        raise BadLabelsError(f"{path}: {error}") from None


@cache
def _data() -> Traversable:
    from importlib import resources  # slow to import, and not needed before a scheme is

    return resources.files("dapatlas.labels").joinpath("data")


@cache
def _aliases() -> dict[str, str]:
    """Other names of the schemes that come with the package."""
    return {alias: name for name in scheme_names() for alias in _table(name).get("aliases", ())}


@cache
def _table(name: str) -> dict[str, Any]:
    return tomllib.loads(_data().joinpath(f"{name}.toml").read_text("utf-8"))


def _parse(table: dict[str, Any]) -> LabelScheme:
    name, rows = table["name"], table["structures"]
    names = {row["name"] for row in rows}
    is_dap = table is _table(DAP)
    structures = tuple(_structure(row, names, is_dap, name) for row in rows)
    return LabelScheme(
        name,
        structures,
        **{key: table[key] for key in HEADER if key in table},
        absent=Absence(table.get("absent", Absence.NOT_ANNOTATED)),
        layout=Layout(**table.get("layout", {})),
        sources=tuple(table.get("sources", ())),
    )


def _structure(row: dict[str, Any], names: Collection[str], is_dap: bool, scheme: str) -> Structure:
    """A row of a data file, with what it leaves out taken from its counterparts in the DAP scheme."""
    name = row["name"]
    relation, targets = (Relation.EQUAL, (name,)) if is_dap else _counterparts(row, scheme)
    likes = () if is_dap else tuple(dap()[target] for target in targets)
    same = likes[0] if likes and relation is Relation.EQUAL else None

    def given(key: str, attribute: str, default: Any) -> Any:
        """The row's own word, else what all DAP counterparts agree on."""
        agreed = {getattr(like, attribute) for like in likes}
        return row.get(key, agreed.pop() if len(agreed) == 1 else default)

    return Structure(
        id=row["id"],
        name=name,
        display_name=row.get("display") or (same.display_name if same else _readable(name)),
        side=_side(name),
        opposite=_mirrored(name, names),
        region=Region(given("region", "region", Region.WHOLE_BODY)),
        tissue=TissueClass(given("class", "tissue", TissueClass.RESIDUAL)),
        sex=Sex(sex) if (sex := given("sex", "sex", None)) else None,
        tubular=given("tubular", "tubular", False),
        pieces=given("pieces", "pieces", False),
        colour=_colour(row, same),
        snomed=_code(row, "snomed", same),
        snomed_region=_code(row, "snomed_region", same),
        aliases=tuple(row.get("aliases", ())),
        dap=targets,
        relation=relation,
        container=Container(row["container"]) if "container" in row else None,
        ignored=row.get("ignored", False),
    )


def _counterparts(row: dict[str, Any], scheme: str) -> tuple[Relation, tuple[str, ...]]:
    """How a source scheme's structure compares with DAP's; the same where one of that name is there."""
    known = (dap()[row["name"]].name,) if row["name"] in dap() else ()
    targets = tuple(row.get("dap", known))
    relation = Relation(row.get("relation", Relation.EQUAL if targets else Relation.NONE))
    if relation in (Relation.EQUAL, Relation.PART_OF) and len(targets) != 1:
        raise BadLabelsError(
            f"scheme {scheme!r}: {row['name']} is {relation} of {len(targets)} DAP structures, expected one"
        )
    return relation, () if relation is Relation.NONE else targets


def _side(name: str) -> Side:
    """The side that a name says: ``rib_left_3``, ``Kidney, right``, ``Parotid_L``."""
    word = SIDE_WORD.search(name)
    return SIDES[word[0].lower()] if word else Side.NONE


def _mirrored(name: str, names: Collection[str]) -> str | None:
    """The name with its side exchanged, where such a structure exists."""
    other = {
        "left": "right",
        "right": "left",
        "Left": "Right",
        "Right": "Left",
        "LEFT": "RIGHT",
        "RIGHT": "LEFT",
        "L": "R",
        "R": "L",
    }
    mirrored = SIDE_WORD.sub(lambda word: other.get(word[0], word[0]), name)
    return mirrored if mirrored != name and mirrored in names else None


def _readable(name: str) -> str:
    """``atrial_appendage_left`` becomes ``Atrial appendage, left``; abbreviations keep their capitals."""
    words = name.replace("_", " ")
    text = f"{words[:1].upper()}{words[1:]}"
    return re.sub(r" (left|right)$", r", \1", text)


def _code(row: dict[str, Any], key: str, same: Structure | None) -> Code | None:
    if key in row:
        return Code(*row[key])
    inherited: Code | None = getattr(same, key, None)
    return inherited


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
