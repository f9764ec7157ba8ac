"""One case through the recipe: proposals, claims, merge, body, tissues."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dapatlas.aggregate.agreement import Pair, agreement_findings
from dapatlas.aggregate.body import body_outline
from dapatlas.aggregate.claims import Claim, LabelMap, Mask, Slabs
from dapatlas.aggregate.consensus import Verdict, staple
from dapatlas.aggregate.decide import Bench, TrustOrder
from dapatlas.aggregate.explain import by_trust
from dapatlas.aggregate.merge import Merged, merge
from dapatlas.aggregate.provenance import Provenance
from dapatlas.aggregate.recipe import ExpertSettings, Recipe
from dapatlas.aggregate.sides import split_sides
from dapatlas.aggregate.tidy import drop_small_pieces, smooth
from dapatlas.aggregate.tissues import fill_tissues
from dapatlas.aggregate.translate import translate
from dapatlas.aggregate.wholes import HEART_TISSUE, Wholes, settle_wholes
from dapatlas.dataset import Case
from dapatlas.errors import DapatlasError
from dapatlas.findings import Finding, Severity
from dapatlas.labels import Container, load_scheme
from dapatlas.volumes import Grid, Volume, remap


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
    provenance
        Who decided each voxel, and how many disagree; the recipe's experts are numbered from 1.
    agreement
        How each two experts agree on each structure.
    with_result
        How each expert agrees with what came of it.
    """

    label_map: NDArray[np.uint8]
    experts: tuple[str, ...]
    findings: tuple[Finding, ...]
    provenance: Provenance
    agreement: tuple[Pair, ...]
    with_result: tuple[Pair, ...]


def experts_for(case: Case, recipe: Recipe) -> tuple[ExpertSettings, ...]:
    """The recipe's experts that have a say in this case, most trusted first.

    A required expert always has: where its files are missing, its proposal fails and says so.
    """
    return tuple(expert for expert in by_trust(recipe) if expert.required or expert.inputs(case))


def aggregate(case: Case, ct: Volume, recipe: Recipe) -> Aggregate:
    """Build the dense map of one case.

    Raises
    ------
    DapatlasError
        An expert fails on this case, or the CT shows no body.
    """
    experts = experts_for(case, recipe)
    if not experts:
        raise DapatlasError(f"{case.id}: no expert of the recipe has a file for this case")
    wholes = Wholes.of((load_scheme(expert.scheme) for expert in experts), recipe.atlas)
    claims, findings = _claims(case, experts, ct.grid, wholes)
    verdicts, settled = _verdicts(claims, recipe, case.id)
    bench = Bench.of(
        claims,
        TrustOrder(tuple(expert.name for expert in experts), recipe.merge.structures),
        wholes,
        recipe.merge.weights,
    )
    merged = merge(claims, bench, wholes, recipe.merge.disagreement, verdicts=verdicts, case=case.id)
    findings += [*settled, *merged.findings, *_tidied(merged, claims, wholes, ct.grid, recipe, case.id)]
    provenance = Provenance(
        Slabs.of(merged.decided, _recipe_numbers(bench.names, recipe)), Slabs.of(merged.dissent)
    )
    pairs = tuple(merged.agreement.pairs(recipe.atlas, ct.grid.voxel_ml))
    with_result = tuple(merged.agreement.with_result(recipe.atlas, ct.grid.voxel_ml))
    label_map = merged.label_map
    del merged  # two maps of the volume's size
    body, outside = _body(label_map, claims, wholes, ct, recipe, case.id)
    filled, tissues = _filled(label_map, body, wholes, ct, recipe, case.id)
    return Aggregate(
        filled,
        bench.names,
        (*findings, *outside, *tissues, *agreement_findings(pairs, case.id)),
        provenance.filled(filled),
        pairs,
        with_result,
    )


def _recipe_numbers(names: Sequence[str], recipe: Recipe) -> LabelMap:
    """From numbers in this case's order of trust to numbers in the recipe's order, the same for every case."""
    listed = [expert.name for expert in recipe.experts]
    table = np.arange(256, dtype=np.uint8)
    table[1 : len(names) + 1] = [listed.index(name) + 1 for name in names]
    return table


def _claims(
    case: Case, experts: Sequence[ExpertSettings], grid: Grid, wholes: Wholes
) -> tuple[list[Claim], list[Finding]]:
    """What every expert claims; each proposal is deflated before the next is read."""
    claims: list[Claim] = []
    findings: list[Finding] = []
    for expert in experts:
        claim, said = translate(
            expert.propose(case),
            grid,
            wholes,
            structures=expert.structures,
            except_structures=expert.except_structures,
            choose=expert.choose,
            silence=expert.silence,
            case=case.id,
        )
        claims.append(claim)
        findings += said
    claims, cut = split_sides(claims, wholes, grid, case.id)
    return claims, findings + cut


def _verdicts(claims: Sequence[Claim], recipe: Recipe, case: str) -> tuple[list[Verdict], list[Finding]]:
    verdicts, findings = [], []
    for structure in recipe.merge.staple:
        verdict, said = staple(claims, structure, recipe.atlas, case)
        verdicts += [verdict] if verdict else []
        findings += said
    return verdicts, findings


def _tidied(
    merged: Merged, claims: Sequence[Claim], wholes: Wholes, grid: Grid, recipe: Recipe, case: str
) -> list[Finding]:
    """Settle what is left of wholes, then the recipe's options on size and smoothness; in place."""
    tissue = wholes.atlas[HEART_TISSUE].id if HEART_TISSUE in wholes.atlas else 0
    told_apart = any(tissue in claim.knows for claim in claims)
    _, findings = settle_wholes(merged.label_map, wholes, grid, case, heart_is_tissue=not told_apart)
    if recipe.merge.min_ml:
        findings += drop_small_pieces(merged.label_map, grid, wholes, recipe.merge.min_ml, case)
    if recipe.merge.smooth_mm:
        findings += smooth(merged.label_map, merged.decided, grid, wholes, recipe.merge.smooth_mm, case)
    # what lies in spaces is decided by place and HU
    merged.decided[_has(merged.label_map, [0, *wholes.spaces.values()])] = 0
    return findings


def _body(
    label_map: LabelMap, claims: Sequence[Claim], wholes: Wholes, ct: Volume, recipe: Recipe, case: str
) -> tuple[Mask, list[Finding]]:
    """The body: what experts call so where any sees all of it, else its outline on the CT."""
    space = wholes.spaces.get(Container.BODY)
    if space is not None and any(_says(claim, space) for claim in claims):
        return label_map != 0, []
    body = body_outline(ct.array, ct.grid, **recipe.body.model_dump())
    outside = int(np.count_nonzero((label_map != 0) & ~body))
    return body, _outside_body(outside, case)


def _says(claim: Claim, id_: int) -> bool:
    return (claim.seen is None or claim.seen.covers_all) and any((slab == id_).any() for slab in claim.words)


def _filled(
    label_map: LabelMap, body: Mask, wholes: Wholes, ct: Volume, recipe: Recipe, case: str
) -> tuple[LabelMap, list[Finding]]:
    """Tissues where nobody claims a structure; spaces that experts found replace those guessed from organs."""
    containers: dict[Container, Mask] = {}
    for space, id_ in wholes.spaces.items():
        if space is not Container.BODY and (where := label_map == id_).any():
            containers[space] = where
    if wholes.spaces:
        label_map[_has(label_map, wholes.spaces.values())] = 0
    return fill_tissues(
        label_map,
        ct.array,
        body,
        ct.grid,
        recipe.atlas,
        **recipe.tissues.model_dump(),
        containers=containers,
        case=case,
    )


def _has(label_map: LabelMap, ids: Iterable[int]) -> Mask:
    """Where a map has one of these ids; as ``np.isin``, which would need eight bytes a voxel."""
    table = np.zeros(256, np.bool_)
    table[list(ids)] = True
    return remap(label_map, table)


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
