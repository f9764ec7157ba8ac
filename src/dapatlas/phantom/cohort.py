"""A synthetic data set on disk, laid out as the DAP Atlas is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dapatlas.dataset import Dataset
from dapatlas.dataset.names import PREFIX, parse_case_name
from dapatlas.errors import DapatlasError
from dapatlas.files import write_json, write_text
from dapatlas.labels import Sex
from dapatlas.parallel import map_cases
from dapatlas.phantom.field_of_view import FieldOfView
from dapatlas.phantom.ground_truth import SYNTHETIC_NOTE, read_summary, record_path, write_ground_truth
from dapatlas.phantom.phantom import PhantomSpec, make_phantom
from dapatlas.phantom.plant import error_kind, plant
from dapatlas.phantom.planted import ErrorKind, PlantedError
from dapatlas.phantom.subject import Arms
from dapatlas.volumes import write_label_map, write_volume

# Raise it when the same specification makes another phantom: finished cases are then made anew.
PHANTOM_VERSION = 1
TWO_STUDIES_EVERY = 3  # every third subject was scanned twice

# What the card of a synthetic data set says of it; see `dapatlas card`.
ATLAS_TOML = """\
pretty_name = "Synthetic cohort"
title = "Synthetic whole-body CT cohort"
coverage = "whole-body"
body_part = "Full body"
description = '''
Synthetic bodies with their label maps, drawn by dapatlas for demonstrations and tests. No person was scanned;
nothing medical can be learnt from them.
'''
mask_licence = "Apache-2.0"
ct_licence = "Apache-2.0; synthetic, no person was scanned"
ct_redistributable = true
tags = ["medical-imaging", "anatomy-segmentation", "synthetic"]
notes = ["**Synthetic:** made by `dapatlas phantom`, not by a scanner."]
citation = '''
@article{jaus2023towards,
  title   = {Towards Unifying Anatomy Segmentation: Automated Generation of a
             Full-body CT Dataset via Knowledge Aggregation and Anatomical Guidelines},
  author  = {Jaus, Alexander and Seibold, Constantin and Hermann, Kelsey and
             Walter, Alexandra and Giske, Kristina and Haubold, Johannes and
             Kleesiek, Jens and Stiefelhagen, Rainer},
  journal = {arXiv preprint arXiv:2307.13375},
  year    = {2023}
}
'''

[[sources]]
name = "The paper whose label scheme it follows"
url = "https://arxiv.org/abs/2307.13375"
"""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class CohortCase:
    """One case that a cohort will have: its id, what it is made from, and which errors to plant."""

    case_id: str
    spec: PhantomSpec
    errors: tuple[ErrorKind, ...] = ()

    def made_from(self) -> dict[str, Any]:
        """Everything that decides the files of this case, ready for JSON."""
        spec = asdict(self.spec)
        spec = {key: list(value) if isinstance(value, tuple) else value for key, value in spec.items()}
        return {
            "phantom_version": PHANTOM_VERSION,
            "sex": str(self.spec.sex),
            "spec": spec,
            "asked_errors": [str(kind) for kind in self.errors],
        }


def plan_cohort(
    subjects: int = 5,
    seed: int = 0,
    *,
    shape: tuple[int, int, int] = (128, 128, 128),
    spacing: tuple[float, float, float] | None = None,
    orientations: Sequence[str] = ("LPS",),
    fields_of_view: Sequence[FieldOfView | str] = (FieldOfView.FULL,),
    errors: Sequence[ErrorKind | str] = (),
    noise_hu: float = 15.0,
) -> list[CohortCase]:
    """Decide the cases of a cohort; nothing is made yet.

    Sexes alternate, every third subject has two studies (the second with the arms the other way), and orientations and
    fields of view are dealt out in turn. Subject ids are ten hexadecimal digits and study ids five decimal
    digits, drawn from the seed.

    Parameters
    ----------
    subjects
        How many synthetic persons.
    seed
        Another seed makes others.
    shape
        Voxels along the axes of every CT.
    spacing
        Voxel size in mm; as fits the field of view when ``None``.
    orientations, fields_of_view
        What is dealt out in turn, such as ``"LPS"`` and ``"thorax"``.
    errors
        Planted into every map; the truth is kept beside it.
    noise_hu
        Standard deviation of the CT's noise.

    Raises
    ------
    DapatlasError
        No subject is asked for.
    """
    if subjects < 1:
        raise DapatlasError(f"A cohort needs at least one subject, not {subjects}")
    draw = np.random.default_rng([seed, subjects])
    first_is_male = bool(draw.integers(2))
    cases: list[CohortCase] = []
    for number in range(subjects):
        person = np.random.default_rng([seed, number])
        name = f"{int(person.integers(16**10)):010x}"
        studies = 2 if number % TWO_STUDIES_EVERY == TWO_STUDIES_EVERY - 1 or subjects == 1 else 1
        for study in range(studies):
            arms: Arms = "down" if (number + study) % 2 == 0 else "up"
            spec = PhantomSpec(
                seed=int(person.integers(2**31)) if study == 0 else cases[-1].spec.seed,
                shape=shape,
                spacing=spacing,
                orientation=orientations[len(cases) % len(orientations)],
                sex=Sex.MALE if (number % 2 == 0) == first_is_male else Sex.FEMALE,
                arms=arms,
                field_of_view=fields_of_view[len(cases) % len(fields_of_view)],
                noise_hu=noise_hu,
                study=study,
            )
            case_id = f"{PREFIX}_{name}_{int(person.integers(10**5)):05d}"
            cases.append(CohortCase(case_id, spec, tuple(error_kind(kind) for kind in errors)))
    return cases


def make_cohort(
    folder: str | Path,
    subjects: int = 5,
    seed: int = 0,
    *,
    jobs: int = 1,
    progress: Progress | None = None,
    **plan: Any,
) -> Dataset:
    """Make a synthetic data set, or finish one that was begun.

    Writes ``images/``, ``masks/``, ``labels.json``, ``subjects.csv``, ``atlas.toml``, a ``ground_truth/`` folder and
    ``ground_truth.json``.
    A finished case whose specification is unchanged is left as it is.

    Parameters
    ----------
    folder
        Where; made if it is not there.
    subjects, seed
        How many persons, and from which seed.
    jobs
        Worker processes.
    progress
        Called as ``progress(done, total)``, once before the first case and after each.
    **plan
        As for :func:`plan_cohort`: shape, spacing, orientations, fields_of_view, errors, noise_hu. Of the ``errors``,
        each case gets those whose anatomy it has in view.

    Returns
    -------
    Dataset

    Raises
    ------
    DapatlasError
        After all cases were tried, when any of them failed.
    """
    folder = Path(folder)
    cases = plan_cohort(subjects, seed, **plan)
    dataset = Dataset.create(folder)
    failed: list[str] = []
    if progress is not None:
        progress(0, len(cases))
    for done, (case, outcome) in enumerate(map_cases(partial(make_case, folder), cases, jobs), start=1):
        if isinstance(outcome, Exception):
            failed.append(f"{case.case_id}: {outcome}")
        if progress is not None:
            progress(done, len(cases))
    if failed:
        raise DapatlasError(f"{len(failed)} of {len(cases)} synthetic cases failed: {'; '.join(failed)}")
    records = [read_summary(folder, case.case_id) for case in cases]
    sexes = {parse_case_name(case.case_id).subject: case.spec.sex.value for case in cases}
    rows = [f"{subject},{sex}" for subject, sex in sorted(sexes.items())]
    write_text(folder / "subjects.csv", "\n".join(["subject,sex", *rows]) + "\n")
    write_text(folder / "atlas.toml", ATLAS_TOML)
    write_json(folder / "ground_truth.json", {"note": SYNTHETIC_NOTE, "seed": seed, "cases": records})
    return Dataset(dataset.path)


def make_case(folder: Path, case: CohortCase) -> bool:
    """Make one case of a cohort unless it is finished; say whether it was made."""
    dataset = Dataset(folder)
    image, mask = dataset.image_path(case.case_id), dataset.mask_path(case.case_id)
    made_from = case.made_from()
    record = read_summary(folder, case.case_id) or {}
    if image.exists() and mask.exists() and all(record.get(key) == value for key, value in made_from.items()):
        return False
    record_path(folder, case.case_id).unlink(missing_ok=True)  # from here on the case is unfinished
    phantom = make_phantom(case.spec)
    label_map, errors = phantom.label_map, list[PlantedError]()
    if case.errors:
        label_map, errors = plant(
            phantom.label_map, phantom.grid, case.errors, case.spec.seed, skip_impossible=True
        )
    write_volume(image, phantom.ct, phantom.grid)
    write_label_map(mask, label_map, phantom.grid)
    write_ground_truth(folder, case.case_id, made_from, phantom.label_map, phantom.grid, errors)
    return True
