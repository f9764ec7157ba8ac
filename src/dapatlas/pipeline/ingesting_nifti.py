"""`dapatlas ingest autopet` and `dapatlas ingest ct`: CTs that are volumes already, and any CT of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dapatlas.dataset import Dataset, case_id_of
from dapatlas.errors import DapatlasError
from dapatlas.files import Way, link_file
from dapatlas.findings import Finding, has_errors
from dapatlas.formats import itk
from dapatlas.ingest.case_names import case_name
from dapatlas.ingest.codes import Code, code_of, finding
from dapatlas.ingest.dicom.convert import write_ct
from dapatlas.ingest.dicom.headers import scan
from dapatlas.ingest.dicom.series import Kind, Series, series_of
from dapatlas.ingest.dicom.source import dicom_source
from dapatlas.ingest.dicom.studies import Study, choose_ct
from dapatlas.ingest.fault import IngestError
from dapatlas.ingest.nifti.any_ct import is_volume, place_ct
from dapatlas.ingest.nifti.autopet import find_autopet
from dapatlas.ingest.nifti.found import Found, Item
from dapatlas.ingest.nifti.nnunet_layout import find_nnunet
from dapatlas.ingest.space import full_disk_named
from dapatlas.ingest.tables import StudyFacts
from dapatlas.pipeline.engine import Jobs
from dapatlas.pipeline.ingesting import LESIONS, SUV, Findings, Ingested, finish
from dapatlas.pipeline.journal import open_journal
from dapatlas.pipeline.stage import Outcome, Progress, Work, run_stage

STAGE = "ingest"
IMAGE_FOLDERS = ("imagesTr", "imagesTs")  # by which nnU-Net's layout is known


def ingest_autopet(
    source: Path,
    destination: Path,
    *,
    with_pet: bool = False,
    link: Way = "symbolic",
    jobs: Jobs = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Ingested:
    """Bring AutoPET's NIfTI files into a data set: the converter's tree, or the layout of the later challenges.

    Parameters
    ----------
    source
        Folder with ``PETCT_<subject>/<…>-<study>/CT.nii.gz``, or with ``imagesTr``.
    destination
        The data set, made where it is not there.
    with_pet
        Also take ``suv/`` and ``lesions/``, as links always.
    link
        How CTs that are good as they are come there: see :func:`~dapatlas.files.place_file`.
    jobs, force, progress
        As everywhere.

    Raises
    ------
    DapatlasError
        There is no such source, or another run is at work on the data set.
    """
    found = _find(source)
    dataset = Dataset.create(destination)
    works = [_item_work(item, dataset, with_pet=with_pet, link=link) for item in found.items]
    do = partial(_place_item, items={item.case: item for item in found.items}, with_pet=with_pet, link=link)
    with open_journal(destination) as journal:
        outcomes = run_stage(STAGE, works, do, journal, jobs=jobs, force=force, progress=progress)
    facts = [StudyFacts.of_case(item.case) for item in found.items]
    return finish(dataset, "autopet", [source], [outcomes], found.findings, facts)


def _find(source: Path) -> Found:
    folders = (source, *(path for path in source.glob("*") if path.is_dir()))
    is_nnunet = source.name in IMAGE_FOLDERS or any(
        (folder / name).is_dir() for folder in folders for name in IMAGE_FOLDERS
    )
    return find_nnunet(source) if is_nnunet else find_autopet(source)


def _item_work(item: Item, dataset: Dataset, *, with_pet: bool, link: Way) -> Work:
    beside = _beside(item, dataset.path) if with_pet else ()
    inputs = tuple(path.resolve() for path in (item.ct, *(own for own, _ in beside)))
    return Work(item.case, inputs, (dataset.image_path(item.case), *(target for _, target in beside)), [link])


def _beside(item: Item, folder: Path) -> tuple[tuple[Path, Path], ...]:
    """PET and lesions, where there are any, and where they go."""
    pairs = ((item.pet, SUV), (item.lesions, LESIONS))
    return tuple((path, folder / name / f"{item.case}.nii.gz") for path, name in pairs if path is not None)


def _place_item(work: Work, items: dict[str, Item], *, with_pet: bool, link: Way) -> Findings:
    """In a worker: place one CT and what belongs to it."""
    item, image = items[work.case], work.outputs[0]
    placed = place_ct(item.ct, image, link=link)
    if with_pet:
        for path, target in _beside(item, image.parent.parent):
            link_file(target, path.resolve())
    return placed.findings


def ingest_cts(
    sources: Sequence[Path],
    destination: Path,
    *,
    name: str | None = None,
    link: Way = "copy",
    jobs: Jobs = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Ingested:
    """Bring any CTs into a data set, each a case.

    Parameters
    ----------
    sources
        Each a ``.nii``, ``.nii.gz``, ``.nrrd``, ``.mha`` or ``.mhd`` file, a folder of DICOM files, a zip of them, or
        one DICOM file.
    destination
        The data set, made where it is not there.
    name
        Of the case, for a single source; the source's own name where it is ``None``.
    link
        How ``.nii.gz`` files that are good as they are come there: see :func:`~dapatlas.files.place_file`.
    jobs, force, progress
        As everywhere.

    Raises
    ------
    DapatlasError
        A name is given for several sources, two would get one name, or another run is at work on the data set.
    """
    named = _named(sources, name)
    dataset = Dataset.create(destination)
    do = partial(_place_any, sources=named, link=link)
    with open_journal(destination) as journal:
        standing = {case for case in named if dataset.image_path(case).exists()}
        foreign = set() if force else standing - journal.cases()
        works = [
            Work(case, _files(path), (dataset.image_path(case),), [link])
            for case, path in named.items()
            if case not in foreign
        ]
        outcomes = run_stage(STAGE, works, do, journal, jobs=jobs, force=force, progress=progress)
    facts = [one.answer.facts if one.answer else StudyFacts.of_case(one.case) for one in outcomes]
    said = [_taken(case, named[case]) for case in sorted(foreign)]
    spoken = [_spoken(one) for one in outcomes]
    return finish(dataset, "ct", sources, [spoken], said, facts)


def _spoken(one: Outcome[_Taken]) -> Outcome[Findings]:
    """An outcome whose answer is what was found alone."""
    findings = one.answer.findings if one.answer else None
    return Outcome(one.case, one.state, findings, one.seconds, one.error, one.fault)


def _named(sources: Sequence[Path], name: str | None) -> dict[str, Path]:
    if name is not None and len(sources) > 1:
        raise DapatlasError(
            f"one name, {name!r}, for {len(sources)} sources; ingest them one by one, or leave it out"
        )
    named: dict[str, Path] = {}
    for source in sources:
        case = case_name(name) if name is not None else _own_name(source)
        if case in named:
            raise DapatlasError(
                f"{source}: would be called {case}, as {named[case]} would; ingest one of them alone, with --name"
            )
        named[case] = source
    return named


def _own_name(source: Path) -> str:
    name = source.resolve().name
    for suffix in (*itk.SUFFIXES, ".zip", ".dcm"):
        name = name.removesuffix(suffix)
    try:
        return case_name(case_id_of(name) or name)
    except IngestError as error:
        if not source.exists():  # such as a pattern that the shell found nothing for
            raise DapatlasError(f"{source}: there is no such file or folder") from None
        raise DapatlasError(f"{source}: {error}; rename it, or ingest it alone, with --name") from None


def _taken(case: str, source: Path) -> Finding:
    message = (
        f"{source}: the data set has a CT called {case} that did not come from here; it was left as it is"
    )
    return finding(case, Code.NAME_TAKEN, message, file=str(source), remedy="give another --name, or --force")


def _files(source: Path) -> tuple[Path, ...]:
    """What a case depends on: every file of a folder."""
    source = source.resolve()
    if source.is_dir():
        return tuple(sorted(path for path in source.rglob("*") if path.is_file()))
    return itk.data_files(source) if source.suffix == ".mhd" and source.is_file() else (source,)


@dataclass(frozen=True, slots=True)
class _Taken:
    """What a worker tells of a CT that it placed."""

    findings: Findings
    facts: StudyFacts


def _place_any(work: Work, sources: dict[str, Path], link: Way) -> _Taken:
    """In a worker: place one CT, whatever it comes as."""
    source, target = sources[work.case], work.outputs[0]
    if is_volume(source):
        return _Taken(place_ct(source, target, link=link).findings, StudyFacts.of_case(work.case))
    with dicom_source(source, target.parent) as unpacked:
        series, seen = _one_series(unpacked.path, source)
        with full_disk_named(target):
            write_ct(series.files, target)
        said = (*unpacked.findings, *seen)
        findings = tuple(_of_source(each, work.case, unpacked.path, source) for each in said)
    return _Taken(findings, StudyFacts.of_case(work.case, series.first))


def _one_series(folder: Path, source: Path) -> tuple[Series, list[Finding]]:
    """The CT series in a folder, chosen by the rule of studies if there are several.

    Raises
    ------
    IngestError
        There are several patients or studies, or no CT that can be used.
    """
    scanned = scan(folder, jobs=1)
    every = series_of(scanned.images)
    patients = sorted({image.patient for image in scanned.images})
    if len(patients) > 1:
        raise IngestError(
            Code.SEVERAL_PATIENTS,
            f"{source}: DICOM files of {len(patients)} patients; expected one: give each a folder of its own, "
            "or use `dapatlas ingest tcia` if their ids are pseudonyms",
        )
    studies = {series.study for series in every if series.kind is Kind.CT}
    if len(studies) > 1:
        raise IngestError(
            Code.SEVERAL_STUDIES,
            f"{source}: CTs of {len(studies)} studies; expected one: give each a folder of its own",
        )
    choice = (
        choose_ct(Study(patients[0] if patients else "", next(iter(studies), ""), every)) if every else None
    )
    if choice is None or choice.series is None or has_errors(choice.findings):
        raise _no_ct(source, scanned.findings if choice is None else choice.findings)
    return choice.series, [*scanned.findings, *choice.findings]


def _no_ct(source: Path, findings: Sequence[Finding]) -> IngestError:
    worst = next((each for each in findings if each.severity == "error"), None)
    code = Code.NO_CT if worst is None else code_of(worst)
    said = worst.message if worst is not None else "no DICOM file of a CT"
    return IngestError(code, f"{source}: {said}")


def _of_source(found: Finding, case: str, unpacked: Path, source: Path) -> Finding:
    """A finding under the name of the case; what was unpacked to be read is told by the archive."""
    there, here = str(unpacked), str(source)
    return replace(
        found, case=case, message=found.message.replace(there, here), file=found.file.replace(there, here)
    )
