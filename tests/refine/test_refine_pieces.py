"""The pieces after any operations are those that a fresh sweep finds."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dapatlas.refine.piece import Reason
from dapatlas.refine.pieces import Pieces

SHAPE = (7, 6, 8)
SPACING = (1.5, 2.0, 3.0)
OPEN = ((True, True), (False, True), (True, False))
WHY = Reason("test", "of a test")


def fresh(labels: np.ndarray, *, dense: bool) -> Pieces:
    return Pieces.of_map(labels.copy(order="F"), SPACING, OPEN, [1], dense=dense)


def summary(pieces: Pieces) -> list[tuple]:
    # a centre such as 4.8515625 lies between two roundings: moved a little, two sums of it round alike
    return sorted(
        (
            piece.label,
            piece.voxels,
            str(piece.box),
            tuple(np.round(np.add(piece.centre_mm, 1e-9), 6)),
            piece.at_edge,
        )
        for piece in pieces
    )


@st.composite
def label_maps(draw: st.DrawFn) -> np.ndarray:
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    return random.choice([0, 1, 2, 3, 4], SHAPE, p=[0.35, 0.25, 0.2, 0.1, 0.1]).astype(np.uint8)


@settings(max_examples=150)
@given(label_maps(), st.lists(st.tuples(st.integers(0, 2), st.integers(0, 10**6)), max_size=6), st.booleans())
def test_bookkeeping_agrees_with_a_fresh_sweep(
    labels: np.ndarray, operations: list[tuple[int, int]], dense: bool
) -> None:
    pieces = fresh(labels, dense=dense)
    for operation, choice in operations:
        held = list(pieces)
        if not held:
            break
        piece = held[choice % len(held)]
        if operation == 0:
            pieces.relabel({piece.number: choice % 5, held[0].number: (choice + 1) % 5}, WHY)
        elif operation == 1:
            pieces.dissolve(list({p.number: p for p in (piece, held[-1])}.values()), WHY)
        else:
            part = np.zeros(pieces.mask(piece).shape, bool)
            part[: (part.shape[0] + 1) // 2] = True
            made = pieces.split(piece, part)
            pieces.relabel({one.number: 1 + choice % 4 for one in made.get(True, [])}, WHY)
            pieces.rejoin(one for ones in made.values() for one in ones)
    assert summary(pieces) == summary(fresh(pieces.labels, dense=dense))
    for piece in pieces:
        assert (pieces.labels[piece.box][pieces.mask(piece)] == piece.label).all()
    assert (pieces.numbers != 0).sum() == sum(piece.voxels for piece in pieces)
    gained = {
        label: sum(
            change.voxels * ((change.new == label) - (change.old == label)) for change in pieces.changes
        )
        for label in range(5)
    }
    for label, voxels in gained.items():
        assert (pieces.labels == label).sum() - (labels == label).sum() == voxels


def test_dissolving_gives_each_voxel_the_nearest_label_that_remains() -> None:
    """Against the definition, voxel by voxel."""
    random = np.random.default_rng(2)
    labels = random.choice([1, 2, 3], SHAPE, p=[0.1, 0.6, 0.3]).astype(np.uint8)
    pieces = fresh(labels, dense=True)
    gone = pieces.of(2)[:1]
    place = np.argwhere(pieces.numbers == gone[0].number)
    remains = np.argwhere(pieces.numbers != gone[0].number)
    pieces.dissolve(gone, WHY)
    for voxel in place:
        far = np.linalg.norm((remains - voxel) * SPACING, axis=1)
        nearest = {int(labels[tuple(p)]) for p in remains[np.isclose(far, far.min())]}
        assert int(pieces.labels[tuple(voxel)]) in nearest


def test_a_piece_that_hangs_in_the_air_leaves_air() -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:3, 1:3, 1:3] = 2
    labels[5, 5, 6] = 3
    pieces = fresh(labels, dense=True)
    pieces.dissolve(pieces.of(3), WHY)
    assert pieces.labels[5, 5, 6] == 0


def test_distance_is_that_of_the_nearest_voxels() -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, 0, 0] = 2
    labels[4, 0, 4] = 3
    pieces = fresh(labels, dense=False)
    one, other = pieces.of(2)[0], pieces.of(3)[0]
    expected = float(np.hypot(4 * 1.5, 4 * 3.0))
    assert np.isclose(pieces.distance_mm(one, [other], 50), expected)
    assert pieces.distance_mm(one, [other], expected - 0.1) == np.inf
