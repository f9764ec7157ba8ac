"""The demo: a phantom cohort, two imperfect experts who know part of the truth, and a recipe for both.

Everything here is synthetic; see :mod:`dapatlas.phantom`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from dapatlas.dataset import Case, Dataset
from dapatlas.files import write_text
from dapatlas.labels import crosswalk, dap, load_scheme
from dapatlas.parallel import available_cpus, map_cases
from dapatlas.phantom import ErrorKind, make_cohort, plant
from dapatlas.volumes import Grid, joint_histogram, read_label_map, resample_labels, write_label_map

Progress = Callable[[int, int], None]

TRUTH, GENERALIST, SPECIALIST, ATLAS = "truth", "generalist", "specialist", "atlas"
GENERALIST_SCHEME = "totalsegmentator"
GENERALIST_MM = 4.0  # it works on a grid of its own, coarser than the CT's and in another orientation
NOT_CHOSEN = "sternum_manubrium"  # the recipe has the generalist's whole sternum go to its corpus
UNSEEN_SHARE = 0.06  # of its structures, the generalist overlooks so many in each case

_RECIPE = """\
# Written by `dapatlas demo`: two experts, each of whom knows part of the body.
name = "demo"

[cts]
files = "truth/images/{case}.nii.gz"

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
structures = [SPECIALISED]

[merge]
trust = ["specialist", "generalist"]

[refine]
sex_table = "truth/subjects.csv"
"""

# What networks get wrong, and the guidelines of [refine] put right.
GENERALIST_ERRORS = (
    ErrorKind.SWAPPED_SIDES,
    ErrorKind.VERTEBRA_FRAGMENT,
    ErrorKind.STRAY_ISLANDS,
    ErrorKind.RIBS_MISCOUNTED,
    ErrorKind.COLON_IN_HEAD,
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near a built map comes to the truth that was hidden.

    Attributes
    ----------
    case
        Case id.
    voxels
        Share of the body's voxels that carry the true label.
    dice
        Mean Dice over the structures that an expert knows, those in view only.
    structures
        How many those are.
    """

    case: str
    voxels: float
    dice: float
    structures: int


def make_inputs(
    out: Path,
    *,
    subjects: int,
    size: int,
    seed: int,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write the cohort, the experts' files and the recipe; what stands already is left.

    Parameters
    ----------
    out
        The demo's folder.
    subjects, seed
        How many synthetic persons, and from which seed.
    size
        Voxels along each axis of a CT.
    jobs
        Worker processes; as many as processors when ``None``.
    progress
        Called with how many cases are done, and of how many.

    Returns
    -------
    Path
        The recipe.
    """
    jobs = jobs or available_cpus()
    cohort = make_cohort(
        out / TRUTH, subjects=subjects, seed=seed, shape=(size, size, size), jobs=jobs, progress=progress
    )
    for _, answer in map_cases(partial(propose_imperfectly, out=out), list(cohort), jobs):
        if isinstance(answer, Exception):
            raise answer
    for name in (
        "atlas.toml",
        "subjects.csv",
    ):  # what the atlas's card says of it, and who is a woman or a man
        write_text(out / ATLAS / name, (out / TRUTH / name).read_text(encoding="utf-8"))
    recipe = out / "recipe.toml"
    write_text(recipe, recipe_text())
    return recipe


def recipe_text() -> str:
    """The recipe, TOML: the generalist's structures, and those that only the specialist knows."""
    names = [f'  "{name}",' for name in specialised_structures()]
    return _RECIPE.replace("[SPECIALISED]", "\n".join(["[", *names, "]"]))


def propose_imperfectly(case: Case, out: Path) -> None:
    """Write what the two experts say of one case; a file that stands is finished and is left."""
    truth = case.label_map()
    generalist = out / GENERALIST / f"{case.id}.nii.gz"
    if not generalist.exists():
        _write_generalist(generalist, case, truth.array, truth.grid)
    folder = out / SPECIALIST / case.id
    for name in specialised_structures():
        path = folder / f"{name}.nii.gz"
        if not path.exists():
            # one voxel too far along the first axis: a systematic error, as real experts make them
            mask = np.roll(truth.array == dap()[name].id, 1, axis=0)
            if mask.any():
                write_label_map(path, mask.astype(np.uint8), truth.grid)


def known_structures() -> tuple[str, ...]:
    """What at least one expert knows: everything but the tissues that the build fills by itself."""
    tissues = {
        "background",
        "unknown_tissue",
        "muscles",
        "fat",
        "abdominal_tissue",
        "mediastinal_tissue",
        "skin",
    }
    return tuple(structure.name for structure in dap() if structure.name not in tissues)


def specialised_structures() -> tuple[str, ...]:
    """What the specialist knows: all that the recipe does not take from the generalist."""
    lookup = crosswalk("dap", GENERALIST_SCHEME).lookup()
    of_generalist = {structure.name for structure in dap() if lookup[structure.id]} - {NOT_CHOSEN}
    return tuple(name for name in known_structures() if name not in of_generalist)


def _write_generalist(path: Path, case: Case, truth: np.ndarray, grid: Grid) -> None:
    scheme = load_scheme(GENERALIST_SCHEME)
    lookup = crosswalk("dap", scheme).lookup().copy()
    chance = np.random.default_rng(list(case.id.encode()))
    lookup[chance.random(256) < UNSEEN_SHARE] = 0
    faulty, _ = plant(truth, grid, GENERALIST_ERRORS, len(case.id), skip_impossible=True)
    extent = [n * mm for n, mm in zip(grid.shape, grid.spacing, strict=True)]
    own = _coarser(grid, extent)
    write_label_map(path, resample_labels(lookup[faulty], grid, own, keep_thin=True), own)


def _coarser(grid: Grid, extent_mm: list[float]) -> Grid:
    """A grid over the same field of view, coarser and with all axes reversed."""
    shape = tuple(max(1, round(mm / GENERALIST_MM)) for mm in extent_mm)
    scale = np.diag([*(-n / m for n, m in zip(grid.shape, shape, strict=True)), 1.0])
    scale[:3, 3] = [n - 0.5 - n / m / 2 for n, m in zip(grid.shape, shape, strict=True)]
    return Grid((shape[0], shape[1], shape[2]), grid.affine @ scale)


def agreement(out: Path, atlas: Dataset) -> list[Agreement]:
    """Compare every built map with the truth."""
    return [_compare(case, out / TRUTH / "masks" / f"{case.id}.nii.gz") for case in atlas]


def _compare(case: Case, truth: Path) -> Agreement:
    table = joint_histogram(read_label_map(truth).array, case.label_map().array).astype(float)
    size = max(table.shape)
    square = np.zeros((size, size))
    square[: table.shape[0], : table.shape[1]] = table
    true, built, same = square.sum(axis=1), square.sum(axis=0), np.diag(square)
    ids = [case.scheme[name].id for name in known_structures()]
    ids = [id_ for id_ in ids if id_ < size and true[id_] > 0]
    dice = 2 * same[ids] / (true[ids] + built[ids])
    return Agreement(case.id, float(same[1:].sum() / true[1:].sum()), float(dice.mean()), len(ids))
