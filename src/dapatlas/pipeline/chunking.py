"""`dapatlas chunks`: the chunks that training reads patches from, built ahead, case by case in workers."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dapatlas.dataset import Case, Dataset
from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.extras import needed
from dapatlas.loaders.chunked import ABOUT, cache_of, chunked, chunks_folder
from dapatlas.locations import is_remote
from dapatlas.pipeline.engine import Jobs
from dapatlas.pipeline.journal import open_journal
from dapatlas.pipeline.stage import Outcome, Progress, Work, run_stage

STAGE = "chunks"
BYTES_A_VOXEL = 7.0  # of memory, at most: a CT that its header scales is float32 beside what was read


@dataclass(frozen=True, slots=True)
class Chunks:
    """How a run ended.

    Attributes
    ----------
    folder
        Where the chunks lie: what ``PatchDataset`` takes as ``cache``.
    cases
        One outcome a case, in name order; what was done answers how many bytes its chunks have.
    """

    folder: Path
    cases: tuple[Outcome[int], ...]

    @property
    def failed(self) -> tuple[Outcome[int], ...]:
        """Cases without chunks."""
        return tuple(case for case in self.cases if case.state == "failed")

    @property
    def written_bytes(self) -> int:
        """Of what this run built."""
        return sum(case.answer for case in self.cases if case.answer is not None)


def chunk_dataset(
    dataset: Dataset,
    cache: Path | None = None,
    *,
    jobs: Jobs = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Chunks:
    """Build the chunks of all cases that have both a CT and a label map, so that no training has to.

    What is up to date stays; a case that fails stops no other.

    Parameters
    ----------
    dataset
        The cases.
    cache
        Folder of the chunks; by default where ``PatchDataset`` looks for them, ``.dapatlas/loaders`` in the data set.
        The journal is the data set's then, and otherwise lies in this folder.
    jobs, force, progress
        As everywhere.

    Raises
    ------
    DapatlasError
        There is no case with both, blosc2 is not installed, the folder is behind a URL or the data set is and there
        is none, or another run is at work.
    """
    folder = cache_of(dataset) if cache is None else cache
    if is_remote(folder):
        raise DapatlasError(
            f"{folder}: chunks are read in place; name a folder that every training machine sees"
        )
    needed("blosc2", "loaders", "to build chunks")  # at once, not once a case
    cases = {case.id: case for case in dataset.cases}
    if not cases:
        raise DapatlasError(
            f"{dataset.path}: no case has both files; expected images/<case>.nii.gz and masks/<case>.nii.gz"
        )
    with open_journal(dataset.path if cache is None else cache) as journal:
        works = [_work(case, folder) for case in cases.values()]
        do = partial(_build, cases=cases, folder=folder, force=force)
        outcomes = run_stage(
            STAGE, works, do, journal, jobs=jobs, force=force, progress=progress, bytes_a_voxel=BYTES_A_VOXEL
        )
    return Chunks(folder, tuple(outcomes))


def _work(case: Case, folder: Path) -> Work:
    # resolved: the same data set from another working directory is the same
    inputs = tuple(path.resolve() for path in (case.image_path, case.mask_path) if path is not None)
    try:
        outputs: tuple[Path, ...] = (chunks_folder(case, folder) / ABOUT,)
    except BadFileError:
        outputs = ()  # the worker says what is wrong, as of any other bad case
    return Work(case.id, inputs, outputs)


def _build(work: Work, cases: Mapping[str, Case], folder: Path, *, force: bool) -> int:
    """In a worker: build one case's chunks; give their size in bytes."""
    case = cases[work.case]
    if force:
        shutil.rmtree(chunks_folder(case, folder), ignore_errors=True)
    built = chunked(case, folder)
    return sum(path.stat().st_size for path in built.folder.iterdir())
