"""How each kind of error comes about.

Every function takes the patient (a clean label map in axes running right, front, up) and a generator, and returns
which voxels get which wrong label. It raises ``NotPlantable`` with the reason when the anatomy is not in view.
"""

from __future__ import annotations

from collections.abc import Sequence

import cc3d
import numpy as np

from dapatlas.labels import dap
from dapatlas.phantom.patient import Change, NotPlantable, Patient, Points, ball_in, touching

MIN_VOXELS = 8  # a structure with fewer voxels in view is left alone
ISLAND_RADIUS_MM = 7.0
ISLANDS = 3
COLON_RADIUS_MM = 14.0
ORGAN_RADIUS_MM = 9.0

PAIRS = (
    "kidney",
    "hip",
    "femur",
    "scapula",
    "clavicula",
    "humerus",
    "gluteus_maximus",
    "iliopsoas",
    "autochthon",
)
STRAY = ("liver", "spleen", "kidney_left", "kidney_right", "stomach", "bladder", "pancreas", "gallbladder")
HOSTS = (
    "muscles",
    "fat",
    "abdominal_tissue",
    "liver",
    "brain",
    "lung_lower_lobe_right",
    "lung_lower_lobe_left",
)
PELVIC_HOSTS = ("abdominal_tissue", "muscles", "fat")
BROKEN_VERTEBRAE = ("L5", "L4", "L3", "L2", "L1", "T12", "T11", "T10", "T9", "T8", "T7", "T6")


def swapped_sides(patient: Patient, draw: np.random.Generator) -> Change:
    """Exchange the labels of a left and a right structure, or give a third of one to the other."""
    names = [name for name in PAIRS if all(patient.untouched(f"{name}_{side}") for side in ("left", "right"))]
    names = [
        n for n in names if min(len(patient.points(f"{n}_{s}")) for s in ("left", "right")) >= MIN_VOXELS
    ]
    if not names:
        raise NotPlantable("no pair of structures is in view on both sides")
    name = str(draw.choice(names))
    left, right = dap()[f"{name}_left"].id, dap()[f"{name}_right"].id
    own, other = patient.points(f"{name}_left"), patient.points(f"{name}_right")
    if draw.random() < 0.5:
        labels = np.r_[np.full(len(own), right), np.full(len(other), left)].astype(np.uint8)
        return Change(np.concatenate([own, other]), labels, f"{name}: left and right exchanged")
    top = own[own[:, 2] >= np.quantile(own[:, 2], 2 / 3)]
    return Change(
        top, np.full(len(top), right, np.uint8), f"{name}: top of the left one labelled as the right one"
    )


def vertebra_fragment(patient: Patient, draw: np.random.Generator) -> Change:
    """Label a piece of a vertebra as its neighbour, without touching that neighbour."""
    chain = [s.name for s in dap() if s.name.startswith("vertebrae_")]
    for level in draw.permutation(np.array(BROKEN_VERTEBRAE)):
        name = f"vertebrae_{level}"
        step = int(draw.choice([-1, 1]))
        place = chain.index(name) + step
        if place >= len(chain) or not (patient.untouched(name) and patient.untouched(chain[place])):
            continue
        piece = _fragment(patient, name, chain[place], int(draw.choice([-1, 1])))
        if piece is not None:
            labels = np.full(len(piece), dap()[chain[place]].id, np.uint8)
            return Change(piece, labels, f"a piece of {name} labelled as {chain[place]}")
    raise NotPlantable(
        "no vertebra from T6 to L5 is in view with a neighbour, with a piece that stands clear of it "
        "(with thick slices there may be none)"
    )


def _fragment(patient: Patient, name: str, neighbour: str, side: int) -> Points | None:
    """A side of a vertebra, in one piece, that leaves the rest in one piece and does not touch the neighbour."""
    box = tuple(
        slice(max(0, s.start - 1), min(n, s.stop + 1))
        for s, n in zip(patient.boxes[dap()[name].id], patient.labels.shape, strict=True)
    )
    cut = np.asarray(patient.labels[box])
    own = cut == dap()[name].id
    lonely = own & ~touching(cut == dap()[neighbour].id)
    across = np.argwhere(own)[:, 0] * side
    if len(across) < 3 * MIN_VOXELS:
        return None
    for share in (0.75, 0.8, 0.7, 0.85, 0.65):
        beyond = np.arange(cut.shape[0]) * side > np.quantile(across, share)
        pieces, count = cc3d.connected_components(
            lonely & beyond[:, None, None], connectivity=26, return_N=True
        )
        if not count:
            continue
        piece = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
        rest = cc3d.connected_components(own & ~piece, connectivity=26, return_N=True)[1]
        if piece.sum() >= MIN_VOXELS and rest == 1:
            found: Points = np.argwhere(piece) + [s.start for s in box]
            return found
    return None


def stray_islands(patient: Patient, draw: np.random.Generator) -> Change:
    """Put small balls of an organ's label inside other tissue, far from that organ."""
    names = [name for name in STRAY if patient.untouched(name)]
    if not names:
        raise NotPlantable(f"none of {', '.join(STRAY)} is in view")
    name = str(draw.choice(names))
    balls: list[Points] = []
    kept = patient.taken.copy(order="K")
    shadow = Patient(patient.labels, kept, patient.spacing)
    shadow.__dict__["boxes"] = patient.boxes
    for _ in range(ISLANDS):
        hosts = [host for host in HOSTS if host != name and patient.sees(host)]
        ball = ball_in(shadow, draw, hosts, ISLAND_RADIUS_MM, away_from=name)
        if ball is not None:
            balls.append(ball)
            # The next island keeps a voxel's distance, so that three islands stay three.
            low, high = np.maximum(ball.min(axis=0) - 1, 0), ball.max(axis=0) + 2
            kept[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    if not balls:
        raise NotPlantable(f"no tissue far from {name} has room for an island")
    points = np.concatenate(balls)
    labels = np.full(len(points), dap()[name].id, np.uint8)
    return Change(points, labels, f"{len(balls)} islands of {name} far from it")


def ribs_miscounted(patient: Patient, draw: np.random.Generator) -> Change:
    """Shift the numbers of all ribs of one side or both by one; the last of the row keeps its number."""
    step = int(draw.choice([-1, 1]))
    sides = [["left"], ["right"], ["left", "right"]][int(draw.integers(3))]
    points, labels = [], []
    for side in sides:
        names = [f"costa_{n}_{side}" for n in range(1, 13)]
        if sum(patient.untouched(name) for name in names) < 3:
            raise NotPlantable(f"fewer than three {side} ribs are in view")
        for n in range(1, 13):
            wrong = min(max(n + step, 1), 12)
            own = patient.points(f"costa_{n}_{side}")
            if wrong != n:
                points.append(own)
                labels.append(np.full(len(own), dap()[f"costa_{wrong}_{side}"].id, np.uint8))
    word = "higher" if step > 0 else "lower"
    return Change(
        np.concatenate(points),
        np.concatenate(labels),
        f"ribs {' and '.join(sides)} counted one number {word}",
    )


def colon_in_head(patient: Patient, draw: np.random.Generator) -> Change:
    """Put a ball of colon into the brain."""
    if not patient.sees("brain"):
        raise NotPlantable("the brain is not in view")
    return _planted_ball(patient, draw, "colon", ("brain",), COLON_RADIUS_MM, None)


def prostate_in_woman(patient: Patient, draw: np.random.Generator) -> Change:
    """Put a ball of prostate near a woman's bladder."""
    if not (patient.sees("uterus") and patient.sees("bladder")) or patient.sees("prostate"):
        raise NotPlantable("no pelvis with bladder and uterus, and without a prostate, is in view")
    return _planted_ball(patient, draw, "prostate", PELVIC_HOSTS, ORGAN_RADIUS_MM, "bladder")


def uterus_in_man(patient: Patient, draw: np.random.Generator) -> Change:
    """Put a ball of uterus near a man's bladder."""
    if not (patient.sees("prostate") and patient.sees("bladder")) or patient.sees("uterus"):
        raise NotPlantable("no pelvis with bladder and prostate, and without a uterus, is in view")
    return _planted_ball(patient, draw, "uterus", PELVIC_HOSTS, ORGAN_RADIUS_MM, "bladder")


def _planted_ball(
    patient: Patient,
    draw: np.random.Generator,
    name: str,
    hosts: Sequence[str],
    radius: float,
    near: str | None,
) -> Change:
    ball = ball_in(patient, draw, hosts, radius, near=near)
    if ball is None:
        raise NotPlantable(f"there is no room for a ball of {radius:g} mm in {', '.join(hosts)}")
    host = dap()[int(patient.labels[tuple(ball[0])])].name
    return Change(ball, np.full(len(ball), dap()[name].id, np.uint8), f"a ball of {name} in {host}")
