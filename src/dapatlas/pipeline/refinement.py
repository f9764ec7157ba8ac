"""`dapatlas refine`: the guidelines over a file, a folder of label maps, or a data set; and over a case of a build."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dapatlas import __version__
from dapatlas.dataset import Dataset, case_id_of, parse_case_name
from dapatlas.errors import BadLabelsError, DapatlasError
from dapatlas.files import link_file, whole_file, write_json, write_text
from dapatlas.findings import Finding
from dapatlas.labels import LabelScheme, dap
from dapatlas.parallel import map_cases
from dapatlas.pipeline.journal import Entry, Journal, fingerprint, open_journal
from dapatlas.pipeline.memory import peak_mb
from dapatlas.pipeline.report import REPORTS, before_and_after, findings_page, story
from dapatlas.refine import RefineSettings, SexTable, refine, sex_of, sex_tables
from dapatlas.volumes import read_label_map, read_volume, write_label_map

STAGE = "refine"
MASKS, IMAGES = "masks", "images"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Task:
    """One label map to refine."""

    case: str
    source: Path
    target: Path
    report: Path
    image: Path | None
    fingerprint: str


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
    peak_mb
        Largest memory of the process that did it, in MB.
    error
        Why it failed; empty otherwise.
    """

    case: str
    state: str
    changed: int = 0
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0
    peak_mb: float = 0.0
    error: str = ""


def refine_file(
    source: Path,
    target: Path,
    settings: RefineSettings,
    *,
    scheme: LabelScheme | None = None,
    sex_table: Path | None = None,
) -> Refined:
    """Refine one label map; the findings go to ``<target>.findings.json`` beside it.

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
    task = Task(case, source, target, report, None, "")
    return _run(task, settings, scheme or dap(), sex_tables(sex_table))


def refine_folder(
    source: Path,
    out: Path,
    settings: RefineSettings,
    *,
    scheme: LabelScheme | None = None,
    sex_table: Path | None = None,
    jobs: int | None = None,
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
        Worker processes; as many as processors when ``None``.
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
        tasks = [
            _task(case, path, source, out, settings, scheme, tables, is_dataset=is_dataset)
            for case, path in files.items()
        ]
        due = [task for task in tasks if force or not _is_done(task, journal)]
        results = [Refined(task.case, "up to date") for task in tasks if task not in due]
        if progress:
            progress(len(results), len(tasks))
        work = partial(_run, settings=settings, scheme=scheme, tables=tables)
        for task, answer in map_cases(work, due, jobs):
            results.append(_settle(task, answer, journal))
            if progress:
                progress(len(results), len(tasks))
    return sorted(results, key=lambda result: result.case)


def _not_in_place(source: Path, target: Path) -> None:
    if source.resolve() == target.resolve():
        raise DapatlasError(f"{source}: give another place for the refined maps: the originals are kept")


def _task(
    case: str,
    path: Path,
    source: Path,
    out: Path,
    settings: RefineSettings,
    scheme: LabelScheme,
    tables: Sequence[SexTable],
    *,
    is_dataset: bool,
) -> Task:
    images = [source / IMAGES / f"{case}{suffix}" for suffix in (".nii.gz", ".nii")] if is_dataset else []
    image = next((candidate for candidate in images if candidate.is_file()), None)
    sex, doubt = sex_of(case, parse_case_name(case).subject, tables)
    wanted = [settings.model_dump(mode="json"), scheme.name, str(sex), doubt, __version__]
    target = (out / MASKS if is_dataset else out) / f"{case}.nii.gz"
    return Task(case, path, target, out / REPORTS / f"{case}.json", image, fingerprint([path], wanted))


def _is_done(task: Task, journal: Journal) -> bool:
    return (
        journal.is_done(task.case, STAGE, task.fingerprint) and task.target.exists() and task.report.exists()
    )


def _settle(task: Task, answer: Refined | Exception, journal: Journal) -> Refined:
    if isinstance(answer, Exception):
        error = story(answer)
        journal.record(task.case, STAGE, Entry(task.fingerprint, "failed", 0, 0, error))
        return Refined(task.case, "failed", error=error)
    journal.record(task.case, STAGE, Entry(task.fingerprint, "done", answer.seconds, answer.peak_mb, ""))
    return answer


def _run(task: Task, settings: RefineSettings, scheme: LabelScheme, tables: Sequence[SexTable]) -> Refined:
    """In a worker: refine one map and write everything that belongs to it."""
    begin = time.perf_counter()
    volume = read_label_map(task.source)
    sex, doubt = sex_of(task.case, parse_case_name(task.case).subject, tables)
    try:
        after, findings = refine(
            volume.array,
            volume.grid,
            scheme=scheme,
            settings=settings,
            sex=sex,
            sex_doubt=doubt,
            case=task.case,
        )
    except BadLabelsError as error:
        raise BadLabelsError(f"{task.source}: {error}") from None
    task.target.parent.mkdir(parents=True, exist_ok=True)
    write_label_map(task.target, after, volume.grid, volume.header)
    changed = sum(finding.voxels for finding in findings if finding.expected)
    pictures = []
    if task.image is not None:
        link_file(task.target.parent.parent / IMAGES / task.image.name, task.image.resolve())
        if changed:
            ct = read_volume(task.image)
            picture = task.report.with_suffix(".png")
            with whole_file(picture) as scratch:
                before_and_after(ct.array, volume.array, after, volume.grid, scheme, findings).save(scratch)
            pictures.append((picture.name, "above before, below after the guidelines"))
    write_json(task.report, _document(task, settings, findings))
    if task.report.parent.name == REPORTS:
        write_text(task.report.with_suffix(".md"), findings_page(task.case, findings, pictures))
    seconds = time.perf_counter() - begin
    return Refined(task.case, "refined", changed, tuple(findings), seconds, peak_mb())


def _document(task: Task, settings: RefineSettings, findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "case": task.case,
        "dapatlas": __version__,
        "source": str(task.source),
        "guidelines": list(settings.guidelines),
        "findings": [finding.as_dict() for finding in findings],
    }
