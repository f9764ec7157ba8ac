"""How two folders of label maps agree, case by case: what the loop watches."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean

from dapatlas.check.overlap import count, dice
from dapatlas.dataset.dataset import volume_files
from dapatlas.errors import DapatlasError
from dapatlas.files import write_json
from dapatlas.labels import LabelScheme
from dapatlas.pipeline.journal import open_journal
from dapatlas.pipeline.stage import Progress, Work, run_stage
from dapatlas.volumes import read_label_map

STAGE = "compare"


@dataclass(frozen=True, slots=True)
class MapAgreement:
    """How maps agree.

    Attributes
    ----------
    cases
        How many cases are in both folders and hold a structure.
    dice
        Mean over these cases of the mean over structures that either map has; NaN without a case.
    structures
        Of each structure that is in any map, the mean over the cases in which either map has it.
    """

    cases: int
    dice: float
    structures: Mapping[str, float] = field(default_factory=dict)


def compare_maps(
    first: Path,
    second: Path,
    out: Path,
    scheme: LabelScheme,
    structures: Sequence[str] = (),
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> MapAgreement:
    """Compare the maps of cases that two folders share; what was compared already is not compared again.

    Parameters
    ----------
    first, second
        Folders of label maps.
    out
        Folder that gets ``CASE.json``: the Dice of every structure.
    scheme
        Of both.
    structures
        The only ones to compare; all but background by default.
    jobs
        Worker processes; as many as processors when ``None``.
    progress
        Called with how many cases are done, and of how many.

    Raises
    ------
    DapatlasError
        A case cannot be compared; the message names it.
    """
    mine, theirs = volume_files(first), volume_files(second)
    names = [structure.name for structure in scheme if structure.id] if not structures else list(structures)
    works = [
        Work(case, (mine[case][0], theirs[case][0]), (out / f"{case}.json",), names)
        for case in sorted(mine.keys() & theirs.keys())
    ]
    with open_journal(out) as journal:
        outcomes = run_stage(
            STAGE, works, partial(_compare, scheme=scheme), journal, jobs=jobs, progress=progress
        )
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    if failed:
        raise DapatlasError(f"{failed[0].case}: {failed[0].error}")
    scores = [json.loads(work.outputs[0].read_text(encoding="utf-8")) for work in works]
    means = [fmean(own.values()) for own in scores if own]
    found = {name: [own[name] for own in scores if name in own] for name in names}
    by_structure = {name: fmean(values) for name, values in found.items() if values}
    return MapAgreement(len(means), fmean(means) if means else math.nan, by_structure)


def _compare(work: Work, scheme: LabelScheme) -> None:
    first, second = (read_label_map(path).array for path in work.inputs)
    counts = count(first, second, scheme)
    scores = {}
    for name in work.settings:
        id_ = scheme[name].id
        score = dice(int(counts.predicted[id_]), int(counts.reference[id_]), int(counts.common[id_]))
        if not math.isnan(score):
            scores[name] = score
    write_json(work.outputs[0], scores)
