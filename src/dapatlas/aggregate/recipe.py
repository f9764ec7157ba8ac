"""Recipes: which CTs, which experts, whom to trust, and what fills the rest of the body.

A recipe is a TOML file. It is checked whole before anything runs; an error names the line and the key.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dapatlas.aggregate.merge import MAX_EXPERTS, Disagreement
from dapatlas.aggregate.tissues import FAT_HU, MUSCLE_HU
from dapatlas.errors import RecipeError
from dapatlas.experts import BinaryMasks, LabelMaps
from dapatlas.experts.ready import SchemeName
from dapatlas.labels import LabelScheme, load_scheme
from dapatlas.refine import RefineSettings

VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}")


class _Table(BaseModel):
    """A table of the recipe: a key that we do not know is an error, not a silent typo."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CtSettings(_Table):
    """``[cts]``: the CTs that become the data set's images."""

    files: str = Field(description="path; {case} stands for the case id, without it there is one case")
    only: tuple[str, ...] | None = Field(None, description="build these case ids and no others")
    link: bool = Field(True, description="link images into the data set; false copies them")


class _ReadyInRecipe(_Table):
    """What a recipe may say about any ready expert, beside what the expert is."""

    structures: tuple[str, ...] | None = Field(None, description="atlas structures to take; all when absent")
    except_structures: tuple[str, ...] = Field((), alias="except", description="atlas structures not to take")
    required: bool = Field(True, description="whether a case without this expert's files fails")
    choose: dict[str, str] = Field(
        default_factory=dict,
        description="atlas structure to give a source structure to that the atlas splits in several",
    )


class LabelMapsInRecipe(LabelMaps, _ReadyInRecipe):
    """``[[experts]]`` with ``kind = "label-maps"``."""


class BinaryMasksInRecipe(BinaryMasks, _ReadyInRecipe):
    """``[[experts]]`` with ``kind = "binary-masks"``."""


ExpertSettings = Annotated[LabelMapsInRecipe | BinaryMasksInRecipe, Field(discriminator="kind")]


class MergeSettings(_Table):
    """``[merge]``: what to do where experts disagree."""

    disagreement: Disagreement = Field(
        "trust",
        description="trust: the most trusted expert; vote: most experts, trust breaks ties; unknown: unknown_tissue",
    )
    trust: tuple[str, ...] | None = Field(
        None, description="experts, most trusted first; as listed when absent"
    )
    structures: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="another order of trust for single structures"
    )


class BodySettings(_Table):
    """``[body]``: how the body is told from air and couch; see :mod:`dapatlas.aggregate.body`."""

    air_hu: float = Field(-400.0, description="what is denser may be body")
    couch_mm: float = Field(12.0, gt=0, description="plates thinner than this are couch, not body")
    min_part_ml: float = Field(50.0, ge=0, description="smaller pieces apart from the body are not body")


class TissueSettings(_Table):
    """``[tissues]``: what voxels become that lie in the body and that no expert claims."""

    skin_mm: float = Field(2.0, ge=0, description="thickness of skin; at least one voxel, 0 for none")
    fat_hu: tuple[float, float] = FAT_HU
    muscle_hu: tuple[float, float] = MUSCLE_HU
    cavities: bool = Field(
        True, description="fill between abdominal and mediastinal organs with their tissue"
    )

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> Self:
        (fat_low, fat_high), (muscle_low, muscle_high) = self.fat_hu, self.muscle_hu
        if not fat_low < fat_high <= muscle_low < muscle_high:
            raise ValueError(
                f"HU ranges must rise and not overlap: found fat_hu {list(self.fat_hu)}, "
                f"muscle_hu {list(self.muscle_hu)}"
            )
        return self


class RefineInRecipe(RefineSettings):
    """``[refine]``: the anatomical guidelines that the built map goes through; see :mod:`dapatlas.refine`."""

    sex_table: Path | None = Field(None, description="CSV with columns subject (or case) and sex")


class PictureSettings(_Table):
    """``[picture]``: the overlay picture of each case."""

    window_hu: tuple[float, float] = (-160.0, 240.0)
    opacity: float = Field(0.5, ge=0, le=1)
    height_pixels: int = Field(640, ge=64, le=4096)


class Recipe(_Table):
    """How an atlas is made from CTs and experts."""

    name: str = Field(min_length=1)
    scheme: SchemeName = "dap"
    cts: CtSettings
    experts: tuple[ExpertSettings, ...] = Field(min_length=1, max_length=MAX_EXPERTS)
    merge: MergeSettings = MergeSettings()
    body: BodySettings = BodySettings()
    tissues: TissueSettings = TissueSettings()
    refine: RefineInRecipe | None = Field(None, description="guidelines; without this table none is applied")
    picture: PictureSettings = PictureSettings()

    @property
    def atlas(self) -> LabelScheme:
        """The scheme that the built maps are in."""
        return load_scheme(self.scheme)

    @model_validator(mode="after")
    def _names_hang_together(self) -> Self:
        names = [expert.name for expert in self.experts]
        for place, name in enumerate(names):
            if name in names[:place]:
                raise ValueError(
                    f"experts.{place}.name: two experts are called {name!r}: give each its own name"
                )
        orders = {"merge.trust": self.merge.trust or ()} | {
            f"merge.structures.{structure}": order for structure, order in self.merge.structures.items()
        }
        for key, order in orders.items():
            for name in order:
                if name not in names:
                    raise ValueError(
                        f"{key}: names the expert {name!r}; the recipe's experts are {', '.join(names)}"
                    )
        self._check_structures()
        return self

    def _check_structures(self) -> None:
        atlas = self.atlas
        for place, expert in enumerate(self.experts):
            source = load_scheme(expert.scheme)
            for key, structures in (
                ("structures", expert.structures or ()),
                ("except", expert.except_structures),
                ("choose", tuple(expert.choose.values())),
            ):
                for structure in structures:
                    _known(atlas, structure, f"experts.{place}.{key}")
            for structure in expert.choose:
                _known(source, structure, f"experts.{place}.choose")
        for structure in self.merge.structures:
            _known(atlas, structure, f"merge.structures.{structure}")
        if self.merge.disagreement == "unknown" and "unknown_tissue" not in atlas:
            raise ValueError(
                f"merge.disagreement: 'unknown' needs a structure unknown_tissue; {atlas.name} has none"
            )


def _known(scheme: LabelScheme, structure: str, where: str) -> None:
    try:
        scheme[structure]
    except Exception as error:
        raise ValueError(f"{where}: {error}") from None


def load_recipe(path: Path, *, cts: str | None = None, expert_files: dict[str, str] | None = None) -> Recipe:
    """Read and check a recipe.

    Paths in it are relative to the recipe's own folder; ``${NAME}`` and ``${NAME:-default}`` stand for
    environment variables, and a relative path that such a variable holds is relative to the current folder.

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
        The file is absent, is no TOML, or breaks a rule; the message names line and key of every fault.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as a recipe ({error}); expected a TOML file") from None
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from None
    _override(raw, cts, expert_files or {}, path)
    try:
        _anchor_paths(raw, path.resolve().parent)
        return Recipe.model_validate(raw)
    except ValidationError as error:
        raise RecipeError(_explain(error, path, text)) from None


def _override(raw: dict[str, Any], cts: str | None, expert_files: dict[str, str], path: Path) -> None:
    here = Path.cwd()
    if cts is not None:
        raw.setdefault("cts", {})["files"] = str(here / cts)
    experts = {
        str(expert.get("name")): expert for expert in raw.get("experts", []) if isinstance(expert, dict)
    }
    for name, files in expert_files.items():
        if name not in experts:
            raise RecipeError(
                f"{path}: has no expert {name!r} to give files to; it has {', '.join(experts) or 'none'}"
            )
        experts[name]["files"] = str(here / files)


def _anchor_paths(raw: dict[str, Any], folder: Path) -> None:
    """Make every path absolute, in place."""
    tables = [raw.get("cts"), *(raw["experts"] if isinstance(raw.get("experts"), list) else [])]
    for table in tables:
        if isinstance(table, dict) and isinstance(table.get("files"), str):
            table["files"] = os.path.normpath(folder / VARIABLE.sub(_variable, table["files"]))
    refine = raw.get("refine")
    if isinstance(refine, dict) and isinstance(refine.get("sex_table"), str):
        refine["sex_table"] = os.path.normpath(folder / VARIABLE.sub(_variable, refine["sex_table"]))


def _variable(match: re.Match[str]) -> str:
    value = os.environ.get(match["name"])
    if value is None:
        if match["default"] is None:
            raise RecipeError(
                f"the recipe uses ${{{match['name']}}}, which is not set: set the environment variable, "
                f"or give a default as ${{{match['name']}:-folder}}"
            )
        return match["default"]
    return str(Path.cwd() / value) if match.start() == 0 else value


def _explain(error: ValidationError, path: Path, text: str) -> str:
    lines = []
    for fault in error.errors():
        if fault["type"] == "too_short" and fault["input"]:
            continue  # not short, but its members are at fault, which is told on lines of their own
        # pydantic names the chosen member of a tagged union in the location; the file has no such key
        keys = [key for key in fault["loc"] if key not in ("label-maps", "binary-masks")]
        message = fault["msg"].removeprefix("Value error, ")
        own = re.match(r"([\w.]+\.\w+): ", message)
        if own and not keys:  # found by a check of ours on the recipe as a whole, which names the key itself
            keys = [int(key) if key.isdigit() else key for key in own[1].split(".")]
            message = message[own.end() :]
        line = _line_of(text, keys)
        where = ".".join(str(key) for key in keys) or "recipe"
        found = (
            ""
            if isinstance(fault["input"], dict) or fault["type"] == "missing"
            else f" (found {fault['input']!r})"
        )
        lines.append(f"{path}:{line}: {where}: {message}{found}")
    return "\n".join(lines)


def _line_of(text: str, keys: list[int | str]) -> int:
    """The line, counted from 1, on which a key stands, or else the nearest table that encloses it.

    tomllib keeps no positions, so this walks the table headers; it serves error messages alone.
    """
    table, best, seen = "", 1, -1
    wanted_index = next((key for key in keys if isinstance(key, int)), None)
    names = [str(key) for key in keys if not isinstance(key, int)]
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*(\[{1,2})\s*([^\]]+?)\s*\]", line)
        if header:
            table = header[2]
            if header[1] == "[[" and names and table == names[0]:
                seen += 1
            if table == ".".join(names[: table.count(".") + 1]) and wanted_index in (None, seen):
                best = number
            continue
        key = re.match(r"\s*([\w.\"-]+)\s*=", line)
        if key is None or (wanted_index is not None and table == names[0] and seen != wanted_index):
            continue
        full = [*(table.split(".") if table else []), *key[1].replace('"', "").split(".")]
        if full == names[: len(full)]:
            best = number
    return best
