"""Volumes that lie far from the rest of a cohort.

Volumes are positive and skewed, so that their logarithm is looked at: its median, and the median absolute deviation
(MAD), which no outlier moves. A robust z-score is the distance from the median over 1.4826 MAD, which is the
standard deviation where the logarithms are normal (Iglewicz and Hoaglin 1993, How to Detect and Handle Outliers).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from statistics import median

from dapatlas.check.codes import Code
from dapatlas.check.judged import Judged, amount, rank
from dapatlas.check.limits import Quantity
from dapatlas.findings import Finding
from dapatlas.labels import Sex, dap

MAD_TO_SD = 1.4826
# Iglewicz and Hoaglin call 3.5 an outlier of one sample. A cohort has a sample for each of 142 structures: in 500
# normal cases 3.5 would flag some 30 volumes that are nothing but chance, 5 not even one.
FAR_Z = 5.0
# The MAD of n normal values is off by a quarter at n = 20 (its standard error is 1.17 σ / √n: an efficiency of 37 %,
# Rousseeuw and Croux 1993, J Am Stat Assoc 88:1273); of fewer, thresholds would be guesses.
LEAST_N = 20
# Two people who outline one organ differ by some per cent: a cohort that spreads less spreads by accident.
LEAST_LOG_SD = 0.05
# Of these the patient's sex decides the size: women and men make no cohort together.
SEX_DECIDES = frozenset({"breast_left", "breast_right", "gonads"})

Volumes = Mapping[str, Mapping[str, float]]
Wholes = Mapping[str, Set[str]]
Sexes = Mapping[str, Sex | None]


@dataclass(frozen=True, slots=True)
class Spread:
    """How one structure's volume spreads among cases of one sex, or of both.

    Attributes
    ----------
    structure
        Canonical name.
    sex
        Of the cases; ``None`` where both are taken together, or sexes are not known.
    median_ml
        Of the cases.
    log_mad
        Median absolute deviation of the natural logarithm of the volume.
    ml
        Volume of each case.
    z
        Robust z-score of each case, positive where it is larger than the median.
    """

    structure: str
    sex: Sex | None
    median_ml: float
    log_mad: float
    ml: Mapping[str, float]
    z: Mapping[str, float]

    @property
    def n(self) -> int:
        """How many cases."""
        return len(self.ml)


def spreads(volumes: Volumes, whole: Wholes, sexes: Sexes | None = None) -> list[Spread]:
    """How volumes spread, structure by structure: the numbers behind the findings, for plots.

    Sexes are kept apart where at least :data:`LEAST_N` cases of each that has the structure are known; else cases of
    both are taken together, and those of unknown sex with them. A structure seen in fewer cases is left out.

    Parameters
    ----------
    volumes
        Case id to structure to ml, in view.
    whole
        Case id to the structures that lie wholly in view; no other is looked at.
    sexes
        Case id to sex; ``None``, or missing, where it is not known.
    """
    return list(_spreads(volumes, whole, sexes or {}))


def cohort_outliers(volumes: Volumes, whole: Wholes, sexes: Sexes | None = None) -> list[Finding]:
    """Volumes that lie at least :data:`FAR_Z` robust standard deviations from their cohort's median, ranked.

    Parameters and what is compared as in :func:`spreads`.
    """
    return rank(
        _outlier(spread, case)
        for spread in spreads(volumes, whole, sexes)
        for case, z in spread.z.items()
        if abs(z) >= FAR_Z
    )


def _spreads(volumes: Volumes, whole: Wholes, sexes: Sexes) -> Iterator[Spread]:
    structures = dict.fromkeys(name for case in volumes for name in volumes[case])
    for structure in structures:
        ml = {
            case: found[structure]
            for case, found in volumes.items()
            if found.get(structure, 0.0) > 0 and structure in whole.get(case, ())
        }
        groups = [{case: v for case, v in ml.items() if sexes.get(case) is sex} for sex in Sex]
        apart = [len(group) >= LEAST_N for group in groups if group]
        if apart and all(apart):
            for sex, group in zip(Sex, groups, strict=True):
                if group:
                    yield _spread(structure, sex, group)
        elif len(ml) >= LEAST_N and not (structure in SEX_DECIDES and len(set(map(sexes.get, ml))) > 1):
            yield _spread(structure, None, ml)


def _spread(structure: str, sex: Sex | None, ml: Mapping[str, float]) -> Spread:
    logs = {case: math.log(value) for case, value in ml.items()}
    middle = median(logs.values())
    mad = median(abs(value - middle) for value in logs.values())
    sd = max(MAD_TO_SD * mad, LEAST_LOG_SD)
    z = {case: (value - middle) / sd for case, value in logs.items()}
    return Spread(structure, sex, math.exp(middle), mad, ml, z)


def _outlier(spread: Spread, case: str) -> Judged:
    z, ml = spread.z[case], spread.ml[case]
    name = dap()[spread.structure].display_name if spread.structure in dap() else spread.structure
    whose = {Sex.FEMALE: "women", Sex.MALE: "men", None: "cases"}[spread.sex]
    code = Code.VOLUME_OUTLIER
    sd = max(MAD_TO_SD * spread.log_mad, LEAST_LOG_SD)
    low, high = (spread.median_ml * math.exp(side * FAR_Z * sd) for side in (-1, 1))
    return Judged(
        case,
        code.severity,
        code.value,
        f"volume of {name}: {amount(ml, Quantity.VOLUME)}, {abs(z):.1f} robust standard deviations "
        f"{'above' if z > 0 else 'below'} the median of {spread.n} {whose}",
        structure=spread.structure,
        expected=f"{amount(low, Quantity.VOLUME)} to {amount(high, Quantity.VOLUME)}, "
        f"median {amount(spread.median_ml, Quantity.VOLUME)}",
        found=amount(ml, Quantity.VOLUME),
        remedy=code.remedy,
        far_out=abs(z) / FAR_Z - 1,
    )
