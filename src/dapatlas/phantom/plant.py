"""Planting errors in a label map, each recorded so that the truth can be restored.

Every kind reads the anatomy from the clean map and leaves alone what an earlier error has changed or touches: errors
planted together never share a voxel. All choices are made in axes running right, front, up, so that an error
planted in one orientation is the same as in any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import DapatlasError
from dapatlas.labels import dap
from dapatlas.phantom import plant_kinds
from dapatlas.phantom.patient import Change, NotPlantable, Patient
from dapatlas.phantom.planted import ErrorKind, Labels, PlantedError
from dapatlas.volumes import Grid, reorient

_PLANTERS: dict[ErrorKind, Callable[[Patient, np.random.Generator], Change]] = {
    ErrorKind.SWAPPED_SIDES: plant_kinds.swapped_sides,
    ErrorKind.VERTEBRA_FRAGMENT: plant_kinds.vertebra_fragment,
    ErrorKind.STRAY_ISLANDS: plant_kinds.stray_islands,
    ErrorKind.RIBS_MISCOUNTED: plant_kinds.ribs_miscounted,
    ErrorKind.COLON_IN_HEAD: plant_kinds.colon_in_head,
    ErrorKind.PROSTATE_IN_WOMAN: plant_kinds.prostate_in_woman,
    ErrorKind.UTERUS_IN_MAN: plant_kinds.uterus_in_man,
}


def plant(
    label_map: Labels,
    grid: Grid,
    kinds: Iterable[ErrorKind | str],
    seed: int = 0,
    *,
    skip_impossible: bool = False,
) -> tuple[Labels, list[PlantedError]]:
    """Plant errors in a clean label map.

    Parameters
    ----------
    label_map
        uint8, ids of the DAP scheme; it is not changed.
    grid
        Its grid.
    kinds
        What to plant, in that order; a kind may be given several times.
    seed
        Decides which structures and places are hit.
    skip_impossible
        Leave out the kinds whose anatomy is not in view instead of raising.

    Returns
    -------
    label_map
        A copy with the errors in it, Fortran order.
    errors
        One record an error; their voxels are disjoint.

    Raises
    ------
    DapatlasError
        When the anatomy that a kind needs is not in view (or already taken by another error).
    """
    planted = label_map.copy(order="F")
    truth, canonical = reorient(label_map, grid, "RAS")
    view, _ = reorient(planted, grid, "RAS")
    patient = Patient(truth, np.zeros(truth.shape, bool, order="F"), canonical.spacing)
    errors = []
    for number, kind in enumerate(kinds):
        kind = error_kind(kind)
        draw = np.random.default_rng([seed, number, *kind.value.encode()])
        try:
            change = _PLANTERS[kind](patient, draw)
        except NotPlantable as reason:
            if skip_impossible:
                continue
            raise DapatlasError(f"Cannot plant {kind.value!r} in this label map: {reason}") from None
        errors.append(_apply(kind, change, patient, view, label_map, grid))
    return planted, errors


def error_kind(kind: ErrorKind | str) -> ErrorKind:
    """Read the kind of an error by its name."""
    try:
        return ErrorKind(kind)
    except ValueError:
        options = ", ".join(repr(known.value) for known in ErrorKind)
        raise DapatlasError(f"No error of kind {kind!r} can be planted: give one of {options}") from None


def not_plantable(label_map: Labels, grid: Grid, kind: ErrorKind | str, seed: int = 0) -> str | None:
    """Why an error of this kind cannot be planted; none where it can."""
    try:
        plant(label_map, grid, [kind], seed)
    except DapatlasError as error:
        return str(error)
    return None


def _apply(
    kind: ErrorKind, change: Change, patient: Patient, view: Labels, label_map: Labels, grid: Grid
) -> PlantedError:
    """Write a change into the planted map and make its record in the map's own axes."""
    points = tuple(change.points.T)
    if patient.taken[points].any():
        raise AssertionError("an error was planted over another")
    patient.taken[points] = True
    view[points] = change.labels
    flat = _flat_indices(change.points, label_map, grid)
    order = np.argsort(flat)
    scheme = dap()
    return PlantedError(
        kind=kind,
        structures=tuple(scheme[int(i)].name for i in np.unique(change.labels)),
        detail=change.detail,
        shape=(label_map.shape[0], label_map.shape[1], label_map.shape[2]),
        indices=flat[order],
        truth=patient.labels[points][order],
    )


def _flat_indices(points: NDArray[np.intp], label_map: Labels, grid: Grid) -> NDArray[np.int64]:
    """Fortran-order flat indices, in the label map's own axes, of points in axes running right, front, up."""
    _, canonical = reorient(label_map, grid, "RAS")
    own = np.rint(grid.to_index(canonical.to_world(points))).astype(np.intp)
    return np.asarray(np.ravel_multi_index(tuple(own.T), label_map.shape, order="F"), np.int64)
