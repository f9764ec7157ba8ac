"""Agreement of experts summed over a cohort."""

from __future__ import annotations

import json
from pathlib import Path

from dapatlas.pipeline.agreement import summarise, write_agreement


def row(structure: str, one: str, other: str, dice: float, one_ml: float = 10, other_ml: float = 8) -> dict:
    return {
        "structure": structure,
        "one": one,
        "other": other,
        "dice": dice,
        "one_ml": one_ml,
        "other_ml": other_ml,
    }


def finding(code: str, structure: str, found: str = "") -> dict:
    return {"code": code, "structure": structure, "found": found}


REPORTS = [
    {
        "case": "first",
        "agreement": [
            row("liver", "a", "b", 0.9),
            row("liver", "a", "c", 0.2),
            row("liver", "b", "c", 0.1),
            row("spleen", "a", "b", 0.8, 5, 6),
        ],
        "agreement_with_result": [
            row("liver", "a", "result", 1.0),
            row("liver", "b", "result", 0.9),
            row("liver", "c", "result", 0.2),
        ],
        "findings": [finding("odd-expert", "liver", "c"), finding("island", "colon")],
    },
    {
        "case": "second",
        "agreement": [row("spleen", "a", "b", 0.4, 5, 2)],
        "agreement_with_result": [],
        "findings": [],
    },
    {"case": "third", "agreement": [], "agreement_with_result": [], "findings": []},
]


def test_structures_are_ranked_by_how_little_experts_agree() -> None:
    liver, spleen = summarise(REPORTS).structures
    assert (liver.structure, liver.cases, round(liver.dice, 6)) == ("liver", 1, 0.4)
    assert (liver.worst_case, liver.worst_pair, liver.worst_dice) == ("first", "b and c", 0.1)
    assert (spleen.cases, round(spleen.dice, 6), spleen.difference_ml) == (2, 0.6, 2.0)
    assert spleen.worst_case == "second"


def test_cases_with_most_trouble_come_first_and_those_without_two_experts_not_at_all() -> None:
    cases = summarise(REPORTS).cases
    assert [(case.case, case.apart) for case in cases] == [("first", 1), ("second", 0)]


def test_the_expert_who_stands_alone_comes_first() -> None:
    worst, *others = summarise(REPORTS).experts
    assert (worst.expert, worst.alone, worst.alone_on, worst.structures) == ("c", 1, ("liver",), 2)
    assert round(worst.dice, 6) == 0.15
    assert worst.with_result == 0.2
    assert {expert.expert: expert.alone for expert in others} == {"a": 0, "b": 0}


def test_the_summary_is_written_for_programs_and_people_and_goes_when_it_has_nothing_to_say(
    tmp_path: Path,
) -> None:
    for report in REPORTS:
        (tmp_path / f"{report['case']}.json").write_text(json.dumps(report))
    found = write_agreement(tmp_path, ["first", "second", "third", "never built"])
    assert found == summarise(REPORTS)
    table = json.loads((tmp_path / "agreement.json").read_text())
    assert table["experts"][0]["expert"] == "c"
    page = (tmp_path / "agreement.md").read_text()
    assert "| c | 2 | 0.150 | 0.200 | 1 | liver |" in page
    assert page.index("[first](first.md)") < page.index("[second](second.md)")
    assert write_agreement(tmp_path, ["third"]) is None
    assert not (tmp_path / "agreement.json").exists()
    assert not (tmp_path / "agreement.md").exists()
