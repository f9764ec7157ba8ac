"""Options after merging: a minimum size of pieces, and smooth boundaries between structures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dapatlas.aggregate.claims import LabelMap
from dapatlas.aggregate.provenance import SMOOTHED
from dapatlas.aggregate.wholes import Wholes
from dapatlas.findings import Finding, Severity
from dapatlas.volumes import Box, Grid, components, measure

REACH = 3.0  # a Gaussian ends at so many of its standard deviations
SLAB_VOXELS = 1 << 22
THIN_ML = 5.0  # smaller structures are left as they are: smoothing would wear them away, as it would vessels


def drop_small_pieces(
    label_map: LabelMap, grid: Grid, wholes: Wholes, min_ml: float, case: str = ""
) -> list[Finding]:
    """Unclaim the pieces of less than ``min_ml`` of every structure, its largest piece excepted; in place.

    Parameters
    ----------
    label_map, grid
        The map, ids of ``wholes``, and where its voxels lie.
    wholes
        What the ids mean.
    min_ml
        Least volume of a piece.
    case
        Case id for the findings.
    """
    found = components(label_map, grid)
    findings = []
    for id_ in np.unique(found.labels).tolist():
        small = [n for n in found.of(id_)[1:].tolist() if found.voxels[n - 1] * grid.voxel_ml < min_ml]
        for number in small:
            i, j, k = (slice(start, stop) for start, stop in found.boxes[number - 1].tolist())
            label_map[i, j, k][found.component_map[i, j, k] == number] = 0
        if small:
            name, voxels = wholes.name(id_), int(sum(found.voxels[n - 1] for n in small))
            findings.append(
                Finding(
                    case,
                    Severity.INFO,
                    "small-pieces",
                    f"{len(small)} pieces of {name} of less than {min_ml:g} ml were dropped",
                    structure=name,
                    voxels=voxels,
                )
            )
    return findings


def smooth(
    label_map: LabelMap, decided: LabelMap, grid: Grid, wholes: Wholes, sigma_mm: float, case: str = ""
) -> list[Finding]:
    """Give each voxel the id that weighs most around it, by a Gaussian of ``sigma_mm``; in place.

    What is long and thin, or smaller than 5 ml, neither grows nor shrinks. Slab by slab, and for each id within its
    box, so that no more than a slab is ever held as floating point numbers.

    Parameters
    ----------
    label_map, decided
        The map and who decided it, same shape; voxels that change are marked in the second.
    grid
        Their grid.
    wholes
        What the ids mean.
    sigma_mm
        Standard deviation of the Gaussian.
    case
        Case id for the findings.
    """
    found = measure(label_map, grid)
    kept = [one.id for one in found if one.id and (one.ml < THIN_ML or _is_long(one.id, wholes))]
    sigma = [sigma_mm / mm for mm in grid.spacing]
    pads = [int(np.ceil(REACH * s)) for s in sigma]
    boxes = {one.id: one.box for one in found if one.id not in kept}
    before, changed = label_map.copy(order="F"), 0
    for k in _slabs(label_map.shape):
        wide = slice(max(0, k.start - pads[2]), min(label_map.shape[2], k.stop + pads[2]))
        winner = _heaviest(before[:, :, wide], wide.start, boxes, sigma, pads)
        inner = winner[:, :, k.start - wide.start : k.stop - wide.start]
        own = before[:, :, k]
        moves = (inner != own) & ~np.isin(own, kept)
        label_map[:, :, k][moves] = inner[moves]
        decided[:, :, k][moves] = SMOOTHED
        changed += int(np.count_nonzero(moves))
    message = f"{changed} voxels changed when boundaries were smoothed by {sigma_mm:g} mm"
    return [Finding(case, Severity.INFO, "smoothed", message, voxels=changed)]


def _is_long(id_: int, wholes: Wholes) -> bool:
    return id_ in wholes.atlas and wholes.atlas[id_].tubular


def _slabs(shape: tuple[int, ...]) -> Iterator[slice]:
    thickness = max(1, SLAB_VOXELS // (shape[0] * shape[1]))
    return (slice(k, min(k + thickness, shape[2])) for k in range(0, shape[2], thickness))


def _heaviest(
    block: LabelMap, first: int, boxes: dict[int, Box], sigma: list[float], pads: list[int]
) -> LabelMap:
    """For each voxel of a slab, the id with the largest weight around it; of equals, the lower id."""
    from scipy.ndimage import gaussian_filter

    best = np.zeros(block.shape, np.float32)
    winner = block.copy()
    for id_, box in boxes.items():
        i, j, k = (
            slice(max(0, side.start - shift - pad), min(n, side.stop - shift + pad))
            for side, pad, n, shift in zip(box, pads, block.shape, (0, 0, first), strict=True)
        )
        if k.start >= k.stop:
            continue
        here = (i, j, k)
        mask: NDArray[np.float32] = (block[here] == id_).astype(np.float32)
        weight = gaussian_filter(mask, sigma, truncate=REACH, mode="nearest")
        heavier = weight > best[here]
        winner[here][heavier] = id_
        best[here][heavier] = weight[heavier]
    return winner
