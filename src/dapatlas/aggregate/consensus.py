"""STAPLE: where a structure is, by the experts' own reliability, estimated from the case itself.

Warfield, Zou and Wells 2004 (IEEE Transactions on Medical Imaging 23:903, doi:10.1109/TMI.2004.828354) estimate each
expert's sensitivity and specificity together with the probability of each voxel. SimpleITK does the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from dapatlas.aggregate.claims import Claim, Mask
from dapatlas.extras import needed
from dapatlas.findings import Finding, Severity
from dapatlas.labels import LabelScheme
from dapatlas.volumes import Box, bounding_box, hull, padded

MARGIN_VOXELS = 2  # of background around a structure, without which specificity means nothing
MIN_PROBABILITY = 0.5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one structure.

    Attributes
    ----------
    id
        The structure.
    box
        What was looked at, in the axes of the CT's array.
    yes
        Where it is, of the box's shape.
    """

    id: int
    box: Box
    yes: Mask

    def of_slab(
        self, shape: tuple[int, ...], first: int, claimed: NDArray[np.intp]
    ) -> tuple[int, Mask, Mask]:
        """The id, whether each voxel was looked at, and whether it is the structure.

        Parameters
        ----------
        shape
            Of the whole map.
        first
            First slice of the slab along the last axis.
        claimed
            Flat places of the voxels in the slab, Fortran order.
        """
        i, j = claimed % shape[0], claimed // shape[0] % shape[1]
        k = claimed // (shape[0] * shape[1]) + first
        inside = np.ones(claimed.shape, np.bool_)
        for index, side in zip((i, j, k), self.box, strict=True):
            inside &= (index >= side.start) & (index < side.stop)
        yes = np.zeros(claimed.shape, np.bool_)
        here = [index[inside] - side.start for index, side in zip((i, j, k), self.box, strict=True)]
        yes[inside] = self.yes[tuple(here)]
        return self.id, inside, yes


def staple(
    claims: Sequence[Claim], structure: str, atlas: LabelScheme, case: str = ""
) -> tuple[Verdict | None, list[Finding]]:
    """Settle one structure by STAPLE among the experts who know it and see all of it.

    Returns
    -------
    verdict
        ``None`` with fewer than two such experts, or where none of them finds it.
    findings
        Each expert's estimated sensitivity and specificity, or why there is no verdict.

    Raises
    ------
    DapatlasError
        SimpleITK is not installed.
    """
    id_ = atlas[structure].id
    boxes = {claim.expert: box for claim in claims if (box := _box(claim, id_))}
    if not boxes:
        return None, []
    shape = claims[0].words.shape
    box = padded(reduce(hull, boxes.values()), [MARGIN_VOXELS] * 3, shape)
    judges = [claim for claim in claims if id_ in claim.knows and _sees_all(claim, box)]
    if len(judges) < 2:
        message = f"{structure} cannot be settled by STAPLE: fewer than two experts know it and see all of it"
        return None, [Finding(case, Severity.WARNING, "no-consensus", message, structure=structure)]
    masks = [np.asfortranarray(claim.words.part(box) == id_) for claim in judges]
    probability, sensitivity, specificity = _staple(masks)
    verdict = Verdict(id_, box, probability >= MIN_PROBABILITY)
    said = "; ".join(
        f"{claim.expert} sensitivity {a:.3f}, specificity {b:.4f}"
        for claim, a, b in zip(judges, sensitivity, specificity, strict=True)
    )
    finding = Finding(
        case,
        Severity.INFO,
        "settled-by-staple",
        f"{structure} was settled by STAPLE: {said}",
        structure=structure,
        voxels=int(np.count_nonzero(verdict.yes)),
    )
    return verdict, [finding]


def _staple(masks: Sequence[Mask]) -> tuple[NDArray[np.float64], tuple[float, ...], tuple[float, ...]]:
    """Probability of each voxel, and each expert's sensitivity and specificity."""
    sitk = needed("SimpleITK", "itk", "to settle structures by STAPLE")
    judge = sitk.STAPLEImageFilter()
    judge.SetForegroundValue(1.0)
    found = judge.Execute([sitk.GetImageFromArray(mask.astype(np.uint8).T) for mask in masks])
    probability: NDArray[np.float64] = sitk.GetArrayFromImage(found).T
    return probability, tuple(judge.GetSensitivity()), tuple(judge.GetSpecificity())


def _box(claim: Claim, id_: int) -> Box | None:
    """Where a claim has an id; ``None`` where it has not."""
    found: Box | None = None
    for number, slab in enumerate(claim.words):
        slices = claim.words.slices(number)
        where = slab.reshape((*claim.words.shape[:-1], slices.stop - slices.start), order="F") == id_
        if where.any():
            i, j, k = bounding_box(where)
            own = (i, j, slice(k.start + slices.start, k.stop + slices.start))
            found = own if found is None else hull(found, own)
    return found


def _sees_all(claim: Claim, box: Box) -> bool:
    if claim.unseen and (claim.words.part(box) == claim.unseen).any():
        return False
    return claim.seen is None or claim.seen.covers_all or bool(claim.seen.mask(box).all())
