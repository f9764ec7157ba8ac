"""Published places, contacts and sizes: what ``data/geometry.toml`` says, checked."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dapatlas.check.measured_case import FACES, Patient
from dapatlas.check.ranges import IQR_SD, BadRangesError, Source
from dapatlas.findings import Severity
from dapatlas.labels import Sex, dap
from dapatlas.refine.landmarks import VERTEBRAE

MM_PER_INCH = 25.4
RIB_COUNT = 12


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str

    def cited(self) -> Iterator[str]:
        """Keys of its sources."""
        yield self.source

    def names(self) -> Iterator[str]:
        """Structures that it names."""
        yield from ()


class Order(_Row):
    """``first`` lies further along the axis than ``second``."""

    first: str
    second: str
    axis: Literal["up", "front", "right"] = "up"
    by: Literal["centre", "top", "bottom"] = "centre"
    severity: Severity = Severity.ERROR

    def names(self) -> Iterator[str]:
        """Structures that it names."""
        yield from (self.first, self.second)


class Limit(_Row):
    """No piece of the structures lies wholly above, or below, the middle of a vertebra."""

    structures: tuple[str, ...]
    not_above: str = ""
    not_below: str = ""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.not_above) == bool(self.not_below):
            raise ValueError("give not_above or not_below")
        return self

    def names(self) -> Iterator[str]:
        """Structures that it names."""
        yield from (*self.structures, self.not_above or self.not_below)


class Level(_Row):
    """The structures show where a stretch of the spine, or other structures, are wholly in view."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    structures: tuple[str, ...]
    first: str = Field("", alias="from")
    last: str = Field("", alias="to")
    whole: tuple[str, ...] = ()
    sex: Sex | None = None
    wide: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.first and self.last) == bool(self.whole):
            raise ValueError("give from and to, or whole")
        if self.first and VERTEBRAE.index(self.first) > VERTEBRAE.index(self.last):
            raise ValueError(f"{self.first} does not lie above {self.last}")
        return self

    @property
    def needs(self) -> tuple[str, ...]:
        """What must be wholly in view."""
        if self.whole:
            return self.whole
        return VERTEBRAE[VERTEBRAE.index(self.first) : VERTEBRAE.index(self.last) + 1]

    def names(self) -> Iterator[str]:
        """Structures that it names."""
        yield from (*self.structures, *self.needs)


class Touching(_Row):
    """Two structures lie no farther apart than so many mm; which cut ends excuse them, any where none are named."""

    one: str
    other: str
    within_mm: float = Field(gt=0)
    ends: Mapping[str, tuple[str, ...]] = {}

    @model_validator(mode="after")
    def _known_ends(self) -> Self:
        if set(self.ends) - {self.one, self.other} or {f for own in self.ends.values() for f in own} - {
            *FACES
        }:
            raise ValueError(f"ends of other structures, or other faces: {dict(self.ends)}")
        return self

    def names(self) -> Iterator[str]:
        """Structures that it names."""
        yield from (self.one, self.other)


class Never(_Row):
    """No structure of the one group touches one of the other."""

    one: tuple[str, ...]
    other: tuple[str, ...]

    def names(self) -> Iterator[str]:
        """Structures that it names."""
        yield from (*self.one, *self.other)


class Calibre(_Row):
    """How wide a stretch of a vessel is: area of a cross-section in mm², or diameter in mm."""

    structure: str
    segment: Literal["ascending", "descending", "infrarenal", "renal"]
    unit: Literal["mm", "mm2"]
    sex: Sex | None = None
    ages: tuple[float, float] | None = None
    mean: float | None = Field(None, gt=0)
    sd: float | None = Field(None, gt=0)
    median: float | None = Field(None, gt=0)
    q1: float | None = None
    q3: float | None = None
    upper: bool = False
    n: int = Field(gt=0)
    also: str = ""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        quartiles = (self.q1, self.median, self.q3)
        if (self.mean is None or self.sd is None) == (None in quartiles):
            raise ValueError("give mean and sd, or median, q1 and q3")
        if None not in quartiles and not self.q1 < self.median < self.q3:  # type: ignore[operator]
            raise ValueError("quartiles do not rise")
        return self

    @property
    def middle(self) -> float:
        """Mean, or median."""
        return self.mean or self.median or 0.0

    @property
    def spread(self) -> float:
        """Standard deviation, of quartiles as if the values were normally distributed."""
        if self.sd is not None:
            return self.sd
        return ((self.q3 or 0.0) - (self.q1 or 0.0)) / IQR_SD

    def holds_for(self, patient: Patient) -> bool:
        """Whether a patient may be one of those whom it was measured in."""
        if patient.sex is not None and self.sex not in (None, patient.sex):
            return False
        return (
            patient.age_years is None
            or self.ages is None
            or self.ages[0] <= int(patient.age_years) <= self.ages[1]
        )

    def cited(self) -> Iterator[str]:
        """Keys of its sources."""
        yield from filter(None, (self.source, self.also))

    def names(self) -> Iterator[str]:
        """Structures that it names."""
        yield self.structure


class Ribs(_Row):
    """Lengths of the ribs, the highest first."""

    unit: Literal["mm", "in"]
    attached: str
    lengths: tuple[float, ...] = Field(min_length=RIB_COUNT, max_length=RIB_COUNT)

    @property
    def lengths_mm(self) -> tuple[float, ...]:
        """The same in mm."""
        return tuple(length * (MM_PER_INCH if self.unit == "in" else 1.0) for length in self.lengths)

    def cited(self) -> Iterator[str]:
        """Keys of its sources."""
        yield from (self.source, self.attached)


class Vertebrae(BaseModel):
    """How the height changes from one vertebra to the next, and from what loss on it counts as a fracture."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: float = Field(gt=0, lt=1)
    step_source: str
    fracture: float = Field(gt=0, lt=1)
    fracture_source: str
    volume_source: str

    def cited(self) -> Iterator[str]:
        """Keys of its sources."""
        yield from (self.step_source, self.fracture_source, self.volume_source)


class Geometry(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: Mapping[str, Source]
    order: tuple[Order, ...]
    limits: tuple[Limit, ...]
    levels: tuple[Level, ...]
    touching: tuple[Touching, ...]
    never: tuple[Never, ...]
    vessels: tuple[Calibre, ...]
    ribs: Ribs
    vertebrae: Vertebrae

    @property
    def rows(self) -> tuple[_Row, ...]:
        """Everything that names structures."""
        return (
            *self.order, *self.limits, *self.levels, *self.touching, *self.never, *self.vessels, self.ribs,
        )  # fmt: skip

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        unknown = sorted({name for row in self.rows for name in row.names()} - set(dap().names))
        if unknown:
            raise ValueError(f"DAP has no structure {', '.join(unknown)}")
        cited = {key for row in self.rows for key in row.cited()} | set(self.vertebrae.cited())
        if cited != set(self.sources):
            strange, unused = sorted(cited - set(self.sources)), sorted(set(self.sources) - cited)
            raise ValueError(f"sources that are cited but not listed: {strange}; never cited: {unused}")
        return self

    def short(self, *keys: str) -> str:
        """Sources for a finding."""
        return "; ".join(dict.fromkeys(self.sources[key].short for key in keys))


@cache
def geometry() -> Geometry:
    """What ``data/geometry.toml`` says; the same object every time.

    Raises
    ------
    BadRangesError
        A row names an unknown structure, unit or source, or contradicts itself; a source is never cited.
    """
    text = (files("dapatlas.check") / "data" / "geometry.toml").read_text(encoding="utf-8")
    return parse(tomllib.loads(text))


def parse(data: Mapping[str, Any]) -> Geometry:
    """Read the tables of a file; errors as :func:`geometry`."""
    lists = data.get("lists", {})
    plain = {
        key: [_spelt(row, lists) for row in value["table"]] if "table" in value else value
        for key, value in data.items()
        if key != "lists"
    }
    try:
        return Geometry.model_validate(plain)
    except ValidationError as error:
        raise BadRangesError(f"geometry.toml: {error}") from None


def _spelt(row: Mapping[str, Any], lists: Mapping[str, list[str]]) -> dict[str, Any]:
    """A row whose lists of names are spelt out."""
    return {key: _names(value, lists) if isinstance(value, list) and value and isinstance(value[0], str)
            else value for key, value in row.items()}  # fmt: skip


def _names(words: Iterable[str], lists: Mapping[str, list[str]]) -> list[str]:
    """Names of the DAP scheme for words that may be a list's name (``@heart``) or hold a ``*``."""
    found: list[str] = []
    for word in words:
        if word.startswith("@") and word[1:] in lists:
            found += _names(lists[word[1:]], lists)
        elif "*" in word:
            found += [known for known in dap().names if fnmatchcase(known, word)] or [word]
        else:
            found.append(word)
    return list(dict.fromkeys(found))
