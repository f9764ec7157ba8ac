"""One case through the recipe: proposals, claims, merge, body, tissues."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dapatlas.aggregate.body import body_outline
from dapatlas.aggregate.merge import Claim, TrustOrder, merge
from dapatlas.aggregate.recipe import ExpertSettings, Recipe
from dapatlas.aggregate.tissues import fill_tissues
from dapatlas.aggregate.translate import translate
from dapatlas.dataset import Case
from dapatlas.errors import DapatlasError
from dapatlas.findings import Finding, Severity
from dapatlas.volumes import Volume


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The dense map of one case.

    Attributes
    ----------
    label_map
        uint8, shape and axis order of the CT; no 0 inside the body.
    experts
        Who contributed, most trusted first.
    findings
        What was translated, disputed, filled.
    """

    label_map: NDArray[np.uint8]
    experts: tuple[str, ...]
    findings: tuple[Finding, ...]


def experts_for(case: Case, recipe: Recipe) -> tuple[ExpertSettings, ...]:
    """The recipe's experts that have a say in this case, most trusted first.

    A required expert always has: where its files are missing, its proposal fails and says so.
    """
    listed = [expert.name for expert in recipe.experts]
    order = [*(recipe.merge.trust or ()), *listed]
    present = [expert for expert in recipe.experts if expert.required or expert.inputs(case)]
    return tuple(sorted(present, key=lambda expert: order.index(expert.name)))


def aggregate(case: Case, ct: Volume, recipe: Recipe) -> Aggregate:
    """Build the dense map of one case.

    Raises
    ------
    DapatlasError
        An expert fails on this case, or the CT shows no body.
    """
    atlas = recipe.atlas
    experts = experts_for(case, recipe)
    if not experts:
        raise DapatlasError(f"{case.id}: no expert of the recipe has a file for this case")
    findings: list[Finding] = []
    claims: list[Claim] = []
    for expert in experts:
        claim, said = translate(
            expert.propose(case),
            ct.grid,
            atlas,
            structures=expert.structures,
            except_structures=expert.except_structures,
            choose=expert.choose,
            case=case.id,
        )
        claims.append(claim)
        findings += said
    names = tuple(expert.name for expert in experts)
    merged, disputes = merge(
        claims, TrustOrder(names, recipe.merge.structures), atlas, recipe.merge.disagreement, case.id
    )
    del claims
    body = body_outline(ct.array, ct.grid, **recipe.body.model_dump())
    outside = int(np.count_nonzero((merged != 0) & ~body))
    filled, tissues = fill_tissues(
        merged, ct.array, body, ct.grid, atlas, **recipe.tissues.model_dump(), case=case.id
    )
    findings += [*disputes, *_outside_body(outside, case.id), *tissues]
    return Aggregate(filled, names, tuple(findings))


def _outside_body(voxels: int, case: str) -> list[Finding]:
    if not voxels:
        return []
    return [
        Finding(
            case=case,
            severity=Severity.INFO,
            code="outside-body",
            message=f"{voxels} voxels that experts claim lie outside the body outline; kept as claimed",
            voxels=voxels,
        )
    ]
