"""How often each structure is drawn when patches are balanced over structures."""

from __future__ import annotations

import math
from collections.abc import Mapping

from dapatlas.errors import DapatlasError
from dapatlas.labels import LabelScheme


def structure_chances(
    scheme: LabelScheme, weights: Mapping[str | int, float] | None = None
) -> dict[int, float]:
    """Chance of each id of a scheme, relative to the others': 1 for structures, 0 for background.

    Parameters
    ----------
    scheme
        The ids.
    weights
        Structure, by name or id, to what it has instead.

    Returns
    -------
    dict
        An entry an id, ascending. They need not add up to 1: what a case lacks is left out when one is drawn.

    Raises
    ------
    BadLabelsError
        A weight is of no structure of the scheme.
    DapatlasError
        A weight is negative or not finite.
    """
    given = {scheme[name].id: float(weight) for name, weight in (weights or {}).items()}
    bad = {id_: weight for id_, weight in given.items() if not 0 <= weight < math.inf}
    if bad:
        raise DapatlasError(f"weights are 0 or more, and finite; found {bad}")
    return {id_: given.get(id_, float(id_ != 0)) for id_ in scheme.ids.tolist()}
