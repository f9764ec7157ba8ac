"""Fetching a collection from a server that behaves, and misbehaves, like NBIA."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from stand_in_nbia import ROOT, Nbia, dicom, images, packed, sums_of
from stand_in_server import Served, stand_in

from dapatlas.ingest import space
from dapatlas.ingest.codes import Code
from dapatlas.ingest.fetch.nbia import Series, list_series
from dapatlas.ingest.fetch.nbia_series import fetch_all
from dapatlas.ingest.fetch.web import DownloadError


@pytest.fixture
def nbia() -> Iterator[Nbia]:
    with stand_in() as web:
        yield Nbia(web)


CTS = [f"{ROOT}.{number}.0" for number in range(3)]


def fetch(nbia: Nbia, folder: Path, **options: object) -> dict[str, tuple[str, str]]:
    wanted = list_series(nbia.source, **options)  # type: ignore[arg-type]
    ended = fetch_all(wanted, nbia.source, folder, pause=lambda _: None, attempts=3)
    return {one.series.uid: (one.state, one.error) for one in ended}


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_series_asked_for_are_listed(nbia: Nbia) -> None:
    assert [series.uid for series in list_series(nbia.source)] == CTS
    one = list_series(nbia.source)[0]
    assert one == Series(CTS[0], f"{ROOT}.9.00445", "PETCT_aa11", "CT", 4, 4 * 5132, one.licence)
    assert one.case == "AutoPET_aa11_00445"
    both = list_series(nbia.source, ["CT", "PT"], subjects=["bb22"])
    assert [(series.patient, series.modality) for series in both] == [
        ("PETCT_bb22", "CT"),
        ("PETCT_bb22", "PT"),
    ]
    assert [series.uid for series in list_series(nbia.source, cases={"AutoPET_aa11_77001"})] == [CTS[1]]


def test_what_is_not_there_is_named(nbia: Nbia) -> None:
    with pytest.raises(DownloadError, match="'FDG-PET-CT-Lesions' lists no CT series of cc33"):
        list_series(nbia.source, subjects=["PETCT_bb22", "PETCT_cc33"])
    with pytest.raises(DownloadError, match="lists no SEG series; see whether"):
        list_series(nbia.source, ["SEG"])


@pytest.mark.parametrize(
    "answer",
    [
        '{"error": "x"}',
        '[{"Modality": "CT"}]',
        '[{"SeriesInstanceUID": "../up", "StudyInstanceUID": "1.2", "PatientID": "x", "Modality": "CT"}]',
    ],
)
def test_a_list_that_makes_no_sense_is_refused(nbia: Nbia, answer: str) -> None:
    nbia.web.files["/services/v4/getSeries?Collection=FDG-PET-CT-Lesions&Modality=CT"] = Served(
        answer.encode()
    )
    with pytest.raises(DownloadError, match="the server's list cannot be used"):
        list_series(nbia.source)


def test_a_collection_comes_series_by_series_and_is_not_fetched_twice(nbia: Nbia, tmp_path: Path) -> None:
    assert {state for state, _ in fetch(nbia, tmp_path).values()} == {"done"}
    assert listing(tmp_path) == CTS
    assert listing(tmp_path / CTS[1]) == [*images(4, 0), "LICENSE"]
    assert (tmp_path / CTS[1] / "00000003.dcm").read_bytes() == dicom(20 + 3)
    asked = len(nbia.web.asked)
    assert {state for state, _ in fetch(nbia, tmp_path).values()} == {"there already"}
    assert len(nbia.web.asked) == asked + 1  # the list alone


def test_a_server_that_stumbles_is_asked_again(nbia: Nbia, tmp_path: Path) -> None:
    nbia.served(CTS[0]).stumbles = [(500, {}), 300]  # an error, then a line that drops
    assert {state for state, _ in fetch(nbia, tmp_path).values()} == {"done"}
    assert listing(tmp_path) == CTS


def test_one_series_that_cannot_be_had_stops_no_other(nbia: Nbia, tmp_path: Path) -> None:
    nbia.served(CTS[1]).stumbles = [(500, {})] * 99
    ended = fetch(nbia, tmp_path)
    assert [state for state, _ in ended.values()] == ["done", "failed", "done"]
    assert "answered 500" in ended[CTS[1]][1]
    assert listing(tmp_path) == [CTS[0], CTS[2]]
    nbia.served(CTS[1]).stumbles = []
    assert [state for state, _ in fetch(nbia, tmp_path).values()] == [
        "there already",
        "done",
        "there already",
    ]


def test_a_zip_that_ends_early_but_well_formed_is_not_taken(nbia: Nbia, tmp_path: Path) -> None:
    nbia.served(CTS[0]).content = packed(images(3, 0))  # what NBIA sends when it stumbles half-way
    ended = fetch(nbia, tmp_path, subjects=["aa11"])
    assert ended[CTS[0]] == (
        "failed",
        f"series {CTS[0]}: 3 images came, but the server has 4; start again later",
    )
    assert listing(tmp_path) == [CTS[1]]
    assert sum(name == nbia.name(CTS[0]) for name, _ in nbia.web.asked) == 3  # it was given another chance


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[:-100],
        lambda content: content[:200] + bytes(50) + content[250:],
        lambda _: b"",
    ],
)
def test_a_broken_zip_is_not_taken(nbia: Nbia, tmp_path: Path, spoil: object) -> None:
    nbia.served(CTS[0]).content = spoil(nbia.served(CTS[0]).content)  # type: ignore[operator]
    state, error = fetch(nbia, tmp_path)[CTS[0]]
    assert state == "failed"
    assert "corrupt" in error or "damaged" in error or "no zip" in error
    assert listing(tmp_path) == CTS[1:]


def test_an_image_that_is_not_what_its_sum_says_is_not_taken(nbia: Nbia, tmp_path: Path) -> None:
    files = images(4, 0)
    sums = sums_of(files)
    files["00000002.dcm"] = dicom(99)
    nbia.served(CTS[0]).content = packed(files, sums)
    state, error = fetch(nbia, tmp_path)[CTS[0]]
    assert (state, error) == (
        "failed",
        f"series {CTS[0]}: 00000002.dcm is not what its MD5 sum says; start again later",
    )
    nbia.served(CTS[0]).content = packed(
        images(4, 0), {**sums, "00000002.dcm": ""}
    )  # the server knows not every sum
    assert fetch(nbia, tmp_path)[CTS[0]][0] == "done"


def test_a_zip_with_a_path_outside_itself_is_refused_at_once(nbia: Nbia, tmp_path: Path) -> None:
    nbia.served(CTS[0]).content = packed({**images(4, 0), "../../evil.dcm": b"x"})
    folder = tmp_path / "deep" / "down"
    state, error = fetch(nbia, folder)[CTS[0]]
    assert state == "failed"
    assert "leads out of the archive" in error
    assert listing(folder) == CTS[1:]
    assert not list(tmp_path.rglob("evil*"))
    assert sum(name == nbia.name(CTS[0]) for name, _ in nbia.web.asked) == 1


def test_a_full_disk_ends_it_and_what_is_done_stays(
    nbia: Nbia, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)

    def room(folder: Path) -> object:
        left = 10**9 if not (tmp_path / CTS[0]).exists() else 30_000
        return usage._replace(free=space.RESERVE_BYTES + left)

    monkeypatch.setattr(space.shutil, "disk_usage", room)
    wanted = list_series(nbia.source)
    ended = list(fetch_all(wanted, nbia.source, tmp_path, pause=lambda _: None))
    assert [(one.state, one.code) for one in ended] == [("done", ""), ("failed", Code.NO_SPACE)]
    assert "are needed to download" in ended[1].error
    assert listing(tmp_path) == [CTS[0]]


def test_a_folder_that_another_program_left_unfinished_is_named(nbia: Nbia, tmp_path: Path) -> None:
    (tmp_path / CTS[0]).mkdir()
    (tmp_path / CTS[0] / "1-001.dcm").write_bytes(dicom(1))
    state, error = fetch(nbia, tmp_path)[CTS[0]]
    assert state == "failed"
    assert "1 DICOM files, but the server has 4" in error
    assert "delete the folder" in error


def test_a_killed_run_leaves_nothing_in_the_way(nbia: Nbia, tmp_path: Path) -> None:
    (tmp_path / f".{CTS[0]}.zip").write_bytes(b"half")
    (tmp_path / f".{CTS[0]}.partial").mkdir()
    (tmp_path / f".{CTS[0]}.partial" / "00000001.dcm").write_bytes(b"half")
    assert fetch(nbia, tmp_path)[CTS[0]][0] == "done"
    assert listing(tmp_path) == CTS


def test_a_server_out_of_reach_is_given_up(nbia: Nbia, tmp_path: Path) -> None:
    wanted = [
        Series(f"{ROOT}.5.{number}", f"{ROOT}.9.00001", "PETCT_zz", "CT", 1, 10, "") for number in range(9)
    ]
    ended = list(fetch_all(wanted, nbia.source, tmp_path, pause=lambda _: None))
    assert [one.code for one in ended] == [Code.NO_NETWORK] * 3  # 404 each; nine would say no more
