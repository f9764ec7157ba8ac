"""Order: vertebrae one under the other, and what else lies above, before or beside what.

Who lies where is data (``data/geometry.toml``). Centres, tops and bottoms are those of the main piece of each
structure: stray pieces are told of by :mod:`dapatlas.check.completeness`.

Needs in view: both structures of a pair. Where the field of view cuts one so that it looks as if it lay elsewhere, the
pair is not judged.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dapatlas.check.codes import Code
from dapatlas.check.geometry import Limit, Order, geometry
from dapatlas.check.judged import judged
from dapatlas.check.measured_case import MeasuredCase
from dapatlas.findings import Finding
from dapatlas.refine.landmarks import VERTEBRAE, Column, column
from dapatlas.refine.piece import Piece

TOLERANCE_MM = 3.0  # and a voxel: as far the wrong way round is no contradiction
REVERSED_SHARE = (
    0.25  # of the usual distance: a vertebra so much above the one it follows stands the wrong way round
)
AXES = {"right": 0, "front": 1, "up": 2}
WORDS = {"right": "right of", "front": "in front of", "up": "above"}
ENDS = {"top": "with its top", "bottom": "with its bottom", "centre": "with its centre"}
LEAST_ML = 0.2  # pieces out of place that are smaller are crumbs


def check(case: MeasuredCase) -> Iterator[Finding]:
    """Judge the column, then pairs, then what lies where it never does."""
    yield from _column(case)
    for row in geometry().order:
        yield from _pair(case, row)
    for limit in geometry().limits:
        for name in limit.structures:
            yield from _out_of_place(case, name, limit)


def _column(case: MeasuredCase) -> Iterator[Finding]:
    """Vertebrae that do not fit into the longest row that counts down."""
    vertebrae = column(case.thinned.anatomy)
    fitting = _longest_falling(vertebrae)
    for n, piece in sorted(vertebrae.pieces.items()):
        if n in fitting:
            continue
        above = [other for m, other in vertebrae.pieces.items() if m in fitting and m > n]
        below = [other for m, other in vertebrae.pieces.items() if m in fitting and m < n]
        wrong = [other for other in above if other.centre_mm[2] > piece.centre_mm[2]]
        wrong += [other for other in below if other.centre_mm[2] < piece.centre_mm[2]]
        names = ", ".join(case.scheme[other.label].name for other in wrong) or "its neighbours"
        yield judged(
            case,
            Code.VERTEBRA_ORDER,
            f"{VERTEBRAE[n]} stands the wrong way round to {names}",
            VERTEBRAE[n],
            far_out=float(len(wrong)),
            box=case.thinned.full_box(piece.box),
        )


def _longest_falling(vertebrae: Column) -> set[int]:
    """Numbers of the longest row of vertebrae of which each lies below the one before it."""
    numbers = sorted(vertebrae.pieces)
    slack = REVERSED_SHARE * abs(vertebrae.spacing_mm) if numbers else 0.0
    best: list[tuple[int, list[int]]] = []
    for at, n in enumerate(numbers):
        height = vertebrae.pieces[n].centre_mm[2]
        before = [best[b] for b in range(at) if vertebrae.pieces[numbers[b]].centre_mm[2] > height - slack]
        size, row = max(before, key=lambda one: one[0], default=(0, []))
        best.append((size + 1, [*row, n]))
    return set(max(best, key=lambda one: one[0])[1]) if best else set()


def _pair(case: MeasuredCase, row: Order) -> Iterator[Finding]:
    anatomy = case.thinned.anatomy
    first, second = anatomy.main(row.first), anatomy.main(row.second)
    if first is None or second is None:
        return
    if row.axis == "up":
        short = _short_up(case, row, first, second)
    else:
        short = _short_across(case, row)
    tolerance = TOLERANCE_MM + case.thinned.spacing[AXES[row.axis]]
    if short is None or short <= tolerance:
        return
    end = f" {ENDS[row.by]}" if row.axis == "up" and row.by != "centre" else ""
    yield judged(
        case,
        Code.ORDER,
        f"{row.first} does not lie{end} {WORDS[row.axis]} {row.second}: it is {short:.0f} mm the other way",
        row.first,
        severity=row.severity,
        far_out=short / tolerance,
        expected=f"{WORDS[row.axis]} {row.second} ({geometry().short(row.source)})",
    )


def _short_up(case: MeasuredCase, row: Order, first: Piece, second: Piece) -> float | None:
    """By how many mm the first lies below the second; ``None`` where the field of view leaves that open."""
    if row.by == "centre":
        if "top" in ends_cut(case, row.first) or "bottom" in ends_cut(case, row.second):
            return None
        return second.centre_mm[2] - first.centre_mm[2]
    end = 1 if row.by == "top" else 0
    return case.thinned.extent_mm(second, 2)[end] - case.thinned.extent_mm(first, 2)[end]


def _short_across(case: MeasuredCase, row: Order) -> float | None:
    """By how many mm the first lies behind, or left of, the second, in the slices that both lie in."""
    one, other = (case.thinned.thin_box(case[name].box) for name in (row.first, row.second))
    common = slice(max(one[2].start, other[2].start), min(one[2].stop, other[2].stop))
    if common.stop <= common.start:
        return None
    axis = AXES[row.axis]
    places = []
    for name, box in ((row.first, one), (row.second, other)):
        mask = case.thinned.mask(name, (box[0], box[1], common))
        counts = mask.sum(axis=1 - axis).astype(np.float64)
        total = counts.sum(axis=0)
        at = (np.arange(box[axis].start, box[axis].stop) * case.thinned.spacing[axis]) @ counts
        with np.errstate(invalid="ignore"):
            places.append(at / total)
    apart = places[1] - places[0]
    apart = apart[np.isfinite(apart)]
    return float(np.median(apart)) if len(apart) else None


def _out_of_place(case: MeasuredCase, name: str, limit: Limit) -> Iterator[Finding]:
    """Pieces wholly beyond a vertebra, or beyond the nearest one in view that lies further out."""
    if name not in case:
        return
    up = bool(limit.not_above)
    mark = _landmark(case, VERTEBRAE.index(limit.not_above or limit.not_below), up)
    if mark is None:
        return
    number, height = mark
    thin = case.thinned
    ends = [(piece, thin.extent_mm(piece, 2)) for piece in thin.anatomy.all_of(name)]
    far = [piece for piece, (low, high) in ends if (low > height if up else high < height)]
    far = [piece for piece in far if thin.anatomy.pieces.ml(piece) >= LEAST_ML]
    for piece in far[:1]:
        ml = sum(map(thin.anatomy.pieces.ml, far))
        words = "above" if up else "below"
        yield judged(
            case,
            Code.OUT_OF_PLACE,
            f"{ml:.1f} ml of {name} lie {words} {VERTEBRAE[number]}, where it never is",
            name,
            box=thin.full_box(piece.box),
            expected=f"not {words} {limit.not_above or limit.not_below} ({geometry().short(limit.source)})",
        )


def _landmark(case: MeasuredCase, number: int, up: bool) -> tuple[int, float] | None:
    """The vertebra in view that is nearest to one, from above (or below), and its height."""
    vertebrae = column(case.thinned.anatomy)
    fit = [n for n in _longest_falling(vertebrae) if (n <= number if up else n >= number)]
    if not fit:
        return None
    nearest = max(fit) if up else min(fit)
    return nearest, vertebrae.pieces[nearest].centre_mm[2]


def ends_cut(case: MeasuredCase, name: str) -> frozenset[str]:
    """Faces of what was scanned that a structure reaches: of the field of view, or of the slices that were scanned."""
    low, high = case.scanned_slices
    box = case[name].box[2]
    ends = {"bottom"} if box.start == low else set()
    return frozenset({*case.cut_by(name), *ends, *({"top"} if box.stop == high else ())})
