"""The concept pages say what the code and its data say."""

from __future__ import annotations

import ast
import doctest
import json
import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs" / "hooks"))

import concept_tables  # noqa: E402

from dapatlas.check import (  # noqa: E402
    adjacency,
    case,
    fragments,
    laterality,
    outliers,
    ranges,
    ribs,
    vertebrae,
    vessels,
)
from dapatlas.check.codes import Code  # noqa: E402
from dapatlas.check.geometry import geometry  # noqa: E402
from dapatlas.cli.labels import app  # noqa: E402

FOLDER = ROOT / "docs" / "concepts"
PAGES = sorted(FOLDER.glob("*.md"))
OUTSIDE = {"cohort": ("outliers",), "remarks": ("judged",), "completeness": ("completeness", "fragments")}
ANYWHERE = set(concept_tables.CHECKS["remarks"])


def flat(name: str) -> str:
    return " ".join((FOLDER / name).read_text(encoding="utf-8").split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tables_are_those_of_the_data(page: Path):
    text = page.read_text(encoding="utf-8")
    assert concept_tables.filled(text) == text, "run python docs/hooks/concept_tables.py"


def test_every_table_stands_on_one_page():
    used = [
        name for page in PAGES for name in re.findall(r"<!-- table: ([\w-]+) -->", page.read_text("utf-8"))
    ]
    assert sorted(used) == sorted(concept_tables.TABLES)


def test_every_check_has_a_section_and_every_code_is_in_one():
    assert list(case.CHECKS) == list(concept_tables.CHECKS)[: len(case.CHECKS)]
    told = [code for codes in concept_tables.CHECKS.values() for code in codes]
    assert sorted(told) == sorted(Code)
    sections = re.findall(r"^## (\w+)$", (FOLDER / "checks.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sections == [name for name in concept_tables.CHECKS if name != "remarks"]


@pytest.mark.parametrize("check", [name for name in concept_tables.CHECKS if name != "remarks"])
def test_a_check_says_the_codes_of_its_section_and_no_other(check: str):
    said = set()
    for module in OUTSIDE.get(check, (check,)):
        tree = ast.parse((ROOT / "src/dapatlas/check" / f"{module}.py").read_text(encoding="utf-8"))
        said |= {
            Code[node.attr]
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "Code"
        }
    assert said - ANYWHERE == set(concept_tables.CHECKS[check])


def test_every_source_of_the_data_is_on_the_page():
    text = flat("checks.md")
    sources = [
        source
        for name in ("volumes", "ratios", "composition", "hounsfield")
        for source in ranges.table(name).sources.values()
    ]
    for source in [*sources, *geometry().sources.values()]:
        assert " ".join(source.title.split()) in text
        assert not source.doi or f"https://doi.org/{source.doi}" in text


SAID = (
    f"Persons under {ranges.ADULT_YEARS} are not judged",
    f"One gram of tissue is taken as 1/{ranges.TISSUE_G_PER_ML:g} ml",
    f"With {'half' if laterality.WRONG_SHARE == 0.5 else '?'} of it beyond the margin a structure is on the wrong side; "
    f"with {laterality.MIXED_SHARE:.0%}".replace("%", " %") + f" of it, or {laterality.MIXED_ML:g} ml of a large one",
    f"changes by some {100 * geometry().vertebrae.step:g} % at most",
    f"{'a fifth' if geometry().vertebrae.fracture == 0.2 else '?'} less than the neighbours let expect is a fracture",
    f"{100 * vertebrae.TALL_SHARE:g} % more are two in one. A volume of more than {vertebrae.VOLUME_RATIO:g} times",
    f"ribs 2 to 10 between {ribs.SHORT:g} and {ribs.LONG:g} times",
    f"the first and the eleventh between {ribs.SHORT_END:g} and {ribs.LONG_END:g} times",
    f"no more than a factor of {ribs.SIDES_RATIO:g}",
    f"less than {vessels.NARROWEST:g} times or more than {vessels.WIDEST:g} times the mean",
    f"{'two' if adjacency.LEAST_FACES == 2 else '?'} faces of voxels at least, and {adjacency.LEAST_MM2:g} mm²",
    f"crumbs below {fragments.LEAST_ML:g} ml are not told, unless they are {100 * fragments.LEAST_SHARE:g} %",
    f"From {outliers.LEAST_N} cases on",
    f"{'Five' if outliers.FAR_Z == 5 else '?'} robust standard deviations",
)  # fmt: skip


@pytest.mark.parametrize("words", SAID)
def test_thresholds_in_the_prose_are_those_of_the_code(words: str):
    assert words in flat("checks.md")


def test_python_examples_give_what_they_show():
    for page in PAGES:
        assert doctest.testfile(str(page), module_relative=False).failed == 0


def test_a_scheme_of_ones_own_is_translated_as_shown(tmp_path, monkeypatch):
    block = re.search(
        r"```console\n\$ cat mine/labels.json\n(.*?)\n\$ dapatlas labels (.*?)\n(.*?)```",
        (FOLDER / "schemes.md").read_text(encoding="utf-8"),
        re.DOTALL,
    )
    assert json.loads(block[1])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "labels.json").write_text(block[1], encoding="utf-8")
    printed = CliRunner().invoke(app, block[2].split(), env={"NO_COLOR": "1"}).stdout
    assert [line.rstrip() for line in printed.splitlines()] == block[3].splitlines()


def test_a_scheme_file_such_as_the_one_shown_can_be_read():
    import tomllib

    from dapatlas.labels import load

    block = re.search(r"```toml\n(.*?)```", (FOLDER / "schemes.md").read_text(encoding="utf-8"), re.DOTALL)
    scheme = load._parse(tomllib.loads(block[1]))
    assert scheme["left_kidney"].dap == ("kidney_left",)
    assert scheme["liver_lesion"].relation == "part_of"
