"""One data set against another of the same cases, for a report: overlap of their maps, volumes, findings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.check.checked_case import COHORT
from dapatlas.check.measured_case import in_dap
from dapatlas.dataset import Case, Dataset
from dapatlas.files import write_json
from dapatlas.findings import Finding
from dapatlas.labels import dap
from dapatlas.pipeline.checking import Checked
from dapatlas.pipeline.journal import FOLDER, Journal, fingerprint
from dapatlas.pipeline.stage import Outcome, Progress, Work, run_stage
from dapatlas.publish.report import ComparedCase, Comparison
from dapatlas.volumes import Grid, joint_histogram, reorient

VERSION = 1  # raise it when the same maps give other numbers


def checks_of_other(other: Dataset, folder: Path) -> Path:
    """Where checks of the other data set are kept: with itself if it keeps any, else under ``folder``.

    A comparison leaves no files in the data set that it compares with.
    """
    return other.path if (other.path / COHORT).is_file() else _kept(other, folder)


def _kept(other: Dataset, folder: Path) -> Path:
    return folder / FOLDER / "compare" / fingerprint([], str(other.path.resolve()))[:12]


def compare(
    here: Dataset,
    there: Dataset,
    checked: tuple[Checked, Checked],
    folder: Path,
    journal: Journal,
    *,
    jobs: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> tuple[Comparison, list[Outcome[None]]]:
    """Compare the cases that both have, unless that stands; a case that fails is told and stops no other.

    Parameters
    ----------
    here, there
        The data set and what it is compared with.
    checked
        What checks said of both, in this order.
    folder
        Where overlaps are kept.
    journal
        Of that folder, open.
    jobs, force, progress
        As everywhere.
    """
    own, others = _with_maps(here), _with_maps(there)
    both = sorted(own.keys() & others.keys())
    kept = _kept(there, folder)
    works = [_work(own[case], others[case], kept / f"{case}.json") for case in both]
    do = partial(_overlap, here=own, there=others)
    stage = f"compare-{kept.name}"
    outcomes = run_stage(stage, works, do, journal, jobs=jobs, force=force, progress=progress)
    volumes = tuple({one.case: one.volumes_ml for one in side.checked} for side in checked)
    failed = {
        outcome.case: outcome.error.splitlines()[0] for outcome in outcomes if outcome.state == "failed"
    }
    cases = [_compared(work, volumes[0], volumes[1], failed) for work in works]
    gained, lost = _moved(checked[0].findings, checked[1].findings, set(both))
    only = [tuple(sorted(one.keys() - other.keys())) for one, other in ((own, others), (others, own))]
    return Comparison(there.path.resolve().name, tuple(cases), only[0], only[1], gained, lost), outcomes


def _with_maps(dataset: Dataset) -> dict[str, Case]:
    return {case.id: case for case in (*dataset.cases, *dataset.unpaired) if case.mask_path is not None}


def _work(here: Case, there: Case, output: Path) -> Work:
    inputs = [case.mask_path.resolve() for case in (here, there) if case.mask_path is not None]
    return Work(here.id, tuple(inputs), (output,), [VERSION, here.scheme.name, there.scheme.name])


def _overlap(work: Work, here: Mapping[str, Case], there: Mapping[str, Case]) -> None:
    """In a worker: Dice of every structure of one case, or why there is none."""
    one, grid = _upright(here[work.case])
    other, other_grid = _upright(there[work.case])
    differences = ", ".join(grid.differences(other_grid))
    why_not = f"the maps lie on different grids, so there is no Dice: {differences}" if differences else ""
    dice = {} if why_not else dice_of(one, other)
    write_json(work.outputs[0], {"dice": dice, "why_not": why_not})


def _upright(case: Case) -> tuple[NDArray[Any], Grid]:
    """The map in DAP's ids and patient axes, so that files of different orientation can be compared."""
    volume = case.label_map()
    return reorient(in_dap(volume.array, case.scheme), volume.grid)


def dice_of(one: NDArray[Any], other: NDArray[Any]) -> dict[str, float]:
    """Dice of every structure that either of two maps in DAP's ids holds, from one table of both."""
    table = joint_histogram(one, other, (256, 256))
    sizes = table.sum(axis=0) + table.sum(axis=1)
    shared = 2 * np.diagonal(table)
    return {
        dap()[id_].name: round(float(shared[id_] / sizes[id_]), 5)
        for id_ in np.flatnonzero(sizes).tolist()
        if id_
    }


def _compared(
    work: Work,
    here: Mapping[str, Mapping[str, float]],
    there: Mapping[str, Mapping[str, float]],
    failed: Mapping[str, str],
) -> ComparedCase:
    volumes = here.get(work.case, {}), there.get(work.case, {})
    if work.case in failed:
        return ComparedCase(work.case, {}, *volumes, failed[work.case])
    kept = json.loads(work.outputs[0].read_text(encoding="utf-8"))
    return ComparedCase(work.case, kept["dice"], *volumes, kept["why_not"])


def _moved(
    here: Sequence[Finding], there: Sequence[Finding], both: set[str]
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Findings of common cases that only one side has; one and the same are those of one code and structure."""

    def key(finding: Finding) -> tuple[str, str, str]:
        return finding.case, finding.code, finding.structure

    known = [{key(finding) for finding in side} for side in (here, there)]
    gained = tuple(one for one in here if one.case in both and key(one) not in known[1])
    lost = tuple(one for one in there if one.case in both and key(one) not in known[0])
    return gained, lost
