"""What is known about a trained nnU-Net before its weights are read: spacing, patch, intensities, labels, layers.

Axes: nnU-Net reads a volume with its axes reversed (file axes [i, j, k] become [k, j, i]), then transposes them by
:attr:`Plans.transpose_forward`. Everything here named "network axes" is after both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Dialect = Literal["v1", "v2"]
Scheme = Literal["CT", "CT2", "zscore", "noNorm", "rescale01", "RGB"]

ANISOTROPY_THRESHOLD = 3.0
"""Largest over smallest spacing from which on nnU-Net resamples the coarse axis by itself (both versions)."""


@dataclass(frozen=True)
class Intensity:
    """How one input channel is normalised.

    Attributes
    ----------
    scheme
        ``CT`` clips to the percentiles, then takes ``mean`` and ``sd`` away; ``CT2`` (version 1 only) clips to them and
        takes the volume's own mean and deviation within them; ``zscore`` takes the volume's own, whole or, with
        ``use_mask``, where it is not zero; ``noNorm`` leaves values alone; ``rescale01`` and ``RGB`` map to [0, 1].
    mean, sd, percentile_00_5, percentile_99_5
        Of the foreground of the training cases, in the channel's own unit (HU for a CT); NaN where not needed.
    use_mask
        Normalise within the non-zero part only, and leave zeros outside.
    """

    scheme: Scheme
    mean: float
    sd: float
    percentile_00_5: float
    percentile_99_5: float
    use_mask: bool = False


@dataclass(frozen=True)
class ResamplingRule:
    """How one kind of array is resampled: spline orders in plane and along a coarse axis.

    ``force_separate_z`` is True (always split the coarse axis off), False (never) or None (from the threshold on).
    """

    order: int
    order_z: int
    force_separate_z: bool | None = None


@dataclass(frozen=True)
class Resampling:
    """The rules for the picture and for what the network says about it (logits in v2, probabilities in v1)."""

    data: ResamplingRule
    probabilities: ResamplingRule
    anisotropy_threshold: float = ANISOTROPY_THRESHOLD


@dataclass(frozen=True)
class Architecture:
    """A network as ``dynamic_network_architectures`` builds it.

    Attributes
    ----------
    class_name
        Full name of the class.
    kwargs
        What it is called with, beside channels and classes; classes of torch are given by their full names.
    kwargs_to_import
        Which of ``kwargs`` are such names.
    in_channels, classes
        Channels of the input and of the output; ``classes`` counts the background.
    """

    class_name: str
    kwargs: Mapping[str, Any]
    kwargs_to_import: tuple[str, ...]
    in_channels: int
    classes: int


@dataclass(frozen=True)
class Plans:
    """Everything that prediction needs to know about a model beside its weights.

    Attributes
    ----------
    dialect
        Whose rules of preprocessing, tiling and averaging hold: ``v1`` averages probabilities, ``v2`` logits.
    spacing_mm
        Of the network's input, in network axes.
    patch
        Voxels of one tile, in network axes.
    transpose_forward, transpose_backward
        From reversed file axes to network axes, and back.
    intensities
        One per input channel.
    mirror_axes
        Network axes (0 to 2) on which the network was trained to be mirrored; empty: it cannot be.
    labels
        Name to id, as the model's own dataset.json has it; ids are the output channels.
    architecture, resampling
        The network, and how volumes come to its spacing and back.
    channel_names
        Number of an input channel to its name, such as ``"0"`` to ``CT``.
    image_reader
        nnU-Net's reader. Only ``NibabelIOWithReorient`` turns volumes to RAS before anything else.
    """

    dialect: Dialect
    spacing_mm: tuple[float, float, float]
    patch: tuple[int, int, int]
    transpose_forward: tuple[int, int, int]
    transpose_backward: tuple[int, int, int]
    intensities: tuple[Intensity, ...]
    mirror_axes: tuple[int, ...]
    labels: Mapping[str, int]
    architecture: Architecture
    resampling: Resampling
    channel_names: Mapping[str, str]
    image_reader: str = "SimpleITKIO"

    @property
    def reorients(self) -> bool:
        """Whether volumes are turned to RAS (file axes pointing right, anterior, superior) first."""
        return self.image_reader == "NibabelIOWithReorient"

    @property
    def classes(self) -> int:
        """Output channels, the background among them."""
        return self.architecture.classes
