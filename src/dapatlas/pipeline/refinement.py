"""`dapatlas refine`: the guidelines over a file, a folder of label maps, or a data set; and over a case of a build."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dapatlas import __version__
from dapatlas.dataset import Dataset, case_id_of, parse_case_name
from dapatlas.dataset.reports import REPORTS, report_file
from dapatlas.dataset.subjects import SexTable, sex_of, sex_tables
from dapatlas.errors import BadLabelsError, DapatlasError
from dapatlas.files import link_file, whole_file, write_json, write_text
from dapatlas.findings import Finding
from dapatlas.labels import LabelScheme, dap
from dapatlas.pipeline.engine import Jobs
from dapatlas.pipeline.journal import open_journal
from dapatlas.pipeline.report import before_and_after, findings_page
from dapatlas.pipeline.stage import Outcome, Progress, Work, run_stage
from dapatlas.refine import RefineSettings, refine
from dapatlas.volumes import read_label_map, read_volume, write_label_map

STAGE = "refine"
BYTES_A_VOXEL = 9.0  # of memory, at most: see benchmarks/README.md
MASKS, IMAGES = "masks", "images"


@dataclass(frozen=True, slots=True)
class Refined:
    """How one label map fared.

    Attributes
    ----------
    case
        Case id.
    state
        ``refined``, ``up to date`` or ``failed``.
    changed
        Voxels that findings of this run say were changed; a voxel that was changed twice counts twice.
    findings
        All that is to say; empty where it was up to date.
    seconds
        Wall-clock time.
    error
        Why it failed; empty otherwise.
    report
        File of the findings; empty where it failed.
    """

    case: str
    state: str
    changed: int = 0
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0
    error: str = ""
    report: str = ""


def refine_file(
    source: Path,
    target: Path,
    settings: RefineSettings,
    *,
    scheme: LabelScheme | None = None,
    sex_table: Path | None = None,
) -> Refined:
    """Refine one label map; the findings go to ``<case>.findings.json`` beside it.

    Parameters
    ----------
    source
        Label map, ``.nii`` or ``.nii.gz``.
    target
        File, or folder that gets one of the same name; written whole or not at all.
    settings
        Which guidelines, with which thresholds.
    scheme
        Of the map; DAP when ``None``.
    sex_table
        CSV with columns subject (or case) and sex.

    Raises
    ------
    DapatlasError
        Source or table cannot be used, or source and target are the same.
    """
    case = case_id_of(source.name)
    if case is None:
        raise DapatlasError(f"{source}: expected a label map in NIfTI (.nii or .nii.gz)")
    if target.is_dir() or not (target.name.endswith((".nii", ".nii.gz"))):
        target = target / source.name
    _not_in_place(source, target)
    report = target.with_name(f"{case_id_of(target.name)}.findings.json")
    begin = time.perf_counter()
    work = Work(case, (source,), (target, report))
    findings = _run(work, settings, scheme or dap(), sex_tables(sex_table))
    return Refined(
        case, "refined", _changed(findings), findings, time.perf_counter() - begin, report=str(report)
    )


def refine_folder(
    source: Path,
    out: Path,
    settings: RefineSettings,
    *,
    scheme: LabelScheme | None = None,
    sex_table: Path | None = None,
    jobs: Jobs = None,
    force: bool = False,
    progress: Progress | None = None,
) -> list[Refined]:
    """Refine every label map of a folder, or of a data set (one with ``masks/``).

    What is up to date stays; a case that fails does not stop the others. A data set gives a data set, its
    images linked. Each case gets ``reports/CASE.json`` and, where its CT is at hand, a picture of before and after.

    Parameters
    ----------
    source, out
        Folders; not the same one.
    settings
        Guidelines and thresholds.
    scheme
        Of the maps, DAP by default.
    sex_table
        CSV of subjects and sexes, beside the data set's own ``subjects.csv``.
    jobs
        Worker processes, as many as processors when ``None``; or a schedule.
    force
        Refine every case again.
    progress
        Called with how many cases are done, and of how many.

    Raises
    ------
    DapatlasError
        There is nothing to refine, a table cannot be read, or another run is at work on ``out``.
    """
    scheme = scheme or dap()
    is_dataset = (source / MASKS).is_dir()
    masks = source / MASKS if is_dataset else source
    files = {case: path for path in sorted(masks.glob("*.nii*")) if (case := case_id_of(path.name))}
    if not files:
        raise DapatlasError(f"{source}: no label map (.nii or .nii.gz) in it, nor in a folder masks/ of it")
    _not_in_place(source, out)
    tables = sex_tables(sex_table, source)
    with open_journal(out) as journal:
        if is_dataset:
            Dataset.create(out, scheme)
        works = [
            _work(case, path, source, out, settings, scheme, tables, is_dataset=is_dataset)
            for case, path in files.items()
        ]
        do = partial(_run, settings=settings, scheme=scheme, tables=tables)
        outcomes = run_stage(
            STAGE, works, do, journal, jobs=jobs, force=force, progress=progress, bytes_a_voxel=BYTES_A_VOXEL
        )
    return [_refined(outcome, report_file(out, outcome.case)) for outcome in outcomes]


def _refined(outcome: Outcome[tuple[Finding, ...]], report: Path) -> Refined:
    findings = outcome.answer
    if findings is None:
        there = "" if outcome.error else str(report)
        return Refined(outcome.case, outcome.state, error=outcome.error, report=there)
    return Refined(outcome.case, "refined", _changed(findings), findings, outcome.seconds, report=str(report))


def _changed(findings: Sequence[Finding]) -> int:
    return sum(finding.voxels for finding in findings if finding.expected)


def _not_in_place(source: Path, target: Path) -> None:
    if source.resolve() == target.resolve():
        raise DapatlasError(f"{source}: give another place for the refined maps: the originals are kept")


def _work(
    case: str,
    path: Path,
    source: Path,
    out: Path,
    settings: RefineSettings,
    scheme: LabelScheme,
    tables: Sequence[SexTable],
    *,
    is_dataset: bool,
) -> Work:
    """The map comes first, then the CT where there is one; the refined map first, then the report."""
    images = [source / IMAGES / f"{case}{suffix}" for suffix in (".nii.gz", ".nii")] if is_dataset else []
    image = [candidate for candidate in images if candidate.is_file()][:1]
    sex, doubt = sex_of(case, parse_case_name(case).subject, tables)
    wanted = [settings.model_dump(mode="json"), scheme.name, str(sex), doubt]
    target = (out / MASKS if is_dataset else out) / f"{case}.nii.gz"
    return Work(case, (path, *image), (target, report_file(out, case)), wanted)


def _run(
    work: Work, settings: RefineSettings, scheme: LabelScheme, tables: Sequence[SexTable]
) -> tuple[Finding, ...]:
    """In a worker: refine one map and write everything that belongs to it."""
    source, *images = work.inputs
    target, report = work.outputs
    volume = read_label_map(source)
    sex, doubt = sex_of(work.case, parse_case_name(work.case).subject, tables)
    try:
        after, findings = refine(
            volume.array,
            volume.grid,
            scheme=scheme,
            settings=settings,
            sex=sex,
            sex_doubt=doubt,
            case=work.case,
        )
    except BadLabelsError as error:
        raise BadLabelsError(f"{source}: {error}") from None
    target.parent.mkdir(parents=True, exist_ok=True)
    write_label_map(target, after, volume.grid, volume.header)
    pictures = []
    for image in images:
        link_file(target.parent.parent / IMAGES / image.name, image.resolve())
        if _changed(findings):
            picture = report.with_suffix(".png")
            with whole_file(picture) as scratch:
                ct = read_volume(image).array
                before_and_after(ct, volume.array, after, volume.grid, scheme, findings).save(scratch)
            pictures.append((picture.name, "above before, below after the guidelines"))
    write_json(report, _document(work.case, source, settings, findings))
    if report.parent.name == REPORTS:
        write_text(report.with_suffix(".md"), findings_page(work.case, findings, pictures))
    return tuple(findings)


def _document(
    case: str, source: Path, settings: RefineSettings, findings: Sequence[Finding]
) -> dict[str, Any]:
    return {
        "case": case,
        "dapatlas": __version__,
        "source": str(source),
        "guidelines": list(settings.guidelines),
        "findings": [finding.as_dict() for finding in findings],
    }
