"""The report's page: what it says against counts made another way, and what it must never do."""

from __future__ import annotations

import json
import math
import re
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pytest
from report_contents import HOSTILE, finding, made_content

import dapatlas.refine
from dapatlas.check.codes import Code
from dapatlas.check.judged import rank
from dapatlas.check.outliers import spreads
from dapatlas.findings import Finding, Severity
from dapatlas.labels import Sex, dap
from dapatlas.publish.report import (
    Agreement,
    CaseContent,
    ComparedCase,
    Comparison,
    Expert,
    Overlap,
    ReportContent,
    Shown,
    report_page,
)
from dapatlas.publish.report.changes import GUIDELINE_OF


class Page(HTMLParser):
    """The page as a browser builds it: elements with attributes and text, data blocks, and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.data: dict[str, Any] = {}
        self.program = ""
        self.rows: dict[int, str] = {}
        self.tiles: dict[str, str] = {}
        self.sections: dict[str, str] = {}
        self._block = self._section = self._tile = ""
        self._row = -1
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        self.elements.append((tag, given))
        if tag == "script":
            self._block = given.get("id", "program")
        if tag == "section":
            self._section = given["id"]
        self._tile = given.get("data-number", self._tile)
        if tag == "tr":
            self._row = int(given.get("data-finding", -1))

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._block = ""
        if tag == "div":
            self._tile = ""
        if tag == "tr":
            self._row = -1
        if tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        if self._block == "program":
            self.program += data
        elif self._block:
            self.data[self._block] = json.loads(data)
        else:
            self.texts.append(data)
            self.sections[self._section] = self.sections.get(self._section, "") + data
        if self._row >= 0:
            self.rows[self._row] = self.rows.get(self._row, "") + data
        if self._tile:
            self.tiles[self._tile] = self.tiles.get(self._tile, "") + data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [given for name, given in self.elements if name == tag]


def content_of(*cases: CaseContent, findings: tuple[Finding, ...] = (), **others: Any) -> ReportContent:
    return ReportContent("small", dap(), cases, tuple(Shown(one) for one in rank(findings)), **others)


@pytest.fixture(scope="module")
def content() -> ReportContent:
    return made_content(30)


@pytest.fixture(scope="module")
def text(content: ReportContent) -> str:
    return report_page(content)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_the_page_loads_nothing_and_runs_its_own_program_alone(text: str, page: Page) -> None:
    assert not page.all("link")
    assert not page.all("iframe")
    assert all(image["src"].startswith("data:image/webp;base64,") for image in page.all("img"))
    assert "url(" not in text
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", text)
    policy = next(
        meta["content"]
        for meta in page.all("meta")
        if "content-security" in meta.get("http-equiv", "").lower()
    )
    digest = b64encode(sha256(page.program.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert len([script for script in page.all("script") if "type" not in script]) == 1
    assert not [given for _, given in page.elements for key in given if key.startswith("on")]


def test_the_same_content_gives_the_same_bytes(text: str) -> None:
    assert report_page(made_content(30)) == text


def test_tiles_tell_what_is_counted_by_hand(content: ReportContent, page: Page) -> None:
    counts = Counter(shown.finding.severity for shown in content.findings)
    troubled = {
        shown.finding.case for shown in content.findings if shown.finding.severity is not Severity.INFO
    }
    assert page.tiles["cases"].startswith("30 cases")
    for severity in Severity:
        assert page.tiles[severity.value].startswith(f"{counts[severity]} ")
    assert page.tiles["clean"].startswith(f"{30 - len(troubled)} clean")


def test_the_gravest_findings_stand_in_the_page_and_all_in_its_data(
    content: ReportContent, page: Page
) -> None:
    standing = sorted(page.rows)
    told = [n for n, shown in enumerate(content.findings) if shown.finding.severity is not Severity.INFO]
    assert standing == [n for n in told if n < 150]
    assert all(content.findings[n].finding.message in page.rows[n] for n in standing)
    data = page.data["cohort-data"]
    assert [row[4] for row in data["findings"]] == [shown.finding.message for shown in content.findings]
    for row, shown in zip(data["findings"], content.findings, strict=True):
        one = shown.finding
        assert data["cases"][row[0]][0] == one.case
        assert list(Severity)[row[1]] is one.severity
        assert data["words"][row[2]] == one.code
        assert data["structures"][row[3]][0] == one.structure
        assert [data["words"][row[5]], row[6], data["words"][row[7]]] == [one.expected, one.found, one.remedy]


def test_a_picture_is_carried_once_by_the_first_finding_that_shows_it() -> None:
    uri = "data:image/webp;base64,AAAA"
    findings = [
        finding("a", code, "liver", code.value)
        for code in (Code.WRONG_SIDE, Code.VOLUME_UNUSUAL, Code.MISSING)
    ]
    made = replace(
        content_of(CaseContent("a")),
        findings=(Shown(findings[0], uri), Shown(findings[1], uri), Shown(findings[2])),
    )
    page = Page(report_page(made))
    assert [image["src"] for image in page.all("img")] == [uri]
    assert [row[-1] for row in page.data["cohort-data"]["findings"]] == [0, 0, -1]


def test_volumes_stand_by_case_and_structure(content: ReportContent, page: Page) -> None:
    data = page.data["cohort-data"]
    names = [structure[0] for structure in data["structures"]]
    assert names == sorted(names, key=lambda name: dap()[name].id)
    for place, name in enumerate(names):
        for number, case in enumerate(content.cases):
            told = data["ml"][place][number]
            if name in case.volumes_ml:
                assert told == pytest.approx(case.volumes_ml[name], rel=1e-3)
                assert data["hu"][place][number] == case.hu[name]
            else:
                assert told is None
            assert (data["whole"][place][number] == "1") == (name in case.whole)


def test_medians_are_those_of_whole_ones_by_sex_where_sexes_are_apart() -> None:
    draw = [100 + n for n in range(21)]
    women = [
        CaseContent(f"w{n}", sex=Sex.FEMALE, volumes_ml={"liver": ml}, whole=frozenset({"liver"}))
        for n, ml in enumerate(draw)
    ]
    men = [
        CaseContent(f"m{n}", sex=Sex.MALE, volumes_ml={"liver": 2 * ml}, whole=frozenset({"liver"}))
        for n, ml in enumerate(draw)
    ]
    cut = CaseContent("cut", volumes_ml={"liver": 7.0})
    cases = (cut, *men, *women)
    found = spreads(
        {c.case: c.volumes_ml for c in cases},
        {c.case: set(c.whole) for c in cases},
        {c.case: c.sex for c in cases},
    )
    page = Page(report_page(replace(content_of(*cases), spreads=tuple(found))))
    (_, _, _, ((female, _), (male, _), (unknown, sd))) = page.data["cohort-data"]["structures"][0]
    assert (female, male) == (median(draw), 2 * median(draw))
    assert unknown == median([*draw, *(2 * ml for ml in draw)])
    assert sd is None


def test_a_case_of_twice_the_median_stands_at_twice_the_median() -> None:
    ml = {"a": 50.0, "b": 100.0, "c": 200.0, "d": 1e6}
    cases = [
        CaseContent(case, volumes_ml={"liver": value}, whole=frozenset({"liver"}))
        for case, value in ml.items()
    ]
    text = report_page(content_of(*cases[:3], cases[3]))
    (path,) = re.findall(r'<path d="([^"]+)" class="pt unknown"/>', text)
    places = [float(x) for x in re.findall(r"M([\d.]+) ", path)]
    middle = median(ml.values())  # 150
    expected = [10 + 980 * (min(math.log2(value / middle), 3) + 3) / 6 for value in ml.values()]
    assert places == pytest.approx(expected, abs=0.06)
    assert places[-1] == 990  # beyond the axis: at its end


def test_rings_mark_findings_about_volumes_alone() -> None:
    cases = [CaseContent(case, volumes_ml={"liver": 1500.0, "spleen": 200.0}) for case in "ab"]
    text = report_page(
        content_of(
            *cases,
            findings=(
                finding("a", Code.VOLUME_IMPOSSIBLE, "liver", "x"),
                finding("b", Code.MISSING, "spleen", "y"),
            ),
        )
    )
    assert re.findall(r'<b class="ring (\w+)"[^>]*title="(\w+): ([^"]+)"', text) == [
        ("error", "a", "1\u2009500 ml")
    ]


def test_structures_troubled_most_are_ranked_by_cases_and_not_by_findings() -> None:
    findings = (
        finding("a", Code.VOLUME_UNUSUAL, "liver", "1"), finding("a", Code.HU_UNUSUAL, "liver", "2"),
        finding("a", Code.WRONG_SIDE, "spleen", "3"), finding("b", Code.VOLUME_UNUSUAL, "spleen", "4"),
    )  # fmt: skip
    page = Page(report_page(content_of(CaseContent("a"), CaseContent("b"), findings=findings)))
    assert [link["data-structure"] for link in page.all("a") if "data-structure" in link] == [
        "spleen",
        "liver",
    ]


def test_what_anyone_wrote_is_text_and_never_markup() -> None:
    case = CaseContent(
        HOSTILE, HOSTILE, volumes_ml={"liver": 1.0}, pictures=((HOSTILE, "data:image/webp;base64,AAAA"),),
        notes=(Finding(HOSTILE, Severity.INFO, "wrong-side", HOSTILE, structure=HOSTILE, voxels=1, found=HOSTILE, expected=HOSTILE),),
    )  # fmt: skip
    failed = CaseContent("failed", failed=HOSTILE)
    one = Finding(
        HOSTILE,
        Severity.ERROR,
        HOSTILE,
        HOSTILE,
        structure=HOSTILE,
        expected=HOSTILE,
        found=HOSTILE,
        remedy=HOSTILE,
    )
    made = ReportContent(
        HOSTILE, dap(), (case, failed), (Shown(one, "data:image/webp;base64,AAAA"),), (), True,
        Agreement((Expert(HOSTILE, 1, 0.5, 0.5, 0),), {HOSTILE: (Overlap(HOSTILE, HOSTILE, "other", 0.5, 1, 2),)}),
        Comparison(HOSTILE, (ComparedCase(HOSTILE, {HOSTILE: 0.5}, {HOSTILE: 1}, {HOSTILE: 2}, HOSTILE),), (HOSTILE,), (), (one,), (one,)),
    )  # fmt: skip
    page = Page(report_page(made))
    assert all(image["src"].startswith("data:") and "onerror" not in image for image in page.all("img"))
    assert not [given for _, given in page.elements if "onerror" in given]
    assert page.data["cohort-data"]["cases"][0][0] == HOSTILE
    assert page.data["case-data-0"]["changes"] == [[HOSTILE, HOSTILE, 1, "wrong-side"]]
    assert page.data["case-data-1"]["failed"] == HOSTILE
    joined = "".join(page.texts)
    assert joined.count(HOSTILE) >= 8


def test_every_part_that_has_nothing_to_show_says_so_in_one_line() -> None:
    page = Page(report_page(content_of(CaseContent("a", failed="it cannot be read"))))
    assert "The checks found nothing to say." in page.sections["findings"]
    assert "No case could be measured." in page.sections["cohort"]
    assert "No two experts were compared" in page.sections["agreement"]
    assert "Nothing is known of changes" in page.sections["changes"]
    assert "comparison" not in page.sections
    assert "1 case could not be checked" in page.sections["summary"]
    assert "it cannot be read" in page.sections["summary"]


def test_agreement_is_the_mean_over_cases_the_worst_first(content: ReportContent, text: str) -> None:
    heat = text[text.index('id="agreement"') :]
    heat = heat[heat.index("Dice by structure and experts, the worst first") : heat.index('id="changes"')]
    rows = re.findall(
        r"<tr><th scope=\"row\">(?:<i[^>]*></i>)?([^<]+)</th><td class=\"n\">(\d+)</td>(.*?)</tr>", heat
    )
    assert content.agreement is not None
    every = [each for own in content.agreement.overlaps.values() for each in own]
    names = {each.structure for each in every}
    means = {dap()[name].display_name: fmean(e.dice for e in every if e.structure == name) for name in names}
    assert [name for name, _, _ in rows] == sorted(means, key=lambda name: means[name])
    worst = min(names, key=lambda name: means[dap()[name].display_name])
    own = [
        fmean(e.dice for e in every if (e.structure, e.one, e.other) == (worst, *pair))
        for pair in (("specialist", "generalist"), ("specialist", "other"), ("generalist", "other"))
    ]
    assert [float(value) for value in re.findall(r">(\d\.\d{3})<", rows[0][2])] == pytest.approx(
        own, abs=6e-4
    )


def test_changes_are_counted_by_guideline() -> None:
    def change(case: str, code: str, was: str, became: str, voxels: int) -> Finding:
        return Finding(
            case, Severity.INFO, code, "", structure=was, voxels=voxels, found=was, expected=became
        )

    notes = (
        change("a", "wrong-side", "kidney_left", "kidney_right", 500), change("a", "wrong-side-part", "kidney_left", "kidney_right", 1000),
        change("a", "hole", "muscles", "liver", 3), Finding("a", Severity.WARNING, "second-piece", "", found="x", expected="y", voxels=9),
    )  # fmt: skip
    text = report_page(
        content_of(
            CaseContent("a", notes=notes),
            CaseContent("b", notes=(change("b", "wrong-side", "liver", "spleen", 1),)),
            refined=True,
        )
    )
    rows = dict(
        re.findall(
            r'<tr><th scope="row"><b>(\w+)</b><small>.*?</small></th>(.*?)<td><span class="meter">', text
        )
    )
    told = {name: re.findall(r'<td class="n">([^<]+)</td>', cells) for name, cells in rows.items()}
    assert told["laterality"] == ["2", "3", "1\u2009501"]
    assert told["fragments"] == ["1", "1", "3"]
    assert told["spine"] == ["0", "0", "0"]
    assert "Kidney, left → Kidney, right" in text


def test_every_code_in_which_a_guideline_changes_a_label_is_known() -> None:
    told = {}
    for path in Path(dapatlas.refine.__file__).parent.glob("*.py"):
        for code in re.findall(r'Reason\(\s*"([a-z-]+)"', path.read_text("utf-8")):
            told[code] = path.stem
    assert dict(GUIDELINE_OF) == told


def test_a_comparison_tells_dice_volumes_and_findings_that_moved() -> None:
    cases = (
        ComparedCase("a", {"liver": 0.9, "spleen": 0.2}, {"liver": 110.0, "spleen": 50.0}, {"liver": 100.0, "spleen": 100.0}),
        ComparedCase("b", {"liver": 0.8, "spleen": 0.4}, {"liver": 121.0}, {"liver": 100.0}),
        ComparedCase("c", {}, {}, {}, "on different grids"),
    )  # fmt: skip
    comparison = Comparison(
        "earlier",
        cases,
        ("d",),
        ("e", "f"),
        (finding("a", Code.MISSING, "liver", "came"),),
        (finding("b", Code.MISSING, "liver", "went"),),
    )
    page = Page(
        report_page(content_of(CaseContent("a"), CaseContent("b"), CaseContent("c"), comparison=comparison))
    )
    said = page.sections["comparison"]
    assert said.index("Spleen") < said.index("Liver")
    assert "0.300" in said  # mean of 0.2 and 0.4
    assert "0.200" in said
    assert "+15.4 %" in said  # geometric mean of +10 % and +21 %
    assert "−50.0 %" in said
    assert "1 case only here: d" in said
    assert "2 cases only in earlier: e, f" in said
    assert "c: on different grids" in said
    assert (
        said.index("New here: 1 finding")
        < said.index("came")
        < said.index("Only in earlier: 1 finding")
        < said.index("went")
    )
    assert page.data["case-data-0"]["compared"] == [["spleen", 0.2, 100, 50], ["liver", 0.9, 100, 110]]


def test_structure_is_plain_to_a_screen_reader(page: Page) -> None:
    assert len(page.all("h1")) == 1
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert {"header", "main", "nav", "footer"} <= {tag for tag, _ in page.elements}
    assert all(image.get("alt") for image in page.all("img"))
    assert page.all("html")[0]["lang"] == "en"
    identifiers = [given["id"] for _, given in page.elements if "id" in given]
    assert len(identifiers) == len(set(identifiers))
    targets = {link["href"][1:] for link in page.all("a")}
    assert targets <= set(identifiers)
    assert all("scope" in head for head in page.all("th"))


def test_a_cohort_as_large_as_the_atlas_stays_a_file_that_can_be_mailed() -> None:
    content = made_content(533, structures=60, findings=12, pictures=0, compared=False)
    text = report_page(content)
    assert len(text.encode()) < 8e6
    page = Page(text)
    assert len([line for line in page.all("details") if line.get("class") == "case"]) == 533
    assert len(page.rows) <= 150  # the rest are made when they are looked at
