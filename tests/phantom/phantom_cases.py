"""Phantoms that several tests look at, each made once, and small questions about them."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from dapatlas.labels import dap
from dapatlas.phantom import Phantom, PhantomSpec, make_phantom
from dapatlas.volumes import Measurement, measure


@cache
def fine(sex: str) -> Phantom:
    """3 x 3 x 3.5 mm: fine enough to weigh organs."""
    return make_phantom(PhantomSpec(seed=11, sex=sex, shape=(137, 137, 279), orientation="RAS"))


@cache
def coarse(sex: str, orientation: str = "LPS", field_of_view: str = "full") -> Phantom:
    """6 mm: fast."""
    return make_phantom(
        PhantomSpec(
            seed=5,
            sex=sex,
            shape=along(orientation, (68, 68, 162)),
            spacing=(6.0, 6.0, 6.0),
            orientation=orientation,
            field_of_view=field_of_view,
        )
    )


def along(orientation: str, right_front_up: tuple[int, int, int]) -> tuple[int, int, int]:
    """Put numbers for the body's axes into the order of an array's axes."""
    axes = {letter: axis for axis, pair in enumerate(("RL", "AP", "SI")) for letter in pair}
    first, second, third = (right_front_up[axes[letter]] for letter in orientation)
    return first, second, third


def names_in(phantom: Phantom) -> set[str]:
    return {dap()[int(i)].name for i in np.unique(phantom.label_map) if i}


@cache
def measured(phantom: Phantom) -> dict[str, Measurement]:
    return {dap()[m.id].name: m for m in measure(phantom.label_map, phantom.grid)}


@cache
def world(phantom: Phantom, name: str) -> NDArray[np.float64]:
    """Voxel centres of a structure in world mm, (n, 3)."""
    return phantom.grid.to_world(np.argwhere(phantom.label_map == dap()[name].id))
