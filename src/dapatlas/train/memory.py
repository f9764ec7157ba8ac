"""What training takes on a GPU, and what many classes add to it.

nnU-Net's planner counts the numbers that all layers give for one patch, and holds that 560 million of them fit a GPU
of 8 GB at a batch of two (``UNet_reference_val_3d`` in its ``default_experiment_planner.py``). An output of 145 classes
counts there as 145 more feature maps. But each of its numbers is wanted many times over: as a score, in the softmax of
the Dice loss, in that of the cross-entropy, and in the gradients of all three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

REFERENCE_NUMBERS, REFERENCE_GB, REFERENCE_BATCH = 560e6, 8.0, 2
BYTES_A_SCORE = 24.4
"""Peak memory of nnU-Net's Dice and cross-entropy loss, forward and backward, by the number of its scores: measured
with 145 classes in single precision (nnunetv2 2.8.1, torch 2.13, CPU); 24.5 at 40³ and 24.3 at 48³ voxels, batch of
two."""


@dataclass(frozen=True)
class TrainingMemory:
    """What a training takes, in GB.

    Attributes
    ----------
    features_gb
        Feature maps and their gradients, by nnU-Net's own rule.
    classes_gb
        Scores of all classes, at all resolutions, and what the loss makes of them.
    deep_supervision_gb
        How much of that the outputs at coarser resolutions take.
    """

    features_gb: float
    classes_gb: float
    deep_supervision_gb: float

    @property
    def total_gb(self) -> float:
        """Both together."""
        return self.features_gb + self.classes_gb


def training_memory(
    numbers: float, patch: Sequence[int], strides: Sequence[Sequence[int]], classes: int, batch: int
) -> TrainingMemory:
    """Estimate what training takes.

    Parameters
    ----------
    numbers
        Of all layers of the network for one patch, the outputs of all classes among them, as the planner counts them.
    patch
        Its voxels along each axis.
    strides
        Of each stage of the network, the finest (of stride 1) first.
    classes
        Outputs, the background among them.
    batch
        Patches at a time.
    """
    voxels, scores = float(prod(patch)), []
    for stride in strides[:-1]:  # the coarsest stage has no output
        voxels /= prod(stride)
        scores.append(classes * voxels)
    a_number = REFERENCE_GB / REFERENCE_NUMBERS / REFERENCE_BATCH
    a_score = BYTES_A_SCORE * batch / 1e9
    return TrainingMemory(
        max(numbers - sum(scores), 0.0) * a_number * batch, sum(scores) * a_score, sum(scores[1:]) * a_score
    )
