from __future__ import annotations

import numpy as np
import pytest
from geometry_cases import codes, erase, exchange, extent, found, id_of, labels, phantom, where

from dapatlas.check import laterality
from dapatlas.findings import Severity
from dapatlas.labels import dap


@pytest.mark.parametrize("name", ["kidney", "hip", "scapula", "autochthon", "thyroid", "eyeball", "costa_5"])
def test_exchanged_sides(name):
    spoiled = labels()
    exchange(spoiled, f"{name}_left", f"{name}_right")
    assert codes(found(laterality, spoiled), Severity.ERROR) == {
        ("wrong-side", f"{name}_left"), ("wrong-side", f"{name}_right"),
    }  # fmt: skip


def test_part_of_a_kidney_on_the_other_side():
    spoiled = labels()
    low, high = extent(spoiled, "kidney_left", 2)
    part = where(spoiled, "kidney_left")
    part[:, :, : (low + high) // 2] = False
    spoiled[part] = id_of("kidney_right")
    (finding,) = found(laterality, spoiled)
    assert (finding.code, finding.structure) == ("sides-mixed", "kidney_right")
    box = tuple(slice(*side) for side in finding.box)
    assert part[box].sum() == part.sum()  # its box holds the part
    share = part.sum() / where(spoiled, "kidney_right").sum()
    assert f"{share:.0%}" in finding.message


def test_a_mirrored_scan_is_one_finding():
    spoiled = np.asfortranarray(phantom().label_map[::-1])
    (finding,) = found(laterality, spoiled)
    assert (finding.code, finding.severity) == ("mirrored", Severity.ERROR)
    assert "liver" in finding.message


def test_situs_inversus_keeps_left_and_right():
    spoiled = np.asfortranarray(phantom().label_map[::-1])
    table = np.arange(256, dtype=np.uint8)
    for structure in dap():
        if structure.opposite is not None and not structure.name.startswith("heart"):
            table[structure.id] = dap()[structure.opposite].id
    codes_found = codes(found(laterality, table[spoiled]))
    assert ("situs-inversus", "") in codes_found
    assert not any(code in ("wrong-side", "mirrored") for code, _ in codes_found)


def test_a_spleen_on_the_right_alone():
    spoiled = labels()
    exchange(spoiled, "spleen", "gallbladder")
    (finding,) = found(laterality, spoiled)
    assert (finding.code, finding.structure, finding.severity) == ("wrong-side", "spleen", Severity.WARNING)


def test_without_a_mid_plane_sides_are_not_judged():
    spoiled = labels()
    for structure in dap():
        if (
            structure.name.startswith(("vertebrae_", "sacrum", "sternum_"))
            and where(spoiled, structure.name).any()
        ):
            erase(spoiled, structure.name)
    (finding,) = found(laterality, spoiled)
    assert (finding.code, finding.severity) == ("not-judged", Severity.INFO)


def test_a_map_without_sides_says_nothing():
    alone = np.where(where(labels(), "liver"), id_of("liver"), 0).astype(np.uint8, order="F")
    assert found(laterality, alone) == []
