"""Recipes: what they accept, and how plainly they say what is wrong."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

from dapatlas.aggregate import load_recipe
from dapatlas.aggregate.recipe import EXPERT_KINDS
from dapatlas.errors import RecipeError
from dapatlas.experts import EXPERTS, READY_EXPERTS

GOOD = """\
name = "test"

[cts]
files = "ct/{case}.nii.gz"

[[experts]]
name = "a"
kind = "label-maps"
scheme = "totalsegmentator"
files = "maps/{case}.nii.gz"

[[experts]]
name = "b"
kind = "binary-masks"
scheme = "dap"
files = "masks/{case}"
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_are_relative_to_the_recipe(tmp_path: Path):
    recipe = load_recipe(write(tmp_path, GOOD))
    assert recipe.cts.files == str(tmp_path / "ct" / "{case}.nii.gz")
    assert [expert.files for expert in recipe.experts] == [
        str(tmp_path / "maps" / "{case}.nii.gz"),
        str(tmp_path / "masks" / "{case}"),
    ]


def test_environment_variables_stand_in_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = GOOD.replace("ct/", "${SCANS:-default}/")
    monkeypatch.delenv("SCANS", raising=False)
    assert load_recipe(write(tmp_path, text)).cts.files == str(tmp_path / "default" / "{case}.nii.gz")
    monkeypatch.setenv("SCANS", "/elsewhere")
    assert load_recipe(write(tmp_path, text)).cts.files == "/elsewhere/{case}.nii.gz"


def test_a_relative_path_in_a_variable_is_relative_to_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCANS", "here")
    folder = tmp_path / "recipes"
    folder.mkdir()
    recipe = load_recipe(write(folder, GOOD.replace("ct/", "${SCANS}/")))
    assert recipe.cts.files == str(tmp_path / "here" / "{case}.nii.gz")


def test_the_command_line_can_say_where_the_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe(write(tmp_path, GOOD), cts="x/{case}.nii.gz", expert_files={"b": "y/{case}"})
    assert recipe.cts.files == str(tmp_path / "x" / "{case}.nii.gz")
    assert recipe.experts[1].files == str(tmp_path / "y" / "{case}")


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (('scheme = "totalsegmentator"', 'scheme = "totalsegmenter"'), 9, "experts.0.scheme.*totalsegment"),
        (('kind = "binary-masks"', 'kind = "masks"'), 14, "experts.1.kind.*'label-maps', 'binary-masks'"),
        (('kind = "binary-masks"\n', ""), 12, "experts.1.kind: Unable to extract tag"),
        (("[cts]", '[merge]\nmin_ml = 1\ntrust = ["a", 3]\n[cts]'), 5, "merge.trust.1: .*valid string"),
        (
            (
                'files = "masks/{case}"',
                'files = "x"\n[experts.choose]\nspleen = 1\n[picture]\nopacity = 2',
            ),
            18,
            "experts.1.choose.spleen: .*valid string",
        ),
        (('name = "b"', 'nane = "b"'), 13, r"experts.1.nane: no such key; did you mean name\?$"),
        (('name = "b"\n', ""), 12, "experts.1.name: is missing"),
        (('name = "test"', "name = 3"), 1, r"name: Input should be a valid string \(found 3\)"),
        (('files = "ct/{case}.nii.gz"', "file = 1"), 4, r"cts.file: no such key; did you mean files\?"),
        (('name = "b"', 'name = "a"'), 13, "experts.1.name: two experts are called 'a'"),
        (("[cts]", "[tissues]\nfat_hu = [10, -20]\n[cts]"), 3, "tissues.*HU ranges must rise"),
        (
            ("[cts]", "[tissues]\nskin_mm = -1\n[cts]"),
            4,
            "tissues.skin_mm: Input should be greater than or equal to 0",
        ),
        (
            ("[cts]", '[merge]\ntrust = ["c"]\n[cts]'),
            4,
            "merge.trust: names the expert 'c'; the recipe's experts are a, b",
        ),
        (("[cts]", '[merge.structures]\nlivr = ["a"]\n[cts]'), 4, "merge.structures.livr: .*livr.*liver"),
        (
            ("[cts]", '[merge]\ndisagreement = "fight"\n[cts]'),
            4,
            "merge.disagreement: .*'trust', 'vote' or 'unknown'",
        ),
    ],
)
def test_an_error_names_the_line_and_the_key(tmp_path: Path, change: tuple[str, str], line: int, says: str):
    text = GOOD.replace(*change)
    assert text != GOOD
    path = write(tmp_path, text)
    with pytest.raises(RecipeError, match=says) as caught:
        load_recipe(path)
    said = [text for text in str(caught.value).splitlines() if re.search(says, text)]
    assert said[0].startswith(f"{path}:{line}: ")


def test_all_faults_are_told_at_once(tmp_path: Path):
    text = GOOD.replace('name = "test"', "name = 3").replace('kind = "label-maps"', 'kind = "maps"')
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, text))
    assert len(str(caught.value).splitlines()) == 2


def test_one_fault_is_told_once(tmp_path: Path):
    text = GOOD[: GOOD.index("[[experts]]", GOOD.index("[[experts]]") + 1)].replace(
        "totalsegmentator", "other"
    )
    with pytest.raises(RecipeError) as caught:
        load_recipe(write(tmp_path, text))
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(RecipeError, match=r"experts: .*at least 1 item"):
        load_recipe(write(tmp_path, 'name = "x"\nexperts = []\n[cts]\nfiles = "x"\n'))


def test_broken_toml_names_the_place(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"not valid TOML: .*line 1"):
        load_recipe(write(tmp_path, "name = \n"))


def test_a_missing_file_and_a_missing_variable_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(RecipeError, match="cannot be read as a recipe"):
        load_recipe(tmp_path / "none.toml")
    monkeypatch.delenv("NO_SUCH", raising=False)
    with pytest.raises(RecipeError, match=r"NO_SUCH.*not set"):
        load_recipe(write(tmp_path, GOOD.replace("ct/", "${NO_SUCH}/")))
    with pytest.raises(RecipeError, match="has no expert 'c'"):
        load_recipe(write(tmp_path, GOOD), expert_files={"c": "x"})


@pytest.mark.parametrize(
    "example", sorted((Path(__file__).parents[2] / "examples").glob("*.toml")), ids=lambda p: p.name
)
def test_the_examples_are_valid(example: Path, monkeypatch: pytest.MonkeyPatch):
    for name in re.findall(r"\$\{(\w+)\}", example.read_text(encoding="utf-8")):
        monkeypatch.setenv(name, "somewhere")
    assert load_recipe(example).experts


def test_every_kind_of_ready_expert_may_stand_in_a_recipe(tmp_path: Path):
    assert {kind.model_fields["kind"].default for kind in EXPERTS} == EXPERT_KINDS
    for kind in sorted(kind.model_fields["kind"].default for kind in READY_EXPERTS):
        text = GOOD.replace('kind = "label-maps"', f'kind = "{kind}"')
        expert = load_recipe(write(tmp_path, text)).experts[0]
        assert expert.kind == kind
        assert pickle.loads(pickle.dumps(expert)) == expert  # it travels to the workers


def family(tmp_path: Path, **children: str) -> Path:
    """``folder/base.toml``, and beside the folder the children, of which the last is given back."""
    (tmp_path / "folder").mkdir(exist_ok=True)
    write(tmp_path / "folder", GOOD).rename(tmp_path / "folder" / "base.toml")
    for name, text in children.items():
        write(tmp_path, text).rename(tmp_path / f"{name}.toml")
    return tmp_path / f"{list(children)[-1]}.toml"


def test_a_child_says_only_what_differs(tmp_path: Path):
    base = """
        [merge]
        trust = ["b", "a"]
        min_ml = 2.0
        [merge.structures]
        liver = ["a"]
        """
    child = """
        extends = "folder/base.toml"
        [merge]
        min_ml = 3.0
        structures = { spleen = ["b"] }
        [[experts]]
        name = "b"
        files = "other/{case}"
        choose = { liver = "spleen" }
        [[experts]]
        name = "c"
        kind = "label-maps"
        scheme = "dap"
        files = "c/{case}.nii.gz"
        """
    path = family(tmp_path, child=child)
    (tmp_path / "folder" / "base.toml").write_text(GOOD + base, encoding="utf-8")
    recipe = load_recipe(path)
    folder = tmp_path / "folder"
    assert recipe.name == "test"
    assert recipe.cts.files == str(folder / "ct" / "{case}.nii.gz")  # relative to the base's own folder
    assert [(expert.name, expert.kind) for expert in recipe.experts] == [
        ("a", "label-maps"),
        ("b", "binary-masks"),
        ("c", "label-maps"),
    ]
    assert [expert.files for expert in recipe.experts] == [
        str(folder / "maps" / "{case}.nii.gz"),
        str(tmp_path / "other" / "{case}"),
        str(tmp_path / "c" / "{case}.nii.gz"),
    ]
    assert recipe.merge.trust == ("b", "a")
    assert recipe.merge.min_ml == 3
    assert recipe.merge.structures == {"liver": ("a",), "spleen": ("b",)}
    assert recipe.experts[1].choose == {"liver": "spleen"}


def test_recipes_form_chains_and_the_nearest_wins(tmp_path: Path):
    path = family(
        tmp_path,
        middle='extends = "folder/base.toml"\nname = "middle"\n[tissues]\nskin_mm = 3\ncavities = false\n',
        other="[tissues]\nskin_mm = 5\nfat_hu = [-200, -40]\n[cts]\nlink = false\n",
        child='extends = ["middle.toml", "other.toml"]\n[tissues]\nfat_hu = [-180, -50]\n',
    )
    recipe = load_recipe(path)
    assert recipe.name == "middle"
    assert recipe.tissues.cavities is False  # from the middle
    assert recipe.tissues.skin_mm == 5  # of two bases the later
    assert recipe.tissues.fat_hu == (-180, -50)  # a list is replaced
    assert recipe.cts.files.endswith("folder/ct/{case}.nii.gz")
    assert recipe.cts.link is False


def test_a_variable_may_stand_in_what_is_extended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = family(tmp_path, child='extends = "${BASES:-nowhere}/base.toml"\n')
    with pytest.raises(
        RecipeError, match=rf"{path}:1: extends: names {tmp_path}/nowhere/base.toml, which is no"
    ):
        load_recipe(path)
    monkeypatch.setenv("BASES", str(tmp_path / "folder"))
    assert load_recipe(path).name == "test"


def test_a_removed_expert_is_forgotten_by_what_the_base_says_of_trust(tmp_path: Path):
    path = family(tmp_path, child='extends = "folder/base.toml"\n[[experts]]\nname = "a"\nremove = true\n')
    order = '[merge]\ntrust = ["a", "b"]\nweights = { a = 2 }\nstructures = { liver = ["a"], spleen = ["a", "b"] }\n'
    (tmp_path / "folder" / "base.toml").write_text(GOOD + order, encoding="utf-8")
    recipe = load_recipe(path)
    assert [expert.name for expert in recipe.experts] == ["b"]
    assert (recipe.merge.trust, recipe.merge.weights) == (("b",), {})
    assert recipe.merge.structures == {"spleen": ("b",)}


@pytest.mark.parametrize(
    ("child", "says"),
    [
        ('[[experts]]\nname = "x"\nremove = true\n', "child.toml:4: experts.0.remove: no expert 'x' .*a, b"),
        ('[[experts]]\nname = "a"\nremove = 1\n', "child.toml:4: experts.0.remove: expected true or false"),
        (
            '[[experts]]\nname = "b"\nkind = "label-maps"\nx = 1\n',
            "child.toml:5: experts.0.x: no such key, known are structures, except, ",
        ),
        ('[[experts]]\nname = "c"\n', r"child.toml:2: experts.0.kind: Unable to extract tag"),
        (
            '[[experts]]\nname = "b"\nfiles = "x"\n',
            r"base.toml:15: experts.1.scheme: .*no label scheme 'dab'",
        ),
        ("[tissues]\nskin_mm = -1\n", "child.toml:3: tissues.skin_mm: Input should be"),
        ("[tissues]\n", "base.toml:15: experts.1.scheme: .*no label scheme 'dab'"),
        ('[merge]\ntrust = ["z"]\n', "child.toml:3: merge.trust: names the expert 'z'"),
        (
            '[[experts]]\nname = "b"\nscheme = "dap"\n[[experts]]\nname = "b"\nscheme = "dap"\n'
            'kind = "label-maps"\nfiles = "x"\n',
            "child.toml:6: experts.1.name: two experts are called 'b'",
        ),
        ('[cts]\nfiles = "${NO_SUCH}/x"\n', "child.toml:3: cts.files: uses .*NO_SUCH.* not set"),
    ],
)
def test_a_fault_is_told_of_the_file_that_it_stands_in(tmp_path: Path, child: str, says: str):
    path = family(tmp_path, child='extends = "folder/base.toml"\n' + child)
    broken = GOOD.replace('scheme = "dap"', 'scheme = "dab"') if "dab" in says else GOOD
    (tmp_path / "folder" / "base.toml").write_text(broken, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert any(re.search(says, line) for line in str(caught.value).splitlines()), str(caught.value)


def test_what_extends_itself_names_the_circle(tmp_path: Path):
    path = family(
        tmp_path, one='extends = "two.toml"', two='extends = "three.toml"', three='extends = "two.toml"'
    )
    two, three = tmp_path / "two.toml", tmp_path / "three.toml"
    with pytest.raises(
        RecipeError, match=rf"{three}:1: extends: goes round in a circle: {two} → {three} → {two}"
    ):
        load_recipe(tmp_path / "one.toml")
    with pytest.raises(RecipeError, match="circle"):
        load_recipe(path)


@pytest.mark.parametrize("wrong", ["3", '["base.toml", 3]', '""', "{ a = 1 }"])
def test_what_is_extended_is_a_path_or_a_list_of_them(tmp_path: Path, wrong: str):
    path = write(tmp_path, f"{GOOD.split('[cts]')[0]}extends = {wrong}\n")
    with pytest.raises(
        RecipeError, match=f"{path}:3: extends: expected the path of a recipe or a list of them"
    ):
        load_recipe(path)


def test_a_broken_base_is_named(tmp_path: Path):
    path = family(tmp_path, child='extends = "folder/base.toml"')
    (tmp_path / "folder" / "base.toml").write_text("name = \n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"folder/base.toml: not valid TOML: .*line 1"):
        load_recipe(path)


def test_what_the_command_line_gives_needs_no_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NO_SUCH", raising=False)
    text = GOOD.replace("ct/", "${NO_SUCH}/").replace("masks/", "${NO_SUCH}/")
    recipe = load_recipe(write(tmp_path, text), cts="/x/{case}.nii.gz", expert_files={"b": "/y/{case}"})
    assert (recipe.cts.files, recipe.experts[1].files) == ("/x/{case}.nii.gz", "/y/{case}")
