"""HU as a network wants them, and a look at whether they are HU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.experts.nnunet.plans import Dialect, Intensity

AIR_BELOW_HU = -200  # any CT with air, lung, bowel gas or fat and noise in view has values below this
DENSE_ABOVE_HU = 0  # any CT with a patient in view has water or more
EPSILON = 1e-8


class WrongUnitError(BadFileError):
    """The values of a CT are no HU."""


def check_unit(ct: NDArray[Any]) -> None:
    """Refuse a CT whose values cannot be HU, before a network makes nonsense of it.

    Raises
    ------
    WrongUnitError
        There is no air, or nothing as dense as water.
    """
    low, high = float(np.nanmin(ct)), float(np.nanmax(ct))
    if low < AIR_BELOW_HU and high > DENSE_ABOVE_HU:
        return
    if low >= 0 and high > 1000:
        guess = "it looks like stored values, without the rescale intercept (often −1024) added"
    elif low >= -1 and high <= 1:
        guess = "it looks like a picture scaled to small numbers, or like one in cm⁻¹ (µ-map)"
    else:
        guess = "it looks like a windowed picture, or like no CT"
    raise WrongUnitError(
        f"the values of this CT run from {low:g} to {high:g}, expected HU: air near −1000, water 0, bone up to 2000; "
        f"{guess}. Convert it to HU first, from DICOM with slope and intercept (dapatlas ingest does)"
    )


def normalise(picture: NDArray[np.float32], intensity: Intensity, dialect: Dialect) -> None:
    """Scale a picture (HU, any shape) in place.

    Raises
    ------
    DapatlasError
        The model scales in a way that is not for CT: within a mask, or as colours.
    """
    if intensity.use_mask:
        raise DapatlasError("the model normalises within a mask of what is not zero, which no CT model does")
    scheme = intensity.scheme
    if scheme in ("CT", "CT2"):
        _clip_and_scale(picture, intensity)
    elif scheme == "zscore":
        mean, sd = picture.mean(), picture.std()
        _scale(picture, mean, sd + EPSILON if dialect == "v1" else max(sd, EPSILON))
    elif scheme == "rescale01":
        picture -= picture.min()
        picture /= max(float(picture.max()), EPSILON)
    elif scheme != "noNorm":
        raise DapatlasError(f"the model normalises by the scheme {scheme}, which is not for CT")


def _clip_and_scale(picture: NDArray[np.float32], intensity: Intensity) -> None:
    low, high = intensity.percentile_00_5, intensity.percentile_99_5
    mean, sd = intensity.mean, max(intensity.sd, EPSILON)
    if intensity.scheme == "CT2":
        within = picture[(picture > low) & (picture < high)]
        mean, sd = float(within.mean()), float(within.std())
    np.clip(picture, low, high, out=picture)
    _scale(picture, mean, sd)


def _scale(picture: NDArray[np.float32], mean: Any, sd: Any) -> None:
    picture -= np.float32(mean)
    picture /= np.float32(sd)
