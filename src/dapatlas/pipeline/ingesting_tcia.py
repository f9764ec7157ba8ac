"""`dapatlas ingest tcia`: headers first, then a CT a study, and on request its PET in SUV and the lesions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from dapatlas.dataset import Dataset
from dapatlas.errors import DapatlasError
from dapatlas.findings import Finding, has_errors
from dapatlas.ingest.codes import Code, finding
from dapatlas.ingest.dicom.convert import write_ct
from dapatlas.ingest.dicom.headers import scan
from dapatlas.ingest.dicom.lesions import write_lesions
from dapatlas.ingest.dicom.pet import write_suv
from dapatlas.ingest.dicom.series import Series, series_of
from dapatlas.ingest.dicom.studies import Study, check_studies, choose_ct, choose_pet, choose_seg, studies_of
from dapatlas.ingest.space import full_disk_named
from dapatlas.ingest.tables import StudyFacts
from dapatlas.pipeline.engine import Jobs, local_jobs
from dapatlas.pipeline.ingesting import LESIONS, SUV, Findings, Ingested, finish
from dapatlas.pipeline.journal import Journal, open_journal
from dapatlas.pipeline.stage import Outcome, Progress, Work, run_stage

STAGE = "ingest"

Bar = Callable[[str], AbstractContextManager[Progress | None]]


def _no_bar(_: str) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What will become of a study: a case, with the series that it is made from."""

    case: str
    ct: Series
    pet: Series | None
    seg: Series | None
    facts: StudyFacts


def ingest_tcia(
    source: Path,
    destination: Path,
    *,
    with_pet: bool = False,
    jobs: Jobs = None,
    force: bool = False,
    bar: Bar = _no_bar,
) -> Ingested:
    """Bring a download of FDG-PET-CT-Lesions, or any tree of DICOM files with pseudonymous ids, into a data set.

    Series are told by their headers; names of folders mean nothing. A study that cannot be used is named and stops no
    other. What is up to date stays.

    Parameters
    ----------
    source
        Folder with the download.
    destination
        The data set, made where it is not there.
    with_pet
        Also write ``suv/`` and ``lesions/``.
    jobs
        Worker processes, as many as processors when ``None``; or a schedule.
    force
        Make every case again.
    bar
        Gives a progress bar for a phase of that name.

    Raises
    ------
    DapatlasError
        There is no such source or no DICOM file in it, pydicom is not installed, or another run is at work on the data
        set.
    """
    with bar("reading headers") as progress:
        scanned = scan(source, local_jobs(jobs), progress)
    if not scanned.images:
        raise DapatlasError(
            f"{source}: no DICOM file among its {scanned.files} files; expected the folder of a download"
        )
    plans, seen = plan_studies(studies_of(series_of(scanned.images)), with_pet=with_pet)
    dataset = Dataset.create(destination)
    with open_journal(destination) as journal:
        stages = _run(plans, dataset, journal, with_pet=with_pet, jobs=jobs, force=force, bar=bar)
    facts = [plan.facts for plan in plans]
    return finish(dataset, "tcia", [source], stages, [*scanned.findings, *seen], facts)


def plan_studies(studies: Sequence[Study], *, with_pet: bool) -> tuple[list[Plan], list[Finding]]:
    """Decide what becomes of each study; what is wrong with one keeps no other from becoming a case."""
    said = check_studies(studies)
    taken = {each.case for each in said if each.code == Code.NAME_TAKEN}
    plans = []
    for study in studies:
        plan, findings = _plan(study, with_pet=with_pet)
        said += findings
        if plan is not None and study.case_id not in taken:
            plans.append(plan)
    return sorted(plans, key=lambda plan: plan.case), said


def _plan(study: Study, *, with_pet: bool) -> tuple[Plan | None, list[Finding]]:
    choice = choose_ct(study)
    if choice.series is None or has_errors(choice.findings) or not study.case_id:
        return None, list(choice.findings)
    said = list(choice.findings)
    pet = seg = None
    if with_pet:
        pet_choice, seg_choice = choose_pet(study), choose_seg(study)
        said += [*pet_choice.findings, *seg_choice.findings]
        pet = None if has_errors(pet_choice.findings) else pet_choice.series
        seg = None if has_errors(seg_choice.findings) else seg_choice.series
    return Plan(
        study.case_id, choice.series, pet, seg, StudyFacts.of_case(study.case_id, choice.series.first)
    ), said


def _run(
    plans: Sequence[Plan],
    dataset: Dataset,
    journal: Journal,
    *,
    with_pet: bool,
    jobs: Jobs,
    force: bool,
    bar: Bar,
) -> list[list[Outcome[Findings]]]:
    """The stages, one after the other: a PET without SUV must not keep its CT from coming in."""

    def run(name: str, works: Sequence[Work], do: Callable[[Work], Findings]) -> list[Outcome[Findings]]:
        with bar(name) as progress:
            some = name != STAGE  # not every study has a PET
            return run_stage(name, works, do, journal, jobs=jobs, force=force, progress=progress, some=some)

    stages = [run(STAGE, [_ct_work(plan, dataset) for plan in plans], _make_ct)]
    if with_pet:
        pets = [(plan, plan.pet) for plan in plans if plan.pet is not None]
        stages.append(run(SUV, [_suv_work(plan.case, pet, dataset.path) for plan, pet in pets], _make_suv))
        works = [
            _seg_work(plan.case, pet, plan.seg, dataset.path) for plan, pet in pets if plan.seg is not None
        ]
        stages.append(run(LESIONS, works, _make_lesions))
    return stages


def _ct_work(plan: Plan, dataset: Dataset) -> Work:
    return Work(plan.case, _resolved(plan.ct.files), (dataset.image_path(plan.case),))


def _suv_work(case: str, pet: Series, folder: Path) -> Work:
    return Work(case, _resolved(pet.files), (folder / SUV / f"{case}.nii.gz",))


def _seg_work(case: str, pet: Series, seg: Series, folder: Path) -> Work:
    """The segmentation comes first among the inputs."""
    files = (*_resolved(seg.files[:1]), *_resolved(pet.files))
    return Work(case, files, (folder / LESIONS / f"{case}.nii.gz",))


def _resolved(files: Sequence[Path]) -> tuple[Path, ...]:
    return tuple(
        path.resolve() for path in files
    )  # the same files from another working directory are the same


def _make_ct(work: Work) -> Findings:
    """In a worker: write one CT."""
    with full_disk_named(work.outputs[0]):
        write_ct(work.inputs, work.outputs[0])
    return ()


def _make_suv(work: Work) -> Findings:
    """In a worker: write one PET in SUV."""
    with full_disk_named(work.outputs[0]):
        written = write_suv(work.inputs, work.outputs[0])
    if not written.doubt:
        return ()
    return (finding(work.case, Code.SUV_UNLIKELY, written.doubt, file=str(work.outputs[0])),)


def _make_lesions(work: Work) -> Findings:
    """In a worker: write the lesions of one study."""
    seg, *pet = work.inputs
    with full_disk_named(work.outputs[0]):
        write_lesions(seg, pet, work.outputs[0])
    return ()
