"""`dapatlas card`: the front matter against `datasets` and the published card, every fact against what was planted."""

from __future__ import annotations

import json
import os
import re
import shutil
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from dapatlas.cli import app
from dapatlas.dataset import Dataset
from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.files import write_json
from dapatlas.labels import dap
from dapatlas.pipeline.carding import make_card
from dapatlas.publish.atlas_info import AtlasInfo, atlas_info, atlas_toml_template, own_texts
from dapatlas.publish.card import front_matter, hub_licence, refused_by_hub, size_category
from dapatlas.publish.facts import CaseFacts, gather, ids_of_report, measure_case
from dapatlas.publish.schema import PREVIEW_FEATURES
from dapatlas.publish.table import TableFacts, TableFile, TableSplit, table_facts

RUN = CliRunner()

# (case, shape in file order, spacing in file order, orientation, ids beside background)
CASES = (
    ("AutoPET_aaaaaaaaaa_00001", (8, 9, 10), (1.0, 2.0, 3.0), "LPS", (13, 19)),
    ("AutoPET_aaaaaaaaaa_00002", (8, 9, 12), (1.0, 2.0, 3.0), "LPS", (13,)),
    ("AutoPET_bbbbbbbbbb_00003", (14, 9, 8), (5.0, 2.0, 1.0), "SPL", (13, 20, 144)),
)
LOWEST, HIGHEST = -1024, 1500


def volume(path: Path, array: np.ndarray, spacing: tuple[float, ...], orientation: str) -> None:
    """A NIfTI file as nibabel writes it."""
    axes, signs = nib.orientations.axcodes2ornt(orientation).T
    affine = np.zeros((4, 4))
    affine[axes.astype(int), range(3)] = signs * spacing
    affine[3, 3] = 1
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)


def preview(folder: Path, rows: int, *, per_file: int | None = None, row_group: int = 2) -> None:
    """The preview table, written with pyarrow alone."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "string": pa.string(),
        "int32": pa.int32(),
        "image": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    }
    noted = {
        name: {"_type": "Image"} if kind == "image" else {"dtype": kind, "_type": "Value"}
        for name, kind in PREVIEW_FEATURES
    }
    schema = pa.schema(
        [(name, types[kind]) for name, kind in PREVIEW_FEATURES],
        metadata={"huggingface": json.dumps({"info": {"features": noted}})},
    )
    picture = png()
    values = {"string": "AutoPET_x", "int32": 7, "image": {"bytes": picture, "path": "x.png"}}
    per_file = per_file or rows
    starts = range(0, rows, per_file)
    (folder / "data").mkdir(parents=True)
    for number, start in enumerate(starts):
        table = pa.Table.from_pylist(
            [
                {name: values[kind] for name, kind in PREVIEW_FEATURES} | {"sample_id": f"case {row}"}
                for row in range(start, min(start + per_file, rows))
            ],
            schema,
        )
        name = f"train-{number:05d}-of-{len(starts):05d}.parquet"
        pq.write_table(table, folder / "data" / name, row_group_size=row_group)


def png() -> bytes:
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def atlas(tmp_path: Path) -> Path:
    """Three cases of two subjects with known contents; sexes, labels.json and a preview table beside them."""
    folder = tmp_path / "atlas"
    for case, shape, spacing, orientation, ids in CASES:
        ct = np.full(shape, 40, np.int16)
        ct[0, 0, :2] = LOWEST, HIGHEST
        volume(folder / "images" / f"{case}.nii.gz", ct, spacing, orientation)
        mask = np.zeros(shape, np.uint8)
        mask[1, 1, : len(ids)] = ids
        volume(folder / "masks" / f"{case}.nii.gz", mask, spacing, orientation)
    Dataset(folder).write_labels()
    (folder / "subjects.csv").write_text("subject,sex\naaaaaaaaaa,M\nbbbbbbbbbb,F\n")
    preview(folder, 3)
    return folder


def row(card: str, field: str) -> str:
    (found,) = re.findall(rf"^\| {field} \| (.*) \|$", card, re.MULTILINE)
    return found


def front_of(card: str) -> dict[str, Any]:
    import yaml

    return yaml.safe_load(card.split("---\n")[1])


def test_the_front_matter_is_the_published_card_s_key_by_key(atlas: Path, reference: Path) -> None:
    make_card(Dataset(atlas), jobs=1)
    ours = front_of((atlas / "README.md").read_text())
    published = front_of((reference / "dataset_card.md").read_text())
    measured = {"num_bytes", "num_examples", "download_size", "dataset_size"}

    def keys(value: Any) -> Any:
        """Every key in its order and every value, measured ones by their type alone."""
        if isinstance(value, dict):
            return [(key, type(item) if key in measured else keys(item)) for key, item in value.items()]
        return [keys(item) for item in value] if isinstance(value, list) else value

    assert keys(ours) == keys(published)


def test_the_front_matter_of_the_published_sizes_is_the_published_text(reference: Path) -> None:
    """With the sizes of the released table, the YAML block is the released one, byte for byte."""
    from huggingface_hub import DatasetCardData

    split = TableSplit("train", 178521349, 533)
    file = TableFile("data/train-00000-of-00001.parquet", 178530023, "")
    front = front_matter(own_texts("dap"), TableFacts(PREVIEW_FEATURES, (split,), (file,)), 533)
    block = DatasetCardData(**front).to_yaml(original_order=list(front))
    assert block == (reference / "dataset_card.md").read_text().split("---\n")[1].strip()


def test_sections_are_those_of_the_published_card(atlas: Path, reference: Path) -> None:
    make_card(Dataset(atlas), jobs=1)

    def headings(path: Path) -> list[str]:
        return re.findall(r"^#+ .*$", path.read_text(), re.MULTILINE)

    def fields(path: Path) -> list[str]:
        return re.findall(r"^\| (\w[\w ]+) \|", path.read_text(), re.MULTILINE)

    assert headings(atlas / "README.md") == headings(reference / "dataset_card.md")
    ours = [field for field in fields(atlas / "README.md") if field in fields(reference / "dataset_card.md")]
    assert ours == fields(reference / "dataset_card.md")


def test_every_fact_is_what_was_planted(atlas: Path) -> None:
    answer = RUN.invoke(app, ["card", str(atlas), "--jobs", "2", "--json"])
    assert answer.exit_code == 0, answer.output
    card = (atlas / "README.md").read_text()
    assert row(card, "Subjects") == "2 unique patients (3 CT volumes — 1 patient has two studies)"
    assert row(card, "Labels") == (
        "142 anatomical structures + background + unknown_tissue (144 entries, gap at ID 11, "
        "4 of the structures occur)"
    )
    # SPL of 14×9×8 is 8 voxels from left to right, 9 front to back, 14 foot to head
    assert "typically 8×9×~12" in row(card, "Volume Shape")
    assert "8×9×10–14" in row(card, "Volume Shape")
    assert row(card, "Spacing") == "~1 × 2 × 3 mm (median; 1 × 2 × 3–5 mm)"
    assert row(card, "Orientation") == "LPS (2), SPL (1)"
    assert row(card, "CT Values") == "−1024 to 1500 HU, stored as int16"
    assert row(card, "Mask Values") == "IDs 0 to 144, stored as uint8"
    files = [path for path in atlas.rglob("*") if path.is_file() and ".dapatlas" not in path.parts]
    own = [path for path in files if path.name not in ("README.md", "croissant.json")]
    size = sum(path.stat().st_size for path in own)
    assert json.loads(answer.stdout)["bytes"] == size
    assert row(card, "Total Size") == f"{size / 1000:.3g} kB"
    assert "prostate in 0 of 1 women and 1 of 1 men; uterocervix in 1 of 1 women and 0 of 1 men" in card
    assert "uterus in 0 of 1 women and 0 of 1 men" in card
    assert "appear only for matching sex" in card
    assert "All 3 cases form a single pool" in card
    assert "`AutoPET_<subjectID>" not in card
    assert "AutoPET_<subjectID>_<studyUID5>.nii.gz  # 3 CT volumes" in card


def test_an_organ_of_the_other_sex_is_not_hushed_up(atlas: Path) -> None:
    (atlas / "subjects.csv").write_text("subject,sex\naaaaaaaaaa,F\nbbbbbbbbbb,\n")
    make_card(Dataset(atlas), jobs=1)
    card = (atlas / "README.md").read_text()
    assert "do not all match the recorded sex: prostate in 1 of 1 women" in card
    assert "1 subject of unrecorded sex" in card
    (atlas / "subjects.csv").unlink()
    make_card(Dataset(atlas), jobs=1)
    assert "prostate in 1 of 2; uterocervix in 1 of 2; uterus in 0 of 2" in (atlas / "README.md").read_text()


@pytest.mark.parametrize(
    ("rows", "per_file", "row_group"),
    [(3, None, 100), (7, 3, 2), (201, None, 100), (205, None, 1), (5, 1, 1)],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:datasets", "ignore::DeprecationWarning:dill")
def test_sizes_are_those_that_datasets_reports(
    tmp_path: Path, rows: int, per_file: int | None, row_group: int
) -> None:
    from datasets import load_dataset

    preview(tmp_path, rows, per_file=per_file, row_group=row_group)
    files = sorted(map(str, (tmp_path / "data").glob("*.parquet")))
    loaded = load_dataset("parquet", data_files={"train": files}, cache_dir=str(tmp_path / "cache"))["train"]
    facts = table_facts(tmp_path)
    assert facts is not None
    (split,) = facts.splits
    assert split.name == "train"
    assert split.num_bytes == loaded.info.splits["train"].num_bytes == facts.dataset_size
    assert split.num_examples == loaded.info.splits["train"].num_examples == rows == facts.examples
    assert facts.dataset_size == loaded.info.dataset_size
    assert facts.download_size == loaded.info.download_size == sum(Path(f).stat().st_size for f in files)
    assert [{"name": name, "dtype": kind} for name, kind in facts.features] == loaded.features._to_yaml_list()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:datasets", "ignore::DeprecationWarning:dill")
def test_the_folder_loads_by_its_card(atlas: Path, tmp_path: Path) -> None:
    """`datasets` reads configs and features from the card, and checks the sizes against it."""
    from datasets import load_dataset

    make_card(Dataset(atlas), jobs=1)
    loaded = load_dataset(str(atlas), cache_dir=str(tmp_path / "cache"), verification_mode="all_checks")
    assert list(loaded) == ["train"]
    assert loaded["train"].num_rows == 3
    assert loaded["train"][0]["ct_middle_slice"].size == (8, 8)


@pytest.mark.filterwarnings(
    "ignore:ConjunctiveGraph is deprecated:DeprecationWarning",  # rdflib's own, within mlcroissant
    "ignore:The inplace keyword:DeprecationWarning",  # pandas 3.1, within mlcroissant
)
def test_croissant_is_valid_and_its_records_can_be_read(atlas: Path) -> None:
    import hashlib

    import mlcroissant as mlc

    preview_files = atlas / "data"
    shutil.rmtree(preview_files)
    preview(atlas, 3, per_file=2)
    make_card(Dataset(atlas), jobs=1)
    read = mlc.Dataset(jsonld=str(atlas / "croissant.json"))
    assert not read.metadata.ctx.issues.errors
    document = json.loads((atlas / "croissant.json").read_text())
    sums = {item["@id"]: item["sha256"] for item in document["distribution"] if "sha256" in item}
    assert set(sums) == {
        "data/train-00000-of-00002.parquet",
        "data/train-00001-of-00002.parquet",
        "labels.json",
    }
    for name, digest in sums.items():
        assert digest == hashlib.sha256((atlas / name).read_bytes()).hexdigest()
    assert {item["@id"] for item in document["distribution"]} - set(sums) == {"data", "images", "masks"}
    structures = {r["structures/id"]: r["structures/name"] for r in read.records("structures")}
    assert {str(id_): _text(name) for id_, name in structures.items()} == json.loads(
        (atlas / "labels.json").read_text()
    )
    records = list(read.records("preview"))
    assert sorted(_text(record["preview/sample_id"]) for record in records) == ["case 0", "case 1", "case 2"]
    assert {record["preview/ct_middle_slice"].size for record in records} == {(8, 8)}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def test_the_hub_library_reads_the_card(atlas: Path) -> None:
    from huggingface_hub import DatasetCard

    make_card(Dataset(atlas), jobs=1)
    card = DatasetCard.load(atlas / "README.md")
    assert card.data.license == "apache-2.0"
    assert card.data.size_categories == ["n<1K"]
    assert card.data.to_dict()["dataset_info"]["splits"][0]["num_examples"] == 3


def test_the_same_data_give_the_same_bytes(atlas: Path) -> None:
    twin = atlas.with_name("twin")
    shutil.copytree(atlas, twin)
    for folder, jobs in ((atlas, "1"), (twin, "2")):
        RUN.invoke(app, ["card", str(folder), "--jobs", jobs, "-q"])
    for name in ("README.md", "croissant.json"):
        assert (atlas / name).read_bytes() == (twin / name).read_bytes()
    assert make_card(Dataset(atlas), jobs=1).written == ()


def test_only_changed_cases_are_measured_again(atlas: Path) -> None:
    make_card(Dataset(atlas), jobs=1)
    case, shape, spacing, orientation, _ = CASES[1]
    volume(atlas / "masks" / f"{case}.nii.gz", np.full(shape, 26, np.uint8), spacing, orientation)
    made = make_card(Dataset(atlas), jobs=1)
    assert [outcome.case for outcome in made.outcomes if outcome.state == "done"] == [case]
    assert "5 of the structures occur" in (atlas / "README.md").read_text()


def test_a_case_that_cannot_be_measured_is_named_and_no_card_written(atlas: Path) -> None:
    broken = atlas / "masks" / f"{CASES[0][0]}.nii.gz"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:40])
    answer = RUN.invoke(app, ["card", str(atlas), "--jobs", "1", "--json"])
    assert answer.exit_code == 1
    assert list(json.loads(answer.stdout)["failed"]) == [CASES[0][0]]
    assert not (atlas / "README.md").exists()
    answer = RUN.invoke(app, ["card", str(atlas), "--jobs", "1"])
    assert "1 of 3 cases could not be measured" in answer.output
    broken.write_bytes(whole)
    made = make_card(Dataset(atlas), jobs=1)
    assert [outcome.state for outcome in made.outcomes] == ["done", "up to date", "up to date"]
    assert (atlas / "README.md").exists()


def test_a_human_s_card_is_not_lost(atlas: Path) -> None:
    card = atlas / "README.md"
    card.write_text("# Mine\n")
    with pytest.raises(DapatlasError, match="README.md: not written by `dapatlas card`"):
        make_card(Dataset(atlas), jobs=1)
    assert card.read_text() == "# Mine\n"
    make_card(Dataset(atlas), jobs=1, force=True)
    preview_bytes = card.read_text()
    (atlas / "atlas.toml").write_text('like = "dap"\npretty_name = "Other"\n')
    make_card(Dataset(atlas), jobs=1)  # our own card, untouched, may be replaced
    assert "pretty_name: Other" in card.read_text() != preview_bytes
    for edit in (("142 anatomical", "many anatomical"), ("pretty_name: Other", "pretty_name: Mine")):
        card.write_text(card.read_text().replace(*edit))
        with pytest.raises(DapatlasError, match="changed since"):
            make_card(Dataset(atlas), jobs=1)
        make_card(Dataset(atlas), jobs=1, force=True)
    (atlas / "croissant.json").write_text("{}")
    with pytest.raises(DapatlasError, match="croissant.json: not written"):
        make_card(Dataset(atlas), jobs=1)


def test_without_a_preview_table_there_are_no_sizes(atlas: Path) -> None:
    shutil.rmtree(atlas / "data")
    made = make_card(Dataset(atlas), jobs=1)
    assert "preview-missing" in [finding.code for finding in made.findings]
    front = front_of((atlas / "README.md").read_text())
    assert list(front["dataset_info"]) == ["features"]
    assert "configs" not in front
    assert (
        "data/" not in (atlas / "README.md").read_text().split("## Data Structure")[1].split("## Splits")[0]
    )


def test_what_does_not_fit_together_is_told(atlas: Path) -> None:
    shutil.rmtree(atlas / "data")
    preview(atlas, 2)
    (atlas / "labels.json").unlink()
    case, shape, spacing, orientation, _ = CASES[0]
    volume(atlas / "masks" / f"{case}.nii.gz", np.full(shape, 11, np.uint8), spacing, orientation)
    (atlas / "images" / f"{CASES[1][0]}.nii.gz").unlink()
    made = make_card(Dataset(atlas), jobs=1)
    assert [finding.code for finding in made.findings] == [
        "no-atlas-toml",
        "labels-json-missing",
        "unknown-id",
        "unpaired-case",
    ]
    answer = RUN.invoke(app, ["card", str(atlas), "--jobs", "1"])
    assert answer.exit_code == 1
    assert "11 (in 1)" in answer.output
    shutil.rmtree(atlas / "data")
    preview(atlas, 3)
    assert "preview-outdated" in [finding.code for finding in make_card(Dataset(atlas), jobs=1).findings]


def test_masks_alone_make_a_card(atlas: Path) -> None:
    shutil.rmtree(atlas / "images")
    made = make_card(Dataset(atlas), jobs=1)
    assert "unpaired-case" not in [finding.code for finding in made.findings]
    card = (atlas / "README.md").read_text()
    assert row(card, "Subjects").startswith("2 unique patients (0 CT volumes and 3 mask volumes")
    assert "images/" not in card
    assert "CT Values" not in card
    assert '"images"' not in (atlas / "croissant.json").read_text()


def test_splits_are_counted_and_leaks_told(atlas: Path) -> None:
    first, second, third = (case for case, *_ in CASES)
    folds = [{"train": [first, second], "val": [third]}, {"train": [third, first], "val": [second]}]
    write_json(atlas / "splits" / "splits.json", {"version": 1, "folds": folds})
    write_json(atlas / "splits" / "splits_final.json", folds)  # the same for nnU-Net: told once
    made = make_card(Dataset(atlas), jobs=1)
    card = (atlas / "README.md").read_text().split("## Splits")[1].split("## Notes")[0]
    assert "| 0 | 2 volumes of 1 subject | 1 volume of 1 subject |" in card
    assert "| 1 | 2 volumes of 2 subjects | 1 volume of 1 subject |" in card
    assert "1 subject with volumes in two parts of a fold" in card  # aaaaaaaaaa in fold 1
    assert "splits_final" not in card
    assert "split-unsound" in [finding.code for finding in made.findings]
    write_json(atlas / "splits" / "splits.json", {"version": 1, "folds": folds[:1]})
    (atlas / "splits" / "splits_final.json").unlink()
    make_card(Dataset(atlas), jobs=1)
    assert "No subject has volumes in two parts of a fold" in (atlas / "README.md").read_text()
    (atlas / "splits" / "splits.json").write_text("[")
    with pytest.raises(BadFileError, match="splits.json"):
        make_card(Dataset(atlas), jobs=1)


def report_of(case: str, **change: Any) -> dict[str, Any]:
    name = {structure.id: structure.name for structure in dap()}
    table = {name[13]: {"id": 13, "voxels": 1}, name[19]: {"id": 19, "voxels": 1}}
    return {"case": case, "grid": {"shape": [8, 9, 10]}, "structures": table} | change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, (0, 13, 19)),
        ({"structures": {"liver": {"id": 13, "voxels": 720}}}, (13,)),  # 8·9·10: no background
        ({"structures": {"liver": {"id": 13, "voxels": 721}}}, None),
        ({"structures": {"liver": {"id": 14, "voxels": 1}}}, None),
        ({"grid": {"shape": [8, 9, 11]}}, None),
        ({"structures": []}, None),
    ],
)
def test_the_report_of_a_build_spares_reading_the_mask(
    atlas: Path, change: dict[str, Any], expected: tuple[int, ...] | None
) -> None:
    case = Dataset(atlas)[CASES[0][0]]
    report = atlas / "reports" / f"{case.id}.json"
    write_json(report, report_of(case.id, **change))
    grid = case.label_map().grid
    assert ids_of_report(report, case.mask_path, grid, case.scheme) == expected
    assert measure_case(case, report).ids == (expected or (0, 13, 19))  # what is in the mask
    os.utime(report, ns=(0, 0))  # older than the map
    assert ids_of_report(report, case.mask_path, grid, case.scheme) is None


def test_odd_voxels_of_a_ct_do_not_spoil_its_range(tmp_path: Path) -> None:
    array = np.full((3, 3, 3), -5.5, np.float32)
    array[0, 0, 0], array[0, 0, 1], array[1, 1, 1] = np.nan, np.inf, 7
    volume(tmp_path / "images" / "x.nii.gz", array, (1, 1, 1), "RAS")
    (case,) = Dataset(tmp_path).unpaired
    facts = measure_case(case)
    assert facts.hu == (-5.5, 7.0)
    assert facts.ids == ()
    assert CaseFacts.from_dict(json.loads(json.dumps(asdict(facts)))) == facts
    assert gather([facts], dap()).masks == 0


@pytest.mark.parametrize(
    ("examples", "bucket"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1000, "1K<n<10K"),
        (99_999, "10K<n<100K"),
        (100_000, "100K<n<1M"),
        (10**12, "n>1T"),
    ],
)
def test_buckets_of_the_hub(examples: int, bucket: str) -> None:
    assert size_category(examples) == bucket


def test_licences_that_the_hub_does_not_know(atlas: Path) -> None:
    assert hub_licence("CC-BY-NC-SA-4.0") == "cc-by-nc-sa-4.0"
    (atlas / "atlas.toml").write_text('like = "dap"\nmask_licence = "LicenseRef-House"\nct_licence = ""\n')
    made = make_card(Dataset(atlas), jobs=1)
    assert {"licence-other", "ct-licence-missing"} <= {finding.code for finding in made.findings}
    front = front_of((atlas / "README.md").read_text())
    assert (front["license"], front["license_name"]) == ("other", "licenseref-house")


def test_init_writes_a_template_to_fill_in(atlas: Path) -> None:
    answer = RUN.invoke(app, ["card", str(atlas), "--init"])
    assert answer.exit_code == 0
    path = atlas / "atlas.toml"
    assert path.read_text() == atlas_toml_template()
    with pytest.raises(
        DapatlasError, match=r"atlas.toml: pretty_name: fill it in; description: fill it in; mask_licence"
    ):
        atlas_info(atlas, "dap")
    with pytest.raises(DapatlasError, match="is there already"):
        RUN.invoke(app, ["card", str(atlas), "--init"], catch_exceptions=False)
    filled = path.read_text().replace('pretty_name = ""', 'pretty_name = "Mine"')
    filled = filled.replace('mask_licence = ""', 'mask_licence = "CC-BY-4.0"').replace(
        'description = """\n', 'description = """\nOf our own.\n'
    )
    path.write_text(filled)
    info = atlas_info(atlas, "dap")
    assert (info.pretty_name, info.mask_licence, info.ct_redistributable) == ("Mine", "CC-BY-4.0", False)
    make_card(Dataset(atlas), jobs=1)
    card = (atlas / "README.md").read_text()
    assert "# Mine\n\nCT dataset with **142" in card
    assert "Jaus" not in card + (atlas / "croissant.json").read_text()


def test_the_template_names_every_key() -> None:
    template = atlas_toml_template()
    named = set(re.findall(r"^#? ?([a-z_]+) = ", template, re.MULTILINE)) - {"like", "name"}
    assert named | {"sources"} == set(AtlasInfo.model_fields) | {"url"}
    uncommented = re.sub(r"^# (?=[a-z_]+ = |\[\[)", "", template, flags=re.MULTILINE)
    tomllib.loads(uncommented)  # what is commented out is TOML, too


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pretty_name", "cannot be read as TOML"),
        ('like = "dop"', "expected one of dap, found 'dop'"),
        ('like = "dap"\nlicence = "x"', r"licence: no such key; did you mean ct_licence\?"),
        ('like = "dap"\nversion = "one"', "version: .* found 'one'"),
        ('pretty_name = "x"', "description: is missing; mask_licence: is missing"),
    ],
)
def test_faults_of_atlas_toml_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "atlas.toml").write_text(text)
    with pytest.raises(DapatlasError, match=message):
        atlas_info(tmp_path, "dap")


def test_other_schemes_need_their_own_texts(tmp_path: Path) -> None:
    with pytest.raises(DapatlasError, match="--init"):
        atlas_info(tmp_path, "totalsegmentator")


def test_files_in_data_that_are_no_table(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert table_facts(tmp_path) is None
    path = tmp_path / "data" / "train-00000-of-00001.parquet"
    path.write_bytes(b"no parquet")
    with pytest.raises(BadFileError, match="cannot be read as Parquet"):
        table_facts(tmp_path)
    path.rename(path.with_name("table.parquet"))
    with pytest.raises(BadFileError, match="expected a name such as train-00000"):
        table_facts(tmp_path)


def test_the_hub_is_asked_only_on_demand(atlas: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import DatasetCard

    def refuse(self: DatasetCard, repo_type: str | None = None) -> None:
        raise ValueError('"license" must be one of [...]')

    monkeypatch.setattr(DatasetCard, "validate", refuse)
    assert make_card(Dataset(atlas), jobs=1).facts is not None
    made = make_card(Dataset(atlas), jobs=1, online=True)
    assert [finding.code for finding in made.findings][-1] == "hub-refuses"

    def silent(self: DatasetCard, repo_type: str | None = None) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(DatasetCard, "validate", silent)
    with pytest.raises(DapatlasError, match="cannot be asked"):
        refused_by_hub((atlas / "README.md").read_text())


def test_an_empty_data_set_has_no_card(tmp_path: Path) -> None:
    with pytest.raises(DapatlasError, match="no case in it"):
        make_card(Dataset.create(tmp_path), jobs=1)


def test_real_scans(real_data: Path, tmp_path: Path) -> None:
    """A real CT with its TotalSegmentator map: facts as nibabel reads them."""
    for folder, name in (("images", "ct_sm.nii.gz"), ("masks", "total_sm.nii.gz")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "subject.nii.gz").symlink_to(real_data / name)
    (tmp_path / "atlas.toml").write_text(
        'pretty_name = "Real"\ndescription = "x"\nmask_licence = "Apache-2.0"\nct_licence = "CC-BY-4.0"\n'
    )
    answer = RUN.invoke(app, ["card", str(tmp_path), "--scheme", "totalsegmentator", "--json", "--jobs", "1"])
    facts = json.loads(answer.stdout)["facts"]
    ct = nib.load(real_data / "ct_sm.nii.gz")
    ids = np.unique(np.asanyarray(nib.load(real_data / "total_sm.nii.gz").dataobj))
    assert facts["hu"] == [ct.get_fdata().min(), ct.get_fdata().max()]
    assert [int(id_) for id_ in facts["ids"]] == ids.tolist()
    codes = nib.aff2axcodes(ct.affine)
    order = [next(a for a, code in enumerate(codes) if code in pair) for pair in ("RL", "AP", "SI")]
    assert facts["shape"]["typical"] == [ct.shape[a] for a in order]
    assert (tmp_path / "README.md").exists()
    assert row((tmp_path / "README.md").read_text(), "Orientation") == "".join(codes)
