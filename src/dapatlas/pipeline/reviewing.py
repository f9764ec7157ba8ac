"""`dapatlas review`: the review of a data set opened, prepared, summed up and put into the report.

What the extra ``web`` brings is imported when it is needed, and not before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dapatlas.dataset import Case, Dataset
from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.extras import needed
from dapatlas.pipeline.journal import open_journal
from dapatlas.pipeline.stage import Outcome, Progress, Work, run_stage
from dapatlas.publish.report import (
    ReviewContent,
    ReviewedCase,
    ReviewedStructure,
    ReviewPair,
    ReviewReader,
    ReviewVerdict,
)

if TYPE_CHECKING:
    from dapatlas.review.case_index import CaseFacts
    from dapatlas.review.layers import Layer
    from dapatlas.review.outcome import Outcome as CaseOutcome
    from dapatlas.review.plan import Plan
    from dapatlas.review.progress import Progress as ReviewProgress
    from dapatlas.review.store import Store
    from dapatlas.review.verdict import Verdict

STAGE = "review"
EXTRA = ("fastapi", "uvicorn", "sqlalchemy", "alembic", "argon2", "limits")  # what `web` brings
BYTES_A_VOXEL = 12.0  # of the CT as read, the map, and what is made of them


@dataclass(frozen=True, slots=True)
class Standing:
    """How a review stands.

    Attributes
    ----------
    facts
        Case id to what is known of it, for every case that has a map.
    verdicts
        All of them.
    plan
        What is to be read.
    progress
        What comes of that.
    """

    facts: Mapping[str, CaseFacts]
    verdicts: tuple[Verdict, ...]
    plan: Plan
    progress: ReviewProgress


def open_store(dataset: Path, url: str | None = None, *, new: bool = True) -> Store:
    """Open the database of a data set's review.

    Parameters
    ----------
    dataset
        The data set's folder.
    url
        Of the database; a file in the data set when ``None``.
    new
        Whether a database is made where there is none.

    Raises
    ------
    DapatlasError
        The extra ``web`` is not installed, the database cannot be used, or there is none and ``new`` is not set.
    """
    for module in EXTRA:
        needed(module, "web", "to review a data set")
    from dapatlas.review.database.connect import connect, default_url
    from dapatlas.review.store import Store

    wanted = url or default_url(dataset)
    if not new:
        _check_there(dataset, wanted)
    return Store(connect(wanted))


@contextmanager
def review_store(dataset: Path, url: str | None = None, *, new: bool = True) -> Iterator[Store]:
    """The database of a review for the length of a block; see :func:`open_store`."""
    store = open_store(dataset, url, new=new)
    try:
        yield store
    finally:
        store.engine.dispose()


def _check_there(dataset: Path, url: str) -> None:
    """A file that is not there holds no review; making an empty one would only hide a slip of the pen."""
    sqlalchemy = needed("sqlalchemy", "web", "to review a data set")
    try:
        parsed = sqlalchemy.make_url(url)
    except sqlalchemy.exc.ArgumentError:
        return  # `connect` has the words for it
    if parsed.get_backend_name() == "sqlite" and parsed.database and not Path(parsed.database).is_file():
        raise DapatlasError(
            f"{parsed.database}: no such file, so nobody has reviewed {dataset} yet; begin with "
            f"`dapatlas review {dataset}`, or give the review's --database"
        )


def standing(dataset: Dataset, store: Store) -> Standing:
    """How a review stands now."""
    from dapatlas.review.case_index import CASES, case_index
    from dapatlas.review.layer_files import cache_folder
    from dapatlas.review.progress import progress_of

    facts = case_index(dataset, cache_folder(dataset.path) / CASES)
    verdicts, plan = store.verdicts(), store.plan()
    return Standing(facts, verdicts, plan, progress_of(facts, verdicts, plan, store.readers()))


def review_content(found: Standing) -> ReviewContent:
    """What a report says of a review."""
    progress, facts = found.progress, found.facts
    told = sorted(facts, key=lambda case: (not _differs(progress.outcomes[case]), case))
    return ReviewContent(
        {state.value: number for state, number in progress.states.items()},
        found.plan.readings,
        tuple(
            ReviewReader(each.reader, {d.value: n for d, n in each.decisions.items()}, _day(each.last_at))
            for each in progress.readers
        ),
        tuple(ReviewPair(each.readers, each.cases, each.agreement, each.kappa) for each in progress.pairs),
        tuple(
            ReviewedStructure(
                each.structure,
                each.read,
                each.marked,
                each.rate,
                each.low,
                each.high,
                {kind.value: number for kind, number in each.kinds.items()},
            )
            for each in progress.structures
        ),
        tuple(_case(progress.outcomes[case]) for case in told if _verdicts(progress.outcomes[case])),
    )


def _differs(outcome: CaseOutcome) -> bool:
    return outcome.state.value == "disagreement"


def _verdicts(outcome: CaseOutcome) -> list[tuple[Verdict, bool]]:
    """All that was said of a case, and whether it is stale: the adjudication first, then by reader."""
    settled = [] if outcome.adjudication is None else [outcome.adjudication]
    current = [(each, False) for each in (*settled, *outcome.readings, *outcome.unfinished)]
    return [*current, *((each, True) for each in outcome.stale)]


def _case(outcome: CaseOutcome) -> ReviewedCase:
    return ReviewedCase(
        outcome.case,
        outcome.state.value,
        tuple(
            ReviewVerdict(
                each.reader,
                each.kind.value,
                None if each.content.decision is None else each.content.decision.value,
                each.content.remarks,
                tuple((mark.structure, mark.kind.value, mark.note) for mark in each.content.marks),
                _day(each.saved_at),
                stale,
            )
            for each, stale in _verdicts(outcome)
        ),
    )


def _day(at: object) -> str:
    """A moment to the minute."""
    return "" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def prepare_layers(
    dataset: Dataset,
    compare: Mapping[str, Path] | None = None,
    *,
    cache: Path | None = None,
    jobs: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> list[Outcome[None]]:
    """Make the coarse volumes of all cases ahead, so that no reader waits for them.

    Cases that are ready stay; one that fails stops no other.

    Parameters
    ----------
    dataset
        Cases with a label map count.
    compare
        Name to folder of further maps.
    cache
        Where the volumes go; in the data set, or where that cannot be written to in the user's cache, when ``None``.
    jobs, force, progress
        As everywhere.

    Raises
    ------
    DapatlasError
        There is no label map, a folder of further maps is not there, or another run is at work.
    """
    from dapatlas.review.layer_files import cache_folder
    from dapatlas.review.layers import check_compare, layer_sources

    check_compare(compare or {})
    cases = [case for case in (*dataset.cases, *dataset.unpaired) if case.mask_path is not None]
    if not cases:
        raise DapatlasError(f"{dataset.path}: no label map to review; expected masks/<case>.nii.gz")
    kept = cache_folder(dataset.path, cache).absolute()
    layers = {case.id: tuple(layer_sources(dataset, case, compare or {}).values()) for case in cases}
    works = [_work(case, layers[case.id], kept) for case in cases]
    with open_journal(kept) as journal:
        return run_stage(
            STAGE,
            works,
            partial(_prepare, layers=layers, cache=kept),
            journal,
            jobs=jobs,
            force=force,
            progress=progress,
            bytes_a_voxel=BYTES_A_VOXEL,
        )


def _work(case: Case, layers: Sequence[Layer], cache: Path) -> Work:
    from dapatlas.review.layer_files import FORMAT, VOLUMES

    outputs = tuple(cache / VOLUMES / case.id / f"{layer.name}.json" for layer in layers)
    return Work(case.id, tuple(layer.source.resolve() for layer in layers), outputs, FORMAT)


def _prepare(work: Work, layers: Mapping[str, Sequence[Layer]], cache: Path) -> None:
    """In a worker: make what is missing of one case's volumes."""
    from dapatlas.review.layers import open_layer

    opened = [open_layer(layer, work.case, cache) for layer in layers[work.case]]
    if errors := [f"{layer.name}: {layer.error}" for layer in opened if layer.error]:
        raise BadFileError("; ".join(errors))
