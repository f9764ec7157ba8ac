"""`dapatlas card`: every case of a data set measured, and a card written from what was found."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from dapatlas.dataset import Case, Dataset
from dapatlas.dataset.case import IMAGES, MASKS
from dapatlas.dataset.dataset import LABELS
from dapatlas.dataset.reports import report_file
from dapatlas.dataset.split_files import FOLDER as SPLITS
from dapatlas.dataset.subjects import SUBJECTS, read_sex_table
from dapatlas.errors import DapatlasError
from dapatlas.files import write_json, write_text
from dapatlas.findings import Finding
from dapatlas.labels import LabelScheme, Sex
from dapatlas.pipeline.engine import Jobs, schedule_of
from dapatlas.pipeline.journal import FOLDER, open_journal
from dapatlas.pipeline.stage import Outcome, Work, run_stage
from dapatlas.publish.atlas_info import ATLAS_TOML, atlas_info, atlas_toml_template
from dapatlas.publish.card import CARD, dataset_card, foreign_files, refused_by_hub
from dapatlas.publish.card_findings import card_findings, refused
from dapatlas.publish.card_summary import CardFacts
from dapatlas.publish.croissant import CROISSANT, croissant_text, write_croissant
from dapatlas.publish.facts import CaseFacts, gather, measure_case
from dapatlas.publish.split_facts import split_facts
from dapatlas.publish.table import DATA, table_facts

STAGE = "card"
ENTRIES = (
    LABELS,
    f"{DATA}/",
    SUBJECTS,
    f"{SPLITS}/",
)  # what of a data set the card names beside images and masks

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Carded:
    """How making a card ended.

    Attributes
    ----------
    outcomes
        Of the measurement of each case.
    facts
        What the card says; ``None`` where a case could not be measured, for then no card is written.
    findings
        What is amiss.
    written
        Files that were written; a file that said the same already is not.
    """

    outcomes: tuple[Outcome[None], ...]
    facts: CardFacts | None = None
    findings: tuple[Finding, ...] = ()
    written: tuple[Path, ...] = ()

    @property
    def failed(self) -> tuple[Outcome[None], ...]:
        """Cases that could not be measured."""
        return tuple(outcome for outcome in self.outcomes if outcome.state == "failed")


def make_card(
    dataset: Dataset,
    *,
    jobs: Jobs = None,
    force: bool = False,
    online: bool = False,
    progress: Progress | None = None,
) -> Carded:
    """Measure a data set and write its ``README.md`` and ``croissant.json``.

    What was measured of a case stays in ``.dapatlas/card`` and is measured again only when a file of the case changes.
    A case that cannot be measured stops no other, but then no card is written: its counts would be wrong.

    Parameters
    ----------
    dataset
        With CTs and masks, or either alone.
    jobs
        Worker processes, as many as processors when ``None``; or a schedule.
    force
        Replace a card that somebody else wrote or changed.
    online
        Ask the Hub whether it takes the card.
    progress
        Called with how many cases are measured, and of how many.

    Raises
    ------
    DapatlasError
        There is no case; texts, the preview table or a split cannot be used; a card would be lost.
    """
    info = atlas_info(dataset.path, dataset.scheme.name)
    cases = dataset.cases or dataset.unpaired
    if not cases:
        raise DapatlasError(
            f"{dataset.path}: no case in it; expected images/<case>.nii.gz, masks/<case>.nii.gz"
        )
    card, croissant = dataset.path / CARD, dataset.path / CROISSANT
    if schedule_of(jobs).only:
        raise DapatlasError("a card tells of all cases: leave --only out")
    if not force:
        _refuse_to_replace(foreign_files(card, croissant))
    with open_journal(dataset.path) as journal:
        works = [_work(dataset.path, case) for case in cases]
        measure = partial(_measure, scheme=dataset.scheme)
        outcomes = tuple(run_stage(STAGE, works, measure, journal, jobs=jobs, progress=progress))
        if not all(outcome.stands for outcome in outcomes):
            return Carded(outcomes)
        facts = _facts(
            dataset, [CaseFacts.from_dict(json.loads(work.outputs[0].read_text())) for work in works]
        )
        findings = card_findings(dataset, info, facts)
        texts = {croissant: croissant_text(info, facts, dataset.path)}
        texts[card] = dataset_card(info, facts, texts[croissant])
        objection = refused_by_hub(texts[card]) if online else ""
        if objection:
            findings.append(refused(dataset.path, objection))
        written = [path for path, text in texts.items() if not _says(path, text)]
        for path in written:
            (write_croissant if path == croissant else write_text)(path, texts[path])
    return Carded(outcomes, facts, tuple(findings), tuple(written))


def init_texts(folder: Path) -> Path:
    """Write a commented ``atlas.toml`` to fill in.

    Raises
    ------
    DapatlasError
        There is one already, or no such folder.
    """
    path = folder / ATLAS_TOML
    if not folder.is_dir():
        raise DapatlasError(f"{folder} is not a folder; expected a data set")
    if path.exists():
        raise DapatlasError(f"{path}: is there already; edit it, or remove it first")
    write_text(path, atlas_toml_template())
    return path


def _refuse_to_replace(files: Sequence[Path]) -> None:
    if files:
        raise DapatlasError(
            f"{', '.join(map(str, files))}: not written by `dapatlas card`, or changed since; move what you want to "
            "keep to atlas.toml, then replace with --force"
        )


def _work(folder: Path, case: Case) -> Work:
    files = [path for path in (case.image_path, case.mask_path) if path is not None]
    target = folder / FOLDER / STAGE / f"{case.id}.json"
    return Work(case.id, (*files, report_file(folder, case.id)), (target,), case.scheme.name)


def _measure(work: Work, scheme: LabelScheme) -> None:
    """In a worker: measure one case and keep what was found."""
    *files, report = work.inputs
    by_folder = {path.parent.name: path for path in files}
    case = Case(work.case, by_folder.get(IMAGES), by_folder.get(MASKS), scheme)
    write_json(work.outputs[0], asdict(measure_case(case, report)))


def _facts(dataset: Dataset, cases: Sequence[CaseFacts]) -> CardFacts:
    subjects = dataset.path / SUBJECTS
    sexes: dict[str, Sex | None] = read_sex_table(subjects) if subjects.is_file() else {}
    ids = tuple(case.case for case in cases)
    entries = tuple(entry for entry in ENTRIES if (dataset.path / entry).exists())
    return CardFacts(
        dataset.scheme,
        gather(cases, dataset.scheme, sexes),
        ids,
        table_facts(dataset.path),
        split_facts(dataset.path, frozenset(ids)),
        (*entries, CROISSANT),
        _size(dataset, ids),
    )


def _size(dataset: Dataset, ids: Sequence[str]) -> int:
    """Bytes of the data set's own files: volumes (behind links, too), and what :data:`ENTRIES` names."""
    cases = [dataset[case_id] for case_id in ids]
    files = [path for case in cases for path in (case.image_path, case.mask_path) if path is not None]
    for entry in ENTRIES:
        path = dataset.path / entry
        files += [path] if path.is_file() else (file for file in path.glob("**/*") if file.is_file())
    return sum(path.stat().st_size for path in files)


def _says(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()
