"""What is known of cases before anybody looks at them."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from dapatlas.check.checked_case import COHORT, case_path
from dapatlas.dataset import Dataset
from dapatlas.dataset.reports import report_file
from dapatlas.review import case_index as module
from dapatlas.review.case_index import CACHE, CaseFacts, case_index


def index(folder: Path) -> dict[str, CaseFacts]:
    return case_index(Dataset(folder))


def change(path: Path, **fields: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.fixture
def first(atlas: Path) -> str:
    return Dataset(atlas).cases[0].id


def test_counts_are_those_of_the_reports(atlas: Path):
    found = index(atlas)
    assert list(found) == [case.id for case in Dataset(atlas)]
    for case, facts in found.items():
        checked = json.loads(case_path(atlas, case).read_text())
        severities = Counter(row["severity"] for row in checked["findings"])
        assert (facts.errors, facts.warnings, facts.remarks) == tuple(
            severities[one] for one in ("error", "warning", "info")
        )
        assert (facts.subject, facts.sex, facts.structures) == (
            checked["subject"], checked["sex"], frozenset(checked["volumes_ml"]),
        )  # fmt: skip
        assert facts.map_sha256 == hashlib.sha256((atlas / f"masks/{case}.nii.gz").read_bytes()).hexdigest()
        assert (facts.disagreement, facts.outliers, facts.problems) == (None, 0, ())
    assert sum(facts.errors for facts in found.values()) > 0  # of the errors that were planted


def test_builds_and_the_cohort_have_their_say(atlas: Path, first: str):
    before = index(atlas)[first]
    dice = [{"structure": "liver", "one": "a", "other": "b", "dice": d, "one_ml": 1.0, "other_ml": 1.0} for d in (1.0, 0.9, 0.5)]  # fmt: skip
    findings = [
        {"case": first, "severity": one, "code": "x", "message": "y"} for one in ("warning", "info", "info")
    ]
    report_file(atlas, first).write_text(
        json.dumps({"structures": {"liver": {}}, "agreement": dice, "findings": findings})
    )
    told = [{"case": first, "code": code} for code in ("volume-outlier", "volume-outlier", "case-unreadable", "hu-unusual")]  # fmt: skip
    change(atlas / COHORT, findings=[*told, {"case": "another", "code": "volume-outlier"}])
    after = index(atlas)[first]
    assert after.disagreement == pytest.approx(0.2)
    assert after.outliers == 2
    assert (after.errors, after.warnings, after.remarks) == (
        before.errors + 1,
        before.warnings + 1,
        before.remarks + 2,
    )
    assert after.structures == before.structures  # the checks measured the map as it is
    case_path(atlas, first).unlink()
    assert index(atlas)[first].structures == frozenset({"liver"})


def test_reports_may_be_absent(atlas: Path, first: str):
    for path in (atlas / "reports").rglob("*.json"):
        path.unlink()
    facts = index(atlas)[first]
    assert (facts.errors, facts.warnings, facts.remarks, facts.structures, facts.problems) == (
        0,
        0,
        0,
        None,
        (),
    )
    assert facts.sex is not None  # subjects.csv has it


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"findings": [{"severity": "grave"}]}', '{"findings": 3, "agreement": [{}]}', "\udcff"],
)
def test_a_broken_report_is_a_finding_and_stops_nothing(atlas: Path, first: str, text: str):
    whole = index(atlas)
    for path in (case_path(atlas, first), report_file(atlas, first), atlas / COHORT):
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    found = index(atlas)
    assert found.keys() == whole.keys()
    facts = found.pop(first)
    assert [problem.code for problem in facts.problems] == ["report-unreadable", "report-unreadable"]
    assert [Path(problem.file) for problem in facts.problems] == [
        case_path(atlas, first),
        report_file(atlas, first),
    ]
    assert (facts.errors, facts.warnings) == (0, 2)
    assert facts.map_sha256 == whole[first].map_sha256
    whole.pop(first)
    assert found == whole


def test_a_map_that_leads_nowhere_is_an_error_of_that_case(atlas: Path, first: str):
    mask = atlas / f"masks/{first}.nii.gz"
    mask.unlink()
    mask.symlink_to("/nowhere/at/all.nii.gz")
    facts = index(atlas)[first]
    assert (facts.map_sha256, facts.problems[0].code) == ("", "map-unreadable")
    assert facts.errors >= 1


def test_a_map_without_a_ct_is_a_case_and_a_ct_without_a_map_is_none(atlas: Path, first: str):
    (atlas / f"images/{first}.nii.gz").unlink()
    gone = Dataset(atlas).cases[0].id
    (atlas / f"masks/{gone}.nii.gz").unlink()
    assert first in index(atlas)
    assert gone not in index(atlas)


def test_only_what_is_new_is_read(atlas: Path, first: str, monkeypatch: pytest.MonkeyPatch):
    read: list[str] = []
    real = module._read
    monkeypatch.setattr(module, "_read", lambda path, how: read.append(path.name) or real(path, how))
    before = index(atlas)
    assert len(read) == 2 * len(before) + 1  # a map and a check of each case, and the cohort
    read.clear()
    assert index(atlas) == before
    assert read == []
    mask = atlas / f"masks/{first}.nii.gz"
    status = mask.stat()
    changed = bytearray(mask.read_bytes())
    changed[4] ^= 1  # the time in the gzip header: same size
    mask.write_bytes(changed)
    os.utime(mask, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert index(atlas)[first].map_sha256 == hashlib.sha256(changed).hexdigest() != before[first].map_sha256
    assert read == [mask.name]


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1, "files": {"x": 3}}', '{"format": 0, "files": {}}'])
def test_a_broken_memory_only_costs_time(atlas: Path, text: str):
    before = index(atlas)
    (atlas / CACHE).write_text(text)
    assert index(atlas) == before


def test_what_cannot_be_kept_is_read_again(atlas: Path, tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    assert case_index(Dataset(atlas), tmp_path / "file" / "cache.json") == index(atlas)
