"""The bodies on the concept pages: synthetic, right, and then wrong in the way that each guideline puts right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from dapatlas.labels import Sex, dap
from dapatlas.phantom import ErrorKind, PhantomSpec, PlantedError, make_phantom, plant
from dapatlas.volumes import Grid

Labels = NDArray[np.uint8]
Point = tuple[int, int, int]

SHAPE = (205, 205, 325)  # 2 x 2 x 3 mm
SEED = 11
MOST_SEEDS = 200  # tried until an error falls where the picture wants it


@dataclass(frozen=True, eq=False)
class Body:
    """A synthetic case whose axes run right, front, up.

    Attributes
    ----------
    sex
        Of the subject.
    truth
        Its label map, ids of the DAP scheme.
    ct
        HU, of the same shape.
    grid
        Of both.
    """

    sex: Sex
    truth: Labels
    ct: NDArray[np.int16]
    grid: Grid

    def where(self, *names: str) -> NDArray[np.bool_]:
        """The voxels of some structures."""
        return np.isin(self.truth, [dap()[name].id for name in names])

    def middle(self, *names: str) -> Point:
        """The mean voxel of some structures."""
        i, j, k = np.argwhere(self.where(*names)).mean(axis=0).astype(int).tolist()
        return i, j, k

    def deepest(self, *names: str, at: int, axis: int) -> Point:
        """The voxel of some structures, in one slice, that is farthest from their outside."""
        own = np.take(self.where(*names), at, axis=axis)
        depth = distance_transform_edt(own, sampling=np.delete(self.grid.spacing, axis))
        place = [int(n) for n in np.unravel_index(int(depth.argmax()), depth.shape)]
        place.insert(axis, at)
        return place[0], place[1], place[2]

    def beside(self, point: Point, *mm: float) -> Point:
        """The voxel so many mm to the right, front and top of another."""
        i, j, k = (n + round(step / size) for n, step, size in zip(point, mm, self.grid.spacing, strict=True))
        return i, j, k

    def ball(self, centre: Point, radius_mm: float) -> NDArray[np.bool_]:
        """A ball, in mm."""
        i, j, k = (
            ((np.arange(n) - middle) * mm) ** 2
            for n, middle, mm in zip(self.truth.shape, centre, self.grid.spacing, strict=True)
        )
        return np.asarray(i[:, None, None] + j[:, None] + k <= radius_mm**2)


@cache
def body(sex: Sex, shape: Point = SHAPE) -> Body:
    """The synthetic subject of one sex; the same object every time."""
    made = make_phantom(PhantomSpec(seed=SEED, shape=shape, orientation="RAS", sex=sex, noise_hu=3))
    return Body(sex, made.label_map, made.ct, made.grid)


def planted(
    subject: Body, kind: ErrorKind, wanted: str, fits: Callable[[PlantedError], bool] = lambda _: True
) -> Labels:
    """The first planting of an error whose description begins with some words, and that fits."""
    for seed in range(MOST_SEEDS):
        spoiled, (error,) = plant(subject.truth, subject.grid, [kind], seed)
        if error.detail.startswith(wanted) and fits(error):
            return spoiled
    raise ValueError(f"none of {MOST_SEEDS} seeds plants {kind.value} that begins with {wanted!r} and fits")


def _filled(spoiled: Labels, place: NDArray[np.bool_], name: str) -> None:
    spoiled[place] = dap()[name].id


def wrong_sides(subject: Body) -> Labels:
    """The top of the left kidney is called right."""
    return planted(subject, ErrorKind.SWAPPED_SIDES, "kidney: top")


def broken_vertebra(subject: Body) -> Labels:
    """A side of L3 is called as its neighbour."""
    return planted(subject, ErrorKind.VERTEBRA_FRAGMENT, "a piece of vertebrae_L3")


def miscounted_ribs(subject: Body) -> Labels:
    """The left ribs are counted one off."""
    return planted(subject, ErrorKind.RIBS_MISCOUNTED, "ribs left counted one number higher")


def strangers_in_the_head(subject: Body) -> Labels:
    """Eyeballs are called gonads, and there is colon in the brain at their height."""
    spoiled = subject.truth.copy(order="F")
    _filled(spoiled, subject.where("eyeball_left", "eyeball_right"), "gonads")
    i, j, _ = subject.middle("brain")
    place = subject.ball(subject.beside((i, j, subject.middle("eyeball_left")[2]), 36, -16, 0), 12.0)
    _filled(spoiled, place & subject.where("brain"), "colon")
    return spoiled


def prostate_in_a_woman(subject: Body) -> Labels:
    """A ball of prostate near a woman's bladder, in its sagittal plane."""
    middle = subject.middle("bladder")[0]
    return planted(
        subject,
        ErrorKind.PROSTATE_IN_WOMAN,
        "a ball of prostate",
        lambda error: abs(sum(error.box[0]) / 2 - middle) < 4,
    )


def islands_and_a_hole(subject: Body) -> Labels:
    """Two islands of spleen and a hole of fat, all in one coronal plane through the liver."""
    spoiled = subject.truth.copy(order="F")
    at = subject.middle("liver")[1]
    middle = subject.deepest("liver", at=at, axis=1)
    _filled(spoiled, subject.ball(middle, 10.0), "spleen")
    _filled(spoiled, subject.ball(subject.beside(middle, 8, 0, 36), 7.0), "fat")
    _filled(spoiled, subject.ball(subject.deepest("stomach", at=at, axis=1), 8.0), "spleen")
    return spoiled


def things_out_of_their_whole(subject: Body) -> Labels:
    """Skin in the back, canal in the flank, and a crumb of muscle in the air, in one axial plane through L3."""
    spoiled = subject.truth.copy(order="F")
    k = subject.middle("vertebrae_L3")[2]
    _filled(spoiled, subject.ball(subject.deepest("autochthon_left", at=k, axis=2), 8.0), "skin")
    _filled(spoiled, subject.ball(subject.deepest("liver", "colon", at=k, axis=2), 8.0), "spinal_canal")
    middle = subject.middle("vertebrae_L3")[0]
    front = int(np.flatnonzero(subject.truth[middle, :, k])[-1])
    air = subject.ball(subject.beside((middle, front, k), 0, 16, 0), 7.0)
    _filled(spoiled, air & (subject.truth == 0), "muscles")
    return spoiled


ERRORS: dict[str, tuple[Sex, Callable[[Body], Labels]]] = {
    "laterality": (Sex.FEMALE, wrong_sides),
    "spine": (Sex.FEMALE, broken_vertebra),
    "ribs": (Sex.FEMALE, miscounted_ribs),
    "regions": (Sex.FEMALE, strangers_in_the_head),
    "sex": (Sex.FEMALE, prostate_in_a_woman),
    "fragments": (Sex.FEMALE, islands_and_a_hole),
    "containment": (Sex.FEMALE, things_out_of_their_whole),
}
