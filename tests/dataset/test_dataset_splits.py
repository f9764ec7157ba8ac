"""Splits: no leak ever, balance against scikit-learn, stability, the files, and planted faults."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from small_datasets import Folder
from typer.testing import CliRunner, Result

from dapatlas.cli.split import split
from dapatlas.dataset import Dataset
from dapatlas.dataset.split_check import SplitCode, check_splits
from dapatlas.dataset.split_files import ListedSplits, read_listed, resolved
from dapatlas.dataset.split_traits import height_mm, regions_in_view
from dapatlas.dataset.splits import CaseTraits, Splits, balance, cross_validation, named_parts
from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.findings import Severity
from dapatlas.labels import dap
from dapatlas.volumes import Grid

app = typer.Typer()
app.command()(split)
FRACTIONS = {"train": 0.8, "val": 0.1, "test": 0.1}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})


def case_id(subject: str, study: int) -> str:
    return f"AutoPET_{subject}_{study:05d}"


def cohort(subjects: int, seed: int) -> list[CaseTraits]:
    """Subjects with one to three studies, as in AutoPET mostly one, and three unlike fields of view."""
    draw = np.random.default_rng(seed)
    traits = []
    for number in range(subjects):
        sex = str(draw.choice(["F", "M", "unknown"], p=[0.43, 0.54, 0.03]))
        for study in range(int(draw.choice([1, 2, 3], p=[0.88, 0.1, 0.02]))):
            fov = str(draw.choice(["trunk", "whole", "head"], p=[0.8, 0.17, 0.03]))
            traits.append(CaseTraits(case_id(f"{number:04d}", study), f"{number:04d}", sex, fov))
    return traits


cohorts = st.builds(cohort, st.integers(12, 60), st.integers(0, 10**6))


def parts_of_subjects(splits: Splits) -> list[dict[str, set[str]]]:
    """For each fold, subject to parts; written from the case names alone."""
    told = []
    for fold in splits.folds:
        seen: dict[str, set[str]] = {}
        for part, cases in fold.items():
            for case in cases:
                seen.setdefault(case.split("_")[1], set()).add(part)
        told.append(seen)
    return told


# --- no leak, nothing lost, nothing twice ---------------------------------------------------------------------


@given(cohorts, st.integers(2, 6), st.integers(0, 99), st.booleans())
@settings(max_examples=40)
def test_folds_keep_subjects_together_and_validate_every_case_once(
    traits: list[CaseTraits], folds: int, seed: int, stable: bool
) -> None:
    try:
        made = cross_validation(traits, folds, seed, stable=stable)
    except DapatlasError:
        assert stable  # few subjects, and a hash that left a fold empty
        return
    everything = sorted(trait.case for trait in traits)
    assert len(made.folds) == folds
    for fold in made.folds:
        assert sorted([*fold["train"], *fold["val"]]) == everything
        assert fold["train"]
        assert fold["val"]
    assert sorted(case for fold in made.folds for case in fold["val"]) == everything
    assert all(len(parts) == 1 for seen in parts_of_subjects(made) for parts in seen.values())
    listed = ListedSplits("dapatlas", tuple({p: list(c) for p, c in fold.items()} for fold in made.folds))
    assert check_splits(listed, {trait.case: trait.subject for trait in traits}) == []


@given(cohorts, st.integers(0, 99), st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_fractions_cover_all_whatever_the_order_and_the_seed_decides(
    traits: list[CaseTraits], seed: int, random: object
) -> None:
    made = named_parts(traits, FRACTIONS, seed)
    assert sorted(case for cases in made.folds[0].values() for case in cases) == sorted(
        t.case for t in traits
    )
    assert all(len(parts) == 1 for parts in parts_of_subjects(made)[0].values())
    assert all(made.folds[0][part] for part in FRACTIONS)
    shuffled = list(traits)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert named_parts(shuffled, FRACTIONS, seed) == made


def test_another_seed_is_another_split() -> None:
    traits = cohort(100, 1)
    assert cross_validation(traits, 5, 0).folds != cross_validation(traits, 5, 1).folds
    assert (
        cross_validation(traits, 5, 0, stable=True).folds != cross_validation(traits, 5, 1, stable=True).folds
    )


# --- stability -------------------------------------------------------------------------------------------------


@given(cohorts, st.integers(0, 10**6), st.integers(0, 99))
@settings(max_examples=40)
def test_stable_never_moves_a_subject_when_cases_come(traits: list[CaseTraits], more: int, seed: int) -> None:
    newcomers = [CaseTraits(t.case.replace("_0", "_9", 1), f"9{t.subject[1:]}") for t in cohort(30, more)]
    another = [
        CaseTraits(case_id(t.subject, 77), t.subject) for t in traits[::3]
    ]  # a further study of old subjects
    try:
        before = named_parts(traits, FRACTIONS, seed, stable=True).folds[0]
    except DapatlasError:
        return  # a part was left empty
    after = named_parts([*traits, *newcomers, *another], FRACTIONS, seed, stable=True).folds[0]
    for part, cases in before.items():
        assert set(cases) <= set(after[part])


def test_stable_shares_come_out_as_asked() -> None:
    """A hash is uniform: of 10 000 subjects the share of a part is within 5 standard deviations."""
    traits = [CaseTraits(f"s{n}", f"s{n}") for n in range(10_000)]
    made = named_parts(traits, FRACTIONS, stable=True).folds[0]
    for part, share in FRACTIONS.items():
        assert abs(len(made[part]) / 10_000 - share) < 5 * (share * (1 - share) / 10_000) ** 0.5


def test_stable_split_of_these_subjects_stays_what_it_is() -> None:
    """Published splits depend on it: a change here needs a new method name."""
    traits = [CaseTraits(f"s{n}", f"s{n}") for n in range(12)]
    folds = cross_validation(traits, 3, 8, stable=True).folds
    from hashlib import blake2b

    for n, fold in enumerate(folds):
        expected = {
            f"s{k}"
            for k in range(12)
            if int.from_bytes(blake2b(f"8\0s{k}".encode(), digest_size=6).digest()) * 3 // 2**48 == n
        }
        assert set(fold["val"]) == expected


# --- balance ---------------------------------------------------------------------------------------------------


def spread(rows: list[dict[str, object]], trait: str) -> dict[str, int]:
    """Of each value of a trait, how far the fullest part is from the emptiest."""
    values = {value for row in rows for value in row[trait]}  # type: ignore[attr-defined]
    counts = {value: [row[trait].get(value, 0) for row in rows] for value in values}  # type: ignore[attr-defined]
    return {value: max(found) - min(found) for value, found in counts.items()}


@pytest.mark.filterwarnings(
    "ignore:The least populated class:UserWarning"
)  # the peer has no way to spread those
def test_folds_are_as_balanced_as_scikit_learns(reference: Path) -> None:
    """The real subjects and sexes of AutoPET, studies and views drawn; StratifiedGroupKFold as the peer."""
    selection = pytest.importorskip("sklearn.model_selection")
    with (reference / "autopet_sex.csv").open() as stream:
        sexes = {row["subject_id"]: row["sex"] for row in csv.DictReader(stream)}
    drawn = cohort(len(sexes), 3)
    names = sorted(sexes)
    traits = [
        CaseTraits(
            case_id(names[int(t.subject)], n), names[int(t.subject)], sexes[names[int(t.subject)]], t.fov
        )
        for n, t in enumerate(drawn)
    ]
    ours = [row for row in balance(cross_validation(traits, 5, 0), traits) if row["part"] == "val"]

    studies = Counter(t.subject for t in traits)
    classes = [f"{t.sex} {studies[t.subject]} {t.fov}" for t in traits]
    peer = selection.StratifiedGroupKFold(5, shuffle=True, random_state=0)
    theirs = []
    for _, held_out in peer.split(classes, classes, [t.subject for t in traits]):
        fold = Splits(({"val": tuple(traits[n].case for n in held_out)},), "peer")
        theirs += balance(fold, traits)

    for trait in ("sex", "studies", "fov"):
        assert max(spread(ours, trait).values()) <= max(spread(theirs, trait).values())
        assert max(spread(ours, trait).values()) <= 4
    sizes = [row["cases"] for row in ours]
    assert max(sizes) - min(sizes) <= 2


def test_what_is_not_asked_for_is_not_balanced_and_rare_traits_are_spread() -> None:
    traits = [CaseTraits(f"s{n:02d}", f"s{n:02d}", "F" if n < 5 else "M") for n in range(50)]
    rows = [row for row in balance(cross_validation(traits, 5, 0), traits) if row["part"] == "val"]
    assert [row["sex"] for row in rows] == [{"F": 1, "M": 9}] * 5
    unbalanced = cross_validation(traits, 5, 0, stratify=())
    assert unbalanced.stratified_by == ()
    found = [row["sex"].get("F", 0) for row in balance(unbalanced, traits) if row["part"] == "val"]
    assert sum(found) == 5
    assert found != [1] * 5


def test_balance_counts_subjects_once_and_cases_each() -> None:
    traits = [
        CaseTraits("AutoPET_a_00001", "a", "F", "trunk"),
        CaseTraits("AutoPET_a_00002", "a", "F", "head"),
        CaseTraits("AutoPET_b_00003", "b", "M", "trunk"),
    ]
    splits = Splits(
        ({"train": ("AutoPET_a_00001", "AutoPET_a_00002"), "val": ("AutoPET_b_00003",)},), "imported"
    )
    assert balance(splits, traits) == [
        {
            "fold": 0,
            "part": "train",
            "cases": 2,
            "subjects": 1,
            "sex": {"F": 1},
            "studies": {"2": 1},
            "fov": {"head": 1, "trunk": 1},
        },
        {
            "fold": 0,
            "part": "val",
            "cases": 1,
            "subjects": 1,
            "sex": {"M": 1},
            "studies": {"1": 1},
            "fov": {"trunk": 1},
        },
    ]


@pytest.mark.parametrize(
    ("fractions", "word"),
    [
        ({"train": 0.5, "val": 0.4}, "add up to 1"),
        ({"train": 1.2, "val": -0.2}, "positive"),
        ({}, "add up to 1"),
        (dict.fromkeys("abcde", 0.2), "4 subjects cannot fill 5 parts"),
    ],
)
def test_impossible_wishes_are_refused(fractions: dict[str, float], word: str) -> None:
    traits = [CaseTraits(f"s{n}", f"s{n}") for n in range(4)]
    with pytest.raises(DapatlasError, match=word):
        named_parts(traits, fractions)


def test_unknown_trait_and_empty_stable_fold_are_refused() -> None:
    traits = [CaseTraits(f"s{n}", f"s{n}") for n in range(4)]
    with pytest.raises(DapatlasError, match="no trait is called age"):
        cross_validation(traits, 2, stratify=("age",))
    with pytest.raises(DapatlasError, match="2 folds or more"):
        cross_validation(traits, 1)
    hit = [seed for seed in range(50) if _is_refused(traits, seed)]
    assert hit  # 4 subjects in 4 folds by chance are all apart with probability 4!/4⁴, about 9 %
    with pytest.raises(DapatlasError, match="another seed"):
        cross_validation(traits, 4, hit[0], stable=True)


def _is_refused(traits: list[CaseTraits], seed: int) -> bool:
    try:
        cross_validation(traits, 4, seed, stable=True)
    except DapatlasError:
        return True
    return False


# --- field of view ----------------------------------------------------------------------------------------------


def test_regions_come_from_reports(tmp_path: Path) -> None:
    scheme = dap()

    def view(*regions: str, extra: tuple[str, ...] = ()) -> str | None:
        names = [s.name for s in scheme if s.region.value in regions] + list(extra)
        path = tmp_path / "case.json"
        path.write_text(json.dumps({"structures": {name: {} for name in names}}))
        return regions_in_view(path, scheme)

    assert view("thorax", "abdomen", "pelvis") == "thorax to pelvis"
    assert view("head", "neck", "thorax", "abdomen", "pelvis", "limbs") == "head to limbs"
    assert view("head", "pelvis") == "head + pelvis"
    assert view("abdomen", extra=("bladder", "urinary_bladder")) == "abdomen"  # one organ is no pelvis
    assert view("spine") == "no region"
    assert regions_in_view(tmp_path / "none.json", scheme) is None
    (tmp_path / "other.json").write_text('{"findings": []}')
    assert regions_in_view(tmp_path / "other.json", scheme) is None


@pytest.mark.parametrize("orientation", ["LPS", "SLP", "PIR"])
def test_height_is_along_the_body_in_any_orientation(orientation: str) -> None:
    spacing = dict(zip(("RL", "AP", "SI"), ((100, 0.8), (120, 0.9), (390, 2.5)), strict=True))
    axes = [next(value for key, value in spacing.items() if letter in key) for letter in orientation]
    grid = Grid.from_spacing(tuple(n for n, _ in axes), tuple(mm for _, mm in axes), orientation)
    assert height_mm(grid) == pytest.approx(390 * 2.5)


# --- planted faults ----------------------------------------------------------------------------------------------

SUBJECTS = {
    "AutoPET_aa_00001": "aa",
    "AutoPET_aa_00002": "aa",
    "AutoPET_bb_00003": "bb",
    "AutoPET_cc_00004": "cc",
}


def codes(folds: object, kind: str = "json") -> list[tuple[str, str]]:
    listed = ListedSplits(kind, tuple(folds))  # type: ignore[arg-type]
    return [(finding.code, finding.case) for finding in check_splits(resolved(listed, SUBJECTS), SUBJECTS)]


def test_a_leak_is_found_by_subject() -> None:
    fold = {
        "train": ["AutoPET_aa_00001", "AutoPET_bb_00003"],
        "val": ["AutoPET_aa_00002", "AutoPET_cc_00004"],
    }
    assert codes([fold]) == [("subject-in-two-parts", "AutoPET_aa_00001")]
    (finding,) = check_splits(ListedSplits("json", (fold,)), SUBJECTS, "f.json")
    assert finding.severity is Severity.ERROR
    assert "subject aa is in train and val" in finding.message
    assert finding.file == "f.json"


def test_each_fault_has_its_code() -> None:
    sound = {
        "train": ["AutoPET_aa_00001", "AutoPET_aa_00002"],
        "val": ["AutoPET_bb_00003", "AutoPET_cc_00004"],
    }
    assert codes([sound]) == []
    assert codes([{**sound, "val": [*sound["val"], "AutoPET_bb_00003"]}]) == [
        ("duplicate-case", "AutoPET_bb_00003")
    ]
    assert codes([{**sound, "test": ["AutoPET_zz_00009"]}]) == [("unknown-case", "AutoPET_zz_00009")]
    assert codes([{**sound, "test": ["AutoPET_bb_00003"]}]) == [("case-in-two-parts", "AutoPET_bb_00003")]
    assert codes([{**sound, "test": []}]) == [("empty-part", "")]
    assert codes([{**sound, "val": ["AutoPET_bb_00003"]}]) == [("case-in-no-part", "AutoPET_cc_00004")]
    assert codes([sound, sound]) == [("not-validated-once", case) for case in SUBJECTS]
    swapped = {"train": sound["val"], "val": sound["train"]}
    assert codes([sound, swapped]) == []
    assert {code for code, _ in codes([{**sound, "val": ["AutoPET_bb_00003"]}], "nnunet")} == {
        "case-in-no-part"
    }


def test_an_unknown_study_of_a_known_subject_leaks_too() -> None:
    fold = {
        "train": ["AutoPET_aa_00001", "AutoPET_aa_00002", "AutoPET_bb_00003"],
        "val": ["AutoPET_cc_00004"],
    }
    fold["val"].append("AutoPET_bb_99999")
    assert ("subject-in-two-parts", "AutoPET_bb_00003") in codes([fold])


def test_names_are_resolved_from_files_channels_and_subjects() -> None:
    fold = {
        "train": ["aa", "masks/AutoPET_bb_00003.nii.gz"],
        "val": ["imagesTr/AutoPET_cc_00004_0000.nii.gz"],
    }
    assert resolved(ListedSplits("lists", (fold,)), SUBJECTS).folds == (
        {"train": ["AutoPET_aa_00001", "AutoPET_aa_00002", "AutoPET_bb_00003"], "val": ["AutoPET_cc_00004"]},
    )


# --- files ---------------------------------------------------------------------------------------------------------


def test_every_format_is_read_to_the_same(tmp_path: Path) -> None:
    fold = {"train": ["aa", "bb"], "val": ["cc"]}
    (tmp_path / "nn.json").write_text(json.dumps([fold]))
    (tmp_path / "plain.json").write_text(json.dumps(fold))
    (tmp_path / "ours.json").write_text(json.dumps({"folds": [fold]}))
    (tmp_path / "t.csv").write_text("Case,Split\naa,train\nbb,train\ncc,val\n")
    (tmp_path / "t.tsv").write_text("\ufeffsubject\tset\naa\ttrain\nbb\ttrain\ncc\tval\n")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/train.txt").write_text("# remark\naa\n\nbb  # another\n")
    (tmp_path / "lists/val.txt").write_text("cc\n")
    found = {path.name: read_listed(path) for path in tmp_path.iterdir()}
    assert {name: listed.kind for name, listed in found.items()} == {
        "nn.json": "nnunet",
        "plain.json": "json",
        "ours.json": "dapatlas",
        "t.csv": "table",
        "t.tsv": "table",
        "lists": "lists",
    }
    assert all(listed.folds == (fold,) for listed in found.values())


def test_a_column_of_folds_is_a_cross_validation(tmp_path: Path) -> None:
    path = tmp_path / "folds.csv"
    path.write_text("case,fold\na,0\nb,10\nc,2\n")
    assert read_listed(path).folds == (
        {"train": ["b", "c"], "val": ["a"]},
        {"train": ["a", "b"], "val": ["c"]},
        {"train": ["a", "c"], "val": ["b"]},
    )
    path.write_text("case,fold,split\na,0,train\nb,0,val\na,1,val\nb,1,train\n")
    assert read_listed(path).folds == ({"train": ["a"], "val": ["b"]}, {"val": ["a"], "train": ["b"]})


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("a.json", "{", "is no JSON"),
        ("a.json", "[]", "expected"),
        ("a.json", '[{"train": [1]}]', "expected"),
        ("a.json", '{"version": 9, "folds": []}', "version 9"),
        ("a.csv", "case,age\na,3\n", "found case, age"),
        ("a.csv", "case,split\na,\n", "a.csv:2"),
        ("a.txt", "a", "expected .json"),
    ],
)
def test_files_that_are_no_split_are_told(tmp_path: Path, name: str, text: str, word: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadFileError, match=word):
        read_listed(tmp_path / name)
    with pytest.raises(BadFileError, match="cannot be read"):
        read_listed(tmp_path / "absent.json")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadFileError, match=r"no \.txt"):
        read_listed(tmp_path / "empty")


# --- command ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def atlas(folder: Folder) -> Path:
    """Six subjects, two of them with two studies; label maps for all, one CT missing."""
    names = [case_id(f"{n}{n}", k) for n in range(1, 7) for k in range(2 if n < 3 else 1)]
    folder.add(*names)
    folder.image(names[0]).unlink()
    sexes = "\n".join(f"{n}{n},{'FM'[n % 2]}" for n in range(1, 7))
    (folder.path / "subjects.csv").write_text(f"subject,sex\n{sexes}\n")
    return folder.path


def test_command_writes_both_files_the_same_twice(atlas: Path) -> None:
    result = run(atlas, "--folds", 3)
    assert result.exit_code == 0, result.output
    ours, nnunet = atlas / "splits/splits.json", atlas / "splits/splits_final.json"
    written = json.loads(ours.read_text())
    assert json.loads(nnunet.read_text()) == written["folds"]
    assert {
        key: written[key] for key in ("format", "version", "method", "seed", "cases", "subjects", "fov_from")
    } == {
        "format": "dapatlas splits",
        "version": 1,
        "method": "stratified",
        "seed": 0,
        "cases": 8,
        "subjects": 6,
        "fov_from": "height",
    }
    validated = [row for row in written["balance"] if row["part"] == "val"]
    assert [row["sex"] for row in validated] == [{"F": 1, "M": 1}] * 3
    assert result.stdout.splitlines()[1].split()[:4] == ["0:", "val", str(validated[0]["cases"]), "2"]
    before = (ours.read_bytes(), nnunet.read_bytes())
    assert run(atlas, "--folds", 3, "--quiet").output == ""
    assert (ours.read_bytes(), nnunet.read_bytes()) == before
    assert run(atlas, "--check", ours).exit_code == 0
    assert run(atlas, "--check", nnunet).exit_code == 0


def test_command_never_moves_a_case_unasked(atlas: Path) -> None:
    assert run(atlas, "--folds", 3).exit_code == 0
    seed = next(
        s for s in range(1, 50) if isinstance(run(atlas, "--folds", 3, "--seed", s).exception, DapatlasError)
    )
    refused = run(atlas, "--folds", 3, "--seed", seed)
    assert "--force" in str(refused.exception)
    assert isinstance(run(atlas, "--folds", 2).exception, DapatlasError)
    assert run(atlas, "--folds", 3, "--seed", seed, "--force").exit_code == 0
    assert json.loads((atlas / "splits/splits.json").read_text())["seed"] == seed


def test_command_lets_a_stable_split_grow(atlas: Path, folder: Folder) -> None:
    seed = next(
        s for s in range(99) if run(atlas, "--stable", "--folds", 2, "--seed", s, "--json").exit_code == 0
    )
    before = json.loads((atlas / "splits/splits.json").read_text())["folds"]
    folder.add(*(case_id(f"{n}{n}", 0) for n in range(7, 10)), case_id("11", 5))
    result = run(atlas, "--stable", "--folds", 2, "--seed", seed, "--json")
    assert result.exit_code == 0, result.output
    after = json.loads(result.stdout)
    assert after["cases"] == 12
    for old, new in zip(before, after["folds"], strict=True):
        assert all(set(old[part]) <= set(new[part]) for part in old)


def test_command_gives_nnunet_only_what_it_can_use(atlas: Path) -> None:
    assert run(atlas, "--fractions", "train=0.6,val=0.2,test=0.2").exit_code == 0
    (only,) = json.loads((atlas / "splits/splits_final.json").read_text())
    (whole,) = json.loads((atlas / "splits/splits.json").read_text())["folds"]
    assert only == {part: whole[part] for part in ("train", "val")}
    assert run(atlas, "--fractions", "a=0.5,b=0.5", "--force").exit_code == 0
    assert not (atlas / "splits/splits_final.json").exists()


def test_command_checks_nnunets_list_and_takes_over_a_published_one(atlas: Path, tmp_path: Path) -> None:
    cases = [case.id for case in Dataset(atlas).subjects.get("22", ())]
    leak = tmp_path / "splits_final.json"
    leak.write_text(json.dumps([{"train": [cases[0]], "val": [cases[1]]}]))
    result = run(atlas, "--check", leak, "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)["findings"]
    assert found[0]["code"] == SplitCode.SUBJECT_IN_TWO_PARTS
    assert {finding["severity"] for finding in found[1:]} == {"warning"}
    assert run(atlas, "--read", leak).exit_code == 1
    assert not (atlas / "splits").exists()

    published = tmp_path / "published.csv"
    rows = [f"{n}{n},{'test' if n == 6 else 'val' if n == 5 else 'train'}" for n in range(1, 7)]
    published.write_text("subject,split\n" + "\n".join(rows) + "\n")
    assert run(atlas, "--read", published).exit_code == 0
    written = json.loads((atlas / "splits/splits.json").read_text())
    assert (written["method"], written["seed"]) == ("imported", None)
    assert {part: len(cases) for part, cases in written["folds"][0].items()} == {
        "train": 6,
        "val": 1,
        "test": 1,
    }


def test_command_does_not_overwrite_somebody_elses_nnunet_list(atlas: Path, tmp_path: Path) -> None:
    out = tmp_path / "preprocessed"
    out.mkdir()
    (out / "splits_final.json").write_text('[{"train": ["x"], "val": ["y"]}]')
    assert isinstance(run(atlas, "--folds", 2, "--out", out).exception, DapatlasError)
    assert [path.name for path in out.iterdir()] == ["splits_final.json"]
    assert run(atlas, "--folds", 2, "--out", out, "--force").exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--folds", 3, "--fractions", "a=1"),
        ("--stable", "--stratify", "sex"),
        ("--fractions", "train=x"),
        ("--fractions", "train=0.5,train=0.5"),
        ("--check", "a.json", "--read", "b.json"),
        ("--folds", 1),
    ],
)
def test_contradictory_options_are_refused(atlas: Path, arguments: tuple[object, ...]) -> None:
    assert run(atlas, *arguments).exit_code == 2


def test_names_without_subject_are_told(folder: Folder) -> None:
    folder.add("s1", "s2", "s3")
    result = run(folder.path, "--folds", 2)
    assert "each case counts as a subject of its own" in result.stdout
    empty = folder.path.parent / "empty"
    (empty / "masks").mkdir(parents=True)
    assert isinstance(run(empty).exception, DapatlasError)


def test_documentation_lists_every_code() -> None:
    text = (Path(__file__).parents[2] / "docs" / "splits.md").read_text(encoding="utf-8")
    listed = [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")]
    assert listed == [code.value for code in SplitCode]
