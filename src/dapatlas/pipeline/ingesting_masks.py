"""`dapatlas ingest masks`: the released label maps, out of their zip, onto the CTs of a data set."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from dapatlas.dataset import Dataset
from dapatlas.ingest.codes import code_of
from dapatlas.ingest.fault import IngestError
from dapatlas.ingest.nifti.mask_placing import place
from dapatlas.ingest.nifti.released_masks import Pair, plan
from dapatlas.labels import LabelScheme
from dapatlas.pipeline.engine import Jobs
from dapatlas.pipeline.ingesting import Findings, Ingested, finish
from dapatlas.pipeline.journal import open_journal
from dapatlas.pipeline.stage import Progress, Work, run_stage

STAGE = "masks"


def ingest_masks(
    source: Path,
    destination: Path,
    *,
    scheme: LabelScheme | None = None,
    keep_unpaired: bool = False,
    overwrite: bool = False,
    jobs: Jobs = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Ingested:
    """Place label maps beside the CTs of a data set, each on its CT's very grid.

    Parameters
    ----------
    source
        A zip, which is not unpacked, or a folder.
    destination
        The data set; made where it is not there and ``keep_unpaired`` is asked for.
    scheme
        What the ids mean, DAP by default.
    keep_unpaired
        Place masks without a CT too.
    overwrite
        Replace a mask that the case has and that differs.
    jobs, force, progress
        As everywhere.

    Raises
    ------
    DapatlasError
        There is no such zip or folder, no mask in it, no such data set, or another run is at work on it.
    """
    dataset = Dataset.create(destination, scheme) if keep_unpaired else Dataset(destination, scheme)
    planned = plan(source, dataset, keep_unpaired=keep_unpaired)
    works = [_work(pair, overwrite) for pair in planned.pairs]
    do = partial(_place, pairs={pair.case: pair for pair in planned.pairs}, overwrite=overwrite)
    with open_journal(destination) as journal:
        dataset.write_labels()
        outcomes = run_stage(STAGE, works, do, journal, jobs=jobs, force=force, progress=progress)
    return finish(dataset, "masks", [source], [outcomes], planned.findings)


def _work(pair: Pair, overwrite: bool) -> Work:
    """A zip counts by its size and time, a folder by the file in it."""
    source = pair.source.resolve()
    inputs = [source / pair.member.name if source.is_dir() else source]
    inputs += [pair.ct.resolve()] if pair.ct else []
    return Work(pair.case, tuple(inputs), (pair.target,), [pair.member.name, pair.member.bytes, overwrite])


def _place(work: Work, pairs: dict[str, Pair], overwrite: bool) -> Findings:
    """In a worker: place one mask; one that is refused is a case that failed."""
    placed = place(pairs[work.case], overwrite=overwrite)
    if placed.how == "refused":
        raise IngestError(code_of(placed.findings[0]), placed.findings[0].message)
    return placed.findings
