"""Chances of structures, as patches, MONAI's crops and TorchIO's sampler take them."""

from __future__ import annotations

import pytest

from dapatlas.errors import BadLabelsError, DapatlasError
from dapatlas.labels import dap
from dapatlas.loaders.chances import structure_chances


def test_every_structure_has_the_same_chance_and_background_none():
    chances = structure_chances(dap())
    assert list(chances) == [*range(11), *range(12, 145)]
    assert chances.pop(0) == 0
    assert set(chances.values()) == {1}


def test_weights_change_those_that_are_named():
    chances = structure_chances(dap(), {"liver": 0.5, 26: 0, "background": 2})
    assert (chances[13], chances[26], chances[0], chances[144]) == (0.5, 0, 2, 1)


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf")])
def test_a_weight_that_is_no_chance_is_refused(weight: float):
    with pytest.raises(DapatlasError, match="0 or more, and finite"):
        structure_chances(dap(), {"liver": weight})


def test_a_weight_of_no_structure_is_refused():
    with pytest.raises(BadLabelsError, match="did you mean liver"):
        structure_chances(dap(), {"livre": 1})
