"""Benchmarks: data sets with a protocol, and what others published on them. One data file each.

A data file says which structures count, where the reference maps are in the data set as it is downloaded, how absent
structures are treated and scores averaged, and what was published; every number has its source.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dapatlas.dataset import case_id_of
from dapatlas.errors import DapatlasError, did_you_mean
from dapatlas.labels import LabelScheme, load_scheme
from dapatlas.table_faults import faults_in_words

CASE = "{case}"


class BadBenchmarkError(DapatlasError):
    """A benchmark's data file is not as it should be, or there is no such benchmark."""


class Published(BaseModel):
    """What somebody published.

    Attributes
    ----------
    method
        How the table calls it.
    mean_dice
        Mean over organs, in per cent.
    dice
        Organ to Dice in per cent, where the source has it.
    how
        On which cases and trained with what; numbers compare only where this is alike.
    citation, source
        Whom to cite, and where the number was read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str = Field(min_length=2)
    mean_dice: float = Field(gt=0, le=100)
    dice: dict[str, float] = Field(default_factory=dict)
    how: str = Field(min_length=10)
    citation: str = Field(min_length=10)
    source: str = Field(min_length=10)


class References(BaseModel):
    """Where the reference maps are.

    Attributes
    ----------
    files
        Under the data set's folder; ``{case}`` stands for the case, ``*`` for anything within a name.
    kind
        ``label-maps``, or ``binary-masks`` where a case is a folder of masks.
    images
        Where the CTs are; empty where that does not matter.
    names
        What the prediction of a case may be called, beside ``{case}``.
    split, split_column, split_case, split_value
        Table (columns separated by ``;`` or ``,``) that says which cases belong to the benchmark; empty for all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: str
    kind: Literal["label-maps", "binary-masks"] = "label-maps"
    images: str = ""
    names: tuple[str, ...] = ()
    split: str = ""
    split_column: str = ""
    split_case: str = ""
    split_value: str = ""


class Benchmark(BaseModel):
    """A data set with a protocol.

    Attributes
    ----------
    name, title, citation, home_page
        What it is.
    scheme
        Label scheme of the references.
    organs
        Structures of that scheme that count, in the order of the published tables.
    references
        Where the maps are.
    protocol
        How it is done, in words.
    only_in_reference
        Whether a structure is scored only where the reference has it.
    surface
        Whether the protocol has surface measures.
    tolerance_mm
        Of surface Dice.
    sources
        Where the protocol was read.
    published
        Other people's numbers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    scheme: str
    citation: str = Field(min_length=10)
    home_page: str
    organs: tuple[str, ...] = Field(min_length=1)
    references: References
    protocol: str = Field(min_length=20)
    only_in_reference: bool = False
    surface: bool = False
    tolerance_mm: float = Field(3.0, ge=0)
    sources: tuple[str, ...] = Field(min_length=1)
    published: tuple[Published, ...] = ()

    @model_validator(mode="after")
    def _known(self) -> Benchmark:
        scheme = load_scheme(self.scheme)
        names = {*self.organs, *(name for row in self.published for name in row.dice)}
        strange = sorted(name for name in names if name not in scheme)
        if strange:
            raise ValueError(f"{scheme.name} has no {', '.join(strange)}")
        return self

    @property
    def label_scheme(self) -> LabelScheme:
        """Label scheme of the references."""
        return load_scheme(self.scheme)


@cache
def benchmark_names() -> tuple[str, ...]:
    """Benchmarks that come with the package."""
    return tuple(
        sorted(file.name.removesuffix(".toml") for file in _data().iterdir() if file.name.endswith(".toml"))
    )


@cache
def load_benchmark(name: str) -> Benchmark:
    """Load a benchmark by name.

    Raises
    ------
    BadBenchmarkError
        There is none of that name, or its file is wrong.
    """
    if name not in benchmark_names():
        hint = did_you_mean(name, benchmark_names())
        raise BadBenchmarkError(f"no benchmark {name!r}, known are {', '.join(benchmark_names())}{hint}")
    return parse_benchmark(tomllib.loads(_data().joinpath(f"{name}.toml").read_text("utf-8")), name)


def parse_benchmark(table: dict[str, Any], where: str) -> Benchmark:
    """Read a benchmark's table.

    Raises
    ------
    BadBenchmarkError
        Something in it is missing, unknown or of the wrong kind; the message names the key.
    """
    try:
        return Benchmark.model_validate(table)
    except ValidationError as error:
        raise BadBenchmarkError(f"benchmark {where}: {faults_in_words(error, Benchmark)}") from None


def find_references(benchmark: Benchmark, folder: Path) -> dict[str, Path]:
    """Reference maps of a benchmark by case, in name order.

    ``folder`` may be the data set's own folder, or any folder within it on the way to the maps.

    Raises
    ------
    DapatlasError
        No map is there, or the table of the split is missing.
    """
    parts = Path(benchmark.references.files).parts
    for skipped in range(len(parts)):
        found = _matching(folder, "/".join(parts[skipped:]))
        if found:
            return _in_split(benchmark, folder, found)
        if CASE in parts[skipped]:
            break
    raise DapatlasError(
        f"{folder}: no reference map of {benchmark.name}; expected {benchmark.references.files} in it, as the data set "
        f"is downloaded ({benchmark.home_page})"
    )


def find_predictions(benchmark: Benchmark, folder: Path, cases: Iterable[str]) -> dict[str, Path]:
    """Predictions of cases by name: the case's own, or the name of its CT or label map; NIfTI files.

    Raises
    ------
    DapatlasError
        A case has predictions under several names.
    """
    masks = folder / "masks"
    there = {
        name: path
        for path in sorted((masks if masks.is_dir() else folder).iterdir())
        if (name := case_id_of(path.name)) is not None and path.is_file()
    }
    found: dict[str, Path] = {}
    for case in cases:
        names = dict.fromkeys((case, *(name.replace(CASE, case) for name in benchmark.references.names)))
        matches = [there[name] for name in names if name in there]
        if len(matches) > 1:
            raise DapatlasError(
                f"{folder}: case {case} has {len(matches)} predictions, {matches[0].name} and {matches[1].name}; "
                "keep one of them"
            )
        if matches:
            found[case] = matches[0]
    return found


def _matching(root: Path, pattern: str) -> dict[str, Path]:
    head, _, tail = pattern.partition(CASE)
    rest = re.escape(tail).replace(re.escape("*"), "[^/]*").replace(re.escape(CASE), "(?P=case)")
    wanted = re.compile(re.escape(head).replace(re.escape("*"), "[^/]*") + r"(?P<case>[^/.][^/]*?)" + rest)
    found: dict[str, Path] = {}
    for path in sorted(root.glob(pattern.replace(CASE, "*"))):
        match = wanted.fullmatch(path.relative_to(root).as_posix())
        if match and found.setdefault(match["case"], path) != path:
            raise DapatlasError(f"{path}: {found[match['case']]} is of the same case; keep one of them")
    return found


def _in_split(benchmark: Benchmark, folder: Path, found: dict[str, Path]) -> dict[str, Path]:
    """Those that the benchmark's table counts in; all where it has none."""
    wanted = benchmark.references
    if not wanted.split:
        return found
    path = folder / wanted.split
    if not path.is_file():
        raise DapatlasError(
            f"{path}: missing; it says which cases belong to {benchmark.name}: put it beside the cases"
        )
    lines = path.read_text("utf-8-sig").splitlines()
    separator = ";" if ";" in lines[0] else ","
    heads = lines[0].split(separator)
    if not {wanted.split_case, wanted.split_column} <= set(heads):
        raise DapatlasError(
            f"{path}: expected columns {wanted.split_case} and {wanted.split_column}, found {', '.join(heads)}"
        )
    rows = [dict(zip(heads, line.split(separator), strict=False)) for line in lines[1:] if line]
    cases = {row[wanted.split_case] for row in rows if row.get(wanted.split_column) == wanted.split_value}
    return {case: path for case, path in found.items() if case in cases}


def _data() -> Any:
    return files("dapatlas.check") / "data" / "benchmarks"
