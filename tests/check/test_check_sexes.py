"""Organs of one sex."""

from __future__ import annotations

import pytest
from measured_blocks import blocks

from dapatlas.check import sexes
from dapatlas.findings import Severity
from dapatlas.labels import Sex


@pytest.mark.parametrize(
    ("ml", "sex", "expected"),
    [
        ({"prostate": 0.1}, Sex.FEMALE, [("other-sex", "prostate")]),
        (
            {"uterus": 50.0, "uterocervix": 9.0},
            Sex.MALE,
            [("other-sex", "uterocervix"), ("other-sex", "uterus")],
        ),
        ({"prostate": 20.0, "gonads": 30.0}, Sex.MALE, []),
        ({"uterus": 50.0}, Sex.FEMALE, []),
        ({"uterus": 50.0}, None, []),
        ({"prostate": 2.0, "uterus": 50.0}, None, [("both-sexes", "prostate")]),
        ({"liver": 50.0}, None, []),
    ],
)
def test_other_sex(ml: dict[str, float], sex: Sex | None, expected: list[tuple[str, str]]) -> None:
    found = list(sexes.check(blocks(ml, sex)))
    assert [(f.code, f.structure) for f in found] == expected
    assert all(f.severity is Severity.ERROR for f in found)


def test_it_is_judged_where_it_is_cut_off_too() -> None:
    assert [f.code for f in sexes.check(blocks({"prostate": 9.0}, Sex.FEMALE, cut=True))] == ["other-sex"]
