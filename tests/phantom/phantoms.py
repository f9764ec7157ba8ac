"""Phantoms that several tests look at, each made once."""

from __future__ import annotations

from functools import cache

import numpy as np

from dapatlas.labels import dap
from dapatlas.phantom import Phantom, PhantomSpec, make_phantom
from dapatlas.volumes import measure


@cache
def fine(sex: str) -> Phantom:
    """About 2 x 2 x 2.5 mm: fine enough to weigh organs."""
    return make_phantom(PhantomSpec(seed=11, sex=sex, shape=(200, 200, 390), orientation="RAS"))


@cache
def coarse(sex: str, orientation: str = "LPS", field_of_view: str = "full", arms: str = "down") -> Phantom:
    """6 mm: fast."""
    return make_phantom(
        PhantomSpec(
            seed=5,
            sex=sex,
            shape=_along(orientation, (68, 68, 162)),
            spacing=_along(orientation, (6.0, 6.0, 6.0)),
            orientation=orientation,
            field_of_view=field_of_view,
            arms=arms,
        )
    )


def _along(orientation: str, right_front_up: tuple) -> tuple:
    axes = {letter: axis for axis, pair in enumerate(("RL", "AP", "SI")) for letter in pair}
    return tuple(right_front_up[axes[letter]] for letter in orientation)


def label(name: str) -> int:
    return dap()[name].id


def names_in(phantom: Phantom) -> set[str]:
    return {dap()[int(i)].name for i in np.unique(phantom.label_map) if i}


@cache
def _measured(phantom_id: int) -> object:
    return measure(_KEPT[phantom_id].label_map, _KEPT[phantom_id].grid)


_KEPT: dict[int, Phantom] = {}


def measured(phantom: Phantom):
    """Measurements of a phantom, made once."""
    _KEPT[id(phantom)] = phantom
    return _measured(id(phantom))


def centroid(phantom: Phantom, name: str) -> np.ndarray:
    return np.asarray(measured(phantom)[label(name)].centroid_mm)


def ml(phantom: Phantom, name: str) -> float:
    return float(measured(phantom)[label(name)].ml)


def world(phantom: Phantom, name: str) -> np.ndarray:
    """Voxel centres of a structure in world mm, (n, 3)."""
    return phantom.grid.to_world(np.argwhere(phantom.label_map == label(name)))
