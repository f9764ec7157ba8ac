"""Rules by which one of several series is chosen: each in turn keeps the best."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dapatlas.ingest.dicom.series import Series

SAME_EXTENT_MM = 10.0  # two reconstructions of one scan may differ by a slice or two
# Siemens numbers the sharpness of its kernels: the manual of the SOMATOM Sensation recommends B30 and B40 for body
# tissue, and B50 to B80 where sharpness is wanted; the numbers of Br38 and its kin go on from there.
SHARP_FROM = 50
_SIEMENS = re.compile(r"[A-Z][a-z]?(\d\d)[a-z]*\b")
# as GE names them, and others
_SOFT_NAMES = ("STANDARD", "SOFT")
_SHARP_NAMES = ("LUNG", "BONE", "EDGE", "SHARP")


@dataclass(frozen=True, slots=True)
class Criterion:
    """A rule: the best score wins, and those that come as close as ``slack``; ``why`` is said of the others."""

    score: Callable[[Series], float]
    why: str
    slack: float = 0.0


def sift(series: Sequence[Series], criteria: Sequence[Criterion]) -> tuple[Series, dict[Series, str]]:
    """The best series, the first of equals; and of every other the rule that put it out."""
    left: dict[Series, str] = {}
    kept = list(series)
    for criterion in criteria:
        scores = {one: criterion.score(one) for one in kept}
        best = max(scores.values())
        left |= {one: criterion.why for one in kept if scores[one] < best - criterion.slack}
        kept = [one for one in kept if one not in left]
    left |= dict.fromkeys(kept[1:], "its files come later")
    return kept[0], left


def ct_criteria(pet: Series | None) -> list[Criterion]:
    """The rules for CT, where this is the study's PET."""
    rules = [
        Criterion(_softness, "sharper kernel"),
        Criterion(lambda one: one.slices, "fewer slices"),
        Criterion(_early, "higher series number"),
    ]
    if pet is None:
        return [Criterion(_length, "shorter", SAME_EXTENT_MM), *rules]
    return [
        Criterion(lambda one: _shares_frame(one, pet), "another frame of reference than the PET"),
        Criterion(lambda one: _overlap(one, pet), "covers less of the PET", SAME_EXTENT_MM),
        Criterion(_length, "shorter", SAME_EXTENT_MM),
        *rules,
    ]


def pet_criteria() -> list[Criterion]:
    """The rules for PET."""
    return [
        Criterion(lambda one: "ATTN" in one.first.corrections, "no attenuation correction"),
        Criterion(lambda one: one.first.units == "BQML", "not in Bq/ml"),
        Criterion(_length, "shorter", SAME_EXTENT_MM),
        Criterion(_early, "higher series number"),
    ]


def seg_criteria(pet: Series | None) -> list[Criterion]:
    """The rules for segmentations, where this is the study's PET."""
    rules = [Criterion(_early, "higher series number")]
    if pet is None:
        return rules
    return [
        Criterion(lambda one: pet.uid in one.first.refers_to, "not of the PET taken"),
        Criterion(lambda one: _shares_frame(one, pet), "another frame of reference than the PET"),
        *rules,
    ]


def _shares_frame(series: Series, other: Series) -> bool:
    return not series.frames_of_reference.isdisjoint(other.frames_of_reference)


def _length(series: Series) -> float:
    low, high = series.extent_mm
    return high - low


def _overlap(series: Series, other: Series) -> float:
    (low, high), (other_low, other_high) = series.extent_mm, other.extent_mm
    return max(0.0, min(high, other_high) - max(low, other_low))


def _early(series: Series) -> float:
    return float("-inf") if series.number is None else -series.number


def _softness(series: Series) -> int:
    return softness(series.first.kernel)


def softness(kernel: str) -> int:
    """1 for a kernel for soft tissue, -1 for a sharp one, 0 where the name does not tell.

    Examples
    --------
    >>> softness("Br38f/3"), softness("B70s"), softness("BONEPLUS"), softness("")
    (1, -1, -1, 0)
    """
    numbered = _SIEMENS.match(kernel)
    if numbered:
        return -1 if int(numbered[1]) >= SHARP_FROM else 1
    if any(name in kernel.upper() for name in _SHARP_NAMES):
        return -1
    return int(any(name in kernel.upper() for name in _SOFT_NAMES))
