"""Small label maps and made-up scores."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dapatlas.check.evaluate import EvaluatedCase
from dapatlas.check.overlap import dice, iou, precision, sensitivity
from dapatlas.check.scores import StructureScore
from dapatlas.labels import LabelScheme, dap
from dapatlas.volumes import Grid, Volume

SHAPE = (12, 10, 8)
SPACING = (1.0, 1.5, 2.0)


def volume(array: NDArray[np.uint8], orientation: str = "RAS") -> Volume:
    import nibabel as nib

    grid = Grid.from_spacing(array.shape, SPACING, orientation)
    return Volume(np.asfortranarray(array), grid, nib.Nifti1Header())


def random_map(seed: int, ids: list[int]) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).choice(np.array([0, *ids], np.uint8), size=SHAPE)


def made_up(
    structure: str, predicted: int, reference: int, common: int, scheme: LabelScheme | None = None
) -> StructureScore:
    """A score with these voxels of 1 µl and no surface."""
    return StructureScore(
        structure=structure,
        id=(scheme or dap())[structure].id,
        reference_voxels=reference,
        predicted_voxels=predicted,
        common_voxels=common,
        dice=dice(predicted, reference, common),
        iou=iou(predicted, reference, common),
        sensitivity=sensitivity(reference, common),
        precision=precision(predicted, common),
        volume_difference_ml=(predicted - reference) / 1000,
        surface=None,
    )


def with_dice(structure: str, share: float) -> StructureScore:
    """A score whose Dice is a multiple of 1/1000."""
    return made_up(structure, 1000, 1000, round(1000 * share))


def cohort(values: dict[str, list[float]]) -> list[EvaluatedCase]:
    """A case for each place in the lists; NaN where the structure is not scored."""
    number = max(map(len, values.values()))
    return [
        EvaluatedCase(
            f"case_{place:02d}",
            tuple(
                with_dice(name, dices[place])
                for name, dices in values.items()
                if not math.isnan(dices[place])
            ),
        )
        for place in range(number)
    ]
