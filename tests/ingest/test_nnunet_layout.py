"""nnU-Net's layout, as the data of autoPET III and later has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_cts import PET_AFFINE, hu, write, write_ct, write_pet

from dapatlas.findings import Severity
from dapatlas.ingest.case_names import challenge_name
from dapatlas.ingest.codes import Code
from dapatlas.ingest.fault import IngestError
from dapatlas.ingest.nifti.nnunet_layout import Channels, channels_of, find_nnunet

FDG = "fdg_01140d52d8_08-13-2005-NA-PET-CT Ganzkoerper  primaer mit KM-56839"
PSMA = ("psma_95b833d46f153cd2_2017-11-18", "psma_95b833d46f153cd2_2018-04-16")


def add(root: Path, name: str, *, folder: str = "imagesTr", ct: int = 0, pet: int | None = 1) -> None:
    """A case whose CT has the grid of its PET."""
    write(root / folder / f"{name}_{ct:04d}.nii.gz", hu(len(name), (5, 4, 6)), PET_AFFINE)
    if pet is not None:
        write_pet(root / folder / f"{name}_{pet:04d}.nii.gz")
    write_pet(root / folder.replace("images", "labels") / f"{name}.nii.gz")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "psma-fdg-pet-ct-lesions"
    for name in (FDG, *PSMA):
        add(root, name)
    describe(root, {"channel_names": {"0": "CT", "1": "PET"}})
    return root


def describe(root: Path, description: object) -> None:
    (root / "dataset.json").write_text(json.dumps(description))


def test_the_challenge_gives_subjects_studies_and_a_word_on_resampling(data: Path) -> None:
    found = find_nnunet(data)
    fdg, *psma = found.items
    assert (fdg.case, fdg.subject, fdg.study5) == ("AutoPET_01140d52d8_56839", "01140d52d8", "56839")
    assert fdg.ct == data / "imagesTr" / f"{FDG}_0000.nii.gz"
    assert fdg.pet == data / "imagesTr" / f"{FDG}_0001.nii.gz"
    assert fdg.lesions == data / "labelsTr" / f"{FDG}.nii.gz"
    assert {item.subject for item in psma} == {"psma-95b833d46f153cd2"}
    assert sorted(item.source for item in psma) == list(PSMA)
    assert {item.case for item in psma} == {challenge_name(name).case for name in PSMA}  # type: ignore[union-attr]
    (finding,) = found.findings
    assert (finding.code, finding.severity, finding.case) == (Code.CT_RESAMPLED, Severity.INFO, "")
    assert finding.message.startswith("3 of 3 CTs")


@pytest.mark.parametrize("where", ["..", "imagesTr", "."])
def test_any_level_will_do(data: Path, where: str) -> None:
    assert len(find_nnunet((data / where).resolve()).items) == 3


def test_test_images_come_too_and_clicks_are_no_matter(data: Path) -> None:
    add(data, "fdg_0143bab87a_01-01-2001-NA-x-33529", folder="imagesTs")
    write_pet(data / "imagesTr" / f"{FDG}_0002.nii.gz")  # clicks, as in autoPET IV
    found = find_nnunet(data)
    assert "AutoPET_0143bab87a_33529" in {item.case for item in found.items}
    assert [f.code for f in found.findings] == [Code.CT_RESAMPLED]


def test_the_description_says_which_channel_is_the_ct(tmp_path: Path) -> None:
    add(tmp_path, FDG, ct=1, pet=0)
    describe(tmp_path, {"channel_names": {"0": "PET", "1": "CT"}})
    (item,) = find_nnunet(tmp_path).items
    assert item.ct.name.endswith("_0001.nii.gz")
    assert item.pet is not None
    assert item.pet.name.endswith("_0000.nii.gz")


def test_swapped_channels_are_noticed(data: Path, tmp_path: Path) -> None:
    describe(data, {"channel_names": {"0": "PET", "1": "CT"}})
    with pytest.raises(IngestError, match=r"by dataset\.json.*swapped") as caught:
        find_nnunet(data)
    assert caught.value.code == Code.NOT_A_CT
    add(tmp_path / "b", FDG, ct=1, pet=0)
    with pytest.raises(IngestError, match="usual order"):
        find_nnunet(tmp_path / "b")


def test_channels_by_description() -> None:
    assert channels_of({}) == Channels(0, 1, declared=False)
    assert channels_of({"channel_names": {"0": "CT", "1": "PET", "2": "FG"}}) == Channels(0, 1, declared=True)
    assert channels_of({"modality": {"0": "PET", "1": "CT"}}) == Channels(1, 0, declared=True)
    assert channels_of({"channel_names": {"0": "CT", "1": "CT"}}) == Channels(0, 1, declared=True)
    assert channels_of({"channel_names": {"0": "CT"}}) == Channels(0, None, declared=True)
    assert channels_of({"channel_names": ["CT"]}) == Channels(0, 1, declared=False)


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_broken_description_is_told_and_the_usual_order_taken(data: Path, text: str) -> None:
    (data / "dataset.json").write_text(text)
    found = find_nnunet(data)
    assert len(found.items) == 3
    assert [f.code for f in found.findings] == [Code.CORRUPT_FILE, Code.CT_RESAMPLED]


def test_other_data_keeps_its_names(tmp_path: Path) -> None:
    write_ct(tmp_path / "imagesTr" / "liver_007_0000.nii.gz")
    write_ct(tmp_path / "imagesTr" / "AutoPET_0011f3deaf_00445_0000.nii.gz")
    write_ct(tmp_path / "imagesTr" / "J. Doe_0000.nii.gz")
    found = find_nnunet(tmp_path)
    assert [(i.case, i.subject) for i in found.items] == [
        ("AutoPET_0011f3deaf_00445", "0011f3deaf"),
        ("liver_007", "liver_007"),
    ]
    assert [(f.case, f.code) for f in found.findings] == [
        ("", Code.WRONG_SUBJECT),
        ("liver_007", Code.UNKNOWN_NAME),
    ]


def test_what_is_amiss_is_named(data: Path) -> None:
    write_pet(data / "imagesTr" / "fdg_0143bab87a_01-01-2001-NA-x-33529_0001.nii.gz")
    write_pet(data / "labelsTr" / "fdg_0143bab87a_01-01-2001-NA-x-44444.nii.gz")
    (data / "imagesTr" / "notes.txt").write_text("x")
    add(data, "fdg_01140d52d8_08-13-2005-NA-other words-56839")
    found = find_nnunet(data)
    assert {(f.case, str(f.code)) for f in found.findings} == {
        ("AutoPET_0143bab87a_33529", "no-ct"),
        ("", "no-partner"),
        ("", "unused-file"),
        ("AutoPET_01140d52d8_56839", "name-taken"),
        ("", "ct-resampled"),
    }
    assert {item.subject for item in found.items} == {"psma-95b833d46f153cd2"}


def test_a_ct_on_its_own_grid_needs_no_word(tmp_path: Path) -> None:
    write_ct(tmp_path / "imagesTr" / f"{FDG}_0000.nii.gz")
    write_pet(tmp_path / "imagesTr" / f"{FDG}_0001.nii.gz")
    (tmp_path / "imagesTr" / f"{PSMA[0]}_0000.nii.gz").write_bytes(b"broken")  # whoever reads it will tell
    found = find_nnunet(tmp_path)
    assert len(found.items) == 2
    assert found.findings == ()


def test_nothing_there(tmp_path: Path) -> None:
    assert [f.code for f in find_nnunet(tmp_path).findings] == [Code.NO_FILES]
    with pytest.raises(IngestError, match="nothing of that name"):
        find_nnunet(tmp_path / "nothing")
