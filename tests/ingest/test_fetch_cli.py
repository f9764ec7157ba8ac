"""`dapatlas fetch`, against servers on this machine."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from stand_in_nbia import ROOT, Nbia
from stand_in_server import Served, Web, stand_in
from typer.testing import CliRunner, Result

from dapatlas.cli.fetch import fetch
from dapatlas.errors import DapatlasError
from dapatlas.ingest import space
from dapatlas.ingest.fault import IngestError
from dapatlas.ingest.fetch.web import DownloadError
from dapatlas.ingest.space import NoSpaceError

module = sys.modules[fetch.__module__]  # the package has the command itself under that name
MASKS = b"PK" + bytes(range(256)) * 1000

app = typer.Typer()
app.command()(fetch)


def run(*arguments: object, given: str = "") -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], input=given, env={"COLUMNS": "200"})


def test_all_parts_are_listed_and_told_without_a_network() -> None:
    listed = run()
    assert listed.exit_code == 0
    for word in (
        "masks",
        "weights",
        "autopet-nifti",
        "Apache-2.0",
        "1.6 GB",
        "by hand",
        "cancerimagingarchive.net",
    ):
        assert word in listed.output
    told = run("ct")
    assert told.exit_code == 0
    assert "doi:10.7937/gkr0-xv29" in told.output
    assert "defaced" in told.output
    assert {part["name"] for part in json.loads(run("--json").output)["parts"]} >= {"masks", "ct"}
    assert json.loads(run("masks", "--json").output)["files"][0]["checksum_from"]


def test_the_help_has_examples() -> None:
    text = run("--help").output
    assert "dapatlas fetch ct dicom/ --subject 0011f3deaf" in text
    assert "--accept-licence" in text


@pytest.fixture
def web() -> Iterator[Web]:
    with stand_in() as server:
        server.files["/masks.zip"] = Served(MASKS)
        yield server


@pytest.fixture
def mirrors(web: Web, tmp_path: Path) -> Path:
    """A table of sources that are all on this machine."""
    common = 'holds = "all"\nsize = "1 GB"\nlicence = "CC BY 4.0"\nlicence_url = "https://example.org/l"\nlicence_from = "us"\npage = "https://example.org/"\ncitation = "us 2025"\n'
    digest = hashlib.sha256(MASKS).hexdigest()
    path = tmp_path / "mirrors.toml"
    path.write_text(
        f'[[parts]]\nname = "masks"\ntitle = "Masks"\n{common}next = "dapatlas ingest masks {{dest}} DATASET"\n'
        f'[[parts.files]]\nname = "masks.zip"\nurl = "{web.url("/masks.zip")}"\nfound_in = "here"\nsha256 = "{digest}"\n'
        f'[[parts]]\nname = "weights"\ntitle = "Weights"\nby_hand = ["open the page"]\n{common}'
        f'[[parts]]\nname = "nifti"\ntitle = "NIfTI"\n{common}[parts.record]\napi = "{web.url("/record")}"\nfound_in = "here"\n'
        f'[[parts]]\nname = "ct"\ntitle = "CTs"\n{common}'
        f'[parts.nbia]\napi = "{web.url("/services/v4")}"\nfound_in = "here"\ncollection = "FDG-PET-CT-Lesions"\n'
    )
    return path


def test_a_file_is_fetched_once_the_licence_is_accepted(mirrors: Path, tmp_path: Path, web: Web) -> None:
    done = run("masks", tmp_path / "got", "--sources", mirrors, "--accept-licence")
    assert done.exit_code == 0
    assert "licence CC BY 4.0 (https://example.org/l)" in done.output
    assert f"next: dapatlas ingest masks {tmp_path / 'got' / 'masks.zip'} DATASET" in done.output
    assert (tmp_path / "got" / "masks.zip").read_bytes() == MASKS
    again = run("masks", tmp_path / "got", "--sources", mirrors, "--accept-licence", "--json")
    assert json.loads(again.stdout)["state"] == "fetched"
    assert len(web.asked) == 1


def test_nothing_is_asked_for_before_the_licence_is_accepted(mirrors: Path, tmp_path: Path, web: Web) -> None:
    for options in ((), ("--quiet",), ("--json",)):
        refused = run("masks", tmp_path / "got", "--sources", mirrors, *options)
        assert isinstance(refused.exception, IngestError)
        assert "not accepted: CC BY 4.0 (https://example.org/l); read it, then give --accept-licence" in str(
            refused.exception
        )
    assert web.asked == []
    assert not (tmp_path / "got").exists()


def test_a_person_at_a_terminal_is_asked(
    mirrors: Path, tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_at_terminal", lambda: True)
    assert run("masks", tmp_path / "got", "--sources", mirrors, given="n\n").exit_code == 1
    assert web.asked == []
    assert run("masks", tmp_path / "got", "--sources", mirrors, given="y\n").exit_code == 0
    assert (tmp_path / "got" / "masks.zip").is_file()


def test_a_licence_that_the_server_states_otherwise_is_asked_for_too(
    mirrors: Path, tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {
        "size": len(MASKS),
        "checksum": f"md5:{hashlib.md5(MASKS).hexdigest()}",
        "links": {"content": web.url("/masks.zip")},
    }
    rights = [{"id": "x", "title": {"en": "Another License"}}]
    web.files["/record"] = Served(
        json.dumps({"files": {"entries": {"ct.zip": entry}}, "metadata": {"rights": rights}}).encode()
    )
    monkeypatch.setattr(module, "_at_terminal", lambda: True)
    refused = run("nifti", tmp_path, "--sources", mirrors, given="y\nn\n")
    assert refused.exit_code == 1
    assert "Another License (by what the server says)" in refused.output
    assert not (tmp_path / "ct.zip").exists()
    assert run("nifti", tmp_path, "--sources", mirrors, "--accept-licence").exit_code == 0
    assert (tmp_path / "ct.zip").read_bytes() == MASKS


def test_what_no_program_can_fetch_is_explained(mirrors: Path, tmp_path: Path) -> None:
    refused = run("weights", tmp_path, "--sources", mirrors)
    assert isinstance(refused.exception, DownloadError)
    assert "by hand from https://example.org/: open the page" in str(refused.exception)


@pytest.fixture
def nbia(web: Web) -> Nbia:
    return Nbia(web)


def uids(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_collection_is_fetched_by_subject_and_modality(mirrors: Path, tmp_path: Path, nbia: Nbia) -> None:
    dry = run(
        "ct",
        tmp_path / "dicom",
        "--sources",
        mirrors,
        "--subject",
        "bb22",
        "--modality",
        "ct",
        "--modality",
        "PT",
        "--dry-run",
        "--json",
    )
    assert dry.exit_code == 0, dry.output
    plan = json.loads(dry.stdout)
    assert [(series["modality"], series["case"]) for series in plan["series"]] == [
        ("CT", "AutoPET_bb22_33002"),
        ("PT", "AutoPET_bb22_33002"),
    ]
    assert plan["bytes"] == 2 * 4 * 5132
    assert not (tmp_path / "dicom").exists()
    done = run("ct", tmp_path / "dicom", "--sources", mirrors, "--subject", "bb22", "--accept-licence")
    assert done.exit_code == 0, done.output
    assert uids(tmp_path / "dicom") == [f"{ROOT}.2.0"]
    assert "1 series fetched" in done.output


def test_only_the_studies_of_the_masks_are_fetched(mirrors: Path, tmp_path: Path, nbia: Nbia) -> None:
    with zipfile.ZipFile(tmp_path / "masks.zip", "w") as archive:
        archive.writestr("Atlas_final_dataset_V1_533/AutoPET_aa11_77001.nii.gz", b"x")
        archive.writestr("Atlas_final_dataset_V1_533/AutoPET_ffff_00001.nii.gz", b"x")
    done = run(
        "ct",
        tmp_path / "dicom",
        "--sources",
        mirrors,
        "--masks",
        tmp_path / "masks.zip",
        "--accept-licence",
        "--json",
    )
    assert done.exit_code == 0, done.output
    assert uids(tmp_path / "dicom") == [f"{ROOT}.1.0"]


def test_a_series_that_fails_is_exit_code_1_and_named(mirrors: Path, tmp_path: Path, nbia: Nbia) -> None:
    nbia.web.files.pop(nbia.name(f"{ROOT}.1.0"))
    done = run("ct", tmp_path / "dicom", "--sources", mirrors, "--accept-licence")
    assert done.exit_code == 1
    assert "2 series fetched" in done.output
    assert "no-network: AutoPET_aa11_77001: " in done.output
    assert uids(tmp_path / "dicom") == [f"{ROOT}.0.0", f"{ROOT}.2.0"]


def test_room_for_all_of_it_is_looked_for_first(
    mirrors: Path, tmp_path: Path, nbia: Nbia, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        space.shutil, "disk_usage", lambda _: usage._replace(free=space.RESERVE_BYTES + 50_000)
    )
    refused = run("ct", tmp_path / "dicom", "--sources", mirrors, "--accept-licence")
    assert isinstance(refused.exception, NoSpaceError)
    assert "needed to fetch 3 series" in str(refused.exception)
    assert len(nbia.web.asked) == 1


def test_options_that_do_not_go_together_are_refused(mirrors: Path, tmp_path: Path) -> None:
    refused = run("masks", tmp_path, "--sources", mirrors, "--subject", "x")
    assert refused.exit_code == 2
    assert "comes as a whole" in refused.output
    assert isinstance(run("maks", tmp_path, "--sources", mirrors).exception, DapatlasError)


def test_without_a_server_the_message_says_what_to_do(
    mirrors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def offline(*_: object, **__: object) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "create_connection", offline)
    refused = run("ct", tmp_path, "--sources", mirrors, "--accept-licence")
    assert isinstance(refused.exception, DownloadError)
    said = str(refused.exception)
    assert "cannot be found (Temporary failure in name resolution): is this machine on the network" in said
    assert said.endswith("By hand, from https://example.org/: see there")
    refused = run("masks", tmp_path / "got", "--sources", mirrors, "--accept-licence")
    assert "By hand, from https://example.org/" in str(refused.exception)
    assert not (tmp_path / "got").exists()
