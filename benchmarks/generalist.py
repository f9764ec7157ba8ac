"""The loop for real, as small as it can be: does a network learn the atlas, and what does it give to the next round?

``python -m benchmarks.generalist --work FOLDER`` makes a synthetic cohort, hides its truth behind the two imperfect
experts of the demo, and runs two rounds of the loop on the CPU. Everything is scored against the truth, which the loop
never sees. It needs the extra ``models``; it goes on where it was cut off.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from dapatlas.aggregate import load_recipe
from dapatlas.dataset import Dataset
from dapatlas.dataset.case import MASKS
from dapatlas.experts.nnunet.predictor import PredictionSettings
from dapatlas.files import write_text
from dapatlas.labels import dap
from dapatlas.phantom import make_cohort
from dapatlas.pipeline.comparing import compare_maps
from dapatlas.pipeline.demo import TRUTH, propose_imperfectly, recipe_text
from dapatlas.pipeline.looping import loop
from dapatlas.pipeline.predicting import Target, predict_cases
from dapatlas.pipeline.rounds import PREDICTIONS, TRAINING, LoopSettings, Round
from dapatlas.train import PlanSettings, TrainSettings, open_workspace
from dapatlas.train.training import UNTRAINED, read_folds

SHAPE = (34, 34, 84)  # of a whole body, of which the thorax is in view: voxels of 12 mm, 26 slices
MIN_DICE = 0.5  # a network of few steps may have a say with this
STRUCTURES = (
    "lung_upper_lobe_left",
    "lung_lower_lobe_left",
    "lung_upper_lobe_right",
    "lung_lower_lobe_right",
    "liver",
)


def settings(epochs: int, steps: int) -> LoopSettings:
    """Two rounds of a network with few features, a small patch, and few steps."""
    return LoopSettings(
        rounds=2,
        structures=STRUCTURES,
        folds=2,
        min_dice=MIN_DICE,
        change=0.0,
        plan=PlanSettings(gpu_gb=0.08, features=8, jobs=1),
        train=TrainSettings(
            epochs=epochs,
            steps=steps,
            validation_steps=2,
            learning_rate=0.05,
            device="cpu",
            workers=0,
            keep_untrained=True,
        ),
    )


def inputs(work: Path, subjects: int) -> Path:
    """The cohort, what two imperfect experts say of it, and a recipe for both."""
    for case in make_cohort(work / TRUTH, subjects, seed=1, shape=SHAPE, fields_of_view=("thorax",), jobs=1):
        propose_imperfectly(case, work)
    write_text(work / "recipe.toml", recipe_text())
    return work / "recipe.toml"


def untrained(made: Round) -> Path:
    """Predictions of the networks as they were before their first step, each of the cases that it held out."""
    folder = made.atlas.parent
    workspace = open_workspace(folder / TRAINING)
    assert made.model is not None
    for number, fold in enumerate(read_folds(workspace)):
        predict_cases(
            PredictionSettings(made.model, (str(number),), UNTRAINED),
            made.atlas,
            folder / "untrained",
            Target("dap"),
            only=tuple(fold["val"]),
        )
    return folder / "untrained"


def scores(work: Path, rounds: tuple[Round, ...]) -> Iterator[str]:
    """A line a round, as Markdown: mean Dice with the truth over the structures that are learnt."""
    truth = work / TRUTH / MASKS

    def dice(maps: Path, name: str) -> str:
        found = compare_maps(maps, truth, maps.parent / f"truth-{name}", dap(), STRUCTURES, jobs=1)
        return f"{found.dice:.3f}"

    yield "| round | built map | network, untrained | network, trained | built map with round before |"
    yield "|--:|--:|--:|--:|--:|"
    for made in rounds:
        before = "" if made.agreement is None else f"{made.agreement.dice:.3f}"
        cells = (
            str(made.number),
            dice(made.atlas / MASKS, "atlas"),
            dice(untrained(made), "untrained"),
            dice(made.atlas.parent / PREDICTIONS, "predictions"),
            before,
        )
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--subjects", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--steps", type=int, default=30)
    asked = parser.parse_args()
    recipe = load_recipe(inputs(asked.work, asked.subjects))
    chosen = settings(asked.epochs, asked.steps)
    done = loop(
        recipe,
        asked.work,
        chosen,
        jobs=1,
        say=lambda number, step, done, total: print(f"round {number}: {step} {done}/{total}", flush=True),
    )
    print(f"{len(Dataset(asked.work / TRUTH))} cases, {asked.epochs} epochs of {asked.steps} steps")
    print("\n".join(scores(asked.work, done.rounds)))


if __name__ == "__main__":
    main()
