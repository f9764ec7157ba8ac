"""What a loop of aggregating and training is told, what its rounds come to, and the recipe of the next one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dapatlas.aggregate import Recipe
from dapatlas.aggregate.supply import fills
from dapatlas.pipeline.comparing import MapAgreement
from dapatlas.train.planning import PlanSettings
from dapatlas.train.training import TrainSettings

ATLAS, TRAINING, PREDICTIONS = "atlas", "training", "predictions"
DEFAULT_CHANGE = 0.002
DEFAULT_MIN_DICE = 0.7
Trust = Literal["last", "first"]
End = Literal["rounds", "settled", "unfit"]

Say = Callable[[int, str, int, int], None]
"""Told the round, the step, how much of it is done, and of how much."""


@dataclass(frozen=True)
class LoopSettings:
    """How the loop goes.

    Attributes
    ----------
    rounds
        How many at most.
    structures
        What the generalist learns; all of the atlas by default.
    folds
        Of the cross-validation by which it predicts cases that it has not seen; 1 trains a single network on all cases,
        which predicts them all.
    trust
        Where it stands among the experts of the recipe.
    min_dice
        The generalist has a say in those structures alone on which it reaches this mean Dice, on cases that it has not
        seen, with the maps it learnt from. What it has not learnt it would claim at random.
    change
        The loop has settled when the maps' mean Dice with those of the round before lies within this of 1, or of what
        it was the round before.
    plan, train
        Of the network.
    """

    rounds: int = 3
    structures: tuple[str, ...] = ()
    folds: int = 5
    trust: Trust = "last"
    min_dice: float = DEFAULT_MIN_DICE
    change: float = DEFAULT_CHANGE
    plan: PlanSettings = field(default_factory=PlanSettings)
    train: TrainSettings = field(default_factory=TrainSettings)


@dataclass(frozen=True)
class Round:
    """What a round came to.

    Attributes
    ----------
    number
        From 1 on.
    atlas
        The data set that was built.
    cases, failed
        How many cases were built, and how many could not be.
    agreement
        Of its maps with those of the round before; ``None`` in the first.
    held_out
        Of the generalist's predictions with the maps it learnt from, on cases that it had not seen (unless
        ``folds`` is 1); ``None`` where none was trained since the maps had settled.
    model
        Folder of the generalist; ``None`` where none was trained.
    """

    number: int
    atlas: Path
    cases: int
    failed: int
    agreement: MapAgreement | None = None
    held_out: MapAgreement | None = None
    model: Path | None = None


@dataclass(frozen=True)
class LoopResult:
    """How the loop ended.

    Attributes
    ----------
    rounds
        What each came to.
    end
        Why it ended: ``settled``, nothing changed any more; ``unfit``, the generalist has learnt no structure well
        enough to have a say; ``rounds``, there were as many as asked for.
    """

    rounds: tuple[Round, ...]
    end: End


def with_generalist(recipe: Recipe, made: Round, settings: LoopSettings) -> Recipe:
    """The recipe with one expert more: what the generalist of a round predicts.

    It is asked for what it has learnt, and for nothing that the build fills by place and HU. Its silence says nothing.
    """
    name = f"generalist-round{made.number}"
    others = [expert.name for expert in recipe.experts]
    expert = {
        "name": name,
        "kind": "label-maps",
        "scheme": recipe.scheme,
        "files": str(made.atlas.parent / PREDICTIONS / "{case}.nii.gz"),
        "structures": list(fit_structures(recipe, made, settings)),
        "required": False,
        "silence": False,
    }
    raw = recipe.model_dump(by_alias=True)
    trust = list(recipe.merge.trust or others)
    raw["experts"] = [*raw["experts"], expert]
    raw["merge"] = {
        **raw.get("merge", {}),
        "trust": [name, *trust] if settings.trust == "first" else [*trust, name],
    }
    return Recipe.model_validate(raw)


def fit_structures(recipe: Recipe, made: Round, settings: LoopSettings) -> tuple[str, ...]:
    """What the generalist of a round has learnt well enough to have a say in."""
    scores = {} if made.held_out is None else made.held_out.structures
    filled = fills(recipe)
    return tuple(name for name, dice in scores.items() if dice >= settings.min_dice and name not in filled)


def has_settled(rounds: Sequence[Round], change: float) -> bool:
    """Whether the maps have stopped changing: see :attr:`LoopSettings.change`."""
    dice = [made.agreement.dice for made in rounds if made.agreement is not None]
    if not dice or math.isnan(dice[-1]):
        return False
    return 1 - dice[-1] < change or (len(dice) > 1 and abs(dice[-1] - dice[-2]) < change)
