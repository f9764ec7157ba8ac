"""The NIfTI tree of AutoPET's converter."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_cts import AFFINE, hu, write, write_ct, write_pet

from dapatlas.ingest.codes import Code
from dapatlas.ingest.fault import IngestError
from dapatlas.ingest.nifti.autopet import find_autopet

FIRST = "PETCT_0011f3deaf/03-23-2003-NA-PET-CT Ganzkoerper  primaer mit KM-10445"
SECOND = "PETCT_01140d52d8/08-13-2005-NA-PET-CT Ganzkoerper  primaer mit KM-06839"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "FDG-PET-CT-Lesions"
    for seed, study in enumerate((FIRST, SECOND)):
        write_ct(root / study / "CT.nii.gz", seed)
        for name in ("CTres", "SUV", "PET", "SEG"):
            write_pet(root / study / f"{name}.nii.gz", seed)
    return root


def test_a_sound_tree_gives_an_item_a_study(tree: Path) -> None:
    found = find_autopet(tree)
    assert found.findings == ()
    assert [(i.case, i.subject, i.study5) for i in found.items] == [
        ("AutoPET_0011f3deaf_10445", "0011f3deaf", "10445"),
        ("AutoPET_01140d52d8_06839", "01140d52d8", "06839"),
    ]
    first = found.items[0]
    assert (first.ct, first.pet) == (tree / FIRST / "CT.nii.gz", tree / FIRST / "SUV.nii.gz")
    assert (first.lesions, first.source) == (tree / FIRST / "SEG.nii.gz", FIRST)


def test_any_level_of_the_tree_will_do(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = find_autopet(tree).items
    assert find_autopet(tree.parent).items == everything
    assert find_autopet(tree / "PETCT_0011f3deaf").items == everything[:1]
    assert find_autopet(tree / SECOND).items == everything[1:]
    monkeypatch.chdir(tree / SECOND)
    assert find_autopet(Path()).items == everything[1:]


def test_a_resampled_ct_is_no_ct(tree: Path) -> None:
    (tree / FIRST / "CT.nii.gz").unlink()
    found = find_autopet(tree)
    (finding,) = found.findings
    assert [item.case for item in found.items] == ["AutoPET_01140d52d8_06839"]
    assert (finding.case, finding.code) == ("AutoPET_0011f3deaf_10445", Code.NO_CT)
    assert "CTres.nii.gz will not do: it was resampled to the PET" in finding.message


def test_a_study_folder_with_nothing_of_ours_is_named(tree: Path) -> None:
    empty = tree / "PETCT_0117d7f11f/09-13-2001-NA-PET-CT Ganzkoerper  primaer mit KM-68547"
    (empty / "1.000000-CT").mkdir(parents=True)
    (empty / "1.000000-CT" / "1-001.dcm").write_bytes(b"")
    (finding,) = find_autopet(tree).findings
    assert (finding.case, finding.code) == ("AutoPET_0117d7f11f_68547", Code.NO_CT)
    assert "dapatlas ingest tcia" in finding.message


def test_names_that_tell_nothing_are_named_and_left_out(tree: Path) -> None:
    write_ct(tree / "someone" / "scan" / "CT.nii.gz")
    write_ct(tree / "PETCT_0117d7f11f" / "09-13-2001" / "CT.nii.gz")
    found = find_autopet(tree)
    assert len(found.items) == 2
    assert [f.code for f in found.findings] == [Code.UNKNOWN_NAME] * 2
    assert {f.found for f in found.findings} == {"someone/scan", "PETCT_0117d7f11f/09-13-2001"}


def test_two_studies_of_one_name_are_both_left_out(tree: Path) -> None:
    write_ct(tree / "copy" / FIRST / "CT.nii.gz", 7)
    found = find_autopet(tree)
    (finding,) = found.findings
    assert [item.case for item in found.items] == ["AutoPET_01140d52d8_06839"]
    assert (finding.case, finding.code) == ("AutoPET_0011f3deaf_10445", Code.NAME_TAKEN)
    assert str(tree / FIRST) in finding.message
    assert str(tree / "copy" / FIRST) in finding.message


def test_a_resampled_ct_under_the_name_of_the_ct_is_told(tree: Path) -> None:
    for name in ("CT", "SUV"):
        write(tree / FIRST / f"{name}.nii.gz", hu(), AFFINE)
    found = find_autopet(tree)
    assert [(f.case, f.code) for f in found.findings] == [("AutoPET_0011f3deaf_10445", Code.CT_RESAMPLED)]
    assert len(found.items) == 2


def test_hidden_folders_and_broken_headers_stop_nothing(tree: Path) -> None:
    write_ct(tree / ".Trash" / "PETCT_a" / "x-11111" / "CT.nii.gz")
    (tree / FIRST / "SUV.nii.gz").write_bytes(b"no")
    found = find_autopet(tree)
    assert len(found.items) == 2
    assert found.findings == ()


def test_an_empty_tree_and_none_at_all(tmp_path: Path) -> None:
    assert [f.code for f in find_autopet(tmp_path).findings] == [Code.NO_FILES]
    (tmp_path / "tree.zip").write_bytes(b"PK")
    for name, said in (("tree.zip", "unpack it"), ("nothing", "nothing of that name")):
        with pytest.raises(IngestError, match=said):
            find_autopet(tmp_path / name)
