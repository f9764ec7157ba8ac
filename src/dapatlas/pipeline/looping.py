"""`dapatlas loop`: experts make an atlas, a network learns it, and joins the experts of the next round.

Every step goes on where it was cut off: builds, raw folders, predictions and comparisons case by case, trainings from
their last checkpoint. The journal of the loop's folder says when each step of each round was finished.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dapatlas.aggregate import Recipe
from dapatlas.dataset import Dataset
from dapatlas.dataset.case import MASKS
from dapatlas.errors import DapatlasError
from dapatlas.experts.nnunet.predictor import PredictionSettings
from dapatlas.files import write_json
from dapatlas.memory import peak_mb
from dapatlas.pipeline.build import build
from dapatlas.pipeline.comparing import compare_maps
from dapatlas.pipeline.journal import Entry, Journal, open_journal
from dapatlas.pipeline.predicting import Target, predict_cases
from dapatlas.pipeline.preparing import Prepared, PrepareSettings, Source, prepare_training
from dapatlas.pipeline.rounds import (
    ATLAS,
    PREDICTIONS,
    TRAINING,
    End,
    LoopResult,
    LoopSettings,
    Round,
    Say,
    fit_structures,
    has_settled,
    with_generalist,
)
from dapatlas.train.planning import plan
from dapatlas.train.training import ALL, Epoch, standing, train

RECORD = "loop.json"


def loop(
    recipe: Recipe,
    work: Path,
    settings: LoopSettings | None = None,
    *,
    jobs: int | None = None,
    say: Say | None = None,
) -> LoopResult:
    """Build, train, predict, and build again with the network among the experts, until the maps settle.

    Parameters
    ----------
    recipe
        Of the first round. Later ones have the generalist of the round before as one expert more.
    work
        Folder of the loop: ``round-K/atlas``, ``round-K/training``, ``round-K/predictions``, and ``loop.json``.
    settings
        How.
    jobs
        Worker processes of what is done case by case.
    say
        Called on the way.

    Raises
    ------
    DapatlasError
        The recipe builds no case, a training fails, or another loop is at work on ``work``.
    """
    settings = settings or LoopSettings()
    told = say or (lambda number, step, done, total: None)
    rounds: list[Round] = []
    end: End = "rounds"
    with open_journal(work) as journal:
        while len(rounds) < settings.rounds and end == "rounds":
            steps = _Steps(recipe, work, settings, len(rounds) + 1, jobs, told, journal)
            made = steps.built(rounds[-1] if rounds else None)
            if has_settled([*rounds, made], settings.change):
                end = "settled"
            else:
                made = steps.learnt(made)
                end = "rounds" if fit_structures(recipe, made, settings) else "unfit"
            rounds.append(made)
            _write(work, rounds, end)
    return LoopResult(tuple(rounds), end)


@dataclass(frozen=True)
class _Steps:
    """The steps of one round."""

    recipe: Recipe
    work: Path
    settings: LoopSettings
    number: int
    jobs: int | None
    say: Say
    journal: Journal

    @property
    def folder(self) -> Path:
        return self.work / f"round-{self.number}"

    def built(self, before: Round | None) -> Round:
        """Experts, aggregation, guidelines; and how the maps agree with those of the round before."""
        recipe = self.recipe if before is None else with_generalist(self.recipe, before, self.settings)
        with self._step("build") as progress:
            result = build(recipe, self.folder / ATLAS, jobs=self.jobs, progress=progress)
            good = len(result.cases) - len(result.failed)
            if not good:
                raise DapatlasError(f"round {self.number}: not one case was built: {result.failed[0].error}")
        agreement = None
        if before is not None:
            with self._step("compare") as progress:
                agreement = compare_maps(
                    self.folder / ATLAS / MASKS,
                    before.atlas / MASKS,
                    self.folder / "agreement",
                    recipe.atlas,
                    jobs=self.jobs,
                    progress=progress,
                )
        return Round(self.number, self.folder / ATLAS, good, len(result.failed), agreement)

    def learnt(self, made: Round) -> Round:
        """Train the generalist on the maps, and let it predict them."""
        with self._step("prepare") as progress:
            prepared = prepare_training(
                [Source(Dataset(made.atlas, self.recipe.atlas))],
                self.folder / TRAINING,
                PrepareSettings(structures=self.settings.structures, folds=self.settings.folds),
                jobs=self.jobs,
                progress=progress,
            )
        with self._step("plan") as progress:
            progress(0, 1)
            plan(prepared.workspace, self.settings.plan)
        for fold in _fold_names(prepared):
            self._train(prepared, fold)
        self._predict(prepared, made)
        with self._step("score") as progress:
            held_out = compare_maps(
                self.folder / PREDICTIONS,
                made.atlas / MASKS,
                self.folder / "held-out",
                self.recipe.atlas,
                self.settings.structures,
                jobs=self.jobs,
                progress=progress,
            )
        model = prepared.workspace.model(mirroring=self.settings.train.mirroring)
        return Round(made.number, made.atlas, made.cases, made.failed, made.agreement, held_out, model)

    def _train(self, prepared: Prepared, fold: str) -> None:
        """One fold: kept if it is of these maps and settings, gone on with if it was cut off, else anew."""
        with self._step(f"train fold {fold}") as progress:

            def told(epoch: Epoch, total: int) -> None:
                progress(epoch.number, total)

            stands = standing(prepared.workspace, fold, self.settings.train)
            train(
                prepared.workspace,
                fold,
                self.settings.train,
                go_on=True,
                force=stands == "other",
                progress=told,
            )

    def _predict(self, prepared: Prepared, made: Round) -> None:
        """Each case by the folds that have not seen it; by all where every fold has."""
        for by, cases in _by_folds(prepared).items():
            with self._step(f"predict by fold {', '.join(by)}") as progress:
                outcomes = predict_cases(
                    PredictionSettings(
                        prepared.workspace.model(mirroring=self.settings.train.mirroring),
                        by,
                        device=self.settings.train.device,
                    ),
                    made.atlas,
                    self.folder / PREDICTIONS,
                    Target(self.recipe.scheme),
                    only=cases,
                    progress=progress,
                )
                failed = [outcome for outcome in outcomes if outcome.state == "failed"]
                if len(failed) == len(outcomes):
                    raise DapatlasError(f"round {self.number}: {failed[0].case}: {failed[0].error}")

    @contextmanager
    def _step(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """Tell its progress, and write down how it ended."""
        begin = time.perf_counter()
        where = f"round-{self.number}"
        try:
            yield lambda done, total: self.say(self.number, name, done, total)
        except DapatlasError as error:
            self.journal.record(where, name, Entry("", "failed", 0, 0, str(error)))
            raise
        self.journal.record(where, name, Entry("", "done", time.perf_counter() - begin, peak_mb(), ""))


def _fold_names(prepared: Prepared) -> list[str]:
    return [str(number) for number in range(len(prepared.folds))] or [ALL]


def _by_folds(prepared: Prepared) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Folds to the cases that they predict."""
    names = _fold_names(prepared)
    by: dict[tuple[str, ...], list[str]] = {}
    for outcome in prepared.outcomes:
        if outcome.state == "failed":
            continue
        unseen = [str(n) for n, fold in enumerate(prepared.folds) if outcome.case in fold["val"]]
        by.setdefault(tuple(unseen or names), []).append(outcome.case)
    return {folds: tuple(cases) for folds, cases in by.items()}


def _write(work: Path, rounds: list[Round], end: End) -> None:
    document: dict[str, Any] = {"end": end, "rounds": [_plain(made) for made in rounds]}
    write_json(work / RECORD, document)


def _plain(made: Round) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(made).items()}
