"""`dapatlas train prepare`: one or several data sets as nnU-Net v2's raw folder, and its splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dapatlas.dataset import Dataset
from dapatlas.dataset.split_files import FOLDER, NNUNET, nnunet_folds, read_listed, resolved
from dapatlas.dataset.split_traits import traits_of
from dapatlas.dataset.splits import CaseTraits, Splits, cross_validation
from dapatlas.dataset.subjects import sex_of, sex_tables
from dapatlas.errors import DapatlasError
from dapatlas.files import Way, write_json
from dapatlas.findings import Finding, Severity
from dapatlas.labels import LabelScheme
from dapatlas.pipeline.exporting import export_cases
from dapatlas.pipeline.stage import Outcome, Progress
from dapatlas.publish.export_nnunet import ENDING, IMAGES, LABELS
from dapatlas.publish.exports import Labels, Written, choose_labels
from dapatlas.train.partial import TrainingExport, Unlabelled, with_ignore
from dapatlas.train.workspace import Workspace

DEFAULT_FOLDS = 5


@dataclass(frozen=True)
class Source:
    """A data set to learn from.

    Attributes
    ----------
    dataset
        Its cases, in a scheme of their own.
    annotated
        Case id to names of the structures annotated in it, where that is less than its scheme has.
    """

    dataset: Dataset
    annotated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class PrepareSettings:
    """What is learnt.

    Attributes
    ----------
    number, name
        Of nnU-Net's data set.
    scheme
        Whose structures are learnt; the first source's own by default.
    structures
        Only these of them; all by default.
    unlabelled
        What voxels without a label are in cases that are not fully annotated; see
        :class:`~dapatlas.train.partial.TrainingExport`.
    folds, seed
        Of the cross-validation, where no split is given; 1 fold holds nothing out.
    splits
        A file of splits to take instead; see :func:`~dapatlas.dataset.split_files.read_listed`.
    link
        How CTs come into the folder: ``hard``, ``symbolic`` or ``copy``.
    """

    number: int = 701
    name: str = "atlas"
    scheme: LabelScheme | None = None
    structures: tuple[str, ...] = ()
    unlabelled: Unlabelled = "background"
    folds: int = DEFAULT_FOLDS
    seed: int = 0
    splits: Path | None = None
    link: Way = "hard"


@dataclass(frozen=True)
class Prepared:
    """How it went.

    Attributes
    ----------
    workspace
        What was prepared.
    outcomes
        One a case.
    labels
        How many labels are learnt, background among them.
    folds
        Cases of ``train`` and ``val`` of each; none where nothing is held out.
    findings
        What to think of before training.
    """

    workspace: Workspace
    outcomes: tuple[Outcome[Written], ...]
    labels: int
    folds: tuple[Mapping[str, Sequence[str]], ...]
    findings: tuple[Finding, ...] = ()

    @property
    def failed(self) -> tuple[Outcome[Written], ...]:
        """Cases that cannot be learnt from."""
        return tuple(outcome for outcome in self.outcomes if outcome.state == "failed")


def prepare_training(
    sources: Sequence[Source],
    work: Path,
    settings: PrepareSettings | None = None,
    *,
    jobs: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Prepared:
    """Write the raw folder and the splits; what is up to date stays, and one bad case stops no other.

    Parameters
    ----------
    sources
        Data sets; no case id may be in two.
    work
        Folder of the training.
    settings
        What is learnt.
    jobs
        Worker processes; as many as processors when ``None``.
    force
        Write all cases again.
    progress
        Called with how many cases of a source are done, and of how many.

    Raises
    ------
    DapatlasError
        No case, no structure, or none that the sources have; a case in two sources; a split that names no case or puts
        one into both parts of a fold.
    """
    settings = settings or PrepareSettings()
    _refuse_shared_cases(sources)
    workspace = Workspace.named(work, settings.number, settings.name)
    exports = _exports(sources, settings)
    outcomes: list[Outcome[Written]] = []
    for source, export in zip(sources, exports, strict=True):
        outcomes += export_cases(
            source.dataset, workspace.raw, export, jobs=jobs, force=force, progress=progress
        )
    good = {outcome.case for outcome in outcomes if outcome.stands}
    _remove_strangers(workspace, good)
    _finish(workspace, exports[0], good)
    folds = _folds(sources, good, settings)
    _write_folds(workspace, folds)
    return Prepared(
        workspace,
        tuple(sorted(outcomes, key=lambda outcome: outcome.case)),
        len(exports[0].labels.scheme),
        tuple(folds),
        _findings(exports, sources, good, settings),
    )


def _refuse_shared_cases(sources: Sequence[Source]) -> None:
    counts = Counter(case.id for source in sources for case in source.dataset)
    twice = sorted(case for case, count in counts.items() if count > 1)
    if twice:
        raise DapatlasError(
            f"{len(twice)} cases are in two of the data sets ({', '.join(twice[:3])}); rename them in one"
        )


def _exports(sources: Sequence[Source], settings: PrepareSettings) -> list[TrainingExport]:
    target = settings.scheme or sources[0].dataset.scheme
    labels = [choose_labels(source.dataset.scheme, target, settings.structures) for source in sources]
    if settings.unlabelled == "ignore" or any(_marks_unannotated(own) for own in labels):
        labels = [with_ignore(own) for own in labels]
    return [
        TrainingExport(own, settings.link, None, settings.unlabelled, source.annotated)
        for own, source in zip(labels, sources, strict=True)
    ]


def _marks_unannotated(labels: Labels) -> bool:
    return any(structure.ignored for structure in labels.source)


def _finish(workspace: Workspace, export: TrainingExport, good: set[str]) -> None:
    """Write dataset.json again, which counts the cases of all sources."""
    if not good:
        raise DapatlasError(f"{workspace.raw}: not one case could be prepared")
    export.finish(workspace.raw, (), ())


def _remove_strangers(workspace: Workspace, good: set[str]) -> None:
    """Take away cases of an earlier run that are not wanted any more: nnU-Net would train on them."""
    for folder, ending in ((IMAGES, f"_0000{ENDING}"), (LABELS, ENDING)):
        for path in (workspace.raw / folder).glob(f"*{ending}"):
            if path.name.removesuffix(ending) not in good and not path.name.startswith("."):
                path.unlink()


def _folds(
    sources: Sequence[Source], good: set[str], settings: PrepareSettings
) -> list[dict[str, list[str]]]:
    """The given split, or else the data set's own, or else a cross-validation in which no subject is in two folds."""
    traits = [trait for source in sources for trait in _traits(source.dataset, good)]
    path = settings.splits
    if path is None and len(sources) == 1 and (own := sources[0].dataset.path / FOLDER / NNUNET).is_file():
        path = own
    if path is not None:
        return _given_folds(path, traits)
    if settings.folds < 2:
        return []
    subjects = len({trait.subject for trait in traits})
    if subjects < 2:
        return []
    return nnunet_folds(cross_validation(traits, min(settings.folds, subjects), settings.seed))


def _traits(dataset: Dataset, good: set[str]) -> list[CaseTraits]:
    """Traits of the cases that are learnt from; by subject alone where a case of the data set cannot be read."""
    cases = [case for case in dataset if case.id in good]
    if len(cases) < len(dataset):
        return [CaseTraits(case.id, case.subject) for case in cases]
    tables = sex_tables(None, dataset.path)
    sexes = {case.id: sex.value for case in cases if (sex := sex_of(case.id, case.subject, tables)[0])}
    return [trait for trait in traits_of(dataset, sexes)[0] if trait.case in good]


def _given_folds(path: Path, traits: Sequence[CaseTraits]) -> list[dict[str, list[str]]]:
    subject_of = {trait.case: trait.subject for trait in traits}
    given: Splits = resolved(read_listed(path), subject_of).as_splits()
    kept = Splits(
        tuple(
            {part: tuple(case for case in cases if case in subject_of) for part, cases in fold.items()}
            for fold in given.folds
        ),
        given.method,
    )
    folds = nnunet_folds(kept)
    if not folds:
        raise DapatlasError(
            f"{path}: gives no fold with cases for train and val among those that are learnt from"
        )
    for number, fold in enumerate(folds):
        both = {subject_of[case] for case in fold["train"]} & {subject_of[case] for case in fold["val"]}
        if both:
            raise DapatlasError(
                f"{path}: in fold {number} {len(both)} subjects are in train and val ({', '.join(sorted(both)[:3])}); "
                "make a split by `dapatlas split`"
            )
    return folds


def _write_folds(workspace: Workspace, folds: Sequence[Mapping[str, Sequence[str]]]) -> None:
    path = workspace.preprocessed / NNUNET
    if folds:
        write_json(path, folds)
    else:
        path.unlink(missing_ok=True)


def _findings(
    exports: Sequence[TrainingExport], sources: Sequence[Source], good: set[str], settings: PrepareSettings
) -> tuple[Finding, ...]:
    """Whether what is not annotated will be learnt as background, or background not at all."""
    partial = {
        case.id: export.missing(case.id)
        for export, source in zip(exports, sources, strict=True)
        for case in source.dataset
        if case.id in good and export.missing(case.id)
    }
    if partial and settings.unlabelled == "background":
        return (
            Finding(
                "",
                Severity.WARNING,
                "partial-labels",
                f"{len(partial)} of {len(good)} cases are not annotated for all {len(exports[0].labels.scheme) - 1} "
                f"structures, and what they lack is learnt as background: {', '.join(sorted(_union(partial))[:5])} …",
                remedy="let it be ignored (--unlabelled ignore), or learn what all have (--structures)",
            ),
        )
    if partial and len(partial) == len(good):
        return (
            Finding(
                "",
                Severity.WARNING,
                "no-background",
                "no case is annotated for all structures, so that inside the body no background is learnt at all",
                remedy="add cases that are fully annotated, or learn structures that some cases have all of",
            ),
        )
    return ()


def _union(partial: Mapping[str, tuple[str, ...]]) -> set[str]:
    return {name for names in partial.values() for name in names}
