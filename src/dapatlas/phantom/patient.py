"""The label map that errors are planted in, and how to find room in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cc3d
import numpy as np
from numpy.typing import NDArray

from dapatlas.labels import dap

Points = NDArray[np.intp]
Bools = NDArray[np.bool_]
Labels = NDArray[np.uint8]

FAR_MM = 30.0
TRIES = 20_000


class NotPlantable(Exception):  # noqa: N818  not an error of the caller's, but a fact about the view
    """Why an error cannot be planted in this map."""


@dataclass(frozen=True, slots=True)
class Change:
    """Voxels (n, 3) in axes running right, front, up, their new labels, and a sentence on it."""

    points: Points
    labels: Labels
    detail: str


@dataclass(frozen=True)
class Patient:
    """A clean label map in axes running right, front, up; ``taken`` marks what errors have changed."""

    labels: Labels
    taken: Bools
    spacing: tuple[float, float, float]

    @cached_property
    def boxes(self) -> dict[int, tuple[slice, slice, slice]]:
        """Box of each label in view."""
        found = cc3d.statistics(np.asfortranarray(self.labels))
        return {
            i: box
            for i, (box, count) in enumerate(zip(found["bounding_boxes"], found["voxel_counts"], strict=True))
            if i and count
        }

    def points(self, name: str) -> Points:
        """Voxels (n, 3) of a structure, untaken; empty where it is not in view."""
        value = dap()[name].id
        box = self.boxes.get(value)
        if box is None:
            return np.empty((0, 3), np.intp)
        inside = np.argwhere((self.labels[box] == value) & ~self.taken[box])
        found: Points = inside + [side.start for side in box]
        return found

    def sees(self, name: str) -> bool:
        """Whether any voxel of a structure is in view."""
        return dap()[name].id in self.boxes

    def untouched(self, name: str) -> bool:
        """Whether a structure is in view and no error has changed any of it."""
        value = dap()[name].id
        box = self.boxes.get(value)
        return box is not None and not self.taken[box][self.labels[box] == value].any()


def touching(mask: Bools) -> Bools:
    """The mask and all its 26 neighbours."""
    grown = mask.copy()
    for axis in range(3):
        line = np.moveaxis(grown, axis, 0)
        source = line.copy()
        line[1:] |= source[:-1]
        line[:-1] |= source[1:]
    return grown


def ball_in(
    patient: Patient,
    draw: np.random.Generator,
    hosts: Sequence[str],
    radius_mm: float,
    *,
    near: str | None = None,
    away_from: str | None = None,
) -> Points | None:
    """A ball that lies, with a rim of one voxel, wholly inside a single host; none if no place is found."""
    spacing = np.array(patient.spacing)
    shape = np.array(patient.labels.shape)
    offsets = _ball_offsets(radius_mm, spacing)
    rim = np.argwhere(touching(_as_mask(offsets))) - (np.abs(offsets).max(axis=0) + 1)
    allowed = np.zeros(256, bool)
    allowed[[dap()[host].id for host in hosts]] = True
    low, high = _search_box(patient, hosts, near)
    for centre in draw.integers(low, high, (TRIES, 3)):
        host = patient.labels[tuple(centre)]
        if not allowed[host] or (away_from and _distance_to_box(patient, away_from, centre) < FAR_MM):
            continue
        shell = centre + rim
        if (shell < 0).any() or (shell >= shape).any():
            continue
        where = tuple(shell.T)
        if (patient.labels[where] == host).all() and not patient.taken[where].any():
            ball: Points = centre + offsets
            return ball
    return None


def _ball_offsets(radius_mm: float, spacing: NDArray[np.float64]) -> Points:
    """Voxels of a ball around one; at least the voxel and its six neighbours in a coarse grid."""
    reach = np.maximum(np.floor(radius_mm / spacing), 1).astype(int)
    grid = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), axis=-1).reshape(
        -1, 3
    )
    inside = ((grid * spacing) ** 2).sum(axis=1) <= radius_mm**2
    return np.asarray(grid[inside | (np.abs(grid).sum(axis=1) <= 1)], np.intp)


def _as_mask(offsets: Points) -> Bools:
    reach = np.abs(offsets).max(axis=0) + 1
    mask = np.zeros(2 * reach + 1, bool)
    mask[tuple((offsets + reach).T)] = True
    return mask


def _search_box(patient: Patient, hosts: Sequence[str], near: str | None) -> tuple[Points, Points]:
    """Index ranges to look for a centre in: around ``near``, or where the hosts are."""
    shape = np.array(patient.labels.shape)
    if near is not None:
        box = patient.boxes[dap()[near].id]
        pad = np.ceil(FAR_MM / np.array(patient.spacing)).astype(int)
        low = np.maximum([s.start for s in box] - pad, 0)
        return low, np.minimum([s.stop for s in box] + pad, shape)
    boxes = [patient.boxes[dap()[host].id] for host in hosts if dap()[host].id in patient.boxes]
    low = np.min([[s.start for s in box] for box in boxes], axis=0)
    return low, np.max([[s.stop for s in box] for box in boxes], axis=0)


def _distance_to_box(patient: Patient, name: str, centre: Points) -> float:
    box = patient.boxes[dap()[name].id]
    gaps = [max(s.start - c, 0, c - s.stop + 1) for s, c in zip(box, centre, strict=True)]
    return float(np.linalg.norm(np.array(gaps) * patient.spacing))
