"""All checks of one case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from dapatlas.check import (
    adjacency,
    completeness,
    composition,
    hounsfield,
    laterality,
    order,
    ratios,
    ribs,
    sexes,
    vertebrae,
    vessels,
    volumes,
)
from dapatlas.check.codes import Code
from dapatlas.check.judged import judged, rank
from dapatlas.check.measured_case import MeasuredCase
from dapatlas.findings import Finding

Check = Callable[[MeasuredCase], Iterator[Finding]]

# In this order: what a body is made of, then how it is put together.
CHECKS: Mapping[str, Check] = {
    module.__name__.rpartition(".")[2]: module.check
    for module in (
        sexes, volumes, ratios, composition, hounsfield,
        laterality, order, vertebrae, ribs, vessels, adjacency, completeness,
    )
}  # fmt: skip


def check_case(case: MeasuredCase, checks: Mapping[str, Check] | None = None) -> list[Finding]:
    """Everything that checks say about a case: errors first, within a severity what is farthest out.

    Parameters
    ----------
    case
        Measured once; checks share what was measured.
    checks
        Which ones, by name; all by default. One that fails is told and silences no other.
    """
    found: list[Finding] = []
    for name, check in (CHECKS if checks is None else checks).items():
        try:
            found += check(case)
        except Exception as error:  # a fault of ours on one case must cost neither the case nor the cohort
            found.append(judged(case, Code.CHECK_FAILED, f"the check {name!r} failed: {error!r}"))
    return rank(found)
