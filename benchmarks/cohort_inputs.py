"""Inputs of a cohort: the files of many small synthetic cases, made from a few bodies.

A phantom takes half a second, so a handful of bodies is made, and each case is one of them at a size and with a noise
of its own. Names are as in the data set: 533 cases of 482 subjects, of whom 51 have two studies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dapatlas.files import write_text
from dapatlas.labels import Sex, crosswalk, dap
from dapatlas.phantom import ErrorKind, PhantomSpec, make_phantom, plant
from dapatlas.phantom.cohort import ATLAS_TOML
from dapatlas.volumes import Grid, write_label_map, write_volume

CASES, SUBJECTS = 533, 482  # of the DAP Atlas data set
SHAPE = (24, 22, 40)
BODIES = 6
GENERALIST_ERRORS = (ErrorKind.SWAPPED_SIDES, ErrorKind.STRAY_ISLANDS, ErrorKind.VERTEBRA_FRAGMENT)
SPECIALIST = ("liver", "spleen", "heart", "urinary_bladder", "stomach", "aorta")  # as in the recipe

RECIPE = """\
name = "cohort"

[cts]
files = "ct/{case}.nii.gz"

[[experts]]
name = "generalist"
kind = "label-maps"
scheme = "totalsegmentator"
files = "generalist/{case}.nii.gz"
choose = { sternum = "sternum_corpus" }

[[experts]]
name = "specialist"
kind = "binary-masks"
scheme = "dap"
files = "specialist/{case}"
structures = ["liver", "spleen", "heart", "urinary_bladder", "stomach", "aorta"]

[merge]
trust = ["specialist", "generalist"]
"""


@dataclass(frozen=True)
class Planned:
    """A case that will be: its name, its subject's number and which of the subject's studies it is."""

    case: str
    subject: str
    number: int
    study: int

    @property
    def body(self) -> int:
        """Which of the bodies it is."""
        return self.number % BODIES


def plan(cases: int) -> list[Planned]:
    """The first so many cases; a larger cohort holds the smaller one."""
    return list(islice(_all(), cases))


def _all() -> list[Planned]:
    found = []
    for number in range(SUBJECTS):
        draw = np.random.default_rng([533, number])
        subject = f"{int(draw.integers(16**10)):010x}"
        second = (number + 1) * (CASES - SUBJECTS) // SUBJECTS > number * (CASES - SUBJECTS) // SUBJECTS
        for study in range(2 if second else 1):
            found.append(
                Planned(f"AutoPET_{subject}_{int(draw.integers(10**5)):05d}", subject, number, study)
            )
    return found


def make_inputs(folder: Path, cases: int) -> Path:
    """Write what is not there yet; returns the recipe."""
    planned = plan(cases)
    for each in planned:
        if not (folder / "ct" / f"{each.case}.nii.gz").exists():  # which is written last
            _write(folder, each)
    sexes = {each.subject: _sex(each.body).value for each in planned}
    rows = "".join(f"{subject},{sex}\n" for subject, sex in sorted(sexes.items()))
    write_text(folder / "subjects.csv", "subject,sex\n" + rows)
    write_text(folder / "atlas.toml", ATLAS_TOML)
    write_text(folder / "recipe.toml", RECIPE)
    return folder / "recipe.toml"


def _sex(body: int) -> Sex:
    return Sex.MALE if body % 2 else Sex.FEMALE


@cache
def _body(body: int) -> tuple[NDArray[np.int16], NDArray[np.uint8], NDArray[np.uint8], Grid]:
    """CT, true map, what a generalist makes of it in its own scheme, and the grid."""
    made = make_phantom(PhantomSpec(seed=body, shape=SHAPE, sex=_sex(body)))
    faulty, _ = plant(made.label_map, made.grid, GENERALIST_ERRORS, body, skip_impossible=True)
    general = crosswalk("dap", "totalsegmentator").lookup()[faulty].astype(np.uint8)
    return made.ct, made.label_map, general, made.grid


def _write(folder: Path, each: Planned) -> None:
    ct, truth, general, grid = _body(each.body)
    of_subject = np.random.default_rng([1, each.number])
    size = of_subject.uniform(0.93, 1.07)
    grid = Grid(grid.shape, np.diag([size, size, size, 1.0]) @ grid.affine)
    noise = np.random.default_rng([2, each.number, each.study]).integers(-8, 9, ct.shape)
    write_label_map(folder / "generalist" / f"{each.case}.nii.gz", general, grid)
    shifted = np.roll(truth, 1, axis=0)  # a systematic error, as real experts make them
    for name in SPECIALIST:
        mask = (shifted == dap()[name].id).astype(np.uint8)
        if mask.any():
            write_label_map(folder / "specialist" / each.case / f"{name}.nii.gz", mask, grid)
    write_volume(folder / "ct" / f"{each.case}.nii.gz", (ct + noise).astype(np.int16), grid)
