"""What is found in a download of NIfTI files: a CT for each case, and what belongs to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dapatlas.errors import BadFileError
from dapatlas.findings import Finding
from dapatlas.ingest.codes import Code, finding
from dapatlas.volumes import read_grid


@dataclass(frozen=True, slots=True)
class Item:
    """A case that can be brought in.

    Attributes
    ----------
    case
        Its id in the data set.
    subject, study5
        Who, and five digits of the study; the digits are empty where they are not known.
    ct
        The CT.
    pet
        PET in SUV, on a grid of its own; ``None`` where there is none.
    lesions
        Mask of the lesions on the grid of the PET; ``None`` where there is none.
    source
        What the case is called in the download.
    """

    case: str
    subject: str
    study5: str
    ct: Path
    pet: Path | None = None
    lesions: Path | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """Cases by id, and what is to be said of the download."""

    items: tuple[Item, ...]
    findings: tuple[Finding, ...]


def without_clashes(items: Iterable[Item]) -> tuple[tuple[Item, ...], tuple[Finding, ...]]:
    """The items whose names are theirs alone, by name, and a finding on each name that several would have.

    Names that differ in upper and lower case only clash too, as they do on many file systems.
    """
    named: defaultdict[str, list[Item]] = defaultdict(list)
    for item in items:
        named[item.case.casefold()].append(item)
    alone = sorted((group[0] for group in named.values() if len(group) == 1), key=lambda item: item.case)
    clashes = [_clash(named[name]) for name in sorted(named) if len(named[name]) > 1]
    return tuple(alone), tuple(clashes)


def _clash(group: list[Item]) -> Finding:
    case, places = group[0].case, ", ".join(str(item.ct) for item in group)
    return finding(
        case,
        Code.NAME_TAKEN,
        f"{len(group)} studies would be called {case}, so none of them was taken: {places}",
        file=str(group[0].ct),
        expected="one study of that name",
        found=f"{len(group)}",
    )


def on_grid_of_pet(item: Item) -> bool:
    """Whether the CT has the grid of its PET, which a CT has only after resampling.

    Told by the headers alone; ``False`` too where there is no PET, or a header cannot be read.
    """
    if item.pet is None:
        return False
    try:
        return read_grid(item.ct).is_close(read_grid(item.pet))
    except BadFileError:  # whoever reads the volume will tell
        return False
